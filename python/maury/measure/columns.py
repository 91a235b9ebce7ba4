"""The columns of a catalogue for N fitted spectra, as plain arrays by name, fast to store and to join.

`maury.catalog.table.catalog_table` adds units, descriptions and the header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.columns import Columns
from maury.catalog.errors import formal_errors, scaled_errors, total_covariance
from maury.catalog.flags import is_valid
from maury.emulator.distance import training_distance
from maury.measure.fit import Status
from maury.measure.quality import reduced, set_flags

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator
    from maury.measure.fit import FitResult
    from maury.spectra import Spectra


_NAMES, _ORIGIN = ("star_id", "visit_id"), ("file", "format", "ra", "dec")
_OPTIONAL = (
    "chi2_prior",
    "fitted_labels",
    "arm_rv",
    "broadening",
    "broadening_err",
)  # if they were fitted, or given


def catalog_columns(
    result: FitResult,
    spectra: Spectra,
    emulator: Emulator,
    max_rv: float = np.inf,
    sharper: NDArray[np.bool_] | bool = False,
    emission: NDArray[np.bool_] | bool = False,
    misfit: NDArray[np.bool_] | bool = False,
    unexplained: ArrayLike = 0.0,
    rejected: int = 0,
) -> Columns:
    """Return the columns of N fitted spectra in the order of the catalogue, (N, ...) each.

    Parameters
    ----------
    result : FitResult
        The fit of the N spectra, in their order.
    spectra : Spectra
        As read. Its `snr`, `rv` and `problem` go into columns and flags.
    emulator : Emulator
        The fitted emulator.
    max_rv : float
        Limit of the velocity search [km/s].
    sharper : (N,) bool
        Whether the resolution of a spectrum is higher than that of the emulator.
    emission : (N,) bool
        Whether emission lines were found, by the core: `cpp/src/emission.hpp`.
    misfit : (N,) bool
        Whether the fit differs from the spectrum over many pixels: `cpp/src/misfit.hpp`.
    unexplained : (N,)
        Part of the features that the fit does not explain: `cpp/src/misfit.hpp`.
    rejected : int
        Bits of `Spectra.quality` that the survey rejects.
    """
    n_labels = len(emulator.labels)
    n_pixels = np.asarray(result.n_pixels)
    flags = set_flags(result, spectra, emulator, sharper, max_rv, emission, misfit, unexplained, rejected)
    formal = formal_errors(result.noise_covariance)
    rchi2 = reduced(result.chi2, n_pixels, n_labels)
    noise = scaled_errors(formal, rchi2)
    model = np.where(formal == 0, 0.0, emulator.model_error(result.labels))  # a fixed label has no error
    known = emulator.error_on_unseen
    correlation = None if known is None else np.broadcast_to(known.correlation, result.covariance.shape)
    if result.model_covariance is not None and correlation is not None:
        left = formal_errors(result.model_covariance)  # by a prior
        with np.errstate(invalid="ignore", divide="ignore"):
            own = result.model_covariance / (left[:, :, None] * left[:, None, :])
        model = np.where(np.isfinite(left), left, model)
        correlation = np.where(np.isfinite(own), own, correlation)
    covariance = total_covariance(np.asarray(result.noise_covariance, dtype=float), noise, model, correlation)
    nothing = np.full(len(n_pixels), np.nan)
    rv, rv_err = (nothing if value is None else value for value in (result.rv, result.rv_err))

    columns: Columns = {name: np.asarray(getattr(spectra, name)) for name in _NAMES}
    for j, name in enumerate(emulator.labels):
        columns[name] = result.labels[:, j]
        columns[f"{name}_err"] = np.hypot(noise[:, j], np.nan_to_num(model[:, j]))
        columns[f"{name}_err_formal"] = formal[:, j]
        columns[f"{name}_err_model"] = model[:, j]
    columns |= {
        "chi2": result.chi2,
        "rchi2": rchi2,
        "rchi2_noise": reduced(result.chi2_noise, n_pixels, n_labels),
        "n_pixels": n_pixels.astype(np.int32),
        "n_clipped": np.asarray(result.n_clipped, dtype=np.int32),
        "snr": np.asarray(spectra.snr, dtype=float),
        "mjdqual": np.asarray(spectra.quality, dtype=np.int64),
        "rv": np.where(np.isfinite(rv_err), rv, spectra.rv),
        "rv_err": rv_err,
        "rv_err_formal": rv_err,
    }
    columns |= {name: v for name in _OPTIONAL if (v := getattr(result, name)) is not None}
    status = [Status(code).name.lower().replace("_", " ") for code in result.status]
    columns |= {
        "converged": np.asarray(result.converged, dtype=bool),
        "status": np.array(status, dtype=str),
        "flags": flags,
        "valid": is_valid(flags),
        "training_distance": training_distance(result.labels, emulator),
        "start": np.asarray(result.start, dtype=str),
        "n_starts": np.asarray(result.n_starts, dtype=np.int32),
        "n_agree": np.asarray(result.n_agree, dtype=np.int32),
        **{name: np.asarray(getattr(spectra, name)) for name in _ORIGIN},
        "problem": np.asarray(spectra.problem, dtype=str),
        "covariance": covariance,
        "covariance_formal": np.asarray(result.noise_covariance, dtype=float),
    }
    return columns
