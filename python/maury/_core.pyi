"""C++ core of maury: running median, emulator and bounded fit."""

from collections.abc import Callable, Sequence
from typing import TypedDict, TypeVar, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import NotRequired

_Float = TypeVar("_Float", np.float32, np.float64)

STATUS: dict[str, tuple[int, str]]
SIMD_LEVEL: str
SIMD_LEVELS: tuple[str, ...]

def running_median(
    flux: NDArray[_Float], mask: NDArray[np.bool_] | None = None, half: int = 200
) -> NDArray[_Float]: ...
def windowed_median(
    flux: NDArray[np.float64], mask: NDArray[np.bool_], first: NDArray[np.uintp], end: NDArray[np.uintp]
) -> NDArray[np.float64]: ...

@final
class Emulator:
    def __init__(
        self,
        transforms: Sequence[str],
        label_min: ArrayLike,
        label_max: ArrayLike,
        weights: Sequence[ArrayLike],
        biases: Sequence[ArrayLike],
        activations: Sequence[str],
        cut: tuple[NDArray[np.float64], ArrayLike, NDArray[np.float64], ArrayLike] | None = None,
    ) -> None: ...
    def predict(self, labels: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def jacobian(self, labels: NDArray[np.float64]) -> NDArray[np.float64]: ...
    @property
    def n_labels(self) -> int: ...
    @property
    def n_pixels(self) -> int: ...

@final
class FitPlan:
    def __init__(
        self,
        emulator: Emulator,
        lower: ArrayLike,
        upper: ArrayLike,
        candidates: NDArray[np.float64] | None = None,
        threads: int = 0,
    ) -> None: ...

@final
class Observed:
    def __init__(
        self,
        low: NDArray[np.float64],
        high: NDArray[np.float64],
        variance: NDArray[np.float64] | None,
        arm: NDArray[np.int32] | None,
        resolution: NDArray[np.float64] | None,
        narrowing: NDArray[np.float64] | None,
        shift: NDArray[np.float64],
        fit_shift: bool,
        fit_arms: bool,
        fit_extra: bool,
        most_shift: float,
    ) -> None: ...
    @property
    def n_nuisances(self) -> int: ...
    def see(
        self, emulator: Emulator, labels: NDArray[np.float64], nuisances: NDArray[np.float64]
    ) -> NDArray[np.float64]: ...
    def scan_shift(
        self,
        flux: NDArray[np.float64],
        ivar: NDArray[np.float64],
        templates: NDArray[np.float32],
        scatter: NDArray[np.float64] | None,
        most_shift: float,
        threads: int = 0,
    ) -> NDArray[np.float64]: ...

@final
class Medians:
    def __init__(
        self,
        continuum: NDArray[np.float64],
        good: NDArray[np.bool_],
        inside: NDArray[np.bool_],
        draws: NDArray[np.float32],
        half: int,
    ) -> None: ...

class _FitBatch(TypedDict):
    labels: NDArray[np.float64]
    covariance: NDArray[np.float64]
    chi2: NDArray[np.float64]
    chi2_noise: NDArray[np.float64]
    n_pixels: NDArray[np.int32]
    status: NDArray[np.int32]
    n_evaluations: NDArray[np.int32]
    at_bound: NDArray[np.bool_]
    n_starts: NDArray[np.int32]
    n_agree: NDArray[np.int32]
    n_clipped: NDArray[np.int32]
    nuisances: NDArray[np.float64]
    nuisance_errors: NDArray[np.float64]
    flux: NotRequired[NDArray[np.float64]]
    ivar: NotRequired[NDArray[np.float64]]
    model: NotRequired[NDArray[np.float64]]

def fit_batch(
    plan: FitPlan,
    flux: NDArray[_Float],
    ivar: NDArray[_Float],
    scatter: NDArray[np.float64] | None = None,
    starts: NDArray[np.float64] | None = None,
    n_starts: int = 6,
    threads: int = 0,
    max_evaluations: int = 200,
    progress: Callable[[int], object] | None = None,
    compress: bool = True,
    clip: float = 0.0,
    observed: Observed | None = None,
    medians: Medians | None = None,
) -> _FitBatch: ...
