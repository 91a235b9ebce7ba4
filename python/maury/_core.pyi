"""C++ core of maury: running median, emulator and bounded fit."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, TypeVar, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import NotRequired

_Float = TypeVar("_Float", np.float32, np.float64)

STATUS: dict[str, tuple[int, str]]
FLAGS: dict[str, tuple[int, str]]
DO_NOT_USE: int
SIMD_LEVEL: str
MOST_ARM_SHIFT: float
MOST_BROADENING: float
SIMD_LEVELS: tuple[str, ...]
COLUMNS: tuple[str, ...]
MOST_INPUTS: int
EMISSION_LINES: dict[str, float]
N_CANDIDATES: int
REGIONS: dict[str, tuple[bool, tuple[tuple[float, float], ...]]]

def running_median(
    flux: NDArray[_Float], mask: NDArray[np.bool_] | None = None, half: int = 200
) -> NDArray[_Float]: ...

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
class Plan:
    def __init__(
        self,
        emulator: Emulator,
        wavelength: ArrayLike,
        lsf: ArrayLike | None,
        scatter: ArrayLike | None,
        window: int,
        lower: ArrayLike,
        upper: ArrayLike,
        candidates: NDArray[np.float64] | None = None,
        templates: NDArray[np.float64] | None = None,
        threads: int = 0,
        modes: NDArray[np.float64] | None = None,
    ) -> None: ...

@final
class Spectra:
    def __init__(
        self,
        *,
        wavelength: NDArray[np.float64],
        flux: NDArray[np.float64],
        ivar: NDArray[np.float64],
        mask: NDArray[np.bool_] | None = None,
        lsf: NDArray[np.float64] | None = None,
        resolution: NDArray[np.float64] | None = None,
        arm: NDArray[np.int32] | None = None,
        rv: NDArray[np.float64] | None = None,
        fit_rv: NDArray[np.bool_] | None = None,
        fit_arms: NDArray[np.bool_] | None = None,
        starts: NDArray[np.float64] | None = None,
        guess: NDArray[np.float64] | None = None,
        prior_mean: NDArray[np.float64] | None = None,
        prior_precision: NDArray[np.float64] | None = None,
        n_labels: int,
    ) -> None: ...

class _Measured(TypedDict):
    labels: NDArray[np.float64]
    covariance: NDArray[np.float64]
    noise_covariance: NDArray[np.float64]
    chi2: NDArray[np.float64]
    chi2_noise: NDArray[np.float64]
    chi2_prior: NDArray[np.float64]
    n_pixels: NDArray[np.int32]
    n_clipped: NDArray[np.int32]
    status: NDArray[np.int32]
    n_evaluations: NDArray[np.int32]
    n_starts: NDArray[np.int32]
    n_agree: NDArray[np.int32]
    at_bound: NDArray[np.bool_]
    guessed: NDArray[np.bool_]
    sharper: NDArray[np.bool_]
    rv: NDArray[np.float64]
    rv_err: NDArray[np.float64]
    arm_rv: NDArray[np.float64]
    broadening: NDArray[np.float64]
    broadening_err: NDArray[np.float64]
    model: NotRequired[NDArray[np.float64]]
    continuum: NotRequired[NDArray[np.float64]]
    weight: NotRequired[NDArray[np.float64]]
    flux: NotRequired[NDArray[np.float64]]
    ivar: NotRequired[NDArray[np.float64]]

def measure(
    plan: Plan,
    spectra: Spectra,
    options: Mapping[str, Any],
    *,
    threads: int = 0,
    progress: Callable[[int], object] | None = None,
    models: bool = False,
) -> _Measured: ...
def chi2(
    plan: Plan,
    spectra: Spectra,
    options: Mapping[str, Any],
    points: NDArray[np.float64],
    *,
    threads: int = 0,
) -> NDArray[np.float64]: ...
def show(
    plan: Plan,
    spectra: Spectra,
    options: Mapping[str, Any],
    labels: NDArray[np.float64],
    rv: NDArray[np.float64],
    arm_rv: NDArray[np.float64] | None = None,
    broadening: NDArray[np.float64] | None = None,
    *,
    threads: int = 0,
) -> dict[str, NDArray[np.float64]]: ...
def candidate_labels(
    training_labels: NDArray[np.float64], transforms: Sequence[str], lower: ArrayLike, upper: ArrayLike
) -> NDArray[np.float64]: ...
def template_labels(
    training_labels: NDArray[np.float64],
    transforms: Sequence[str],
    label_min: ArrayLike,
    label_max: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
) -> NDArray[np.float64]: ...
def emission_lines(
    wavelength: NDArray[np.float64],
    flux: NDArray[np.float64],
    ivar: NDArray[np.float64],
    model: NDArray[np.float64],
    rv: NDArray[np.float64],
    scatter: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def shows_emission(height: NDArray[np.float64], significance: NDArray[np.float64]) -> NDArray[np.bool_]: ...
def residual_signs(
    wavelength: NDArray[np.float64],
    flux: NDArray[np.float64],
    ivar: NDArray[np.float64],
    model: NDArray[np.float64],
    continuum: NDArray[np.float64],
    rv: NDArray[np.float64],
    grid: ArrayLike,
    scatter: ArrayLike,
    window: float,
    held_out_rms: float,
    threads: int = 0,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.float64], NDArray[np.float64]]: ...
def smooth_misfit(
    flux: NDArray[np.float64],
    ivar: NDArray[np.float64],
    model: NDArray[np.float64],
    scatter: NDArray[np.float64],
    cell: int,
    edge: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
def unexplained_part(
    flux: NDArray[np.float64],
    ivar: NDArray[np.float64],
    model: NDArray[np.float64],
    scatter: NDArray[np.float64],
    cell: int,
) -> NDArray[np.float64]: ...
def flags(
    names: Sequence[str],
    training_range: NDArray[np.float64],
    n_grid: int,
    max_rv: float,
    labels: NDArray[np.float64],
    **kwargs: NDArray[np.float64],
) -> NDArray[np.int32]: ...
def cautions(labels: NDArray[np.float64], names: Sequence[str]) -> NDArray[np.int32]: ...
def usual_error(held_out_rms: float) -> float: ...

@final
class TrainingDistance:
    def __init__(
        self,
        training_labels: NDArray[np.float64],
        transforms: Sequence[str],
        label_min: ArrayLike,
        label_max: ArrayLike,
    ) -> None: ...
    def __call__(self, labels: NDArray[np.float64]) -> NDArray[np.float64]: ...

@final
class ModelErrors:
    def __init__(
        self,
        labels: Sequence[str],
        variables: Sequence[str],
        log10: Sequence[bool],
        centre: ArrayLike,
        scale: ArrayLike,
        low: ArrayLike,
        high: ArrayLike,
        terms: Sequence[str],
        coefficients: ArrayLike,
        least: ArrayLike,
        most: ArrayLike,
        correlation: ArrayLike,
    ) -> None: ...
    def predict(self, labels: NDArray[np.float64], distance: NDArray[np.float64]) -> NDArray[np.float64]: ...

def exact_factors(
    weight: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None: ...
def make_cut(
    transforms: Sequence[str],
    label_min: ArrayLike,
    label_max: ArrayLike,
    lower: ArrayLike,
    upper: ArrayLike,
    training_labels: NDArray[np.float64],
    weights: Sequence[ArrayLike],
    biases: Sequence[ArrayLike],
    activations: Sequence[str],
) -> (
    tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float] | None
): ...
