"""The measurement from end to end; read this first.

spectra -> fit, in the C++ core (first continuum -> velocity -> search -> exact fit, with the continuum)
        -> errors and flags -> catalogue
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import partial
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike

import maury._core as _core
from maury.catalog.columns import Columns, join_columns
from maury.catalog.error_file import apply_errors, errors_for
from maury.catalog.errors import AND, NO_MODEL_WORDS, NOISE_WORDS, ErrorModel
from maury.catalog.table import catalog_table
from maury.catalog.zero_points import ZeroPoints, apply_zero_points, zero_points_for
from maury.emulator.builtin import emulator_of_formats
from maury.emulator.emulator import Emulator
from maury.emulator.grid import to_shift
from maury.measure.columns import catalog_columns
from maury.measure.fit import FitResult, Models, checked_start, checked_threads, fit_spectra
from maury.measure.jobs import Ended, run_jobs
from maury.measure.lsf import with_lsf
from maury.measure.options import Options, Velocity
from maury.measure.overlap import warn_without_overlap
from maury.measure.photometric_prior import named_priors, needed_for_prior, priors_by_name
from maury.measure.photometry import start_of_stars
from maury.measure.prior import Prior, PriorLike, checked_prior, prior_origin
from maury.measure.star_prior import StarPrior
from maury.output import one_line
from maury.output import progress as show_progress
from maury.readers.accept import spectra_of
from maury.readers.mastar_bits import PAPER_BITS, bit_mask
from maury.spectra import Spectra

if TYPE_CHECKING:
    from astropy.table import QTable, Table


_ROWS = 40  # per job: its arrays stay in the cache


def fit(
    spectra: Any = None,
    emulator: Emulator | str | PathLike[str] | None = None,
    *,
    wavelength: Any = None,
    flux: Any = None,
    ivar: Any = None,
    air: bool | None = None,
    sigma: Any = None,
    start: ArrayLike | None = None,
    photometry: Table | None = None,
    isochrones: Table | None = None,
    prior: PriorLike | Literal["photometry"] | None = None,
    bounds: ArrayLike | None = None,
    fixed: Mapping[str, float] | None = None,
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

    The emulator is transformed to the line-spread function, velocity and pixels of each spectrum, and fitted
    together with the continuum. Pixels that deviate from the fit by more than 4 sigma are rejected. A
    spectrum that cannot be fitted is a flagged row.

    Parameters
    ----------
    spectra : Spectra, path, list of paths, or Spectrum or SpectrumList of specutils
        Where the line-spread function is unknown, that of the emulator is assumed.
    emulator : Emulator or path, optional
        ``"default"`` and ``"lamost"`` are the built-in emulators. By default that of the format of the files:
        ``"lamost"`` if all spectra are from LAMOST files, else ``"default"``.
    wavelength, flux, ivar, air, sigma
        In place of `spectra`: arrays, as for `maury.Spectra.from_arrays`, which accepts more of them.
    start, threads
        See `maury.fit_normalized`.
    photometry, isochrones : Table, optional
        Gaia photometry by `star_id`, and the isochrones from which labels are derived: an additional start
        for the stars in the table, besides the search; see `maury.measure.photometry.start_of_stars`. The
        solution with the lower chi-square is adopted; the column `start` gives its start.
    prior : (mean, covariance), or mapping, optional
        Gaussian prior on the labels of each spectrum: (x - mean)' C^-1 (x - mean) is added to chi-square.
        Mean (N, L) and covariance (N, L, L) in physical units, or (L,) and (L, L) for all spectra; a label
        whose mean is NaN has no prior, and a tiny variance holds a label. Or ``{"logg": (4.44, 0.02)}``,
        mean and standard deviation. Or ``"photometry"``: of the photometry and the isochrones; see
        `maury.measure.photometric_prior.photometric_prior`. The column `chi2_prior` is the part that it adds;
        `chi2` and the flags are those of the data alone, the formal errors include it.
    fixed : mapping, optional
        Values of labels that are not fitted, ``{"fe_h": 0.0}``. Their errors are 0.
    bounds, use_scatter, n_starts, velocity, max_rv, arm_rv, broadening, leave_out, resolution, fwhm, reject
        See `maury.measure.options.Options`.
    errors : ErrorModel or path, optional
        Errors from repeat visits, as written by `maury errors`, instead of the noise errors of the fit;
        ``"lamost"`` for the installed ones for LAMOST low-resolution spectra. The model errors are added to
        them.
    calibration : ZeroPoints or path, optional
        Zero points of the labels, as written by `maury compare --calibrate`; their errors are included in
        those of the labels.
    progress : bool
        Show a progress bar.

    Returns
    -------
    astropy.table.QTable
        One row per spectrum, in the order of `spectra`.

    Raises
    ------
    ValueError
        If an argument is invalid, or none of the files can be read; never for a bad spectrum.

    Examples
    --------
    >>> from importlib.resources import files
    >>> import maury
    >>> catalog = maury.fit(files("maury") / "data" / "demo" / "MILES_res2.50_star_m0270V.fits.gz")
    >>> catalog["star_id", "teff", "logg", "fe_h", "valid"].pprint()
    star_id  teff logg  fe_h valid
              K   dex   dex
    -------- ---- ---- ----- -----
    HD061935 4774 2.47 -0.07  True
    """
    if (photometry is None) != (isochrones is None):
        raise ValueError("photometry, isochrones: pass both, or neither")
    spectra = spectra_of(spectra, wavelength=wavelength, flux=flux, ivar=ivar, air=air, sigma=sigma)
    if emulator is None:
        emulator = emulator_of_formats(spectra.format)
    if not isinstance(emulator, Emulator):
        emulator = Emulator.load(emulator)
    model = errors_for(errors, emulator.labels, emulator.file_hash)
    zero_points = zero_points_for(calibration, emulator.file_hash)
    for made in (model, zero_points):
        if made is not None:
            made.check_formats(spectra.format)
    options = Options(
        velocity=velocity,
        max_rv=max_rv,
        arm_rv=arm_rv,
        broadening=broadening,
        leave_out=cast("Any", leave_out),
        bounds=cast("Any", bounds),
        fixed=cast("Any", fixed or {}),
        use_scatter=use_scatter,
        n_starts=n_starts,
        resolution=resolution,
        fwhm=fwhm,
        reject=cast("Any", reject),
    )
    photometric = None
    if photometry is not None and isochrones is not None:
        photometric = start_of_stars(spectra.star_id, photometry, isochrones, emulator.labels)
    known: PriorLike | StarPrior | None
    if isinstance(prior, str):
        by_name = priors_by_name(*needed_for_prior(prior, photometry, isochrones), emulator.labels)
        known = named_priors(spectra.star_id, by_name, len(emulator.labels))
    else:
        known = prior
    warn_without_overlap(spectra, emulator)
    with show_progress(len(spectra), "fitting", "spectra", progress) as bar:
        columns = measure(spectra, emulator, options, start, photometric, known, threads, bar.update)
    return finished_catalog(
        columns,
        emulator,
        options,
        model,
        start is not None,
        photometry is not None,
        zero_points,
        prior_origin(prior),
    )


