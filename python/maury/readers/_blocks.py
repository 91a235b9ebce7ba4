"""Rows of a large FITS table one block after the other, straight from the (compressed) stream.

`fits.open` goes to the end of a table before it gives out the first row, which means to unpack all of a
compressed file, and then holds all of it. Here memory holds one block, whatever the length of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from maury.readers._fits import ReadError, columns, has_columns, open_stream

Table = dict[str, NDArray[Any]]
Block = tuple[int, int, Callable[[], Table]]


def table_blocks(path: Path, rows: int, needed: tuple[str, ...], what: str) -> Iterator[Block]:
    """Blocks of the table in the second HDU: first row, rows of the whole table, and a function to unpack it.

    Parameters
    ----------
    path : Path
    rows : int
        Rows in a block; the last one may have fewer.
    needed : tuple of str
        Upper-case names of columns without which the file is refused.
    what : str
        What the file should be, for the message then.

    Yields
    ------
    first, n_rows, unpack
        ``unpack()`` gives the columns by upper-case name.
    """
    with open_stream(path) as stream:
        header = _table_header(stream, path, needed, what)
        n_rows, row_bytes = int(header["NAXIS2"]), int(header["NAXIS1"])
        if n_rows == 0:
            raise ReadError(f"{path}: its table has no rows; get the file again")
        for first in range(0, n_rows, rows):
            n = min(rows, n_rows - first)
            data = stream.read(n * row_bytes)
            if len(data) < n * row_bytes:
                raise ReadError(
                    f"{path}: it is cut short, after row {first + len(data) // row_bytes} of {n_rows}; "
                    "get the file again"
                )
            yield first, n_rows, partial(_unpacked, header, data, n)


def _table_header(stream: Any, path: Path, needed: tuple[str, ...], what: str) -> fits.Header:
    """Header of the second HDU; the stream is left at its data."""
    try:
        primary = fits.Header.fromfile(stream)
        shape = [int(primary[f"NAXIS{i}"]) for i in range(1, int(primary["NAXIS"]) + 1)]
        n_bytes = int(np.prod(shape)) * abs(int(primary["BITPIX"])) // 8 if shape else 0
        stream.seek(n_bytes + -n_bytes % 2880, 1)
        header = fits.Header.fromfile(stream)
    except (OSError, EOFError, KeyError) as error:
        raise ReadError(f"{path}: its second HDU cannot be read ({error}); get the file again") from error
    found = "no table"
    if header.get("XTENSION") == "BINTABLE":
        hdu = _table(header, b"", 0)
        if has_columns(hdu, *needed):
            return header
        missing = [name for name in needed if not has_columns(hdu, name)]
        found = f"a table without {', '.join(missing)}"
    raise ReadError(f"{path}: expected {what} in its second HDU, got {found}; pass another file")


def _unpacked(header: fits.Header, data: bytes, n: int) -> Table:
    return columns(_table(header, data, n))


def _table(header: fits.Header, data: bytes, n: int) -> fits.BinTableHDU:
    """Table of n rows with this header: astropy unpacks strings, scaled columns and byte order."""
    part = header.copy()
    part["NAXIS2"], part["PCOUNT"] = n, 0
    for key in ("THEAP", "CHECKSUM", "DATASUM"):
        part.remove(key, ignore_missing=True)
    padding = b"\0" * (-len(data) % 2880)
    return fits.BinTableHDU.fromstring(part.tostring().encode("ascii") + data + padding)
