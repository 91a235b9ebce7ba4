"""Where the search for a velocity starts: cross-correlation with a few dozen spectra of the emulator."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maury.emulator.grid import to_shift, to_velocity
from maury.labels import scaled, unscaled
from maury.measure.starts import candidate_labels

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator
    from maury.measure.observe import Observed

Array = NDArray[np.float64]

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
