"""Spectra of a file in blocks of rows, as returned by the reader of every format.

A format is a module with ``matches(file)`` and ``blocks(file, rows, wanted)``. Only one block is in
memory, whatever the length of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.readers._fits import ReadError
from maury.readers._fits_file import FitsFile, Hdu, damaged
from maury.readers._head import Rows, Table
from maury.spectra import Spectra

#: Maximum number of rows in a block, and their maximum size as `Spectra` [bytes].
ROWS, BYTES = 256, 32_000_000

Wanted = Callable[[int], bool]
Select = Callable[[NDArray[np.str_], NDArray[np.str_]], NDArray[np.bool_]]


@dataclass(frozen=True)
class RowBlock:
    """Some rows of a file.

    Attributes
    ----------
    first, n, total : int
        First row, rows of the block, rows of the whole file.
    read : callable or None
        Returns the spectra, from bytes that are in memory; can be called later, or in another thread. None
        if the block was not requested.
    row : callable or None
        Returns spectrum i of the block alone, for a block in which one row cannot be decoded; None for files
        of one spectrum.
    """

    first: int
    n: int
    total: int
    read: Callable[[], Spectra] | None
    row: Callable[[int], Spectra] | None = None


class Blocks(Protocol):
    """Blocks of a file, in order.

    Parameters
    ----------
    file : FitsFile
    rows : int
        Maximum number of rows in a block; fewer if rows are large.
    wanted : callable
        Whether the block with this number (from 0) is to be read; others are skipped.
    """

    def __call__(self, file: FitsFile, rows: int = ROWS, wanted: Wanted = ...) -> Iterator[RowBlock]:
        """Yield them; after the last good row of a damaged file, raise `ReadError`."""


def everything(_: int) -> bool:
    """Request all blocks."""
    return True


def one_block(read: Callable[[FitsFile], Spectra]) -> Blocks:
    """Return `blocks` of a format with one spectrum per file, from the function that reads it."""

    def blocks(file: FitsFile, rows: int = ROWS, wanted: Wanted = everything) -> Iterator[RowBlock]:
        if not wanted(0):
            yield RowBlock(0, 1, 1, None)
            return
        spectra = read(file)
        yield RowBlock(0, len(spectra), len(spectra), lambda: spectra)

    return blocks


def rows_that_fit(rows: int, row_bytes: int) -> int:
    """Return the number of rows of a block: at most `rows`, and at most `BYTES` bytes; at least 1."""
    return max(1, min(rows, BYTES // max(1, row_bytes)))


def check_rows(rows: int) -> None:
    """Raise ValueError unless blocks have at least one row."""
    if rows < 1:
        raise ValueError(f"rows: expected at least 1 row per block, got {rows}")


TableBlock = tuple[int, int, int, Rows | None]


def table_blocks(
    file: FitsFile, rows: int, needed: tuple[str, ...], what: str, wanted: Wanted = everything
) -> Iterator[TableBlock]:
    """Blocks of the table in the second HDU, as bytes.

    Parameters
    ----------
    file : FitsFile
    rows : int
        Rows per block; the last one may have fewer.
    needed : tuple of str
        Upper-case names of required columns.
    what : str
        Description of the expected file, for the error message.
    wanted : callable
        See `Blocks`.

    Yields
    ------
    first, n, n_rows, rows
        First row, rows of the block, rows of the whole table; the rows, or None for a block that was not
        requested.

    Raises
    ------
    ReadError
        If there is no such table; or, after the last complete row, if the file ends early or is damaged.
    """
    hdu = _table(file, needed, what)
    n_rows = hdu.head.n_rows
    if n_rows == 0:
        raise ReadError(f"{file.path}: its table has no rows; get the file again")
    for number, first in enumerate(range(0, n_rows, rows)):
        n = min(rows, n_rows - first)
        if wanted(number):
            part: Rows | None = hdu.read(first, n)
            whole = 0 if part is None else part.n
        else:
            whole, part = hdu.pass_over(first, n), None
        if whole:
            yield first, whole, n_rows, part
        if whole < n:
            raise damaged(file.path, first + whole, n_rows)


def _table(file: FitsFile, needed: tuple[str, ...], what: str) -> Hdu:
    try:
        hdu, why = file.at(1), "there is none"
    except Exception as error:  # a damaged header can make astropy raise anything
        hdu, why = None, str(error)
    if hdu is None:
        raise ReadError(f"{file.path}: its second HDU cannot be read ({why}); get the file again")
    if hdu.head.has_columns(*needed):
        try:
            _ = hdu.head.layout  # else each row would try in vain
        except Exception as error:
            raise ReadError(f"{file.path}: the columns of its table cannot be read ({error})") from error
        return hdu
    missing = [name for name in needed if not hdu.head.has_columns(name)]
    found = f"a table without {', '.join(missing)}" if hdu.head.is_table else "no table"
    raise ReadError(f"{file.path}: expected {what} in its second HDU, got {found}; pass another file")


def chosen_rows(blocks: Iterator[RowBlock], select: ArrayLike | Select | None) -> Iterator[Spectra]:
    """Spectra of the selected rows, block by block; blocks without such a row are skipped and not decoded.

    Parameters
    ----------
    blocks : iterator of RowBlock
    select : (N,) bool, list of row numbers, or callable, optional
        Rows of the file to keep; or a function of the star_id and visit_id of a block, (n,) each, that
        returns (n,) bool. All by default.

    Raises
    ------
    ValueError
        If `select` does not match the file.
    """
    chosen = None
    for block in blocks:
        if block.read is None:
            continue
        if chosen is None:
            chosen = select if callable(select) else _row_mask(select, block.total)
        keep = None if callable(chosen) else chosen[block.first : block.first + block.n]
        if keep is not None and not keep.any():
            continue
        spectra = block.read()
        if callable(chosen):
            keep = np.asarray(chosen(spectra.star_id, spectra.visit_id), dtype=bool)
        if keep is None or keep.all():
            yield spectra
        elif keep.any():
            yield spectra[keep]


def _row_mask(select: ArrayLike | None, n_rows: int) -> NDArray[np.bool_]:
    if select is None:
        return np.ones(n_rows, dtype=bool)
    chosen = np.asarray(select)
    if chosen.dtype == bool and chosen.shape == (n_rows,):
        return chosen
    if chosen.dtype.kind not in "iu" and chosen.size:
        raise ValueError(
            f"select: expected ({n_rows},) bool, one per row of the file, row numbers or a function, got "
            f"{chosen.dtype} of shape {chosen.shape}; check that the table belongs to this file"
        )
    if chosen.size and not (chosen.min() >= 0 and chosen.max() < n_rows):
        raise ValueError(f"select: expected row numbers from 0 to {n_rows - 1}, got {chosen.max()}")
    mask = np.zeros(n_rows, dtype=bool)
    mask[chosen.astype(np.int64)] = True
    return mask


def table_block(
    first: int, n: int, total: int, part: Rows | None, convert: Callable[[Table], Spectra]
) -> RowBlock:
    """Return a block of the rows of a table, which `convert` makes into spectra."""
    if part is None:
        return RowBlock(first, n, total, None)

    def decode(rows: Rows) -> Spectra:
        return convert(rows.table())

    return RowBlock(first, n, total, partial(decode, part), lambda i: decode(part.row(i)))
