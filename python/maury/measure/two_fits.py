"""Two fits: the first tells what star it is, and so what its running median should have been."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.measure.fit import FitResult, fit_observed, fit_observed_twice, predict_observed
from maury.measure.median_ratio import known_medians, median_ratio
from maury.measure.observe import Observed, on_sampling_of_emulator
from maury.measure.options import Options

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator

_SAME_CHI2 = 0.1  # fits that differ by less have found the same minimum


@dataclass(frozen=True)
class Measured:
    """The second fit; what was fitted, with the running median put right; the model (N, P) of the fit."""

    result: FitResult
    observed: Observed
    model: NDArray[np.float64]


def fit_twice(
    emulator: Emulator,
    observed: Observed,
    options: Options,
    start: ArrayLike | None = None,
    photometric_labels: ArrayLike | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda n: None,
) -> Measured:
    """Fit, put the running median right, fit again from there.

    Parameters
    ----------
    emulator : Emulator
    observed : Observed
    options : Options
    start, threads
        See `maury.fit_normalized`.
    photometric_labels : (N, L), optional
        One more start for the first fit, NaN where unknown.
    progress : callable
        Called with the number of fits done, of 2 N.
    """
    if photometric_labels is None and nothing_but_labels(options) and on_sampling_of_emulator(observed):
        return _in_core(emulator, observed, options, start, threads, progress)
    return _step_by_step(emulator, observed, options, start, photometric_labels, threads, progress)


def nothing_but_labels(options: Options) -> bool:
    """Whether nothing else is fitted."""
    return not (options.velocity == "fit" or options.arm_rv or options.broadening)


def _in_core(
    emulator: Emulator,
    observed: Observed,
    options: Options,
    start: ArrayLike | None,
    threads: int | None,
    progress: Callable[[int], None],
) -> Measured:
    """Both fits of a spectrum at once, so that what both need is made once."""
    medians = known_medians(observed, emulator)
    result, flux, ivar, model = fit_observed_twice(
        emulator, observed, options, medians, start, threads, progress=lambda n: progress(2 * n)
    )
    return Measured(result, replace(observed, flux=flux, ivar=ivar), model)


def _step_by_step(
    emulator: Emulator,
    observed: Observed,
    options: Options,
    start: ArrayLike | None,
    photometric_labels: ArrayLike | None,
    threads: int | None,
    progress: Callable[[int], None],
) -> Measured:
    first = fit_observed(emulator, observed, options, start, threads, progress=progress)
    if photometric_labels is not None:
        labels = np.asarray(photometric_labels, dtype=np.float64)
        known = np.asarray(np.isfinite(labels).all(axis=1))
        labels = np.where(known[:, None], labels, first.labels)
        first = lower_of(first, fit_observed(emulator, observed, options, labels, threads), known)
    ratio = median_ratio(
        observed,
        predict_observed(emulator, observed, first, options),
        predict_observed(emulator, observed, first, options, native=True),
        emulator,
    )
    observed = replace(observed, flux=observed.flux * ratio, ivar=observed.ivar / ratio**2)
    shift = observed.shift
    if options.velocity == "fit":
        shift = np.where(first.converged, first.nuisances[:, 0], shift)
    result = fit_observed(
        emulator,
        observed,
        options,
        first.labels,
        threads,
        shift=shift,
        near=True,
        progress=lambda n: progress(len(observed.flux) + n),
    )
    result = replace(result, start=first.start, n_starts=first.n_starts, n_agree=first.n_agree)
    return Measured(result, observed, predict_observed(emulator, observed, result, options))


def lower_of(search: FitResult, other: FitResult, tried: NDArray[np.bool_]) -> FitResult:
    """Of two fits of the same spectra take, row by row, the lower chi-square.

    Parameters
    ----------
    search, other : FitResult
        What the search found, and where the photometric start led.
    tried : (N,) bool
        Spectra that had such a start.
    """
    fall = search.chi2 - other.chi2
    wins = tried & other.converged & (~search.converged | (fall > _SAME_CHI2))
    agrees = tried & other.converged & (np.abs(fall) <= _SAME_CHI2)
    chosen = {}
    for name in (f.name for f in fields(FitResult)):
        one, two = getattr(search, name), getattr(other, name)
        if one is not None:
            chosen[name] = np.where(wins.reshape(-1, *[1] * (one.ndim - 1)), two, one)
    chosen["start"] = np.where(wins, "photometry", search.start)
    chosen["n_starts"] = search.n_starts + tried
    chosen["n_agree"] = np.where(wins, 1, search.n_agree + agrees)
    return FitResult(**chosen)
