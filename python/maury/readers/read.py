"""Read survey files into `Spectra`: `read_spectra` recognises the format of a file, unless it is specified.

To add a format, write a module with ``matches`` and ``blocks`` (see `_row_blocks`) and add it to
`_FITS_FORMATS`. A library, one folder of many files, also has ``library_files(folder)``.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from maury.output import one_line
from maury.readers import (
    desi,
    generic,
    image,
    lamost,
    mastar,
    mastarhc,
    miles,
    own,
    sdss,
    stelib,
    table,
    text,
)
from maury.readers._fits import ReadError, ReadWarning, stem
from maury.readers._fits_file import FitsFile, open_file
from maury.readers._row_blocks import (
    ROWS,
    RowBlock,
    Select,
    Wanted,
    check_rows,
    chosen_rows,
    everything,
)
from maury.readers._time_limit import within_limit
from maury.spectra import Spectra

#: A file is of the first of these formats that it matches.
_FITS_FORMATS: dict[str, Any] = {
    "lamost": lamost,  # first, since the start of a file decides
    "miles": miles,
    "stelib": stelib,
    "sdss": sdss,
    "mastar": mastar,
    "mastarhc": mastarhc,
    "desi": desi,
    "maury": own,
    "image": image,
    "table": table,
}
_LIBRARIES = {"miles": miles, "stelib": stelib, mastarhc.FOLDER: mastarhc}
FORMATS = (*_FITS_FORMATS, "text", "generic")

#: Maximum number of pixels of a spectrum: with `maury.readers.desi.WIDEST`, a block takes at most 2 GB.
MOST_PIXELS = 200_000

PathLike = str | os.PathLike[str]


def read_spectra(path: PathLike | Iterable[PathLike], format: str | None = None) -> Spectra:
    """Read one or more files of any known survey format.

    Parameters
    ----------
    path
        A file, or a list of files; of a folder, its FITS files. The folder of the MILES or STELIB library is
        read with its labels; of the folder "mastarhc_v2_noism", the files of single stars are read. The names
        "miles", "stelib" and "mastarhc_v2_noism" stand for the libraries in the installed package
        sdss-mangadap. Files may be gzip-compressed. All spectra are in memory; `read_blocks` reads a large
        file in blocks.
    format
        One of `maury.readers.FORMATS`; by default it is recognised from each file. "generic" is any format
        that specutils can read.

    Returns
    -------
    Spectra
        All spectra in the given order. In a list, a file that cannot be read becomes one masked row, with the
        reason in `Spectra.problem` and a `ReadWarning`.

    Raises
    ------
    ReadError
        If a single path cannot be read, or none of the files in a list.
    ValueError
        If `format` is not a known name.

    Examples
    --------
    >>> from importlib.resources import files
    >>> import maury
    >>> maury.read_spectra(files("maury") / "data" / "demo")
    <Spectra: 12 x 4300 pixels, 3542-7412 A, 12 stars, labels teff logg fe_h>
    """
    check_format(format)
    with warnings.catch_warnings(record=True) as notes:
        warnings.filterwarnings("always", category=ReadWarning)
        spectra = _read_all(path, format)
    # Many files with the same problem cause one warning only.
    for category, words in dict.fromkeys((note.category, str(note.message)) for note in notes):
        warnings.warn(words, category, stacklevel=2)
    return spectra


def _read_all(path: PathLike | Iterable[PathLike], format: str | None) -> Spectra:
    files = list_files(path)
    if isinstance(path, str | os.PathLike) and files == [Path(path).expanduser()]:
        return read_file(files[0], format)
    parts = [_read_or_explain(file, format) for file in files]
    failed = [str(part.problem[0]) for part in parts if (part.problem != "").all()]
    if failed and len(failed) == len(parts):
        raise none_readable(len(parts), failed[0])
    if failed:
        warnings.warn(
            f"{len(failed)} of {len(parts)} files cannot be read, see Spectra.problem; {failed[0]}",
            ReadWarning,
            stacklevel=2,
        )
    return Spectra.concatenate(parts)


def read_blocks(
    path: PathLike, format: str | None = None, rows: int = ROWS, select: ArrayLike | Select | None = None
) -> Iterator[Spectra]:
    """Read a file of any known survey format block by block, with only one block in memory.

    Parameters
    ----------
    path : str or path
        The file, gzip-compressed or not. A large compressed DESI file is decompressed to a temporary file.
    format : str, optional
        See `read_spectra`.
    rows : int
        Maximum number of spectra in a block; fewer if they take more than 32 MB.
    select : (N,) bool, list of row numbers, or callable, optional
        Spectra of the file to keep; or a function of the star_id and visit_id of a block, (n,) each, that
        returns (n,) bool. All by default.

    Yields
    ------
    Spectra
        In the order of the file; blocks without a spectrum to keep are skipped. Concatenated, the blocks are
        identical to the result of `read_spectra`.

    Raises
    ------
    ReadError
        If the file cannot be read; or, after the good rows, if it ends before its last row.
    ValueError
        If `format`, `rows` or `select` is invalid for the file.
    """
    check_format(format)
    check_rows(rows)
    return chosen_rows(row_blocks(Path(path).expanduser(), format, rows), select)


def check_format(format: str | None) -> None:
    """Raise ValueError if there is no format with this name."""
    if format is not None and format not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)} or None, got {format!r}")


def none_readable(n: int, first: str) -> ReadError:
    """Return the error for n unreadable files, with the reason for the first."""
    return ReadError((f"none of the {n} files can be read; " if n > 1 else "") + first)


def list_files(path: PathLike | Iterable[PathLike]) -> list[Path]:
    """List the files of a path, a list of paths, or the folder or name of a library."""
    if isinstance(path, str | os.PathLike):
        return _files(path)
    files = [file for item in path for file in _files(item)]
    if not files:
        raise ReadError("no files given; pass at least one")
    return files


def _files(path: PathLike) -> list[Path]:
    folder = _installed(path) if path in _LIBRARIES else Path(path).expanduser()
    if not folder.is_dir():
        return [folder]
    for library in _LIBRARIES.values():
        files: list[Path] = library.library_files(folder)
        if files:
            return files
    files = sorted(file for file in folder.iterdir() if file.is_file() and stem(file) != file.name)
    if not files:
        raise ReadError(
            f"{folder}: this folder has no FITS files; pass the spectra themselves, as a list of files"
        )
    return files


def _installed(library: str | os.PathLike[str]) -> Path:
    spec = importlib.util.find_spec("mangadap")  # located, never imported: it has many requirements
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place, "data", "spectral_templates", library)
        if folder.is_dir():
            return folder
    raise ReadError(
        f"{library}: the library of this name comes with the package sdss-mangadap, which is not installed; "
        f"pip install --no-deps sdss-mangadap, or pass the folder of the library (./{library} if it is here)"
    )


def _read_or_explain(path: Path, format: str | None) -> Spectra:
    try:
        return read_file(path, format)
    except ReadError as error:
        return unreadable(path, str(error))


def unreadable(path: Path, problem: str) -> Spectra:
    """Return one row with the reason why there is no spectrum."""
    return Spectra([np.nan], [np.nan], [0.0], star_id=path.name, file=str(path), problem=one_line(problem))


def read_file(path: Path, format: str | None) -> Spectra:
    """Return all spectra of one file; see `read_spectra`."""
    parts = [block.read() for block in row_blocks(path, format) if block.read is not None]
    if not parts:
        raise ReadError(f"{path}: it has no spectra; get the file again")
    spectra = parts[0] if len(parts) == 1 else Spectra.concatenate(parts)
    if (spectra.problem != "").all():
        raise ReadError(str(spectra.problem[0]) + ", so nothing can be measured; omit this file")
    return spectra


def row_blocks(
    path: Path, format: str | None = None, rows: int = ROWS, wanted: Wanted = everything
) -> Iterator[RowBlock]:
    """Blocks of a file of any format; see `maury.readers._row_blocks.Blocks`.

    Raises
    ------
    ReadError
        If the file cannot be read, or ends before its last row.
    """
    with _explained(path):
        _check_file(path)
        with open_file(path) as file:
            reader = _format_of(path, file, format)
            plain = text.read_table(path) if file is None and format != "generic" else None
            if plain is not None:
                name, blocks = "text", text.blocks(path, plain)
            elif file is None or reader is None:
                if file is not None:
                    file.check_headers()
                    file.check_end()
                name, blocks = "generic", generic.blocks(path, FORMATS[:-1])
            else:
                blocks = reader.blocks(file, rows, wanted)
                name = _name(reader)
            for block in blocks:
                if block.read is not None:
                    block = replace(block, read=partial(_checked, block, path, name))
                yield block
            if file is not None:
                file.check_end()


def file_format(path: Path, format: str | None = None) -> str:
    """Return the format of a file, from its headers: a name of `FORMATS`, or "" if it cannot be read."""
    try:
        return within_limit(path, _file_format, path, format)
    except ReadError:
        return ""


def _file_format(path: Path, format: str | None) -> str:
    with _explained(path):
        _check_file(path)
        with open_file(path, whole=False) as file:
            return _name(_format_of(path, file, format))


def n_spectra(path: Path, format: str | None = None) -> int:
    """Return the number of spectra in a file, from its headers; 0 for formats with one per file."""
    try:
        return within_limit(path, _n_spectra, path, format)
    except ReadError:
        return 0


def _n_spectra(path: Path, format: str | None) -> int:
    with _explained(path), open_file(path, whole=False) as file:
        reader = _format_of(path, file, format)
        return int(reader.n_rows(file)) if hasattr(reader, "n_rows") else 0


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Convert any error to a `ReadError` that names the file."""
    try:
        yield
    except ReadError as error:
        text = str(error).removeprefix(f"{path}: ")  # readers that open the file themselves also name it
        raise ReadError(f"{path}: {text}") from error.__cause__
    except Exception as error:  # a damaged file can make astropy raise anything
        cut = isinstance(error, EOFError) or "truncated" in str(error) or "validating header" in str(error)
        what = "it is cut short" if cut else f"it cannot be read ({type(error).__name__}: {error})"
        raise ReadError(f"{path}: {what}; get the file again, or specify its format") from error


