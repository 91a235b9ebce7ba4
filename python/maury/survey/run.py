"""Measure any number of files of any size, block by block, into a catalogue on disk; resume interrupted runs.

files -> blocks -> measure, on threads or on a Dask cluster -> parts -> catalogue
"""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from maury.catalog.columns import Columns, join_columns
from maury.catalog.error_file import errors_for
from maury.catalog.errors import ErrorModel
from maury.catalog.table import check_output, write_catalog
from maury.catalog.zero_points import ZeroPoints, zero_points_for
from maury.emulator.builtin import emulator_of_formats
from maury.emulator.emulator import Emulator
from maury.measure.jobs import Workers, available_threads
from maury.measure.options import Options
from maury.measure.photometric_prior import needed_for_prior, priors_by_name
from maury.measure.photometry import labels_by_name, why_none_is_named
from maury.measure.pipeline import finished_catalog
from maury.measure.prior import PriorLike, prior_origin
from maury.output import LOG
from maury.output import progress as show_progress
from maury.readers.blocks import Block, rows_of_files, spectra_blocks
from maury.readers.read import check_format, file_format, list_files, none_readable
from maury.survey.parts import Parts
from maury.survey.recipe import Recipe, describe_run

if TYPE_CHECKING:
    from astropy.table import QTable, Table

Name = str | PathLike[str]


class Pending(Protocol):
    """A block that is being measured."""

    def result(self) -> Columns:
        """Wait for its columns."""


Submit = Callable[[Block], Pending]


