"""Accuracy of the emulated flux for spectra with known labels (Imig et al. 2021, fig. 5)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from maury.labels import TEFF_BINS

Array = NDArray[np.float64]
Counts = NDArray[np.int64]

_STEP, _MOST = 2e-4, 0.5  # of errors, normalised flux
ERROR_EDGES = np.linspace(-_MOST, _MOST, round(2 * _MOST / _STEP) + 1)
FLUX_EDGES = np.linspace(0.0, 1.6, 161)


@dataclass(frozen=True)
class FluxErrors:
    """Errors f_emulator - f of all pixels, counted in bins of Teff.

    Attributes
    ----------
    spectra : (B,) int
        Spectra in each bin of `TEFF_BINS`.
    errors : (B, E) int
        Number of pixels with an error between two of `ERROR_EDGES`; larger errors are in the first and last.
    joint : (B, F, F) int
        Number of pixels by true and emulated flux, between `FLUX_EDGES`.
    """

    spectra: Counts
    errors: Counts
    joint: Counts

    def __add__(self, other: FluxErrors) -> FluxErrors:
        """Sum of both counts, as for the parts of a cross-validation."""
        return FluxErrors(self.spectra + other.spectra, self.errors + other.errors, self.joint + other.joint)

    def cumulative(self) -> tuple[Array, Array]:
        """Absolute errors (E/2,), and the fraction (B, E/2) of the pixels of each bin within them."""
        half = self.errors.shape[1] // 2
        folded = self.errors[:, half:] + self.errors[:, half - 1 :: -1]
        total = folded.sum(axis=1, keepdims=True)
        part = np.cumsum(folded, axis=1) / np.maximum(total, 1)
        part[total[:, 0] == 0] = np.nan
        return ERROR_EDGES[half + 1 :], part

    def within(self, part: float) -> Array:
        """Absolute error (B,) not exceeded by this fraction of the pixels of each bin; NaN if none."""
        size, cumulated = self.cumulative()
        empty = np.isnan(cumulated).any(axis=1)
        first = np.argmax(np.nan_to_num(cumulated, nan=1.0) >= part, axis=1)
        return np.where(empty, np.nan, size[first])


def flux_errors(true: Array, ivar: Array, emulated: Array, teff: Array) -> FluxErrors:
    """Count the errors of spectra.

    Parameters
    ----------
    true, ivar, emulated : (N, P)
        Normalised flux, its inverse variance (0 = missing), and the flux of the emulator for the known
        labels.
    teff : (N,)
        Known [K]; spectra outside `TEFF_BINS` are in the first or last bin.
    """
    n_bins = len(TEFF_BINS) - 1
    place = np.clip(np.searchsorted(TEFF_BINS, teff, side="right") - 1, 0, n_bins - 1)
    n_errors, n_flux = len(ERROR_EDGES) - 1, len(FLUX_EDGES) - 1
    errors = np.zeros((n_bins, n_errors), dtype=np.int64)
    joint = np.zeros((n_bins, n_flux, n_flux), dtype=np.int64)
    for f, w, g, b in zip(true, ivar, emulated, place, strict=True):
        good = w > 0
        size = np.clip(g[good] - f[good], -_MOST, _MOST * (1 - 1e-12))
        errors[b] += np.bincount(((size + _MOST) / _STEP).astype(np.int64), minlength=n_errors)[:n_errors]
        joint[b] += np.histogram2d(f[good], g[good], bins=(FLUX_EDGES, FLUX_EDGES))[0].astype(np.int64)
    return FluxErrors(np.bincount(place, minlength=n_bins), errors, joint)