def _checked(block: RowBlock, path: Path, format: str) -> Spectra:
    """Spectra of a block, with the `problem` of those without a usable pixel, which names file and row."""
    with _explained(path):
        spectra = _each_row(block, path)
    spectra.format = np.where(spectra.format == "", format, spectra.format)
    n_pixels = spectra.flux.shape[1]
    if n_pixels > MOST_PIXELS:
        raise ReadError(f"{path}: it has {n_pixels:,} pixels per spectrum, maury reads up to {MOST_PIXELS:,}")
    explain_empty(spectra)
    bad = spectra.problem != ""
    if bad.any():
        rows = [
            f"row {block.first + i + 1} of {block.total}: " if block.row else "" for i in range(len(spectra))
        ]
        spectra.problem = np.where(
            bad,
            [one_line(f"{path}: {row}{why}") for row, why in zip(rows, spectra.problem, strict=True)],
            "",
        )
    return spectra


def _each_row(block: RowBlock, path: Path) -> Spectra:
    """Spectra of a block, row by row if that fails: only the row that cannot be decoded is lost."""
    if block.read is None:
        raise ValueError("this block was not requested")
    try:
        return block.read()
    except Exception as error:  # a damaged row can make numpy or astropy raise anything
        if block.row is None:
            raise
        if block.n == 1:
            return unreadable(path, f"it cannot be read ({type(error).__name__}: {error})")
    parts = []
    for i in range(block.n):
        try:
            parts.append(block.row(i))
        except Exception as error:
            parts.append(unreadable(path, f"it cannot be read ({type(error).__name__}: {error})"))
    return Spectra.concatenate(parts)


