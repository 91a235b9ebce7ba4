"""What all fits with one emulator inside the same bounds share; made once and kept."""

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

_kept: WeakKeyDictionary[Emulator, tuple[bytes, _core.FitPlan]] = WeakKeyDictionary()
_lock = Lock()


def fit_plan(emulator: Emulator, bounds: NDArray[np.float64], threads: int, search: bool) -> _core.FitPlan:
    """Bounds (L, 2) and, to `search`, the candidates for a start with their coefficients."""
    lower, upper = np.ascontiguousarray(bounds.T)
    if not search:
        return _core.FitPlan(emulator.core, lower, upper)
    key = bounds.tobytes()
    with _lock:
        known = _kept.get(emulator)
        if known is None or known[0] != key:
            known = (
                key,
                _core.FitPlan(emulator.core, lower, upper, candidate_labels(emulator, bounds), threads),
            )
            _kept[emulator] = known
        return known[1]
