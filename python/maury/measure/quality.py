"""Quality flags of a row of the catalogue (Imig et al. 2021, sec. 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

import maury._core as _core
from maury.emulator.distance import training_distance

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator
    from maury.measure.fit import FitResult
    from maury.spectra import Spectra


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
        Whether there are emission lines, by the core: `cpp/src/emission.hpp`.
    misfit : (N,) bool
        Whether the residual is smooth and large: `cpp/src/misfit.hpp`.
    unexplained : (N,)
        Part of the features that the fit does not explain: `cpp/src/misfit.hpp`.
    rejected : int
        Bits of `Spectra.quality` that the survey rejects.

    Returns
    -------
    (N,) int32
    """
    n_labels, n_pixels = len(emulator.labels), np.asarray(result.n_pixels)
    labels = np.ascontiguousarray(result.labels, dtype=np.float64)
    nothing = np.full(len(n_pixels), np.nan)
    rv, rv_err = (nothing if v is None else v for v in (result.rv, result.rv_err))
    fields = {
        "converged": result.converged,
        "at_bound": np.asarray(result.at_bound).any(axis=1),
        "n_pixels": n_pixels,
        "n_clipped": result.n_clipped,
        "n_starts": result.n_starts,
        "n_agree": result.n_agree,
        "rchi2": reduced(result.chi2, n_pixels, n_labels),
        "rchi2_noise": reduced(result.chi2_noise, n_pixels, n_labels),
        "rv": rv,
        "rv_err": rv_err,
        "snr": spectra.snr,
        "spectrum_rv": spectra.rv,
        "training_distance": training_distance(labels, emulator),
        "bad_fraction": bad_fraction(spectra, emulator),
        "resolution_unknown": resolution_unknown(spectra),
        "sharper": sharper,
        "emission": emission,
        "misfit": misfit,
        "unexplained": unexplained,
        "rejected": (spectra.quality & rejected) != 0,
        "unreadable": np.asarray(spectra.problem) != "",
    }
    by_row = {name: np.broadcast_to(np.asarray(v, dtype=float), len(labels)) for name, v in fields.items()}
    return _core.flags(
        emulator.labels, emulator.training_range, len(emulator.wavelength), max_rv, labels, **by_row
    )


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