def finished_catalog(
    columns: Columns,
    emulator: Emulator,
    options: Options,
    errors: ErrorModel | None = None,
    start: bool = False,
    photometry: bool = False,
    zero_points: ZeroPoints | None = None,
    prior: str = "none",
) -> QTable:
    """Make the catalogue from the measured columns, with errors from repeat visits and zero points if given.

    `start` and `photometry` state whether the user gave labels or photometry to start from, `prior` where the
    priors are from.
    """
    told = options.as_dict() | {"start": "given" if start else "search", "photometry": photometry}
    told["prior"] = prior
    units = dict(zip(emulator.labels, emulator.units, strict=True))
    origin = {"EMULATOR": emulator.name, "EMUHASH": emulator.file_hash, "OPTIONS": json.dumps(told)}
    known = emulator.error_on_unseen
    if known is None:
        warnings.warn(
            "the model error of the emulator is unknown, so that <label>_err includes only the noise and is "
            "too small; train the emulator again with folds (maury train)",
            stacklevel=3,
        )
        model_words = NO_MODEL_WORDS
    else:
        model_words = f"model: {known.words}"
        origin["MODELCOR"] = json.dumps(known.correlation.tolist())
    origin["ERRORS"] = f"{NOISE_WORDS}{AND}{model_words}"
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
    prior: PriorLike | StarPrior | None = None,
    threads: int | None = None,
    progress: Callable[[int], object] | None = None,
) -> Columns:
    """Measure spectra as `fit` does; return the columns of the catalogue as plain arrays.

    Each row depends on its own spectrum alone.

    Parameters
    ----------
    spectra, emulator, start, prior, threads
        See `fit`.
    options : Options
    photometric_labels : (N, L), optional
        An additional start per spectrum, besides the search; NaN where unknown.
    progress : callable, optional
        Called with the number of spectra completed since the last call, from several threads but never
        simultaneously.
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
    of_stars = None
    if isinstance(prior, StarPrior):
        near = np.full(shape, np.nan) if photometric_labels is None else np.asarray(photometric_labels)
        of_stars = prior.of_emulator(near, emulator, [name for name, _ in options.fixed])
        known: Prior | None = of_stars.prior
    else:
        known = checked_prior(prior, len(spectra), emulator)
    spectra = with_lsf(spectra, options)
    if options.velocity == "fit" and (spectra.rv != 0).any():
        to_shift(options.max_rv, emulator)  # raises an error before the work
    # Few rows at a time, so that memory is constant and their data stay in the cache.
    jobs = [slice(first, first + _ROWS) for first in range(0, max(len(spectra), 1), _ROWS)]
    threads_each = checked_threads(threads) if len(jobs) == 1 else 1  # one thread per job

    def measured(own: Spectra, rows: slice, show: Callable[[int], None] | None = None) -> Columns:
        guess = None
        if photometric_labels is not None:
            guess = np.ascontiguousarray(np.asarray(photometric_labels, dtype=np.float64)[rows])
        own_starts = None if starts is None else np.ascontiguousarray(starts[rows])
        own_prior = None if known is None else known[rows]
        result, models = fit_spectra(emulator, own, options, own_starts, guess, own_prior, threads_each, show)
        if of_stars is not None:
            result = of_stars.of_stars(result, rows)
        return _columns(own, emulator, options, result, models, threads_each)

    def work(rows: slice, show: Callable[[int], None]) -> Columns:
        own = spectra[rows]
        try:
            return measured(own, rows, show)
        except (Ended, MemoryError):
            raise
        except Exception:  # row by row, so that only the row at fault is lost
            parts = []
            for i in range(len(own)):
                row = slice(rows.start + i, rows.start + i + 1)
                parts.append(_one_row(partial(measured, rows=row), own[i]))
                show(i + 1)
            return join_columns(parts)

    return join_columns(run_jobs(work, jobs, threads, progress))


def _one_row(measured: Callable[[Spectra], Columns], spectrum: Spectra) -> Columns:
    """Columns of one spectrum; if it cannot be measured, those of a masked one, with a `problem`.

    If that fails too, the fault is not in the spectrum, and is raised.
    """
    try:
        return measured(spectrum)
    except (Ended, MemoryError):
        raise
    except Exception as error:
        failed = copy(spectrum)
        failed.mask, failed.ivar = np.ones_like(spectrum.mask), np.zeros_like(spectrum.ivar)
        failed.flux = np.full_like(spectrum.flux, np.nan)
        failed.lsf = failed.resolution = None
        failed.rv, failed.snr = np.full(1, np.nan), np.full(1, np.nan)
        where = f"{spectrum.file[0]}: " if spectrum.file[0] else ""
        failed.problem = np.array(
            [one_line(f"{where}it cannot be measured ({type(error).__name__}: {error})")]
        )
        return measured(failed)


def _columns(
    spectra: Spectra, emulator: Emulator, options: Options, result: FitResult, models: Models, threads: int
) -> Columns:
    """Add the flags derived from the residuals, and the S/N where the file gives none."""
    emission, misfit, unexplained, snr = _core.residual_signs(
        np.ascontiguousarray(np.atleast_2d(spectra.wavelength)),
        models.flux,
        models.ivar,
        models.model,
        models.continuum,
        cast("Any", result.rv),
        emulator.wavelength,
        emulator.scatter,
        emulator.window,
        float((emulator.meta or {}).get("held_out_rms", np.inf)),
        threads,
    )
    rejected = bit_mask(options.reject)
    spectra = copy(spectra)  # shallow: the arrays are shared
    spectra.snr = np.where(np.isfinite(spectra.snr), spectra.snr, snr)
    sharper = cast("Any", result.sharper)
    return catalog_columns(
        result, spectra, emulator, options.max_rv, sharper, emission, misfit, unexplained, rejected
    )
