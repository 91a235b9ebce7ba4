"""The best fit of a row of a catalogue, rebuilt from the spectrum and the row alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import maury._core as _core
from maury.catalog.columns import column_values, row_value
from maury.measure.fit import core_options, core_spectra
from maury.measure.lsf import with_lsf
from maury.measure.options import Options
from maury.measure.plan import fit_plan
from maury.spectra import SPEED_OF_LIGHT, Spectra

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator

Array = NDArray[np.float64]


@dataclass(frozen=True)
class BestFit:
    """One spectrum as it was fitted, on its own pixels.

    Attributes
    ----------
    wavelength : (P,) float64
        At rest [vacuum Angstrom].
    flux, ivar, model, scatter : (P,) float64
        Divided by the continuum; `ivar` 0 = took no part, or an outlier.
    continuum : (P,) float64
        In the unit of the flux of the spectrum; NaN where nothing tells it. Flux, ivar and model of the
        spectrum as observed are flux continuum, ivar / continuum^2 and model continuum.
    """

    wavelength: Array
    flux: Array
    ivar: Array
    model: Array
    scatter: Array
    continuum: Array


def best_fit(spectrum: Spectra, emulator: Emulator, row: Any) -> BestFit:
    """Rebuild the fit of a spectrum.

    Parameters
    ----------
    spectrum : Spectra
        Of length 1.
    emulator : Emulator
    row : astropy.table.Row
        Of the catalogue that `maury.fit` made; the options of the fit are those of its header.
    """
    if not np.isfinite(spectrum.wavelength).any():  # a file that could not be read
        nothing = np.full(len(emulator.wavelength), np.nan)
        return BestFit(
            emulator.wavelength, nothing, np.zeros_like(nothing), nothing, emulator.scatter, nothing
        )
    options = Options.of_catalog(row.meta)
    spectrum = with_lsf(spectrum, options)
    rv = np.array([_number(row, "rv", 0.0)])
    labels = np.array([[_number(row, name, np.nan) for name in emulator.labels]])
    shown = _core.show(
        fit_plan(emulator, options.box(emulator)),
        core_spectra(spectrum, emulator),
        core_options(options),
        labels,
        rv,
        _arm_rv(row),
        np.array([_number(row, "broadening", 0.0)]),
    )
    continuum = shown["continuum"][0]
    known = np.isfinite(continuum) & (continuum != 0)
    used = known & ~spectrum.mask[0] & (shown["weight"][0] > 0)
    divisor = np.where(known, continuum, 1.0)
    wavelength = np.atleast_2d(spectrum.wavelength)[0] / (1.0 + rv[0] / SPEED_OF_LIGHT)
    covered = slice(*_span(known))
    return BestFit(
        wavelength=wavelength[covered],
        flux=np.where(used, spectrum.flux[0] / divisor, 1.0)[covered],
        ivar=np.where(used, spectrum.ivar[0] * divisor**2, 0.0)[covered],
        model=np.where(known, shown["model"][0] / divisor, np.nan)[covered],
        scatter=np.interp(wavelength, emulator.wavelength, emulator.scatter)[covered],
        continuum=np.where(known, continuum, np.nan)[covered],
    )


def _span(known: NDArray[np.bool_]) -> tuple[int, int]:
    """Pixels from the first to the last that lie on the emulator; all where none does."""
    inside = np.flatnonzero(known)
    return (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, len(known))


def _arm_rv(row: Any) -> Array | None:
    """Velocities (1, A - 1) of the further arms, less that of the first; None where none was fitted."""
    if "arm_rv" not in row.colnames:
        return None
    told = np.atleast_1d(column_values(row, "arm_rv"))
    return np.ascontiguousarray(told, dtype=np.float64)[None] if len(told) else None


def _number(row: Any, name: str, missing: float) -> float:
    if name not in row.colnames:
        return missing
    value = row_value(row, name)
    return value if np.isfinite(value) or np.isnan(missing) else missing
