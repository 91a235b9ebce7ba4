"""Spectra for the report: which rows, from which files, each with its best fit."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maury.measure.best_fit import best_fit
from maury.measure.options import Options
from maury.readers import ReadError, ReadWarning, read_spectra
from maury.readers.mastar import read_blocks
from maury.show.report import data as data

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.emulator.emulator import Emulator
    from maury.spectra import Spectra

N_SPECTRA = 300

Key = tuple[str, str]  # star_id, visit_id


def pack_spectra(
    catalog: QTable,
    emulator: Emulator,
    sources: Iterable[str | os.PathLike[str]] | None = None,
    n: int = N_SPECTRA,
) -> dict[int, str]:
    """Read and fit again, at the labels of the catalogue, the spectra that a report is to show.

    Of the large files of MaStar one block of rows is held at a time.

    Parameters
    ----------
    catalog : QTable
        From `maury.fit`.
    emulator : Emulator
        The one that the catalogue was made with.
    sources : iterable of paths, optional
        Files and folders that hold the spectra; a file is known by its name, so it may have moved. Not given:
        the files are where the catalogue says, or they are left out.
    n : int
        How many at most; see `maury.show.report.data.choose_rows`.

    Returns
    -------
    dict
        Packed spectra by row number. A file that cannot be read, or does not hold the star, gives none.

    Raises
    ------
    ValueError
        If the catalogue was made with another emulator.
    FileNotFoundError
        If one of `sources` does not exist.
    """
    if emulator.file_hash != catalog.meta["EMUHASH"]:
        raise ValueError(
            f"emulator: the catalogue was made with {catalog.meta['EMULATOR'] or 'one without a name'} "
            f"({catalog.meta['EMUHASH'][:12]}), got {emulator.name or 'one without a name'} "
            f"({emulator.file_hash[:12]}); give the file that it was made with"
        )
    options = Options.of_catalog(catalog.meta)
    paths = _paths(data.text(catalog, "file"), sources)
    readable = [row for row, problem in enumerate(data.text(catalog, "problem")) if not problem]
    rows_of = defaultdict(list)
    for row in data.choose_rows(catalog, [row for row in readable if row in paths], n):
        rows_of[paths[int(row)]].append(int(row))
    keys = list(zip(data.text(catalog, "star_id"), data.text(catalog, "visit_id"), strict=True))
    packed = {}
    for path, rows in rows_of.items():
        wanted = {keys[row]: row for row in rows}
        try:
            for spectra in _read(path, wanted, options.format):
                for i, row in _places(spectra, wanted):
                    packed[row] = data.pack_spectrum(best_fit(spectra[i], emulator, catalog[row]))
        except (ReadError, OSError, EOFError):  # what came before a cut stays
            continue
    return packed


def _read(path: Path, wanted: Collection[Key], format: str | None) -> Iterator[Spectra]:
    """Spectra of a file, block by block where it is one of MaStar; then only those wanted."""
    blocks = read_blocks(path, select=lambda *names: np.array([key in wanted for key in _keys(*names)]))
    try:
        first = next(blocks, None)
    except (ValueError, OSError, EOFError):  # another format; astropy says so in many ways
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ReadWarning)
            yield read_spectra(path, format)
        return
    if first is not None:
        yield first
        yield from blocks


def _places(spectra: Spectra, wanted: Mapping[Key, int]) -> Iterator[tuple[int, int]]:
    """Which of the spectra belongs to which row; the only one of a file needs no name."""
    keys = list(_keys(spectra.star_id, spectra.visit_id))
    if len(keys) == len(wanted) == 1:
        keys = list(wanted)
    for i, key in enumerate(keys):
        if key in wanted and not spectra.problem[i]:
            yield i, wanted[key]


def _keys(star: Iterable[str], visit: Iterable[str]) -> Iterator[Key]:
    return ((str(a), str(b)) for a, b in zip(star, visit, strict=True))


def _paths(files: list[str], sources: Iterable[str | os.PathLike[str]] | None) -> dict[int, Path]:
    """Find the file of each row that has one."""
    if sources is None:
        exists = {file: bool(file) and Path(file).is_file() for file in set(files)}
        return {row: Path(file) for row, file in enumerate(files) if exists[file]}
    given: dict[str, Path] = {}
    for source in map(Path, sources):
        if not source.exists():
            raise FileNotFoundError(f"{source}: no such file or folder of spectra")
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            given.setdefault(path.name, path)
    return {row: given[Path(file).name] for row, file in enumerate(files) if Path(file).name in given}
