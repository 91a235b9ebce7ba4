"""The measuring wing from end to end; read this first.

spectra -> velocity -> observe -> fit -> take back what noise, resolution and gaps did to the running median
        -> fit again -> errors and flags -> catalogue
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from itertools import product
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog import build_catalog
from maury.emulator import Emulator
from maury.measure.continuum import median_ratio
from maury.measure.emission import emission_lines, shows_emission
from maury.measure.error_file import apply_errors, read_errors
from maury.measure.errors import ErrorModel
from maury.measure.fit import Choice, FitResult, fit_observed, predict_observed
from maury.measure.misfit import is_misfit
from maury.measure.observe import Observed, observe, rest_wavelength
from maury.measure.regions import in_regions
from maury.measure.velocity import scan_velocity, to_shift
from maury.spectra import Spectra

if TYPE_CHECKING:
    from astropy.table import QTable


CLIP = 4.0  # sigma
_SAME_CHI2 = 0.1  # fits that differ by less have found the same minimum


def fit(
    spectra: Spectra,
    emulator: Emulator | str | PathLike[str] = "default",
    *,
    start: ArrayLike | None = None,
    photometry: ArrayLike | None = None,
    bounds: ArrayLike | None = None,
    use_scatter: bool = True,
    n_starts: int = 6,
    velocity: Literal["fit", "given"] = "fit",
    max_rv: float = 1000.0,
    arm_rv: bool | None = None,
    broadening: bool = False,
    leave_out: Sequence[str] = (),
    errors: ErrorModel | str | PathLike[str] | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> QTable:
    """Measure the labels and velocities of spectra, each at its own resolution.

    The emulator is brought to the spectrum: its line-spread function, velocity and pixels. Pixels more than 4
    sigma from the fit are left out. A spectrum that cannot be fitted is a flagged row.

    Parameters
    ----------
    spectra : Spectra
        From `maury.read_spectra`, or made from arrays. Where the `lsf` is not known, that of the emulator is
        taken to hold.
    emulator : Emulator or path
        ``"default"`` is the one that comes with maury.
    start, bounds, use_scatter, n_starts, threads
        See `maury.fit_normalized`.
    photometry : (N, L), optional
        Labels from `maury.measure.photometry.photometric_start`, NaN where unknown: one start more for the
        spectra that have them, beside the search. The lower chi-square wins, and `start` in the catalogue
        says which that was.
    velocity : "fit" or "given"
        "fit" finds the velocity by cross-correlation and fits it along with the labels, whatever `Spectra.rv`
        says; but spectra that are said to be at rest (`rv` exactly 0) stay there. "given" keeps `Spectra.rv`;
        unknown counts as 0.
    max_rv : float
        How far velocities are searched [km/s].
    arm_rv : bool, optional
        Fit the velocity of each further arm of the spectrograph too; by default where velocities are fitted
        and the spectra tell their arms.
    broadening : bool
        Fit one broadening more for each spectrum: rotation, or an instrument less sharp than its
        line-spread function says. See `maury.measure.fit.FitResult`.
    leave_out : sequence of str
        Names of `maury.measure.regions.REGIONS` to leave out of the fit.
    errors : ErrorModel or path, optional
        Errors from repeat visits, as `maury errors` writes them, instead of those of the fit.
    progress : bool
        Show a progress bar.

    Returns
    -------
    astropy.table.QTable
        One row a spectrum, in the order given.

    Raises
    ------
    ValueError
        If an argument is wrong; never for a bad spectrum.
    """
    from tqdm import tqdm

    if not isinstance(emulator, Emulator):
        emulator = Emulator.load(emulator)
    if velocity not in ("fit", "given"):
        raise ValueError(f"velocity: expected 'fit' or 'given', got {velocity!r}")
    if not max_rv > 0:
        raise ValueError(f"max_rv: expected km/s above 0, got {max_rv}")
    shape = (len(spectra), len(emulator.labels))
    if photometry is not None and np.shape(photometry) != shape:
        raise ValueError(
            f"photometry: expected labels of shape {shape}, one row a spectrum with NaN where unknown, got "
            f"{np.shape(photometry)}; see maury.measure.photometry.photometric_start"
        )
    model = errors if errors is None or isinstance(errors, ErrorModel) else read_errors(errors)
    choice = Choice(
        start,
        bounds,
        use_scatter,
        threads,
        n_starts,
        clip=CLIP,
        max_rv=max_rv,
        fit_broadening=broadening,
    )
    moving = np.full(len(spectra), velocity == "fit") & (spectra.rv != 0)
    if moving.any():
        to_shift(max_rv, emulator)  # says what is wrong before the work
    with tqdm(total=2 * len(spectra), desc="fitting", unit="fit", disable=None if progress else True) as bar:

        def show(done: int, of: int = 0) -> None:
            bar.update(of + done - bar.n)

        parts = []
        with_matrix = np.zeros(len(spectra), dtype=bool)
        if spectra.resolution is not None:
            with_matrix |= np.isfinite(spectra.resolution).any(axis=(1, 2))
        for free, matrix in product((True, False), repeat=2):
            rows = np.flatnonzero((moving == free) & (with_matrix == matrix))
            if len(rows) or not len(spectra):
                arms = free and spectra.arm is not None if arm_rv is None else arm_rv
                own_start = _of_rows(start, rows, len(spectra))
                guess = _of_rows(photometry, rows, len(spectra))
                some = replace(choice, start=own_start, fit_rv=free, fit_arms=arms)
                own = spectra[rows]
                if spectra.resolution is not None and not matrix:
                    own = replace(own, resolution=None)
                part = _measure(own, emulator, some, guess, leave_out, partial(show, of=bar.n))
                parts.append((rows, part))
    measured = _joined(parts, len(spectra))
    options = {
        "use_scatter": use_scatter,
        "n_starts": n_starts,
        "start": "search" if start is None else "given",
        "photometry": photometry is not None,
        "velocity": velocity,
        "max_rv": max_rv,
        "broadening": broadening,
        "arm_rv": arm_rv,
        "leave_out": list(leave_out),
    }
    spectra = replace(spectra, snr=np.where(np.isfinite(spectra.snr), spectra.snr, measured.snr))
    catalog = build_catalog(
        measured.result, spectra, emulator, options, measured.sharper, measured.emission, measured.misfit
    )
    return catalog if model is None else apply_errors(catalog, model)


@dataclass(frozen=True)
class _Measured:
    result: FitResult
    snr: NDArray[np.float64]
    sharper: NDArray[np.bool_]
    emission: NDArray[np.bool_]
    misfit: NDArray[np.bool_]


def _measure(
    spectra: Spectra,
    emulator: Emulator,
    choice: Choice,
    guess: ArrayLike | None,
    leave_out: Sequence[str],
    show: Callable[[int], None],
) -> _Measured:
    """Spectra whose velocities are all to be fitted, or all known; all with a resolution matrix, or none."""
    known = np.where(np.isfinite(spectra.rv), spectra.rv, 0.0)
    rv = known
    if choice.fit_rv:
        first_look = observe(spectra, emulator, known, margin=choice.max_rv)
        found = scan_velocity(first_look, emulator, choice.max_rv, choice.threads)
        rv = np.where(np.isfinite(found), found, np.clip(known, -choice.max_rv, choice.max_rv))
    skip = in_regions(leave_out, spectra.wavelength, rv) if leave_out else None
    observed = observe(spectra, emulator, rv, leave_out=skip)
    first = fit_observed(emulator, observed, choice, progress=show)
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
        progress=lambda n: show(len(spectra) + n),
    )
    result = replace(result, start=first.start, n_starts=first.n_starts, n_agree=first.n_agree)
    return _Measured(
        result, observed.snr, observed.sharper, *_residuals(spectra, emulator, observed, result, choice)
    )


def _residuals(
    spectra: Spectra, emulator: Emulator, observed: Observed, result: FitResult, choice: Choice
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether emission lines are in the residual, and whether it is a misfit; outliers are looked at too."""
    rv = np.nan_to_num(cast("Any", result.rv))
    wavelength = spectra.wavelength[..., observed.first : observed.first + observed.flux.shape[1]]
    rest = rest_wavelength(spectra, observed, rv)
    scatter = np.interp(rest, emulator.wavelength, emulator.scatter)
    model = predict_observed(emulator, observed, result, choice)
    emission = shows_emission(*emission_lines(wavelength, observed.flux, observed.ivar, model, rv, scatter))
    width = float(np.median(observed.high - observed.low))
    return emission, is_misfit(observed.flux, observed.ivar, model, scatter, width, emulator)


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


