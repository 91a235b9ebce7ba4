"""Spectra from arrays as users have them: ragged lists, errors or S/N in place of ivar, air, FWHM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from maury.spectra.convert import air_to_vacuum, assumed_ivar
from maury.spectra.units import FWHM_PER_SIGMA, float_copy, plain, sigma_in_angstrom

#: Warning for spectra without noise.
NO_NOISE = (
    "no noise is given (ivar, error or snr): a signal-to-noise ratio of 100 per pixel is assumed, which only "
    "sets the scale of formal errors"
)


def parts(flux: Any, arguments: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the arguments of `pixels` for all spectra at once, or for each, if flux is a list of arrays."""
    if not (isinstance(flux, Sequence) and len(flux) and all(np.ndim(row) == 1 for row in flux)):
        yield {"flux": flux} | arguments
        return
    n = len(flux)
    for i in range(n):
        yield {"flux": flux[i]} | {name: _row(value, i, n) for name, value in arguments.items()}


def _row(value: Any, i: int, n: int) -> Any:
    """Value of spectrum i: that of a list or array of n rows; anything else is shared by all."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        return value[i] if len(value) == n and np.ndim(value[0]) == 1 else value
    return value[i] if np.ndim(value) == 2 and len(value) == n else value


def pixels(
    wavelength: Any,
    flux: Any,
    ivar: Any,
    error: Any,
    snr: Any,
    mask: Any,
    air: bool,
    resolution: Any,
    fwhm: Any,
    sigma: Any,
) -> dict[str, Any]:
    """Arguments of `Spectra` that have pixels; see `Spectra.from_arrays`."""
    given = [name for name, value in (("ivar", ivar), ("error", error)) if value is not None]
    if len(given) > 1:
        raise ValueError("ivar, error: pass one of them, got both")
    widths = {"resolution": resolution, "fwhm": fwhm, "sigma": sigma}
    given = [name for name, value in widths.items() if value is not None]
    if len(given) > 1:
        raise ValueError(f"{', '.join(given)}: pass one of them, got {len(given)}")

    values = {"flux": flux, "ivar": ivar, "error": error, "mask": mask, **widths}
    values["wavelength"] = air_to_vacuum(wavelength) if air else wavelength
    values = {name: _array(value) for name, value in values.items()}
    steps = np.diff(np.asarray(plain("wavelength", values["wavelength"], "Angstrom")), axis=-1)
    if steps.size and (steps < 0).all():  # as frequencies are
        values = {
            name: value[..., ::-1] if np.ndim(value) and np.shape(value)[-1] == steps.shape[-1] + 1 else value
            for name, value in values.items()
        }
    wavelength, flux, ivar, error = (values[name] for name in ("wavelength", "flux", "ivar", "error"))
    if error is not None:
        with np.errstate(divide="ignore", invalid="ignore"):
            ivar = (error > 0) / error**2
    elif ivar is None:
        numbers = float_copy("flux", flux, getattr(flux, "unit", None) or "")
        noise = float_copy("snr", 100.0 if snr is None else snr)
        ivar = assumed_ivar(numbers, values["mask"], noise[:, None] if noise.ndim else noise)
    elif np.ndim(ivar) == 0:
        ivar = ivar * np.ones(np.shape(flux))
    return {
        "wavelength": wavelength,
        "flux": flux,
        "ivar": ivar,
        "mask": values["mask"],
        "lsf": _lsf(wavelength, *(values[name] for name in widths)),
    }


def _array(value: Any) -> Any:
    """Arrays with a unit or a mask as they are; lists as arrays."""
    return np.asarray(value) if isinstance(value, Sequence) else value


def _lsf(wavelength: Any, resolution: Any, fwhm: Any, sigma: Any) -> Any:
    angstrom = np.asarray(plain("wavelength", wavelength, "Angstrom"), dtype=np.float64)
    if resolution is not None:
        return angstrom / (np.asarray(plain("resolution", resolution)) * FWHM_PER_SIGMA)
    if fwhm is not None:
        return np.asarray(sigma_in_angstrom("fwhm", fwhm, angstrom)) / FWHM_PER_SIGMA
    return None if sigma is None else sigma_in_angstrom("sigma", sigma, angstrom)
