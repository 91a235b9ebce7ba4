"""The measuring wing from end to end; read this first.

spectra -> fit, in the C++ core (first continuum -> velocity -> search -> finish with the continuum inside)
        -> errors and flags -> catalogue
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from copy import copy
from os import PathLike
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.columns import Columns, join_columns
from maury.catalog.error_file import apply_errors, errors_for
from maury.catalog.errors import ErrorModel
from maury.catalog.table import catalog_table
from maury.catalog.zero_points import ZeroPoints, apply_zero_points, zero_points_for
from maury.emulator.emulator import Emulator
from maury.emulator.grid import pixel_width, to_shift
from maury.measure.columns import catalog_columns
from maury.measure.emission import emission_lines, shows_emission
from maury.measure.fit import FitResult, Models, checked_start, checked_threads, fit_spectra
from maury.measure.jobs import run_jobs
from maury.measure.lsf import with_lsf
from maury.measure.misfit import is_misfit, unexplained_part
from maury.measure.options import Options, Velocity
from maury.measure.photometry import start_of_stars
from maury.output import progress as show_progress
from maury.prepare import signal_to_noise
from maury.readers.mastar_bits import PAPER_BITS, bit_mask
from maury.spectra import SPEED_OF_LIGHT, Spectra

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
    reject: Sequence[str] = PAPER_BITS,
    errors: ErrorModel | str | PathLike[str] | None = None,
    calibration: ZeroPoints | str | PathLike[str] | None = None,
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
    bounds, use_scatter, n_starts, velocity, max_rv, arm_rv, broadening, leave_out, resolution, fwhm, reject
        See `maury.measure.options.Options`.
    errors : ErrorModel or path, optional
        Errors from repeat visits, as `maury errors` writes them, in place of the noise part of those of the
        fit; ``"lamost"`` are those of LAMOST low-resolution spectra that come with maury.
    calibration : ZeroPoints or path, optional
        Zero points of the labels, as `maury compare --calibrate` writes them; their errors go into those of
        the labels.
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
    if (photometry is None) != (isochrones is None):
        raise ValueError("photometry, isochrones: give both, or none")
    if not isinstance(emulator, Emulator):
        emulator = Emulator.load(emulator)
    model = errors_for(errors, emulator.labels, emulator.file_hash)
    if model is not None:
        model.check_formats(spectra.format)
    zero_points = zero_points_for(calibration, emulator.file_hash)
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
        reject=cast("Any", reject),
    )
    photometric = None
    if photometry is not None and isochrones is not None:
        photometric = start_of_stars(spectra.star_id, photometry, isochrones, emulator.labels)
    with show_progress(len(spectra), "fitting", "spectra", progress) as bar:
        columns = measure(spectra, emulator, options, start, photometric, threads, bar.update)
    return finished_catalog(
        columns, emulator, options, model, start is not None, photometry is not None, zero_points
    )


def finished_catalog(
    columns: Columns,
    emulator: Emulator,
    options: Options,
    errors: ErrorModel | None = None,
    start: bool = False,
    photometry: bool = False,
    zero_points: ZeroPoints | None = None,
) -> QTable:
    """Make the catalogue of measured columns, with errors of repeat visits and zero points where given.

    `start` and `photometry` tell whether the user gave labels or photometry to start from.
    """
    told = options.as_dict() | {"start": "given" if start else "search", "photometry": photometry}
    units = dict(zip(emulator.labels, emulator.units, strict=True))
    origin = {"EMULATOR": emulator.name, "EMUHASH": emulator.file_hash, "OPTIONS": json.dumps(told)}
    catalog = catalog_table(columns, units, origin)
    if errors is not None:
        catalog = apply_errors(catalog, errors)
    return catalog if zero_points is None else apply_zero_points(catalog, zero_points)


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
        Told how many spectra more are done, from several threads but never at once.
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
    if options.velocity == "fit" and (spectra.rv != 0).any():
        to_shift(options.max_rv, emulator)  # says what is wrong before the work
    # Few rows at a time, so that memory is flat and what they need stays in the cache.
    jobs = [slice(first, first + _ROWS) for first in range(0, max(len(spectra), 1), _ROWS)]
    threads_each = checked_threads(threads) if len(jobs) == 1 else 1  # the jobs share the threads out

    def work(rows: slice, show: Callable[[int], None]) -> Columns:
        guess = None
        if photometric_labels is not None:
            guess = np.ascontiguousarray(np.asarray(photometric_labels, dtype=np.float64)[rows])
        own_starts = None if starts is None else np.ascontiguousarray(starts[rows])
        own = spectra[rows]
        result, models = fit_spectra(emulator, own, options, own_starts, guess, threads_each, show)
        return _columns(own, emulator, options, result, models)

    return join_columns(run_jobs(work, jobs, threads, progress))


def _columns(
    spectra: Spectra, emulator: Emulator, options: Options, result: FitResult, models: Models
) -> Columns:
    """Add what the residuals tell, and the S/N where the file gives none."""
    known = np.isfinite(models.continuum) & (models.continuum != 0)
    used = known & ~spectra.mask
    continuum = np.where(known, models.continuum, 1.0)
    flux = np.where(used, spectra.flux / continuum, 1.0)
    ivar = np.where(used, spectra.ivar * continuum**2, 0.0)
    model = np.where(known, models.model / continuum, np.nan)
    snr = spectra.snr.copy()
    unknown = ~np.isfinite(snr)
    snr[unknown] = signal_to_noise(flux[unknown], ivar[unknown])
    spectra = copy(spectra)  # of the names of its arrays alone
    spectra.snr = snr
    rv = np.nan_to_num(cast("Any", result.rv))
    if len(rv) and (rv == rv[0]).all():  # what they share is computed once
        rv = rv[:1]
    wavelength = np.atleast_2d(spectra.wavelength)
    rest = wavelength / (1.0 + rv / SPEED_OF_LIGHT)[:, None]
    scatter = np.interp(rest, emulator.wavelength, emulator.scatter)
    emission = shows_emission(*emission_lines(spectra.wavelength, flux, ivar, model, rv, scatter))
    rejected = bit_mask(options.reject)
    widths = _pixel_widths(wavelength, emulator)
    misfit = is_misfit(flux, ivar, model, scatter, widths, emulator)
    unexplained = unexplained_part(flux, ivar, model, widths, emulator)
    sharper = cast("Any", result.sharper)
    return catalog_columns(
        result, spectra, emulator, options.max_rv, sharper, emission, misfit, unexplained, rejected
    )


def _pixel_widths(wavelength: NDArray[np.float64], emulator: Emulator) -> NDArray[np.float64]:
    """Median width (N or 1,) of the pixels of spectra, in pixels of the emulator."""
    step = np.abs(np.diff(wavelength, axis=1)) / pixel_width(wavelength[:, 1:], emulator)
    some = np.isfinite(step).any(axis=1)
    widths = np.ones(len(step))
    widths[some] = np.nanmedian(step[some], axis=1)
    return widths
