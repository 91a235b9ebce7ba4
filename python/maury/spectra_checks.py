"""Checks of the arguments of `maury.spectra.Spectra`: each returns the checked argument, or raises."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.output import printable

#: Arms that a spectrograph may have.
MOST_ARMS = 64

Floats = NDArray[np.float64]
#: Per row, why it is not a spectrum; "" = nothing wrong.
Faults = NDArray[np.str_]


def float_copy(name: str, value: ArrayLike) -> Floats:
    """Return a copy as float64, NaN where masked."""
    try:
        if isinstance(value, np.ma.MaskedArray):
            value = np.ma.filled(value.astype(np.float64), np.nan)
        array: Floats = np.array(value, dtype=np.float64, order="C", subok=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers, got {type(value).__name__} ({error})") from None
    return array


def in_unit(value: ArrayLike, unit: str) -> ArrayLike:
    """Return the numbers of a Quantity in the given unit; anything without a unit unchanged."""
    if getattr(value, "unit", None) is None:
        return value
    from astropy import units as u

    return cast("Floats", u.Quantity(value).to_value(unit, u.spectral() if unit == "Angstrom" else []))


def pixels(name: str, value: ArrayLike, shape: tuple[int, int], *, broadcast: bool) -> Floats:
    """Return (N, P) numbers; with `broadcast`, (P,) or one number stand for all spectra."""
    array = float_copy(name, value)
    wanted = f"expected shape {shape} like flux"
    if array.shape == shape:
        return array
    if array.shape == shape[1:] and (broadcast or shape[0] == 1):
        return np.tile(array, (shape[0], 1))
    if broadcast and array.ndim == 0:
        return np.full(shape, array)
    hint = f"; use {name}.T" if array.shape == shape[::-1] else ""
    raise ValueError(f"{name}: {wanted}, got {array.shape}{hint}")


def checked_wavelength(
    wavelength: ArrayLike, shape: tuple[int, int], arm: NDArray[np.integer] | None
) -> tuple[Floats, Faults]:
    """Return the wavelengths, and what is wrong with each row (of one row, if they are shared)."""
    array = float_copy("wavelength", in_unit(wavelength, "Angstrom"))
    if array.shape not in (shape, shape[1:]):
        raise ValueError(f"wavelength: expected shape {shape[1:]} or {shape} like flux, got {array.shape}")
    finite = np.isfinite(array)
    array[~finite] = np.nan
    rows, known = np.atleast_2d(array, finite)
    falls = np.diff(rows) <= 0
    if arm is not None:  # the first pixel of the next arm may have any wavelength
        falls = falls & (np.diff(arm) == 0)
    most = np.where(known, rows, 0.0).max(axis=1, initial=0.0)
    faults = np.select(
        [
            (known[:, 1:] & ~known[:, :-1]).any(axis=1),
            (known & ~(rows > 0)).any(axis=1) | falls.any(axis=1),
            known.any(axis=1) & (most < 100),
        ],
        [
            "wavelength: NaN may only pad the end of a row; keep the pixels of a gap and mask them",
            "wavelength: expected positive, increasing Angstrom; sort the pixels of a spectrum, "
            "or pass arm where spectrograph arms overlap",
            [
                f"wavelength: expected Angstrom, got at most {value:g}; "
                "pass 10**wavelength if this is log10, or a Quantity with its unit"
                for value in most
            ],
        ],
        "",
    )
    return _without_faults(array, faults, np.nan), faults


def checked_arm(arm: ArrayLike, shape: tuple[int, int]) -> tuple[NDArray[np.integer], Faults]:
    """Return the arms, and what is wrong with each row, as `checked_wavelength` does."""
    array = np.array(arm)
    if array.shape not in (shape, shape[1:]) or array.dtype.kind not in "iu":
        raise ValueError(
            f"arm: expected whole numbers of shape {shape[1:]} or {shape} like flux, got {array.dtype} of "
            f"shape {array.shape}"
        )
    faults = np.array([_arm_fault(row) for row in np.atleast_2d(array)], dtype=str)
    return _without_faults(array, faults, 0), faults


def _arm_fault(row: NDArray[np.integer]) -> str:
    if not len(row):
        return ""
    if not (row.min() >= 0 and row.max() < MOST_ARMS):
        return (
            f"arm: expected numbers from 0 to {MOST_ARMS - 1}, got {row.min()} to {row.max()}; "
            "number the arms of the spectrograph from 0"
        )
    runs = row[np.append(True, row[1:] != row[:-1])].tolist()
    if len(runs) != len(set(runs)):
        return "arm: the pixels of an arm must be contiguous; sort the pixels by arm"
    return ""


def _without_faults(array: NDArray[Any], faults: Faults, fill: float) -> NDArray[Any]:
    """Fill the rows with a fault; if there is no other row, it is a fault of the argument: ValueError."""
    bad = faults != ""
    if not bad.any():
        return array
    if bad.all():
        raise ValueError(str(faults[0]))
    if array.ndim == 1:  # shared by spectra of different arms
        array = np.tile(array, (len(faults), 1))
    array[bad] = fill
    return array


def checked_resolution(resolution: ArrayLike, shape: tuple[int, int]) -> Floats:
    """Return the resolution matrices (N, P, D); NaN where a row of a matrix is not finite."""
    array = float_copy("resolution", resolution)
    if array.ndim == 2 and shape[0] == 1:
        array = array[np.newaxis]
    if array.ndim != 3 or array.shape[:2] != shape or array.shape[2] % 2 == 0:
        raise ValueError(
            f"resolution: expected shape {(*shape, 'D')}, D odd: D neighbours for every pixel; got "
            f"{array.shape}"
        )
    array[~np.isfinite(array).all(axis=2)] = np.nan
    return array


def names(name: str, value: ArrayLike, n: int) -> NDArray[np.str_]:
    """Return (n,) names; characters that cannot be printed are escaped, see `maury.output.printable`."""
    return cast("NDArray[np.str_]", _one_each(name, as_text(value), n))


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


def numbers(name: str, value: ArrayLike, n: int) -> Floats:
    """Return (n,) numbers."""
    return cast("Floats", _one_each(name, float_copy(name, value), n))


def _one_each(name: str, array: NDArray[Any], n: int) -> NDArray[Any]:
    if array.ndim and array.shape != (n,):
        raise ValueError(f"{name}: expected one value or {n}, one per spectrum, got shape {array.shape}")
    return np.full(n, array) if array.ndim == 0 else array.copy()
