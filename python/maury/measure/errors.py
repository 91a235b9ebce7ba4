"""From a covariance to the error that is reported."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def formal_errors(covariance: ArrayLike) -> Array:
    """Square roots of the diagonals of (N, L, L): (N, L), NaN where a variance is NaN or negative."""
    variance = np.diagonal(np.asarray(covariance, dtype=float), axis1=-2, axis2=-1)
    return np.sqrt(np.where(variance >= 0, variance, np.nan))


def scaled_errors(formal: ArrayLike, rchi2: ArrayLike) -> Array:
    """Formal errors (N, L) times sqrt(max(1, rchi2)) (N,): a fit worse than its noise has larger errors."""
    factor: Array = np.sqrt(np.fmax(1.0, np.asarray(rchi2, dtype=float)))
    return np.asarray(formal, dtype=float) * factor[:, None]
