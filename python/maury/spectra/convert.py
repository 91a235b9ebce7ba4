"""Air to vacuum, and the noise of spectra that are given without."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import maury._core as _core
from maury.spectra.units import Floats, angstrom


def air_to_vacuum(wavelength: Any) -> Any:
    """Vacuum wavelength of an air wavelength; below 2000 A they are equal by convention.

    The refraction of dry air is that of Morton (2000, ApJS 130, 403), eq. 8, the IAU standard, which is a
    function of the vacuum wavelength. The inverse used here was fitted by N. Piskunov for the line database
    VALD3.

    Parameters
    ----------
    wavelength : array_like or Quantity
        Plain numbers are Angstrom.

    Returns
    -------
    float64 array, or Quantity in the unit of the argument

    Raises
    ------
    ValueError
        If plain numbers look like nm or micron.

    Examples
    --------
    >>> from astropy import units as u
    >>> from maury.spectra import air_to_vacuum
    >>> print(f"{air_to_vacuum(6562.79):.2f}")
    6564.60
    >>> print(f"{air_to_vacuum(656.279 * u.nm):.3f}")
    656.460 nm
    """
    air = angstrom(wavelength)
    with np.errstate(divide="ignore"):
        s2 = (1e4 / air) ** 2
    n = (
        1.0
        + 0.00008336624212083
        + 0.02408926869968 / (130.1065924522 - s2)
        + 0.0001599740894897 / (38.92568793293 - s2)
    )
    vacuum = np.where(air > 2000.0, air * n, air)
    unit = getattr(wavelength, "unit", None)
    if unit is None:
        return vacuum
    from astropy import units as u

    return u.Quantity(vacuum, u.AA).to(unit, u.spectral())


def assumed_ivar(flux: ArrayLike, mask: ArrayLike | None = None, snr: ArrayLike = 100.0) -> Floats:
    """Inverse variance for a file without errors: (snr / running median of 400 pixels of flux)^2.

    The noise is derived from the running median and not from the pixel, so that the core of a line has the
    same weight as the continuum. `snr` is an assumption that only sets the scale of the formal errors, so
    `Spectra.snr` of such a file stays NaN. 0 where masked, and where the median is not positive.

    Parameters
    ----------
    flux, mask
        (P,) or (N, P); mask True = bad.
    snr
        Assumed signal-to-noise ratio per pixel: a number, or one per spectrum, (N, 1).
    """
    flux = np.ascontiguousarray(flux, dtype=np.float64)
    bad = ~np.isfinite(flux) if mask is None else (np.asarray(mask, dtype=bool) | ~np.isfinite(flux))
    median = _core.running_median(np.atleast_2d(flux), np.ascontiguousarray(np.atleast_2d(bad)), 200).reshape(
        flux.shape
    )
    ok = ~bad & (median > 0)
    ivar: Floats = np.divide(snr, median, out=np.zeros_like(median), where=ok) ** 2
    return ivar
