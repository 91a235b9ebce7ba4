"""Positions and velocities on the wavelength grid of an emulator."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from maury.emulator.content import Content
from maury.spectra import SPEED_OF_LIGHT

Array = NDArray[np.float64]
Velocity = TypeVar("Velocity", float, Array)


def position(wavelength: Array, emulator: Content) -> Array:
    """Pixel of the emulator at a wavelength; extrapolated beyond its ends with the steps there."""
    if emulator.log10_grid is not None:
        start, step = emulator.log10_grid
        return np.asarray((np.log10(wavelength) - start) / step)
    grid = np.log10(emulator.wavelength)
    x = np.log10(wavelength)
    place = np.interp(x, grid, np.arange(len(grid), dtype=np.float64))
    place = np.where(x < grid[0], (x - grid[0]) / (grid[1] - grid[0]), place)
    return np.asarray(np.where(x > grid[-1], len(grid) - 1 + (x - grid[-1]) / (grid[-1] - grid[-2]), place))


def to_shift(rv: Velocity, emulator: Content) -> Velocity:
    """Shifts in pixels of the emulator's even log grid for velocities, c*z [km/s]."""
    if emulator.log10_grid is None:
        raise ValueError(
            "velocity: the wavelengths of this emulator are not even in log10, so velocities cannot be "
            "fitted; set rv in the spectra, and velocity='given' (--velocity given)"
        )
    shift: Velocity = np.log10(1.0 + rv / SPEED_OF_LIGHT) / emulator.log10_grid[1]
    return shift


def to_velocity(shift: Array, emulator: Content) -> Array:
    """Inverse of `to_shift`."""
    if emulator.log10_grid is None:
        return np.full(np.shape(shift), np.nan)
    return np.asarray(SPEED_OF_LIGHT * (10.0 ** (shift * emulator.log10_grid[1]) - 1.0))


def pixel_velocity(emulator: Content) -> float:
    """Velocity of a pixel of the emulator [km/s], to first order; 0 where the grid is not even in log10."""
    return 0.0 if emulator.log10_grid is None else SPEED_OF_LIGHT * np.log(10.0) * emulator.log10_grid[1]
