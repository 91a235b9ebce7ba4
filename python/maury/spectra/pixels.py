"""Checks of the arrays (N, P) of spectra; every message names the argument."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.spectra.units import Floats, angstrom, float_copy

#: Arms that a spectrograph may have.
MOST_ARMS = 64


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
) -> Floats:
    """Wavelengths [Angstrom], (P,) or (N, P), increasing in each arm; NaN pads the end of a row."""
    array = angstrom(wavelength)
    if array.shape not in (shape, shape[1:]):
        raise ValueError(f"wavelength: expected shape {shape[1:]} or {shape} like flux, got {array.shape}")
    finite = np.isfinite(array)
    array[~finite] = np.nan
    if (finite[..., 1:] & ~finite[..., :-1]).any():
        raise ValueError(
            "wavelength: NaN may only pad the end of a row; keep the pixels of a gap and mask them"
        )
    falls = np.diff(array, axis=-1) <= 0
    if arm is not None:  # the first pixel of the next arm may have any wavelength
        falls = falls & (np.diff(arm, axis=-1) == 0)
    if not (array[finite] > 0).all() or falls.any():
        raise ValueError(
            "wavelength: expected positive, increasing Angstrom; sort the pixels of a spectrum, "
            "or pass arm where spectrograph arms overlap"
        )
    return array


def checked_arm(arm: ArrayLike, shape: tuple[int, int]) -> NDArray[np.integer]:
    """Arm numbers, (P,) or (N, P), of contiguous pixels."""
    array = np.array(arm)
    if array.shape not in (shape, shape[1:]) or array.dtype.kind not in "iu":
        raise ValueError(
            f"arm: expected whole numbers of shape {shape[1:]} or {shape} like flux, got {array.dtype} of "
            f"shape {array.shape}"
        )
    if array.size and not (array.min() >= 0 and array.max() < MOST_ARMS):
        raise ValueError(
            f"arm: expected numbers from 0 to {MOST_ARMS - 1}, got {array.min()} to {array.max()}; "
            "number the arms of the spectrograph from 0"
        )
    for row in np.atleast_2d(array):
        runs = row[np.append(True, row[1:] != row[:-1])].tolist() if len(row) else []
        if len(runs) != len(set(runs)):
            raise ValueError("arm: the pixels of an arm must be contiguous; sort the pixels by arm")
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
