"""Pixels that a model of the star cannot mean: cosmic rays, sky residuals, emission."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LIMIT = 4.0


def without_outliers(flux: Array, ivar: Array, model: Array, scatter: Array, limit: float = LIMIT) -> Array:
    """Set ivar to 0 where a spectrum is too far from its model: (N, P).

    Too far is `limit` times the robust width (1.48 MAD) of the spectrum's own residuals, in units of
    noise and scatter, so that a spectrum that fits badly all over does not lose most of its pixels.

    Parameters
    ----------
    flux, ivar, model : (N, P) float64
        A model of NaN clips nothing.
    scatter : (P,) float64
    """
    used = ivar > 0
    error = np.sqrt(1.0 / np.where(used, ivar, 1.0) + scatter**2)
    pull = np.abs(np.where(used, flux - model, 0.0) / error)
    clipped: Array = ivar.copy()
    for i in np.flatnonzero(used.any(axis=1) & np.isfinite(pull).all(axis=1)):
        width = 1.4826 * np.median(pull[i, used[i]])
        clipped[i, pull[i] > limit * max(width, 1.0)] = 0.0
    return clipped
