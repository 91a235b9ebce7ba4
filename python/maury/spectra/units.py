"""Quantities as plain numbers in the units of maury: converted, or refused with the name of the argument."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.labels import find_label
from maury.output import printable

SPEED_OF_LIGHT = 299792.458  # km/s
FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))

Floats = NDArray[np.float64]

#: Angstrom. No star is observed at shorter wavelengths: interstellar hydrogen absorbs them.
LYMAN_LIMIT = 912.0
# Larger numbers are no nanometres of a spectrograph for visible light or the near infrared.
_LARGEST_NM = 3000.0
_LARGEST_MICRON = 100.0


def plain(name: str, value: Any, unit: str = "") -> Any:
    """Return the numbers of a Quantity in `unit` ("" = none); anything without a unit unchanged.

    Raises
    ------
    astropy.units.UnitConversionError
        A ValueError; the message names the argument.
    """
    given = getattr(value, "unit", None)
    if given is None:
        return value
    from astropy import units as u

    if isinstance(value, np.ma.MaskedArray):  # a column of a table; Quantity would ignore its mask
        value = np.ma.filled(value.astype(np.float64), np.nan) * u.Unit(given)
    try:
        return u.Quantity(value, subok=True).to_value(unit, u.spectral() if unit == "Angstrom" else [])
    except (u.UnitsError, TypeError):
        wanted = f"a unit like {unit}, or plain numbers in {unit}" if unit else "numbers without a unit"
        raise u.UnitConversionError(f"{name}: expected {wanted}; got the unit {given}") from None


def float_copy(name: str, value: Any, unit: str = "") -> Floats:
    """Copy numbers to a float64 array, NaN where masked; a Quantity is converted to `unit`."""
    value = plain(name, value, unit)
    try:
        if isinstance(value, np.ma.MaskedArray):
            value = np.ma.filled(value.astype(np.float64), np.nan)
        elif hasattr(value, "unmasked"):  # astropy.utils.masked
            value = value.astype(np.float64).filled(np.nan)
        array: Floats = np.array(value, dtype=np.float64, order="C", subok=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers, got {type(value).__name__} ({error})") from None
    return array


def flux_in_one_unit(flux: Any, ivar: Any) -> tuple[Any, Any, str]:
    """Return flux and ivar without units, in the unit of flux, which is returned as text.

    Plain numbers of ivar are taken to be in 1/unit^2.
    """
    given = getattr(flux, "unit", None)
    if given is None:
        if getattr(ivar, "unit", None) not in (None, ""):
            raise ValueError(
                f"ivar: got the unit {ivar.unit}, but flux has none; pass both with a unit, or both without"
            )
        return flux, plain("ivar", ivar), ""
    from astropy import units as u

    unit = u.Unit(given)
    if isinstance(unit, u.function.FunctionUnitBase) or unit.is_equivalent(u.mag):
        raise ValueError(f"flux: expected a linear flux, got {unit}; convert magnitudes to a flux first")
    return plain("flux", flux, unit), plain("ivar", ivar, unit**-2), str(unit)


def sigma_in_angstrom(name: str, width: Any, wavelength: ArrayLike) -> Any:
    """Width of the line-spread function [Angstrom] of a length, or of a velocity at each wavelength."""
    unit = getattr(width, "unit", None)
    if unit is not None:
        from astropy import units as u

        if u.Unit(unit).is_equivalent("km/s"):
            return plain(name, width, "km/s") / SPEED_OF_LIGHT * np.asarray(wavelength)
    return plain(name, width, "Angstrom")


def label_numbers(name: str, value: Any) -> Any:
    """Numbers of a label in its unit; dex stands for its logarithmic units, such as dex(cm/s2)."""
    unit = getattr(value, "unit", None)
    if unit is not None and hasattr(unit, "physical_unit"):
        value = value.value * unit.function_unit
    return plain(f"labels[{name!r}]", value, find_label(name).unit) if unit is not None else value


def angstrom(wavelength: Any) -> Floats:
    """Copy wavelengths [Angstrom]; a Quantity is converted, also from frequency, energy or wavenumber.

    Raises
    ------
    ValueError
        If plain numbers look like nm, micron or log10 of Angstrom.
    """
    array = float_copy("wavelength", wavelength, "Angstrom")
    finite = array[np.isfinite(array)]
    if not finite.size or getattr(wavelength, "unit", None) is not None:
        return array
    low, high = finite.min(), finite.max()
    got = f"wavelength: expected Angstrom, got {low:g} to {high:g}"
    if 0 < high < _LARGEST_MICRON:
        raise ValueError(
            f"{got}; pass wavelength * astropy.units.micron if these are micron, or 10**wavelength if log10"
        )
    if 0 < low < LYMAN_LIMIT and high < _LARGEST_NM:
        raise ValueError(
            f"{got}, which looks like nm; pass wavelength * astropy.units.nm, or, if it is Angstrom, "
            "wavelength * astropy.units.AA"
        )
    return array


def text(name: str, value: Any, n: int) -> NDArray[np.str_]:
    """Text (n,): one for all, or one each; see `as_text`."""
    return cast("NDArray[np.str_]", one_each(name, as_text(value), n))


def as_text(values: ArrayLike) -> NDArray[np.str_]:
    """Return names as text; numbers are whole numbers, "" where they are not finite.

    Spaces at the ends are removed. Characters that cannot be printed, and bytes that are not UTF-8, are
    escaped: a terminal would obey some of them, and not every format of a catalogue returns them.
    """
    array: NDArray[Any] = np.asarray(values)
    if array.dtype.kind == "S":
        texts: NDArray[np.str_] = np.char.decode(array, "utf-8", "backslashreplace")
    elif array.dtype.kind == "f":
        known = np.isfinite(array)
        texts = np.where(known, [f"{x:.0f}" for x in np.nan_to_num(array).ravel()], "").reshape(array.shape)
    else:
        texts = array.astype(np.str_)
    texts = np.char.strip(texts)
    if "".join(texts.ravel().tolist()).isprintable():
        return texts
    return np.array([printable(text) for text in texts.ravel()], dtype=np.str_).reshape(texts.shape)


def numbers(name: str, value: Any, n: int, unit: str = "") -> Floats:
    """Numbers (n,): one for all, or one each."""
    return cast("Floats", one_each(name, float_copy(name, value, unit), n))


def one_each(name: str, array: NDArray[Any], n: int) -> NDArray[Any]:
    """Copy of an array (n,), or n times a number."""
    if array.ndim and array.shape != (n,):
        raise ValueError(f"{name}: expected one value or {n}, one per spectrum, got shape {array.shape}")
    return np.full(n, array) if array.ndim == 0 else array.copy()
