"""Quality flags of a row of the catalogue (Imig et al. 2021, sec. 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.caution import in_caution
from maury.catalog.flags import (
    EXTRAPOLATED,
    MAX_BAD_FRACTION,
    MAX_OUTLIERS,
    MAX_RCHI2,
    MAX_RCHI2_NOISE,
    MAX_UNEXPLAINED,
    MAX_UNEXPLAINED_AND,
    MIN_AGREEMENT,
    MIN_PIXEL_FRACTION,
    MIN_SNR,
    Flag,
)
from maury.emulator.distance import training_distance
from maury.spectra import SPEED_OF_LIGHT

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator
    from maury.measure.fit import FitResult
    from maury.spectra import Spectra


_LIMIT = 0.999


def set_flags(
    result: FitResult,
    spectra: Spectra,
    emulator: Emulator,
    sharper: NDArray[np.bool_] | bool = False,
    max_rv: float = np.inf,
    emission: NDArray[np.bool_] | bool = False,
    misfit: NDArray[np.bool_] | bool = False,
    unexplained: ArrayLike = 0.0,
    rejected: int = 0,
) -> NDArray[np.int32]:
    """Set the bits of `Flag` for N fitted spectra.

    A spectrum that could not be read gets only ``UNREADABLE`` and ``NOT_CONVERGED``, since the others would
    follow from these.

    Parameters
    ----------
    result : FitResult
        The fit of the N spectra.
    spectra : Spectra
        The N spectra as read.
    emulator : Emulator
        The fitted emulator.
    sharper : (N,) bool
        Whether the resolution of a spectrum is higher than that of the emulator.
    max_rv : float
        Limit of the velocity search [km/s].
    emission : (N,) bool
        From `maury.measure.emission.shows_emission`.
    misfit : (N,) bool
        From `maury.measure.misfit.is_misfit`.
    unexplained : (N,)
        From `maury.measure.misfit.unexplained_part`.
    rejected : int
        Bits of `Spectra.quality` that the survey rejects.

    Returns
    -------
    (N,) int32
    """
    n_pixels = np.asarray(result.n_pixels)
    nothing = np.full(len(n_pixels), np.nan)
    rv, rv_err = (nothing if v is None else v for v in (result.rv, result.rv_err))
    fitted = np.isfinite(rv_err)
    n_labels, n_clipped = len(emulator.labels), np.asarray(result.n_clipped)
    n_agree = np.asarray(result.n_agree)
    conditions = {
        Flag.NOT_CONVERGED: ~np.asarray(result.converged, dtype=bool),
        Flag.AT_BOUND: np.asarray(result.at_bound, dtype=bool).any(axis=1),
        Flag.OUTSIDE_TRAINING: outside_training(result.labels, emulator),
        Flag.TOO_FEW_PIXELS: n_pixels < MIN_PIXEL_FRACTION * len(emulator.wavelength),
        Flag.BAD_CHI2: reduced(result.chi2_noise, n_pixels, n_labels) > MAX_RCHI2_NOISE,
        Flag.HIGH_RCHI2: reduced(result.chi2, n_pixels, n_labels) > MAX_RCHI2,
        Flag.BAD_PIXELS: bad_fraction(spectra, emulator) > MAX_BAD_FRACTION,
        Flag.OUTLIERS: n_clipped > MAX_OUTLIERS * (n_pixels + n_clipped),
        Flag.STARTS_DISAGREE: n_agree < MIN_AGREEMENT * np.asarray(result.n_starts),
        Flag.EMISSION: np.broadcast_to(emission, n_pixels.shape),
        Flag.MISFIT: np.broadcast_to(misfit, n_pixels.shape),
        Flag.LOW_SNR: np.asarray(spectra.snr) < MIN_SNR,
        Flag.RV_UNKNOWN: np.isnan(spectra.rv) & ~fitted,
        # Shifts have the same limit to the blue and to the red; in velocity the blue limit is smaller.
        Flag.RV_AT_LIMIT: fitted
        & (np.abs(np.log1p(rv / SPEED_OF_LIGHT)) >= _LIMIT * np.log1p(max_rv / SPEED_OF_LIGHT)),
        Flag.SHARPER: np.broadcast_to(sharper, n_pixels.shape),
        Flag.RESOLUTION_UNKNOWN: resolution_unknown(spectra),
        Flag.REJECTED: (spectra.quality & rejected) != 0,
    }
    conditions |= {Flag[name]: here for name, here in in_caution(result.labels, emulator.labels).items()}
    flags = np.zeros(len(n_pixels), dtype=np.int32)
    for bit, condition in conditions.items():
        flags[condition] |= bit
    extrapolated, emits = (flags & EXTRAPOLATED) != 0, (flags & Flag.EMISSION) != 0
    most = np.where(extrapolated | emits, MAX_UNEXPLAINED_AND, MAX_UNEXPLAINED)
    flags[(np.asarray(unexplained) > most) | (extrapolated & emits)] |= Flag.UNLIKE_STARS
    flags[np.asarray(spectra.problem) != ""] = Flag.UNREADABLE | Flag.NOT_CONVERGED
    return flags


def reduced(chi2: ArrayLike, n_pixels: ArrayLike, n_labels: int) -> NDArray[np.float64]:
    """Chi2 divided by the degrees of freedom, ``n_pixels - n_labels``; NaN if there are none."""
    freedom = np.asarray(n_pixels, dtype=float) - n_labels
    return np.asarray(chi2, dtype=float) / np.where(freedom > 0, freedom, np.nan)


def bad_fraction(spectra: Spectra, emulator: Emulator) -> NDArray[np.float64]:
    """Fraction (N,) of a spectrum's pixels in the emulator's range that are masked; 0 if there are none."""
    with np.errstate(invalid="ignore"):
        inside = (spectra.wavelength >= emulator.wavelength[0]) & (
            spectra.wavelength <= emulator.wavelength[-1]
        )
    inside = np.broadcast_to(inside, spectra.mask.shape)
    bad: NDArray[np.float64] = (spectra.mask & inside).sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
    return bad


def resolution_unknown(spectra: Spectra) -> NDArray[np.bool_]:
    """Whether spectra (N,) have no line-spread function or resolution matrix at any pixel in use.

    False for a spectrum without a pixel in use.
    """
    used = ~spectra.mask
    known = np.zeros(used.shape, dtype=bool)
    if spectra.lsf is not None:
        known |= np.isfinite(spectra.lsf)
    if spectra.resolution is not None:
        known |= np.isfinite(spectra.resolution).all(axis=2)
    return np.asarray(used.any(axis=1) & ~(used & known).any(axis=1))


def outside_training(labels: ArrayLike, emulator: Emulator) -> NDArray[np.bool_]:
    """Whether labels (N, L) are outside the training set; False for NaN labels.

    True outside the range of a label in the training set and, if the emulator has its training labels,
    also in unpopulated regions within that range: `training_distance` above 1.
    """
    labels = np.asarray(labels, dtype=float)
    low, high = np.asarray(emulator.training_range, dtype=float).T
    outside: NDArray[np.bool_] = ((labels < low) | (labels > high)).any(axis=1)
    return outside | (training_distance(labels, emulator) > 1)
