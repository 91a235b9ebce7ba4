"""Fit labels to normalised spectra: arguments checked here, the work done by the C++ core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

import maury._core as _core
from maury.emulator.grid import pixel_velocity, to_shift, to_velocity
from maury.measure.observe import Observed, on_grid
from maury.measure.options import AT_REST, Options
from maury.measure.plan import fit_plan
from maury.spectra import SPEED_OF_LIGHT

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator

Array = NDArray[np.float64]

#: Why a fit ended; the values and meanings are those of ``cpp/include/maury/codes.h``.
Status = IntEnum("Status", {name: value for name, (value, _) in _core.STATUS.items()})  # type: ignore[misc]

_MAX_EVALUATIONS = 200


@dataclass(frozen=True)
class FitResult:
    """What the fit of N spectra gives; a failed fit is a row with NaN labels or `converged` False.

    Attributes
    ----------
    labels : (N, L) float64
        Labels at the minimum of chi-square inside the bounds, physical units.
    covariance : (N, L, L) float64
        Inverse of J' W J at the solution, physical units; bounds are not seen by it.
    chi2, chi2_noise : (N,) float64
        Chi-square with the weights of the fit, and with the noise (ivar) alone.
    n_pixels : (N,) int
        Pixels that took part.
    converged : (N,) bool
    status : (N,) int
        A `Status`.
    n_evaluations : (N,) int
        Model evaluations, all starts together.
    at_bound : (N, L) bool
    n_starts, n_agree : (N,) int
        Starts that were followed, and how many of them ended in this minimum.
    n_clipped : (N,) int
        Pixels that were left out as outliers; they are not in `n_pixels`.
    nuisances, nuisance_errors : (N, ...) float64
        What was fitted besides the labels, in the order and the units of the C++ core; named below.
    start : (N,) str
        ``"given"``, or ``"search"`` where the start was the best of many labels.
    rv, rv_err : (N,) float64 or None
        Velocity, c*z [km/s]; the error where it was fitted.
    arm_rv : (N, A - 1) float64 or None
        Velocities of the second arm on, less that of the first in use [km/s]; NaN where an arm is not in use.
    broadening, broadening_err : (N,) float64 or None
        Gaussian sigma by which a spectrum is broader than its line-spread function, or the emulator's where
        that is not known; negative if it is narrower [km/s].
    """

    labels: Array
    covariance: Array
    chi2: Array
    chi2_noise: Array
    n_pixels: NDArray[np.integer]
    converged: NDArray[np.bool_]
    status: NDArray[np.integer]
    n_evaluations: NDArray[np.integer]
    at_bound: NDArray[np.bool_]
    n_starts: NDArray[np.integer]
    n_agree: NDArray[np.integer]
    n_clipped: NDArray[np.integer]
    nuisances: Array
    nuisance_errors: Array
    start: NDArray[np.str_]
    rv: Array | None = None
    rv_err: Array | None = None
    arm_rv: Array | None = None
    broadening: Array | None = None
    broadening_err: Array | None = None


def fit_normalized(
    emulator: Emulator,
    flux: ArrayLike,
    ivar: ArrayLike,
    start: ArrayLike | None = None,
    bounds: ArrayLike | None = None,
    lsf: ArrayLike | None = None,
    use_scatter: bool = True,
    threads: int | None = None,
    *,
    n_starts: int = 6,
    progress: Callable[[int], None] | None = None,
) -> FitResult:
    """Fit the labels of normalised spectra on the grid of the emulator (Imig et al. 2021, sec. 3.2).

    Minimises chi2(x) = sum_p w_p (flux_p - model_p(x))^2 with w_p = 1 / (1/ivar_p + scatter_p^2) by
    a bounded Levenberg-Marquardt. Pixels with ivar <= 0 or anything not finite take no part. A
    spectrum that cannot be fitted gets a status, never an exception.

    Parameters
    ----------
    emulator : Emulator
    flux, ivar : (P,) or (N, P)
        Flux over its running median, and its inverse variance.
    start : (L,), (N, L) or (N, S, L), optional
        Labels to start from, physical units; one for all, one or several a spectrum. Without it, or
        where it is NaN, the best few of many labels over the training set are tried.
    bounds : (L, 2), optional
        Lower and upper bound of each label; `Emulator.bounds` by default.
    lsf : (P,) or (N, P), optional
        Line-spread function of the spectra: Gaussian sigma, Angstrom at rest, on the pixels of the emulator.
        The model of each spectrum is broadened to it where it is known (not NaN) and coarser than the
        emulator's own.
    use_scatter : bool
        False leaves the scatter of the emulator out of the weights.
    threads : int, optional
        Threads over spectra; all available cores by default. The result does not depend on it.
    n_starts : int
        How many starts a search follows down to their minimum; some more where noise does not tell
        them apart.
    progress : callable, optional
        Called now and then with the number of spectra done.

    Returns
    -------
    FitResult

    Raises
    ------
    ValueError
        If a shape does not fit the emulator, a bound is empty or not finite, or `lsf` is given and the
        emulator does not know its own.
    """
    single = all(getattr(values, "dtype", None) == np.float32 for values in (flux, ivar))
    data, weight = (
        _rows(name, values, emulator, dtype=np.float32 if single and lsf is None else np.float64)
        for name, values in (("flux", flux), ("ivar", ivar))
    )
    if data.shape != weight.shape:
        raise ValueError(f"ivar: expected the shape of flux {data.shape}, got {weight.shape}")
    observed = None
    if lsf is not None:
        observed = on_grid(data, weight, _rows("lsf", lsf, emulator), emulator)
        observed = observed if observed.variance.any() else None
    result, _ = _run(
        emulator,
        data,
        weight,
        None if observed is None else observed.core(AT_REST),
        Options(
            velocity="given", bounds=cast("Any", bounds), use_scatter=use_scatter, n_starts=n_starts, clip=0.0
        ),
        start,
        threads,
        progress=progress,
    )
    return result


def fit_observed(
    emulator: Emulator,
    observed: Observed,
    options: Options,
    start: ArrayLike | None = None,
    threads: int | None = None,
    *,
    shift: Array | None = None,
    near: bool = False,
    progress: Callable[[int], None] | None = None,
) -> FitResult:
    """Fit the labels of spectra on their own pixels, each seen through its instrument.

    As `fit_normalized`, but the model is the emulator at the resolution, velocity and pixels of the spectrum;
    velocities and broadening are fitted together with the labels where the options say so, and the covariance
    includes them.

    Parameters
    ----------
    emulator : Emulator
    observed : Observed
        From `maury.measure.observe.observe`.
    options : Options
    start, threads
        See `fit_normalized`.
    shift : (N,) float64, optional
        Shift on the grid to start from, or to keep; that of `observed` by default.
    near : bool
        The starts are next to the solution: no search.
    progress : callable, optional
    """
    most = to_shift(options.max_rv, emulator) if options.velocity == "fit" else 0.0
    core = observed.core(options, shift, most_shift=most)
    result, _ = _run(
        emulator, observed.flux, observed.ivar, core, options, start, threads, near=near, progress=progress
    )
    return _with_nuisances(result, options, emulator, observed.shift if shift is None else shift)


def fit_observed_twice(
    emulator: Emulator,
    observed: Observed,
    options: Options,
    medians: _core.Medians,
    start: ArrayLike | None = None,
    threads: int | None = None,
    *,
    progress: Callable[[int], None] | None = None,
) -> tuple[FitResult, Array, Array, Array]:
    """Fit, put right the running medians, fit again from there; nothing but the labels varies.

    Returns the second fit, with the starts of the first; flux and ivar as fitted then, and the model on the
    same pixels, (N, P), which is NaN beyond the emulator.
    """
    result, out = _run(
        emulator,
        observed.flux,
        observed.ivar,
        observed.core(options),
        options,
        start,
        threads,
        progress=progress,
        medians=medians,
    )
    return _with_nuisances(result, options, emulator, observed.shift), out["flux"], out["ivar"], out["model"]


def predict_observed(
    emulator: Emulator, observed: Observed, result: FitResult, options: Options, *, native: bool = False
) -> Array:
    """Predict the flux (N, P) of a fit, as the spectra show it or (`native`) as the emulator does."""
    nuisances = np.nan_to_num(result.nuisances)
    if native and options.broadening:
        nuisances[:, -1] = 0.0
    core = observed.core(options, most_shift=np.inf, native=native)
    return core.see(emulator.core, np.ascontiguousarray(result.labels), nuisances)


def _run(
    emulator: Emulator,
    flux: NDArray[Any],
    ivar: NDArray[Any],
    core: _core.Observed | None,
    options: Options,
    start: ArrayLike | None,
    threads: int | None,
    near: bool = False,
    progress: Callable[[int], None] | None = None,
    medians: _core.Medians | None = None,
) -> tuple[FitResult, Mapping[str, Any]]:
    box = options.box(emulator)
    starts = checked_start(start, len(flux), len(emulator.labels))
    searched: NDArray[np.bool_] = np.ones(len(flux), dtype=bool)
    if starts is not None:
        searched = ~np.any(np.isfinite(starts).all(axis=2), axis=1)
    n_threads = checked_threads(threads)
    out: Mapping[str, Any] = _core.fit_batch(
        fit_plan(emulator, box, n_threads, bool(searched.any())),
        flux,
        ivar,
        scatter=np.asarray(emulator.scatter, dtype=np.float64) if options.use_scatter else None,
        starts=starts,
        n_starts=options.n_starts,
        threads=n_threads,
        max_evaluations=_MAX_EVALUATIONS,
        progress=progress,
        compress=not near,
        clip=options.clip,
        observed=core,
        medians=medians,
    )
    result = FitResult(
        **{f.name: out[f.name] for f in fields(FitResult) if f.name in out},
        converged=np.isin(out["status"], _CONVERGED),
        start=np.where(searched, "search", "given"),
    )
    return result, out


def _with_nuisances(result: FitResult, options: Options, emulator: Emulator, shift: Array) -> FitResult:
    """Name what was fitted besides the labels, in km/s."""
    values, errors = result.nuisances, result.nuisance_errors
    fit_rv = options.velocity == "fit"
    n_arms = values.shape[1] - fit_rv - options.broadening
    names: dict[str, Any] = {}
    pixel = pixel_velocity(emulator)
    column = 0
    if fit_rv:
        names["rv"] = to_velocity(values[:, 0], emulator)
        names["rv_err"] = errors[:, 0] * pixel * (1.0 + names["rv"] / SPEED_OF_LIGHT)
        column = 1
    else:
        names["rv"] = to_velocity(shift, emulator)
    if n_arms > 0:
        arms = slice(column, column + n_arms)
        names["arm_rv"] = np.where(np.isfinite(errors[:, arms]), values[:, arms] * pixel, np.nan)
    if options.broadening:
        variance = values[:, -1]
        names["broadening"] = np.sign(variance) * np.sqrt(np.abs(variance)) * pixel
        with np.errstate(divide="ignore", invalid="ignore"):
            names["broadening_err"] = 0.5 * errors[:, -1] / np.sqrt(np.abs(variance)) * pixel
    return replace(result, **names)


_CONVERGED = [_core.STATUS[name][0] for name in ("COST", "STEP", "GRADIENT")]


def _rows(
    name: str, values: ArrayLike, emulator: Emulator, dtype: type[np.floating[Any]] = np.float64
) -> NDArray[Any]:
    """Check an array of (P,) or (N, P)."""
    array = np.ascontiguousarray(np.atleast_2d(np.asarray(values, dtype=dtype)))
    n_pixels = len(emulator.wavelength)
    if array.ndim != 2 or array.shape[1] != n_pixels:
        raise ValueError(
            f"{name}: expected shape (N, {n_pixels}) on the wavelengths of the emulator, got "
            f"{np.shape(values)}; maury.fit takes spectra on wavelengths of their own, and normalises them"
        )
    return array


def checked_threads(threads: int | None) -> int:
    """Return the number of threads as the core takes it: 0 = all available cores.

    Raises
    ------
    ValueError
        If it is below 1.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads: expected at least 1, or None for all cores, got {threads}")
    return threads or 0


def checked_start(start: ArrayLike | None, n_spectra: int, n_labels: int) -> Array | None:
    """Return the starts as (N, S, L), or None.

    Raises
    ------
    ValueError
        If their shape is none of (L,), (N, L) and (N, S, L).
    """
    if start is None:
        return None
    given = np.asarray(start, dtype=np.float64)
    if given.shape == (n_labels,):
        given = np.broadcast_to(given, (n_spectra, 1, n_labels))
    elif given.shape == (n_spectra, n_labels):
        given = given[:, None, :]
    elif given.ndim != 3 or given.shape[0] != n_spectra or given.shape[2] != n_labels:
        raise ValueError(
            f"start: expected shape ({n_labels},), ({n_spectra}, {n_labels}) or "
            f"({n_spectra}, S, {n_labels}), got {given.shape}"
        )
    return np.ascontiguousarray(given)
