"""Residual modes of an emulator: what it does wrong at many pixels at once, as covariance of its flux."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from maury.emulator.checks import Array, EmulatorFileError, frozen, numbers

#: More modes than this make a fit slow.
MOST_MODES = 64


def checked_modes(modes: ArrayLike | None, scatter: Array) -> Array:
    """Return the modes (P, M), rounded to float16 as in a file; M is 0 for None.

    Raises
    ------
    ValueError
        If their shape is wrong, or the variance in a pixel, sum_m modes_pm^2, exceeds scatter_p^2.
    """
    if modes is None:
        return frozen(np.zeros((len(scatter), 0)))
    given = numbers("modes", modes, (len(scatter), None))
    if given.shape[1] > MOST_MODES:
        raise ValueError(f"modes: expected at most {MOST_MODES}, got {given.shape[1]}")
    with np.errstate(over="ignore"):
        rounded = given.astype(np.float16).astype(np.float64)
    most = 1 + 2.0**-9  # the rounding of float16
    above = np.flatnonzero(~((rounded**2).sum(axis=1) <= most * scatter**2))
    if len(above):
        at = int(above[0])
        raise ValueError(
            f"modes: their rms {np.sqrt((rounded[at] ** 2).sum()):.3g} in pixel {at} exceeds the scatter "
            f"{scatter[at]:.3g}, of which they are a part"
        )
    return frozen(rounded)


def rest_of_scatter(scatter: Array, modes: Array) -> Array:
    """Rms (P,) that the modes leave: sqrt(scatter^2 - sum_m modes_m^2)."""
    if not modes.size:
        return scatter
    rest: Array = np.sqrt(np.maximum(scatter**2 - (modes**2).sum(axis=1), 0.0))
    return rest


def write_modes(modes: Array) -> dict[str, Any] | None:
    """Return the modes (P, M) as the JSON of a file: their number, and float16 little-endian in base64."""
    if not modes.shape[1]:
        return None
    return {"count": modes.shape[1], "float16": base64.b64encode(modes.astype("<f2").tobytes()).decode()}


def read_modes(told: Mapping[str, Any] | None, n_pixels: int) -> Array | None:
    """Return the modes (P, M) of a file.

    Raises
    ------
    EmulatorFileError
        If their number or length is wrong.
    """
    if told is None:
        return None
    count, text = told["count"], told["float16"]
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_MODES:
        raise EmulatorFileError(f"modes: expected 1 to {MOST_MODES} of them, got {count!r}")
    n_bytes = 2 * n_pixels * count
    if not isinstance(text, str) or len(text) != 4 * -(-n_bytes // 3):
        raise EmulatorFileError(f"modes: expected {n_bytes} bytes in base64 for {count} of {n_pixels} pixels")
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise EmulatorFileError(f"modes: not base64: {error}") from None
    if len(data) != n_bytes:
        raise EmulatorFileError(f"modes: expected {n_bytes} bytes, got {len(data)}")
    return np.frombuffer(data, dtype="<f2").reshape(n_pixels, count).astype(np.float64)