def _of_rows(start: ArrayLike | None, rows: NDArray[np.intp], n_spectra: int) -> ArrayLike | None:
    """Give the starts of some spectra, where each has its own; what is wrong is said later."""
    if start is None or np.ndim(start) < 2 or len(np.asarray(start)) != n_spectra:
        return start
    return np.asarray(start)[rows]


def _joined(parts: Sequence[tuple[NDArray[np.intp], _Measured]], n_spectra: int) -> _Measured:
    """All spectra in their order; NaN where a part does not have what another has."""

    def join(values: Sequence[NDArray[Any] | None]) -> NDArray[Any] | None:
        some = next((value for value in values if value is not None), None)
        if some is None:
            return None
        shape = (n_spectra, *some.shape[1:])
        whole = np.full(shape, np.nan) if some.dtype.kind == "f" else np.zeros(shape, dtype=some.dtype)
        for (rows, _), value in zip(parts, values, strict=True):
            if value is not None:
                whole[rows] = value
        return whole

    named: dict[str, Any] = {
        f.name: join([getattr(part.result, f.name) for _, part in parts])
        for f in fields(FitResult)
        if not f.name.startswith("nuisance")
    }
    nothing = np.empty((n_spectra, 0))
    return _Measured(
        FitResult(**named, nuisances=nothing, nuisance_errors=nothing),
        *(
            cast("Any", join([getattr(part, name) for _, part in parts]))
            for name in ("snr", "sharper", "emission", "misfit")
        ),
    )
