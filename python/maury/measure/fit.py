"""Fit labels to normalised spectra: arguments checked here, the work done by the C++ core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury import _core
from maury.measure.broaden import broadened, extra_variance, groups
from maury.measure.plan import fit_plan

if TYPE_CHECKING:
    from maury.emulator import Emulator

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
    start : (N,) str
        ``"given"``, or ``"search"`` where the start was the best of many labels.
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
    start: NDArray[np.str_]


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
        The emulator is broadened to it where it is known (not NaN) and coarser than its own.
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
        _rows(name, values, emulator, dtype=np.float32 if single else np.float64)
        for name, values in (("flux", flux), ("ivar", ivar))
    )
    if data.shape != weight.shape:
        raise ValueError(f"ivar: expected the shape of flux {data.shape}, got {weight.shape}")
    box = _check_bounds(bounds, emulator)
    starts = _check_start(start, len(data), len(emulator.labels))
    searched: NDArray[np.bool_] = np.ones(len(data), dtype=bool)
    if starts is not None:
        searched = ~np.any(np.isfinite(starts).all(axis=2), axis=1)
    if n_starts < 1:
        raise ValueError(f"n_starts: expected at least 1, got {n_starts}")
    if threads is not None and threads < 1:
        raise ValueError(f"threads: expected at least 1, or None for all cores, got {threads}")
    scatter = np.asarray(emulator.scatter, dtype=np.float64) if use_scatter else None
    search = bool(searched.any())

    def run(model: Emulator, rows: NDArray[np.intp] | slice, done: int) -> Mapping[str, Any]:
        return _core.fit_batch(
            fit_plan(model, box, threads or 0, search),
            data[rows],
            weight[rows],
            scatter,
            None if starts is None else starts[rows],
            n_starts,
            threads or 0,
            _MAX_EVALUATIONS,
            None if progress is None else lambda count: progress(done + count),
        )

    variance = None if lsf is None else extra_variance(emulator, _rows("lsf", lsf, emulator, len(data)))
    out: Mapping[str, Any]
    if variance is None or not variance.any():
        out = run(emulator, slice(None), 0)
    else:
        parts, order, done = [], [], 0
        for rows, curve in groups(variance):
            parts.append(run(broadened(emulator, curve), rows, done))
            order.append(rows)
            done += len(rows)
        back = np.argsort(np.concatenate(order))
        out = {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}
    return FitResult(
        labels=out["labels"],
        covariance=out["covariance"],
        chi2=out["chi2"],
        chi2_noise=out["chi2_noise"],
        n_pixels=out["n_pixels"],
        converged=np.isin(out["status"], _CONVERGED),
        status=out["status"],
        n_evaluations=out["n_evaluations"],
        at_bound=out["at_bound"],
        n_starts=out["n_starts"],
        n_agree=out["n_agree"],
        start=np.where(searched, "search", "given"),
    )


_CONVERGED = [_core.STATUS[name][0] for name in ("COST", "STEP", "GRADIENT")]


def _rows(
    name: str,
    values: ArrayLike,
    emulator: Emulator,
    n_spectra: int | None = None,
    dtype: type[np.floating[Any]] = np.float64,
) -> NDArray[Any]:
    """Check an array of (P,) or (N, P); one row serves all of `n_spectra`."""
    array = np.ascontiguousarray(np.atleast_2d(np.asarray(values, dtype=dtype)))
    n_pixels = len(emulator.wavelength)
    if n_spectra is not None and len(array) == 1:
        array = np.broadcast_to(array, (n_spectra, array.shape[1]))
    if array.ndim != 2 or array.shape[1] != n_pixels or n_spectra not in (None, len(array)):
        raise ValueError(
            f"{name}: expected shape (N, {n_pixels}) on the wavelengths of the emulator, got "
            f"{np.shape(values)}; maury.fit rebins and normalises spectra for you"
        )
    return array


def _check_bounds(bounds: ArrayLike | None, emulator: Emulator) -> Array:
    box = np.array(emulator.bounds if bounds is None else bounds, dtype=np.float64)
    n_labels = len(emulator.labels)
    if box.shape != (n_labels, 2):
        raise ValueError(
            f"bounds: expected shape ({n_labels}, 2), a lower and an upper bound for each of "
            f"{', '.join(emulator.labels)}, got {box.shape}"
        )
    for name, transform, (low, high) in zip(emulator.labels, emulator.transforms, box, strict=True):
        if not (np.isfinite(low) and np.isfinite(high) and low < high):
            raise ValueError(f"bounds: {name} needs lower < upper, both finite, got [{low}, {high}]")
        if transform == "log10" and low <= 0:
            raise ValueError(f"bounds: {name} enters as a logarithm and needs lower > 0, got {low}")
    return box


def _check_start(start: ArrayLike | None, n_spectra: int, n_labels: int) -> Array | None:
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
