"""Where a fit may start: labels spread over what the emulator was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maury.labels import transformed, untransformed

if TYPE_CHECKING:
    from maury.emulator import Emulator

_N_CANDIDATES = 256


def candidate_labels(emulator: Emulator, bounds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Labels to search for the start of a fit.

    The training labels inside the bounds, thinned evenly along the list sorted by the first label;
    where the emulator carries too few, a Sobol sequence fills the box of the bounds.

    Parameters
    ----------
    emulator : Emulator
    bounds : (L, 2) float64
        Lower and upper bound of every label, physical units.

    Returns
    -------
    (M, L) float64
        The same for every call with the same arguments.
    """
    lower, upper = bounds.T
    known = np.asarray(emulator.training_labels, dtype=np.float64).reshape(-1, len(lower))
    known = known[np.isfinite(known).all(axis=1)]
    known = known[((known >= lower) & (known <= upper)).all(axis=1)]
    if len(known) >= _N_CANDIDATES // 4:
        known = known[np.lexsort(known.T[::-1])]
        keep = np.linspace(0, len(known) - 1, min(len(known), _N_CANDIDATES)).round().astype(int)
        return np.ascontiguousarray(known[np.unique(keep)])
    from scipy.stats import qmc

    points = qmc.Sobol(len(lower), seed=0).random(_N_CANDIDATES)
    # Even in the variable the network sees: a decade of Teff counts alike everywhere.
    low, high = transformed(lower, emulator.transforms), transformed(upper, emulator.transforms)
    values = untransformed(low + points * (high - low), emulator.transforms)
    return np.vstack([known, np.clip(values, lower, upper)])