def explain_empty(spectra: Spectra) -> None:
    """Set the `problem` of spectra without a usable pixel."""
    empty = ~(~spectra.mask & (spectra.flux != 0)).any(axis=1) & (spectra.problem == "")
    if empty.any():
        why = [_why_empty(spectra[i]) if empty[i] else "" for i in range(len(spectra))]
        spectra.problem = np.where(empty, why, spectra.problem)


def _check_file(path: Path) -> None:
    if not path.is_file():  # a pipe could be read once only, and might hang
        not_regular = "this is not a regular file; save its contents as a file first"
        raise ReadError(not_regular if path.exists() else "no such file; check the path")
    if path.stat().st_size == 0:
        raise ReadError("the file is empty; get it again")


def _format_of(path: Path, file: FitsFile | None, format: str | None) -> Any:
    """Return the module of the specified or recognised format of a file; None if maury has none for it."""
    if file is None and (stem(path) != path.name.removesuffix(".gz") or format in _FITS_FORMATS):
        raise ReadError("this is not a FITS file, despite its name; get it again, or correct its extension")
    if file is None or format in ("generic", "text"):
        return None
    if format is not None:
        return _FITS_FORMATS[format]
    return next((module for module in _FITS_FORMATS.values() if module.matches(file)), None)


def _name(reader: Any) -> str:
    """Return the name of the format of a module."""
    return next((name for name, module in _FITS_FORMATS.items() if module is reader), "generic")


def _why_empty(spectra: Spectra) -> str:
    if not spectra.flux.shape[1]:
        return "it has no pixels"
    if not np.isfinite(spectra.flux).any():
        return "its flux is NaN in every pixel"
    if not np.nan_to_num(spectra.flux).any():
        return "its flux is 0 in every pixel"
    return "every pixel is masked or has no inverse variance"
