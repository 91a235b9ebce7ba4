"""Checks of the arrays (N, P) of spectra; every message names the argument."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.spectra.units import Floats, angstrom, float_copy

#: Arms that a spectrograph may have.
MOST_ARMS = 64

#: Per row, why it is not a spectrum; "" = nothing wrong.
Faults = NDArray[np.str_]


def pixels(name: str, value: Any, shape: tuple[int, int], *, broadcast: bool) -> Floats:
    """Copy an array (N, P); with `broadcast`, also (P,) or a number for all spectra."""
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
    """Wavelengths [Angstrom], (P,) or (N, P), and what is wrong with each row, or with the shared one."""
    array = angstrom(wavelength)
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
    """Resolution matrix (N, P, D), D odd."""
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
