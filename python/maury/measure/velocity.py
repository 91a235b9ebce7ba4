"""Where the search for a velocity starts: cross-correlation with a few dozen spectra of the emulator."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from maury.labels import scaled, unscaled
from maury.measure.starts import candidate_labels
from maury.spectra import SPEED_OF_LIGHT

if TYPE_CHECKING:
    from maury.emulator import Emulator
    from maury.measure.observe import Observed

Array = NDArray[np.float64]
Velocity = TypeVar("Velocity", float, Array)

N_TEMPLATES = 32


def scan_velocity(observed: Observed, emulator: Emulator, max_rv: float, threads: int | None) -> Array:
    """Find the velocity (N,) of spectra of which nothing is known, to some 10 km/s; NaN where there is none.

    The least weighted squares over `N_TEMPLATES` spectra of the emulator and all shifts up to `max_rv`
    [km/s], on the pixels that no shift takes off the grid.
    """
    shift = observed.core().scan_shift(
        observed.flux,
        observed.ivar,
        _templates(emulator),
        np.ascontiguousarray(emulator.scatter),
        to_shift(max_rv, emulator),
        threads or 0,
    )
    return to_velocity(shift, emulator)


def to_shift(rv: Velocity, emulator: Emulator) -> Velocity:
    """Pixels of the emulator's even log grid that velocities, c*z [km/s], move spectra by."""
    if emulator.log10_grid is None:
        raise ValueError(
            "velocity: the wavelengths of this emulator are not even in log10, so velocities cannot be "
            "fitted; give them in the spectra, and velocity='given'"
        )
    shift: Velocity = np.log10(1.0 + rv / SPEED_OF_LIGHT) / emulator.log10_grid[1]
    return shift


def to_velocity(shift: Array, emulator: Emulator) -> Array:
    """Undo `to_shift`."""
    if emulator.log10_grid is None:
        return np.full(np.shape(shift), np.nan)
    return np.asarray(SPEED_OF_LIGHT * (10.0 ** (shift * emulator.log10_grid[1]) - 1.0))


def pixel_velocity(emulator: Emulator) -> float:
    """Velocity of a pixel of the emulator [km/s], to first order; 0 where the grid is not even in log10."""
    return 0.0 if emulator.log10_grid is None else SPEED_OF_LIGHT * np.log(10.0) * emulator.log10_grid[1]


@lru_cache(maxsize=4)
def _templates(emulator: Emulator) -> NDArray[np.float32]:
    """Spectra at the centres of groups of labels that stars have, or that fill the bounds."""
    from scipy.cluster.vq import kmeans2

    labels = np.asarray(emulator.training_labels)
    if len(labels) < 4 * N_TEMPLATES:
        labels = candidate_labels(emulator, np.asarray(emulator.bounds))
    scaling = (emulator.label_min, emulator.label_max, emulator.transforms)
    centres, _ = kmeans2(scaled(labels, *scaling), N_TEMPLATES, minit="++", seed=0)
    flux = emulator.predict(unscaled(centres, *scaling))
    return np.ascontiguousarray(flux, dtype=np.float32)
