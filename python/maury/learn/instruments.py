"""The instruments of a training set: what the spectra of an emulator look like through each of them.

The emulator has one line-spread function, that of its own instrument where it has data. A star that was
observed at lower resolution sees the flux of the emulator through a broadening A, a matrix (P, P); a star of
higher resolution is broadened to that of the emulator beforehand. Stars whose line-spread functions are
nearly the same share a matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from maury.prepare import pixel_edges
from maury.reference.broaden import broadening

Array = NDArray[np.float64]

#: Fraction of the spectra of a source that have a pixel, for it to be known from this source.
COVERED = 0.5
# Fraction of the stars at a pixel that are at least as sharp as the emulator there.
_SHARP = 0.05
# Line-spread functions are the same if their variances differ by less than this fraction, in the mean over
# stretches of the grid; the fraction is doubled until there are few enough.
_SAME = 0.02
_STRETCHES = 40
_MOST = 48
# Pixels whose broadened flux has more than this fraction from bad pixels are bad.
_MAX_BAD_FRACTION = 0.01


@dataclass(frozen=True)
class Instruments:
    """Which broadening each of N stars sees the emulator through.

    Attributes
    ----------
    group : (N,) int
        Index into `operators`.
    operators : tuple of (P, P) sparse float32, or None
        None = the line-spread function of the emulator.
    """

    group: NDArray[np.intp]
    operators: tuple[csr_array | None, ...]

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Instruments:
        return Instruments(self.group[rows], self.operators)

    def see(self, flux: Array) -> Array:
        """Return the spectra (N, P) of an emulator, each through the instrument of its star."""
        seen: Array = flux.copy()
        for k, operator in enumerate(self.operators):
            if operator is not None:
                seen[self.group == k] = (operator @ flux[self.group == k].T).T
        return seen


def same_instrument(n: int) -> Instruments:
    """Return the instruments of n stars that have the line-spread function of the emulator."""
    return Instruments(np.zeros(n, dtype=np.intp), (None,))


def sharpest(lsf: Array, ivar: Array, own: NDArray[np.bool_]) -> Array | None:
    """Return the line-spread function (P,) of an emulator for stars with `lsf` and `ivar` (N, P).

    At every pixel that of the sharpest, one in twenty, of the stars `own` (N,), or of all stars where most of
    those have no data, so that the emulator is no sharper than its own instrument: finer details would be
    hardly known, and noise. Where no star has a line-spread function and data, that of the nearest pixel.
    None if there is no such pixel at all.
    """
    known = np.where((ivar > 0) & np.isfinite(lsf), lsf, np.nan)
    seen = np.isfinite(known[own]).mean(axis=0) >= COVERED
    known[np.ix_(~own, seen)] = np.nan
    some = np.asarray(np.isfinite(known).any(axis=0))
    if not some.any():
        return None
    ordered = np.sort(known[:, some], axis=0)  # NaN last
    rank = np.ceil(_SHARP * (np.isfinite(ordered).sum(axis=0) - 1)).astype(int)
    sigma = np.take_along_axis(ordered, rank[None, :], axis=0)[0]
    curve: Array = np.interp(np.arange(len(some)), np.flatnonzero(some), sigma)
    return curve


def variances(wide: Array, sharp: Array, wavelength: Array) -> Array:
    """Variance, in squared pixels, that is missing from `sharp` to `wide` (Gaussian sigma, Angstrom)."""
    width = np.diff(pixel_edges(wavelength))
    missing = np.nan_to_num(np.maximum(wide**2 - sharp**2, 0.0)) / width**2
    return np.asarray(missing)


def instruments_of(lsf: Array, emulator_lsf: Array, wavelength: Array) -> Instruments:
    """Group stars with line-spread functions (N, P) by the broadening of the emulator that each sees."""
    variance = variances(lsf, emulator_lsf, wavelength)
    own = variances(emulator_lsf, np.zeros_like(emulator_lsf), wavelength)
    parts = np.array_split(np.arange(len(wavelength)), _STRETCHES)
    ratio = np.column_stack([(variance[:, p] / own[p]).mean(axis=1) for p in parts])
    tolerance = _SAME
    while True:
        leaders = np.zeros((1, ratio.shape[1]))  # the first group has the resolution of the emulator
        group = np.zeros(len(ratio), dtype=np.intp)
        for i, mine in enumerate(ratio):
            near = np.abs(leaders - mine).mean(axis=1)
            group[i] = int(near.argmin())
            if near.min() > tolerance:
                group[i] = len(leaders)
                leaders = np.vstack([leaders, mine])
        if len(leaders) <= _MOST:
            break
        tolerance *= 2
    used, group = np.unique(group, return_inverse=True)
    operators = tuple(
        None if leader == 0 else broadening(np.median(variance[group == k], axis=0)).astype(np.float32)
        for k, leader in enumerate(used)
    )
    return Instruments(group, operators)


def broadened(flux: Array, ivar: Array, variance: Array) -> tuple[Array, Array]:
    """Broaden one spectrum and its noise, flux and ivar (P,), by `variance` (P,) in squared pixels."""
    operator = broadening(variance)
    bad = ivar <= 0
    noise = operator.power(2) @ np.where(bad, 0.0, 1.0 / np.where(bad, 1.0, ivar))
    lost = bad | (abs(operator) @ bad.astype(float) > _MAX_BAD_FRACTION)
    wide = operator @ np.where(bad, 1.0, flux)
    return np.where(lost, 1.0, wide), np.where(lost, 0.0, 1.0 / np.where(lost, 1.0, noise))
