"""Spectra for the report: which rows, from which files, each with its best fit."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from maury.measure.best_fit import check_emulator, fit_of_row
from maury.measure.options import Options
from maury.readers import ReadError, ReadWarning
from maury.readers.read import row_blocks
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
    """Read the spectra to be shown in a report, and compute their fits at the labels of the catalogue.

    Only one block of spectra of a large file is in memory at a time.

    Parameters
    ----------
    catalog : QTable
        From `maury.fit`.
    emulator : Emulator
        The emulator of the catalogue.
    sources : iterable of paths, optional
        Files and folders of the spectra; a file is identified by its name, so it may have moved. By default
        the files are those of the catalogue, or are omitted if missing.
    n : int
        Maximum number; see `maury.show.report.data.choose_rows`.

    Returns
    -------
    dict
        Packed spectra by row number. A file that cannot be read, or does not contain the star, gives none.

    Raises
    ------
    ValueError
        If the catalogue was made with another emulator.
    FileNotFoundError
        If one of `sources` does not exist.
    """
    check_emulator(catalog, emulator)
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
        with suppress(ReadError), warnings.catch_warnings():  # blocks before the damage are kept
            warnings.simplefilter("ignore", ReadWarning)
            for spectra, alone in _read(path, options.format):
                for i, row in _places(spectra, wanted, alone):
                    packed[row] = data.pack_spectrum(fit_of_row(spectra[i], emulator, catalog[row]))
    return packed


def _read(path: Path, format: str | None) -> Iterator[tuple[Spectra, bool]]:
    """Spectra of a file, block by block; with each block, whether the file contains only one spectrum."""
    for block in row_blocks(path, format):
        if block.read is not None:
            yield block.read(), block.total == 1


def _places(spectra: Spectra, wanted: Mapping[Key, int], alone: bool) -> Iterator[tuple[int, int]]:
    """Match spectra to rows; the only spectrum of a file needs no name."""
    keys = list(_keys(spectra.star_id, spectra.visit_id))
    if alone and len(wanted) == 1:
        keys = list(wanted)
    for i, key in enumerate(keys):
        if key in wanted and not spectra.problem[i]:
            yield i, wanted[key]


def _keys(star: Iterable[str], visit: Iterable[str]) -> Iterator[Key]:
    return ((str(a), str(b)) for a, b in zip(star, visit, strict=True))


def _paths(files: list[str], sources: Iterable[str | os.PathLike[str]] | None) -> dict[int, Path]:
    """Find the file of each row, if there is one."""
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
