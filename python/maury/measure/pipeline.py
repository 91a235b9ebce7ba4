"""The measuring wing from end to end; read this first.

spectra -> velocity -> observe -> fit -> take back what noise, resolution and gaps did to the running median
        -> fit again -> errors and flags -> catalogue
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.columns import Columns, join_columns
from maury.catalog.error_file import apply_errors, read_errors
from maury.catalog.errors import ErrorModel
from maury.catalog.table import catalog_table
from maury.emulator.emulator import Emulator
from maury.emulator.grid import to_shift
from maury.measure.columns import catalog_columns
from maury.measure.emission import emission_lines, shows_emission
from maury.measure.fit import checked_start, checked_threads
from maury.measure.jobs import run_jobs
from maury.measure.lsf import with_lsf
from maury.measure.misfit import is_misfit
from maury.measure.observe import observe, rest_wavelength, same_sampling
from maury.measure.options import Options, Velocity
from maury.measure.photometry import start_of_stars
from maury.measure.regions import in_regions
from maury.measure.two_fits import Measured, fit_twice
from maury.measure.velocity import scan_velocity
from maury.prepare import signal_to_noise
from maury.spectra import Spectra

if TYPE_CHECKING:
    from astropy.table import QTable, Table


_ROWS = 100  # of a job


def fit(
    spectra: Spectra,
    emulator: Emulator | str | PathLike[str] = "default",
    *,
    start: ArrayLike | None = None,
    photometry: Table | None = None,
    isochrones: Table | None = None,
    bounds: ArrayLike | None = None,
    use_scatter: bool = True,
    n_starts: int = 6,
    velocity: Velocity = "fit",
    max_rv: float = 1000.0,
    arm_rv: bool | None = None,
    broadening: bool = False,
    leave_out: Sequence[str] = (),
    resolution: float | None = None,
    fwhm: float | None = None,
    errors: ErrorModel | str | PathLike[str] | None = None,
    threads: int | None = None,
    progress: bool = False,
) -> QTable:
    """Measure the labels and velocities of spectra, each at its own resolution.

    The emulator is brought to the line-spread function, velocity and pixels of each spectrum. Pixels more
    than 4 sigma from the fit are left out. A spectrum that cannot be fitted is a flagged row.

    Parameters
    ----------
    spectra : Spectra
        From `maury.read_spectra`, or made from arrays. Where the `lsf` is unknown, that of the emulator is
        assumed.
    emulator : Emulator or path
        ``"default"`` is the built-in one.
    start, threads
        See `maury.fit_normalized`.
    photometry, isochrones : Table, optional
        Gaia photometry by `star_id`, and the isochrones from which labels follow: one more start for the
        stars in the table, beside the search; see `maury.measure.photometry.start_of_stars`. The lower
        chi-square wins, and the column `start` tells which start that was.
    bounds, use_scatter, n_starts, velocity, max_rv, arm_rv, broadening, leave_out, resolution, fwhm
        See `maury.measure.options.Options`.
    errors : ErrorModel or path, optional
        Errors from repeat visits, as `maury errors` writes them, instead of those of the fit.
    progress : bool
        Show a progress bar.

    Returns
    -------
    astropy.table.QTable
        One row per spectrum, in the order given.

    Raises
    ------
    ValueError
        If an argument is wrong; never for a bad spectrum.
    """
    from tqdm import tqdm

    if (photometry is None) != (isochrones is None):
        raise ValueError("photometry, isochrones: give both, or none")
    if not isinstance(emulator, Emulator):
        emulator = Emulator.load(emulator)
    model = errors if errors is None or isinstance(errors, ErrorModel) else read_errors(errors)
    options = Options(
        velocity=velocity,
        max_rv=max_rv,
        arm_rv=arm_rv,
        broadening=broadening,
        leave_out=cast("Any", leave_out),
        bounds=cast("Any", bounds),
        use_scatter=use_scatter,
        n_starts=n_starts,
        resolution=resolution,
        fwhm=fwhm,
    )
    photometric = None
    if photometry is not None and isochrones is not None:
        photometric = start_of_stars(spectra.star_id, photometry, isochrones, emulator.labels)
    with tqdm(total=2 * len(spectra), desc="fitting", unit="fit", disable=None if progress else True) as bar:
        columns = measure(spectra, emulator, options, start, photometric, threads, bar.update)
    return finished_catalog(columns, emulator, options, model, start is not None, photometry is not None)


def finished_catalog(
    columns: Columns,
    emulator: Emulator,
    options: Options,
    errors: ErrorModel | None = None,
    start: bool = False,
    photometry: bool = False,
) -> QTable:
    """Make the catalogue of measured columns, with errors of repeat visits where they are given.

    `start` and `photometry` tell whether the user gave labels or photometry to start from.
    """
    told = options.as_dict() | {"start": "given" if start else "search", "photometry": photometry}
    units = dict(zip(emulator.labels, emulator.units, strict=True))
    origin = {"EMULATOR": emulator.name, "EMUHASH": emulator.file_hash, "OPTIONS": json.dumps(told)}
    catalog = catalog_table(columns, units, origin)
    return catalog if errors is None else apply_errors(catalog, errors)


def measure(
    spectra: Spectra,
    emulator: Emulator,
    options: Options,
    start: ArrayLike | None = None,
    photometric_labels: ArrayLike | None = None,
    threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Columns:
    """Measure spectra as `fit` does; return the columns of the catalogue as plain arrays.

    Each row depends on its own spectrum alone.

    Parameters
    ----------
    spectra, emulator, start, threads
        See `fit`.
    options : Options
    photometric_labels : (N, L), optional
        One more start per spectrum, beside the search; NaN where unknown.
    progress : callable, optional
        Told how many fits more are done, two per spectrum, from several threads but never at once.
    """
    shape = (len(spectra), len(emulator.labels))
    starts = checked_start(start, *shape)
    checked_threads(threads)
    options.box(emulator)
    if photometric_labels is not None and np.shape(photometric_labels) != shape:
        raise ValueError(
            f"photometric_labels: expected shape {shape}, one row per spectrum with NaN where unknown, got "
            f"{np.shape(photometric_labels)}"
        )
    spectra = with_lsf(spectra, options)
    jobs = list(_jobs(spectra, emulator, options))
    threads_each = threads if len(jobs) == 1 else 1  # the jobs share the threads out

    def work(job: _Job, show: Callable[[int], None]) -> Columns:
        own = spectra[job.rows]
        if spectra.resolution is not None and not job.matrix:
            own = replace(own, resolution=None)
        photometric = None if photometric_labels is None else np.asarray(photometric_labels)[job.rows]
        own_starts = None if starts is None else starts[job.rows]
        return _measure(own, emulator, job.options, own_starts, photometric, threads_each, show)

    done = run_jobs(work, jobs, threads, progress)
    joined = join_columns(done)
    order = np.argsort(np.concatenate([job.rows for job in jobs]))
    return {name: column[order] for name, column in joined.items()}


@dataclass(frozen=True)
class _Job:
    """Rows that can be measured together, with the options as they are for these."""

    rows: NDArray[np.intp]
    options: Options
    matrix: bool


def _jobs(spectra: Spectra, emulator: Emulator, options: Options) -> Iterator[_Job]:
    """Few rows at a time, so that memory is flat and what they need stays in the cache.

    Rows that are measured in another way are kept apart, so that none depends on its neighbours.
    """
    moving = np.full(len(spectra), options.velocity == "fit") & (spectra.rv != 0)
    if moving.any():
        to_shift(options.max_rv, emulator)  # says what is wrong before the work
    with_matrix = np.zeros(len(spectra), dtype=bool)
    if spectra.resolution is not None:
        with_matrix |= np.isfinite(spectra.resolution).any(axis=(1, 2))
    even = same_sampling(np.atleast_2d(spectra.wavelength), emulator)
    kinds = np.stack([moving, with_matrix, np.broadcast_to(even, len(spectra))], axis=1)
    for kind in np.unique(kinds, axis=0)[::-1] if len(spectra) else np.zeros((1, 3), dtype=bool):
        free, matrix, _ = kind.tolist()
        rows = np.flatnonzero((kinds == kind).all(axis=1))
        arms = free and spectra.arm is not None if options.arm_rv is None else options.arm_rv
        own = replace(options, velocity="fit" if free else "given", arm_rv=arms)
        for first in range(0, max(len(rows), 1), _ROWS):
            yield _Job(rows[first : first + _ROWS], own, matrix)


def _measure(
    spectra: Spectra,
    emulator: Emulator,
    options: Options,
    start: ArrayLike | None,
    photometric_labels: ArrayLike | None,
    threads: int | None,
    show: Callable[[int], None],
) -> Columns:
    """Spectra whose velocities are all to be fitted, or all known; all with a resolution matrix, or none."""
    known = np.where(np.isfinite(spectra.rv), spectra.rv, 0.0)
    rv = known
    if options.velocity == "fit":
        first_look = observe(spectra, emulator, known, margin=options.max_rv)
        found = scan_velocity(first_look, emulator, options.max_rv, threads)
        rv = np.where(np.isfinite(found), found, np.clip(known, -options.max_rv, options.max_rv))
    skip = in_regions(options.leave_out, spectra.wavelength, rv) if options.leave_out else None
    observed = observe(spectra, emulator, rv, leave_out=skip)
    measured = fit_twice(emulator, observed, options, start, photometric_labels, threads, show)
    snr = spectra.snr.copy()
    unknown = ~np.isfinite(snr)  # where the file gives none
    snr[unknown] = signal_to_noise(observed.flux[unknown], observed.ivar[unknown])
    spectra = copy(spectra)  # of the names of its arrays alone
    spectra.snr = snr
    emission, misfit = _residuals(spectra, emulator, measured)
    return catalog_columns(
        measured.result, spectra, emulator, options.max_rv, observed.sharper, emission, misfit
    )


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
