"""Spectra of any number of files, some at a time, so that memory holds few of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path

from maury.readers import mastar
from maury.readers._fits import ReadError
from maury.readers._table_rows import Table, n_table_rows, table_blocks
from maury.readers.read import check_format, explain_empty, list_files, read_each, unreadable
from maury.spectra import Spectra

#: Rows of a large table, and files of few spectra, in a block.
ROWS, FILES = 256, 32
LARGE = 4_000_000  # bytes; smaller files are read whole


@dataclass(frozen=True)
class Block:
    """Some spectra in the order of the catalogue.

    Attributes
    ----------
    number : int
        From 0; blocks come in order. The same files give the same blocks.
    size : int
        Rows of a large table, or files: what `count` counts.
    read : callable
        Returns them.
    anywhere : bool
        Whether `read` may be called in another thread, later: it only unpacks what is in memory.
    """

    number: int
    size: int
    read: Callable[[], Spectra]
    anywhere: bool


def count(files: Sequence[Path], format: str | None = None) -> int:
    """Sum of the sizes of all blocks: rows of large tables, and files."""
    check_format(format)
    return sum(_table_rows(file, format) or 1 for file in files)


_Unnumbered = tuple[int, Callable[[], Spectra], bool]


def spectra_blocks(
    path: str | PathLike[str] | Iterable[str | PathLike[str]], format: str | None = None
) -> Iterator[Block]:
    """Blocks of a file, or several, of any known survey format; see `maury.read_spectra`.

    Of MaStar's large tables the rows are read as the (compressed) stream goes by; all other files are read
    whole, a few at a time. A file that cannot be read is a row with a `problem`; so is what is missing of a
    large table that is cut short.
    """
    blocks = _unnumbered(list_files(path), format)
    return (Block(number, size, read, anywhere) for number, (size, read, anywhere) in enumerate(blocks))


def _unnumbered(files: Sequence[Path], format: str | None) -> Iterator[_Unnumbered]:
    waiting: list[Path] = []
    for file in files:
        large = _table_rows(file, format) is not None
        if waiting and (large or len(waiting) == FILES):
            yield len(waiting), partial(read_each, waiting, format), False
            waiting = []
        if large:
            yield from _rows_of(file)
        else:
            waiting.append(file)
    if waiting:
        yield len(waiting), partial(read_each, waiting, format), False


def _rows_of(file: Path) -> Iterator[_Unnumbered]:
    left = 1
    try:
        for first, n, n_rows, unpack in table_blocks(file, ROWS, mastar.NEEDED, mastar.WHAT):
            left = n_rows - first - n
            yield n, partial(_spectra, unpack, file), True
    except ReadError as error:
        yield left, partial(unreadable, file, str(error)), True


def _spectra(unpack: Callable[[], Table], file: Path) -> Spectra:
    spectra = mastar.to_spectra(unpack(), str(file))
    explain_empty(spectra, file)
    return spectra


def _table_rows(file: Path, format: str | None) -> int | None:
    """Rows of a table that is read in blocks; None for other files."""
    if format in (None, "mastar") and file.is_file() and file.stat().st_size >= LARGE:
        return n_table_rows(file, mastar.NEEDED)
    return None
