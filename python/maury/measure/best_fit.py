"""The best fit of a row of a catalogue, rebuilt from the spectrum and the row alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.catalog.columns import column_values, row_value
from maury.emulator.grid import pixel_velocity
from maury.measure.lsf import with_lsf
from maury.measure.median_ratio import median_ratio
from maury.measure.observe import Observed, observe, rest_wavelength
from maury.measure.options import Options
from maury.measure.regions import in_regions
from maury.spectra import Spectra

if TYPE_CHECKING:
    from maury.catalog.columns import column_values
from maury.emulator.emulator import Emulator

Array = NDArray[np.float64]


# Arms and broadening are those of the row; the velocity is in the observed spectrum.
_WITH_ARMS = Options(velocity="given", arm_rv=True)
_WITH_ALL = replace(_WITH_ARMS, broadening=True)


@dataclass(frozen=True)
class BestFit:
    """One spectrum as it was fitted, on its own pixels.

    Attributes
    ----------
    wavelength : (P,) float64
        At rest [vacuum Angstrom].
    flux, ivar, model, scatter : (P,) float64
        Normalised; `ivar` 0 = took no part. Clipped pixels are not marked.
    """

    wavelength: Array
    flux: Array
    ivar: Array
    model: Array
    scatter: Array


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
        return BestFit(emulator.wavelength, nothing, np.zeros_like(nothing), nothing, emulator.scatter)
    options = Options.of_catalog(row.meta)
    spectrum = with_lsf(spectrum, options)
    rv = _number(row, "rv", 0.0)
    broadening = _number(row, "broadening", 0.0)
    labels = np.array([[_number(row, name, np.nan) for name in emulator.labels]])
    skip = in_regions(options.leave_out, spectrum.wavelength, np.array([rv])) if options.leave_out else None
    observed = observe(spectrum, emulator, np.array([rv]), leave_out=skip)
    pixel = pixel_velocity(emulator)
    extra = np.sign(broadening) * (broadening / pixel) ** 2 if pixel > 0 else 0.0
    arms = _arm_shifts(row, observed, pixel)
    native = observed.core(_WITH_ARMS, native=True).see(emulator.core, labels, arms[None])
    model = observed.core(_WITH_ALL).see(emulator.core, labels, np.append(arms, extra)[None])
    ratio = median_ratio(observed, model, native, emulator)
    wavelength = rest_wavelength(spectrum, observed, np.array([rv]))[0]
    return BestFit(
        wavelength=wavelength,
        flux=(observed.flux * ratio)[0],
        ivar=(observed.ivar / ratio**2)[0],
        model=model[0],
        scatter=np.interp(wavelength, emulator.wavelength, emulator.scatter),
    )


def _arm_shifts(row: Any, observed: Observed, pixel: float) -> Array:
    """Shifts of the second arm on, less that of the first; 0 where they were not fitted."""
    shifts = np.zeros(int(observed.arm.max()))
    if "arm_rv" in row.colnames and pixel > 0:
        told = np.atleast_1d(column_values(row, "arm_rv"))[: len(shifts)]
        shifts[: len(told)] = np.nan_to_num(told) / pixel
    return shifts


def _number(row: Any, name: str, missing: float) -> float:
    if name not in row.colnames:
        return missing
    value = row_value(row, name)
    return value if np.isfinite(value) or np.isnan(missing) else missing
