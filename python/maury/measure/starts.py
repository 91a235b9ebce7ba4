"""Candidate starts of a fit: labels spread over the training set of the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import maury._core as _core

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator

#: Measured: more candidates find no other minimum.
N_CANDIDATES: int = _core.N_CANDIDATES


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
    known = np.asarray(emulator.training_labels, dtype=np.float64).reshape(-1, len(bounds))
    return _core.candidate_labels(np.ascontiguousarray(known), emulator.transforms, *bounds.T)
