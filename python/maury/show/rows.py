"""Spectra of some rows of a catalogue, from the files that the catalogue names, or others."""

from __future__ import annotations

import os
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maury.measure.options import Options
from maury.readers import ReadError, ReadWarning
from maury.readers.read import row_blocks

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.spectra import Spectra

Key = tuple[str, str]  # star_id, visit_id


def files_of_rows(
    catalog: QTable, sources: Iterable[str | os.PathLike[str]] | None = None
) -> dict[int, Path]:
    """Find the file of each row that could be read, if there is one.

    Parameters
    ----------
    catalog : QTable
    sources : iterable of paths, optional
        Files and folders of the spectra; a file is identified by its name, so it may have moved. By default
        the files are those of the catalogue, or are omitted if missing.

    Raises
    ------
    FileNotFoundError
        If one of `sources` does not exist.
    """
    files, problems = (np.asarray(catalog[name]).astype(str).tolist() for name in ("file", "problem"))
    rows = [row for row, problem in enumerate(problems) if not problem]
    if sources is None:
        exists = {file: bool(file) and Path(file).is_file() for file in set(files)}
        return {row: Path(files[row]) for row in rows if exists[files[row]]}
    given: dict[str, Path] = {}
    for source in map(Path, sources):
        if not source.exists():
            raise FileNotFoundError(f"{source}: no such file or folder of spectra")
        for path in sorted(source.rglob("*")) if source.is_dir() else [source]:
            given.setdefault(path.name, path)
    return {row: given[Path(files[row]).name] for row in rows if Path(files[row]).name in given}


def spectra_of_rows(
    catalog: QTable, rows: Iterable[int], paths: Mapping[int, Path]
) -> Iterator[tuple[int, Spectra]]:
    """Yield rows and their spectra, of length 1 each, file by file, with one block in memory at a time.

    A file that cannot be read, or does not contain the star, gives none.

    Parameters
    ----------
    catalog : QTable
    rows : iterable of int
    paths : mapping
        From `files_of_rows`.
    """
    options = Options.of_catalog(catalog.meta)
    rows_of = defaultdict(list)
    for row in rows:
        rows_of[paths[int(row)]].append(int(row))
    keys = list(_keys(catalog["star_id"], catalog["visit_id"]))
    for path, here in rows_of.items():
        wanted = {keys[row]: row for row in here}
        with suppress(ReadError), warnings.catch_warnings():  # blocks before the damage are kept
            warnings.simplefilter("ignore", ReadWarning)
            for block in row_blocks(path, options.format):
                if block.read is not None:
                    spectra = block.read()
                    yield from ((row, spectra[i]) for i, row in _places(spectra, wanted, block.total == 1))


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
