"""Quantities shared by all fits with one emulator inside the same bounds; computed once and kept."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

import maury._core as _core
from maury.measure.starts import candidate_labels

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator

Array = NDArray[np.float64]

_kept: WeakKeyDictionary[Emulator, tuple[bytes, bool, _core.Plan]] = WeakKeyDictionary()
_lock = Lock()


def fit_plan(emulator: Emulator, bounds: Array, threads: int = 0, velocity: bool = False) -> _core.Plan:
    """Return the plan for bounds (L, 2): candidate starts and, if the `velocity` is fitted, templates."""
    key = bounds.tobytes()
    with _lock:
        known = _kept.get(emulator)
        if known is None or known[0] != key or known[1] < velocity:
            lower, upper = np.ascontiguousarray(bounds.T)
            plan = _core.Plan(
                emulator.core,
                emulator.wavelength,
                emulator.lsf,
                emulator.scatter_rest,
                emulator.window,
                lower,
                upper,
                candidate_labels(emulator, bounds),
                template_labels(emulator) if velocity else None,
                threads,
                emulator.modes,
            )
            known = (key, velocity, plan)
            _kept[emulator] = known
        return known[2]


def template_labels(emulator: Emulator) -> Array:
    """Labels (T, L) of the templates: cluster centres of the training labels, or of labels in the bounds."""
    known = np.ascontiguousarray(emulator.training_labels)
    return _core.template_labels(
        known, emulator.transforms, emulator.label_min, emulator.label_max, *np.asarray(emulator.bounds).T
    )
