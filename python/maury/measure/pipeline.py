"""The measuring wing from end to end; read this first.

spectra -> velocity -> observe -> fit -> take back what noise, resolution and gaps did to the running median
        -> fit again -> errors and flags -> catalogue
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.columns import Columns
from maury.catalog.error_file import apply_errors, errors_for
from maury.catalog.errors import ErrorModel
from maury.catalog.table import catalog_table
from maury.emulator.emulator import Emulator
from maury.emulator.grid import to_shift
from maury.measure.columns import catalog_columns
from maury.measure.emission import emission_lines, shows_emission
from maury.measure.fit import FitResult
from maury.measure.jobs import run_jobs
from maury.measure.misfit import is_misfit
from maury.measure.observe import observe, rest_wavelength, same_sampling
from maury.measure.options import Choice, Settings
from maury.measure.regions import in_regions
from maury.measure.two_fits import Measured, fit_twice
from maury.measure.velocity import scan_velocity
from maury.prepare import signal_to_noise
from maury.progress import progress as show_progress
from maury.spectra import Spectra

if TYPE_CHECKING:
    from astropy.table import QTable


CLIP = 4.0  # sigma
_ROWS = 100  # of a job


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
    if not isinstance(emulator, Emulator):
        emulator = Emulator.load(emulator)
    model = errors_for(errors, emulator.labels, emulator.file_hash)
    settings = Settings(use_scatter, n_starts, velocity, max_rv, arm_rv, broadening, tuple(leave_out), bounds)
    with show_progress(2 * len(spectra), "fitting", "fit", progress) as bar:
        columns = measure(spectra, emulator, settings, start, photometry, threads, bar.update)
    options = settings.header(start is not None, photometry is not None)
    return finished_catalog(columns, emulator, options, model)


def finished_catalog(
    columns: Columns, emulator: Emulator, options: Mapping[str, Any], errors: ErrorModel | None
) -> QTable:
    """Make the catalogue of what was measured, with the errors that it shall have."""
    units = dict(zip(emulator.labels, emulator.units, strict=True))
    origin = {"EMULATOR": emulator.name, "EMUHASH": emulator.file_hash, "OPTIONS": json.dumps(options)}
    catalog = catalog_table(columns, units, origin)
    return catalog if errors is None else apply_errors(catalog, errors)


def measure(
    spectra: Spectra,
    emulator: Emulator,
    settings: Settings,
    start: ArrayLike | None = None,
    photometry: ArrayLike | None = None,
    threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Columns:
    """Measure spectra as `fit` does; return the columns of the catalogue as plain arrays.

    Each row depends on its own spectrum alone. `progress` is told how many fits more are done, two a
    spectrum, from several threads but never at once.
    """
    shape = (len(spectra), len(emulator.labels))
    if photometry is not None and np.shape(photometry) != shape:
        raise ValueError(
            f"photometry: expected labels of shape {shape}, one row a spectrum with NaN where unknown, got "
            f"{np.shape(photometry)}; see maury.measure.photometry.photometric_start"
        )
    choice = Choice(
        start,
        settings.bounds,
        settings.use_scatter,
        threads,
        settings.n_starts,
        clip=CLIP,
        max_rv=settings.max_rv,
        fit_broadening=settings.broadening,
    )
    jobs = list(_jobs(spectra, emulator, settings))
    if len(jobs) > 1:  # threads over the jobs, so that all of the work is shared out
        choice = replace(choice, threads=1)

    def work(job: _Job, show: Callable[[int], None]) -> _Measured:
        some = replace(
            choice,
            start=_of_rows(start, job.rows, len(spectra)),
            fit_rv=job.fit_rv,
            fit_arms=job.fit_arms,
        )
        own = spectra[job.rows]
        if spectra.resolution is not None and not job.matrix:
            own = replace(own, resolution=None)
        return _measure(
            own, emulator, some, _of_rows(photometry, job.rows, len(spectra)), settings.leave_out, show
        )

    done = run_jobs(work, jobs, threads, progress)
    measured = _joined([(job.rows, part) for job, part in zip(jobs, done, strict=True)], len(spectra))
    spectra = copy(spectra)  # of the names of its arrays alone
    spectra.snr = np.where(np.isfinite(spectra.snr), spectra.snr, measured.snr)
    return catalog_columns(
        measured.result,
        spectra,
        emulator,
        settings.max_rv,
        measured.sharper,
        measured.emission,
        measured.misfit,
    )


@dataclass(frozen=True)
class _Job:
    """Rows that can be measured together."""

    rows: NDArray[np.intp]
    fit_rv: bool
    fit_arms: bool
    matrix: bool


def _jobs(spectra: Spectra, emulator: Emulator, settings: Settings) -> Iterator[_Job]:
    """Few rows at a time, so that memory is flat and what they need stays in the cache.

    Rows that are measured in another way are kept apart, so that none depends on its neighbours.
    """
    moving = np.full(len(spectra), settings.velocity == "fit") & (spectra.rv != 0)
    if moving.any():
        to_shift(settings.max_rv, emulator)  # says what is wrong before the work
    with_matrix = np.zeros(len(spectra), dtype=bool)
    if spectra.resolution is not None:
        with_matrix |= np.isfinite(spectra.resolution).any(axis=(1, 2))
    even = same_sampling(np.atleast_2d(spectra.wavelength), emulator)
    kinds = np.stack([moving, with_matrix, np.broadcast_to(even, len(spectra))], axis=1)
    for kind in np.unique(kinds, axis=0)[::-1] if len(spectra) else np.zeros((1, 3), dtype=bool):
        free, matrix, _ = kind.tolist()
        rows = np.flatnonzero((kinds == kind).all(axis=1))
        arms = free and spectra.arm is not None if settings.arm_rv is None else settings.arm_rv
        for first in range(0, max(len(rows), 1), _ROWS):
            yield _Job(rows[first : first + _ROWS], free, arms, matrix)


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
    measured = fit_twice(emulator, observed, choice, guess, show)
    snr = np.full(len(spectra), np.nan)  # where the file does not say
    unknown = ~np.isfinite(spectra.snr)
    snr[unknown] = signal_to_noise(observed.flux[unknown], observed.ivar[unknown])
    return _Measured(measured.result, snr, observed.sharper, *_residuals(spectra, emulator, measured))


def _residuals(
    spectra: Spectra, emulator: Emulator, measured: Measured
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether emission lines are in the residual, and whether it is a misfit; outliers are looked at too."""
    observed = measured.observed
    rv = np.nan_to_num(cast("Any", measured.result.rv))
    if len(rv) and (rv == rv[0]).all():  # what they share is computed once
        rv = rv[:1]
    wavelength = spectra.wavelength[..., observed.first : observed.first + observed.flux.shape[1]]
    rest = rest_wavelength(spectra, observed, rv)
    scatter = np.interp(rest, emulator.wavelength, emulator.scatter)
    seen = (observed.flux, observed.ivar, measured.model)
    emission = shows_emission(*emission_lines(wavelength, *seen, rv, scatter))
    width = np.median(observed.high - observed.low, axis=1)
    return emission, is_misfit(*seen, scatter, width, emulator)


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
