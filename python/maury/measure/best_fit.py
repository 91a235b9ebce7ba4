"""The best fit of a row of a catalogue, rebuilt from the spectrum and the row alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.emulator.grid import pixel_velocity
from maury.measure.median_ratio import median_ratio
from maury.measure.observe import Observed, observe, rest_wavelength
from maury.spectra import Spectra

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
        Of the catalogue that `maury.fit` made.
    """
    if not np.isfinite(spectrum.wavelength).any():  # a file that could not be read
        nothing = np.full(len(emulator.wavelength), np.nan)
        return BestFit(emulator.wavelength, nothing, np.zeros_like(nothing), nothing, emulator.scatter)
    rv = _number(row, "rv", 0.0)
    broadening = _number(row, "broadening", 0.0)
    labels = np.array([[_number(row, name, np.nan) for name in emulator.labels]])
    observed = observe(spectrum, emulator, np.array([rv]))
    pixel = pixel_velocity(emulator)
    extra = np.sign(broadening) * (broadening / pixel) ** 2 if pixel > 0 else 0.0
    arms = _arm_shifts(row, observed, pixel)
    native = observed.core(native=True, fit_arms=True).see(emulator.core, labels, arms[None])
    core = observed.core(fit_arms=True, fit_broadening=True)
    model = core.see(emulator.core, labels, np.append(arms, extra)[None])
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
        told = np.atleast_1d(getattr(row["arm_rv"], "value", row["arm_rv"]))[: len(shifts)]
        shifts[: len(told)] = np.nan_to_num(told) / pixel
    return shifts


def _number(row: Any, name: str, missing: float) -> float:
    if name not in row.colnames:
        return missing
    value = float(getattr(row[name], "value", row[name]))
    return value if np.isfinite(value) or np.isnan(missing) else missing
