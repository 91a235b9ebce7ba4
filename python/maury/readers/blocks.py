"""Spectra of any number of files in numbered blocks, so that only a few are in memory."""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from os import PathLike
from pathlib import Path

from maury.readers._fits import ReadError
from maury.readers._time_limit import within_limit
from maury.readers.read import check_format, list_files, n_spectra, read_file, row_blocks, unreadable
from maury.spectra import Spectra

#: Maximum number of rows of a large file, and of files of few spectra, in a block.
ROWS, FILES = 256, 32
#: Bytes: files smaller than the first are read whole, up to the second in one block.
LARGE, TOGETHER = 2_000_000, 16_000_000


@dataclass(frozen=True)
class Block:
    """A block of spectra, in the order of the catalogue.

    Attributes
    ----------
    number : int
        From 0, in order. The same files give the same blocks.
    size : int
        Rows of a large file, or number of files, as counted by `count`.
    read : callable
        Returns the spectra.
    anywhere : bool
        Whether `read` can be called later in another thread: it only decodes bytes that are in memory.
    """

    number: int
    size: int
    read: Callable[[], Spectra]
    anywhere: bool


def rows_of_files(files: Sequence[Path], format: str | None = None) -> list[int]:
    """Return for each file the number of spectra, if it is read in blocks of rows; 0 if it is read whole."""
    check_format(format)
    return [n_spectra(file, format) if _size(file) >= LARGE else 0 for file in files]


def spectra_blocks(
    path: str | PathLike[str] | Iterable[str | PathLike[str]],
    format: str | None = None,
    done: Container[int] = (),
    rows: Sequence[int] | None = None,
) -> Iterator[Block]:
    """Blocks of one or more files of any known survey format; see `maury.read_spectra`.

    Large files with many spectra are read in blocks of rows, all others whole, several per block. A file that
    cannot be read, or not in time, becomes a row with a `problem`, as does the missing part of a large file.

    Parameters
    ----------
    path, format
        See `maury.read_spectra`.
    done : container of int
        Numbers of blocks that are not needed: they are skipped, if possible without reading or
        decompression.
    rows : sequence of int, optional
        What `rows_of_files` returns for the files.

    Raises
    ------
    TimeoutError
        If several files hang at the same time; see `maury.readers._time_limit`.
    """
    files = list_files(path)
    waiting: list[Path] = []
    number = together = 0
    for file, n_rows in zip(files, rows_of_files(files, format) if rows is None else rows, strict=True):
        large, size = n_rows > 0, _size(file)
        if waiting and (large or len(waiting) == FILES or together + size > TOGETHER):
            yield from _whole_files(waiting, format, number, done)
            waiting, together, number = [], 0, number + 1
        if large:
            number = yield from _rows_of(file, format, number, done)
        else:
            waiting.append(file)
            together += size
    if waiting:
        yield from _whole_files(waiting, format, number, done)


def _whole_files(files: list[Path], format: str | None, number: int, done: Container[int]) -> Iterator[Block]:
    if number not in done:
        yield Block(number, len(files), partial(_read_each, files, format), False)


def _read_each(files: list[Path], format: str | None) -> Spectra:
    return Spectra.concatenate([_or_explained(file, read_file, file, format) for file in files])


def _rows_of(
    file: Path, format: str | None, first_number: int, done: Container[int]
) -> Generator[Block, None, int]:
    """Blocks of one file; returns the number of the block that follows."""
    number, left = first_number, 1
    try:
        blocks = row_blocks(file, format, ROWS, lambda i: first_number + i not in done)
        while block := within_limit(file, next, blocks, None):
            left = block.total - block.first - block.n
            if block.read is not None:
                yield Block(number, block.n, partial(_or_explained, file, block.read), True)
            number += 1
    except ReadError as error:
        if number not in done:
            yield Block(number, left, partial(unreadable, file, str(error)), True)
        number += 1
    return number


def _or_explained(file: Path, read: Callable[..., Spectra], *arguments: object) -> Spectra:
    """Return read(*arguments), or a row with the reason why it fails."""
    try:
        return within_limit(file, read, *arguments)
    except ReadError as error:
        return unreadable(file, str(error))


def _size(file: Path) -> int:
    """Bytes of a file; 0 if there is none."""
    return file.stat().st_size if file.is_file() else 0
