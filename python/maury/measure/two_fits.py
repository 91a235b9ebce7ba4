"""Two fits: the first tells what star it is, and so what its running median should have been."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.measure.continuum import known_medians, median_ratio
from maury.measure.fit import Choice, FitResult, fit_observed, fit_observed_twice, predict_observed
from maury.measure.observe import Observed, on_sampling_of_emulator

if TYPE_CHECKING:
    from maury.emulator import Emulator

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
    choice: Choice,
    guess: ArrayLike | None = None,
    progress: Callable[[int], None] = lambda n: None,
) -> Measured:
    """Fit, put the running median right, fit again from there.

    Parameters
    ----------
    emulator : Emulator
    observed : Observed
    choice : Choice
    guess : (N, L), optional
        One start more for the first fit, NaN where unknown.
    progress : callable
        Called with the number of fits done, of 2 N.
    """
    fast = np.zeros(len(observed.flux), dtype=bool)
    if guess is None and nothing_but_labels(choice):
        fast[:] = on_sampling_of_emulator(observed)
    parts: list[tuple[NDArray[np.intp], Measured]] = []
    for rows in (np.flatnonzero(fast), np.flatnonzero(~fast)):
        if not len(rows) and len(fast):
            continue
        some, own = _rows_of(observed, rows), replace(choice, start=of_rows(choice.start, rows, len(fast)))

        def show(n: int, before: int = 2 * (len(fast) - len(rows)) if parts else 0) -> None:
            progress(before + n)

        if len(rows) and fast[rows[0]]:
            parts.append((rows, _in_core(emulator, some, own, show)))
        else:
            parts.append((rows, _step_by_step(emulator, some, own, guess, show)))
    return _joined(parts, observed)


def nothing_but_labels(choice: Choice) -> bool:
    """Whether nothing else is fitted."""
    return not (choice.fit_rv or choice.fit_arms or choice.fit_broadening)


def of_rows(start: ArrayLike | None, rows: NDArray[np.intp], n_spectra: int) -> ArrayLike | None:
    """Give the starts of some spectra, where each has its own; what is wrong is said later."""
    if start is None or np.ndim(start) < 2 or len(np.asarray(start)) != n_spectra:
        return start
    return np.asarray(start)[rows]


def _rows_of(observed: Observed, rows: NDArray[np.intp]) -> Observed:
    n = len(observed.flux)
    if len(rows) == n:
        return observed
    own: dict[str, Any] = {}
    for name in (f.name for f in fields(Observed)):
        value = getattr(observed, name)
        if isinstance(value, np.ndarray) and len(value) == n:  # else one row for all
            own[name] = value[rows]
    return replace(observed, **own)


def _joined(parts: list[tuple[NDArray[np.intp], Measured]], observed: Observed) -> Measured:
    """All spectra in their order."""
    if len(parts) == 1:
        return parts[0][1]
    order = np.argsort(np.concatenate([rows for rows, _ in parts]))

    def join(values: list[Any]) -> Any:
        return None if values[0] is None else np.concatenate(values)[order]

    named = {f.name: join([getattr(part.result, f.name) for _, part in parts]) for f in fields(FitResult)}
    flux, ivar = (join([getattr(part.observed, name) for _, part in parts]) for name in ("flux", "ivar"))
    return Measured(
        FitResult(**named), replace(observed, flux=flux, ivar=ivar), join([part.model for _, part in parts])
    )


def _in_core(
    emulator: Emulator, observed: Observed, choice: Choice, progress: Callable[[int], None]
) -> Measured:
    """Both fits of a spectrum at once, so that what both need is made once."""
    medians = known_medians(observed, emulator)
    result, flux, ivar, model = fit_observed_twice(
        emulator, observed, choice, medians, progress=lambda n: progress(2 * n)
    )
    return Measured(result, replace(observed, flux=flux, ivar=ivar), model)


def _step_by_step(
    emulator: Emulator,
    observed: Observed,
    choice: Choice,
    guess: ArrayLike | None,
    progress: Callable[[int], None],
) -> Measured:
    first = fit_observed(emulator, observed, choice, progress=progress)
    if guess is not None:
        labels = np.asarray(guess, dtype=np.float64)
        known_guess = np.asarray(np.isfinite(labels).all(axis=1))
        labels = np.where(known_guess[:, None], labels, first.labels)
        first = lower_of(first, fit_observed(emulator, observed, replace(choice, start=labels)), known_guess)
    ratio = median_ratio(
        observed,
        predict_observed(emulator, observed, first, choice),
        predict_observed(emulator, observed, first, choice, native=True),
        emulator,
    )
    observed = replace(observed, flux=observed.flux * ratio, ivar=observed.ivar / ratio**2)
    shift = observed.shift
    if choice.fit_rv:
        shift = np.where(first.converged, first.nuisances[:, 0], shift)
    result = fit_observed(
        emulator,
        observed,
        replace(choice, start=first.labels),
        shift,
        near=True,
        progress=lambda n: progress(len(observed.flux) + n),
    )
    result = replace(result, start=first.start, n_starts=first.n_starts, n_agree=first.n_agree)
    return Measured(result, observed, predict_observed(emulator, observed, result, choice))


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
