"""Candidate starts of a fit: labels spread over the training set of the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maury.labels import spread_labels

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator

#: Measured: more candidates find no other minimum.
N_CANDIDATES = 2048


def candidate_labels(emulator: Emulator, bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Labels to search for the start of a fit.

    The training labels inside the bounds, and labels that fill the bounds evenly.

    Parameters
    ----------
    emulator : Emulator
    bounds : (L, 2) float64
        Lower and upper bound of every label, physical units.

    Returns
    -------
    (M, L) float64
        `N_CANDIDATES` rows, the same for all calls with the same arguments.
    """
    lower, upper = bounds.T
    known = np.asarray(emulator.training_labels, dtype=np.float64).reshape(-1, len(lower))
    known = np.where(lower == upper, lower, known)  # fixed labels
    known = known[((known >= lower) & (known <= upper)).all(axis=1)]
    most_known = N_CANDIDATES // 2
    if len(known) > most_known:  # evenly along the list sorted by the first label
        known = known[np.lexsort(known.T[::-1])]
        known = known[np.linspace(0, len(known) - 1, most_known).round().astype(int)]
    return np.vstack([known, spread_labels(bounds, emulator.transforms, N_CANDIDATES - len(known))])