def fit_files(
    files: Name | Iterable[Name],
    output: Name,
    emulator: Emulator | Name | None = None,
    *,
    photometry: Table | None = None,
    isochrones: Table | None = None,
    prior: PriorLike | Literal["photometry"] | None = None,
    errors: ErrorModel | Name | None = None,
    calibration: ZeroPoints | Name | None = None,
    threads: int | None = None,
    scheduler: Any = None,
    overwrite: bool = False,
    progress: bool = False,
    **options: Any,
) -> QTable:
    """Measure the spectra of files as `maury.fit` does, and write their catalogue.

    Blocks of spectra are read, measured and stored on disk one after the other, so memory use does not grow
    with the files. An interrupted run resumes where it stopped if this function is called again with the same
    arguments, and the catalogue is identical to that of an uninterrupted run. Until the catalogue is written,
    finished blocks are in the folder ``<output>.parts``. A file that cannot be read becomes a flagged row.

    Parameters
    ----------
    files : path or paths
        See `maury.read_spectra`.
    output : path
        Catalogue to write: .fits, .ecsv or .parquet.
    emulator, errors, calibration
        See `maury.fit`.
    photometry, isochrones : Table, optional
        See `maury.fit`. A warning is issued if the table contains none of the stars.
    prior : (mean, covariance), or mapping, optional
        See `maury.fit`; one for all spectra, or "photometry".
    threads : int, optional
        All available processors by default. The result does not depend on it.
    scheduler : str or dask.distributed.Client, optional
        Address, or scheduler file, of a Dask cluster to use instead; see `maury.cluster`.
    overwrite : bool
        Replace an existing catalogue, and an unfinished run with other arguments.
    progress : bool
        Show progress on stderr, with rate and remaining time.
    **options
        Fields of `maury.measure.options.Options`: velocity, max_rv, arm_rv, broadening, leave_out, bounds,
        fixed, use_scatter, n_starts, clip, resolution, fwhm, format.

    Returns
    -------
    astropy.table.QTable
        The catalogue that was written.

    Raises
    ------
    ValueError
        If an argument is wrong, or none of the files can be read.
    InUseError
        If another run is writing the same output; see `maury.survey.lock`.
    FileExistsError
        If the output exists, or is created by another program during the run, and `overwrite` is False.
    OSError
        If something cannot be written, as on a full disk. Finished blocks are kept.

    Examples
    --------
    >>> from importlib.resources import files
    >>> import maury
    >>> catalog = maury.fit_files(files("maury") / "data" / "demo", "stars.fits")
    >>> len(catalog), len(maury.read_catalog("stars.fits"))
    (12, 12)
    """
    if (photometry is None) != (isochrones is None):
        raise ValueError("photometry, isochrones: pass both, or neither")
    paths = list_files(files)
    if emulator is None:
        emulator = emulator_of_files(paths, options.get("format"))
    if not isinstance(emulator, Emulator):
        emulator = Emulator.load(emulator)
    model = errors_for(errors, emulator.labels, emulator.file_hash)
    zero_points = zero_points_for(calibration, emulator.file_hash)
    made = [item for item in (model, zero_points) if item is not None and item.formats]
    if made:
        known = [_instrument(path, options.get("format")) for path in paths]
        for item in made:
            item.check_formats(known)
    labels = None
    if photometry is not None and isochrones is not None:
        labels = labels_by_name(photometry, isochrones, emulator.labels)
    priors = None
    if isinstance(prior, str):
        priors = priors_by_name(*needed_for_prior(prior, photometry, isochrones), emulator.labels)
    recipe = Recipe(emulator, Options(**options), labels, None if isinstance(prior, str) else prior, priors)
    recipe.options.box(emulator)
    format = recipe.options.format
    rows = rows_of_files(paths, format)
    run = describe_run(paths, rows, recipe)
    parts = Parts(Path(output))
    output = check_output(output, overwrite or parts.wrote(run))
    with _nothing_lost(parts):
        done = parts.open(run, overwrite)
        replace = overwrite or parts.wrote(run)
        check_output(output, replace)  # again, now that no other run can write it
        total = sum(n or 1 for n in rows)
        before = sum(len(columns["star_id"]) for columns in done.values())
        if done:
            LOG.info("Resuming: %d blocks with %d spectra are finished.", len(done), before)
        blocks = spectra_blocks(paths, format, frozenset(done), rows)
        n_threads = threads or available_threads()
        first = list(islice(blocks, n_threads))
        LOG.debug(
            "%d files, %d spectra, %d threads, emulator %s.", len(paths), total, n_threads, emulator.name
        )
        threads_each = max(1, n_threads // max(1, len(first)))  # few blocks: several threads per block
        with (
            _workers(recipe, scheduler, n_threads, threads_each) as (submit, most),
            show_progress(total, "fitting", "spectra", progress, before) as bar,
        ):
            for block, columns in _in_turn(chain(first, blocks), submit, most):
                for item in made:  # rows of a file of maury can be of any instrument
                    item.check_formats(columns["format"])
                parts.save(block.number, columns)
                done[block.number] = columns
                LOG.debug("Block %d: %d spectra are finished.", block.number, len(columns["star_id"]))
                bar.update(block.size)
        joined = join_columns([done[number] for number in sorted(done)])
        problem = joined["problem"]
        if (problem != "").all():
            parts.remove()
            raise none_readable(len(paths), str(problem[0]))
        if labels is not None:
            unnamed = why_none_is_named(joined["star_id"], labels, photometry)
            if unnamed:  # known only now: single blocks do not show it
                warnings.warn(f"{unnamed}; all fits began with the search", stacklevel=2)
        catalog = finished_catalog(
            joined,
            emulator,
            recipe.options,
            model,
            False,
            labels is not None,
            zero_points,
            prior_origin(prior),
        )
        with parts.writing():
            write_catalog(catalog, output, replace)
        LOG.debug("%d rows are written to %s.", len(catalog), output)
        parts.remove()
    return catalog


def emulator_of_files(files: Name | Iterable[Name], format: str | None = None) -> str:
    """Return the name of the built-in emulator for files, from their headers; see `maury.fit`."""
    check_format(format)
    return emulator_of_formats(file_format(path, format) for path in list_files(files))


def _instrument(path: Path, format: str | None) -> str:
    """Return the format of a file; "" if that is only known when it is read."""
    name = file_format(path, format)
    return "" if name in ("generic", "maury") else name


def _in_turn(blocks: Iterable[Block], submit: Submit, most: int) -> Iterator[tuple[Block, Columns]]:
    """Blocks in order, with their results; at most `most` are waiting at a time."""
    waiting: deque[tuple[Block, Pending]] = deque()
    for block in blocks:
        waiting.append((block, submit(block)))
        while len(waiting) > most:
            block, future = waiting.popleft()
            yield block, future.result()
    for block, future in waiting:
        yield block, future.result()


@contextmanager
def _workers(
    recipe: Recipe, scheduler: Any, n_threads: int, threads_each: int
) -> Iterator[tuple[Submit, int]]:
    """Return a function that submits a block, and how many blocks may be waiting."""
    if scheduler is not None:
        from maury.survey.cluster import workers_of

        with workers_of(scheduler, recipe) as (measure_remotely, most):
            yield lambda block: measure_remotely(block.read()), most
        return
    with Workers(n_threads) as workers:

        def keep_on(_: int) -> None:
            workers.check()

        def submit(block: Block) -> Pending:
            if block.anywhere:
                return workers.submit(lambda: recipe(block.read(), threads_each, keep_on))
            return workers.submit(recipe, block.read(), threads_each, keep_on)

        yield submit, n_threads + 1


@contextmanager
def _nothing_lost(parts: Parts) -> Iterator[None]:
    """On an error, report where the finished blocks are; if there are none, remove the folder."""
    try:
        yield
    except BaseException as error:
        if not parts.held:
            raise
        if parts.are_none():
            parts.remove()
        elif isinstance(error, FileExistsError):
            raise FileExistsError(
                f"{parts.output} was written by another process during this run; finished blocks are kept "
                f"in {parts.folder}: move {parts.output.name} away, or pass overwrite=True, and repeat this "
                "command"
            ) from error
        elif isinstance(error, OSError):
            why = error.strerror or str(error)
            text = f"{why}; finished blocks are kept in {parts.folder}: correct this, and repeat the command"
            raise OSError(error.errno, text, error.filename) from error
        raise
    finally:
        parts.close()
