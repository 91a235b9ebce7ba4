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

from maury.readers._fits import DAMAGED, ReadError, columns, has_columns, open_stream

Table = dict[str, NDArray[Any]]
Block = tuple[int, int, int, Callable[[], Table]]

_UNREADABLE: tuple[type[Exception], ...] = (KeyError, *DAMAGED)
_STEP = 1 << 20  # bytes: of a damaged stream, what is lost of its good part


def table_blocks(path: Path, rows: int, needed: tuple[str, ...], what: str) -> Iterator[Block]:
    """Blocks of the table in the second HDU, each with a function to unpack it.

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
    first, n, n_rows, unpack
        First row, rows of the block, rows of the whole table. ``unpack()`` gives the columns by upper-case
        name; it may be called later, and in another thread.

    Raises
    ------
    ReadError
        At once, if there is no such table; after its last whole row, if the file ends early or is damaged.
    """
    with open_stream(path) as stream:
        header = _table_header(stream, path, needed, what)
        n_rows, row_bytes = int(header["NAXIS2"]), int(header["NAXIS1"])
        if n_rows == 0:
            raise ReadError(f"{path}: its table has no rows; get the file again")
        row_type = _plain_rows(header)
        for first in range(0, n_rows, rows):
            n = min(rows, n_rows - first)
            data = _read(stream, n * row_bytes)
            whole = len(data) // row_bytes
            if whole:
                part = data[: whole * row_bytes]
                yield first, whole, n_rows, partial(_unpacked, header, row_type, part, whole)
            if whole < n:
                raise ReadError(
                    f"{path}: it is cut short or damaged, after row {first + whole} of {n_rows}; "
                    "get the file again"
                )


def n_table_rows(path: Path, needed: tuple[str, ...]) -> int | None:
    """Rows of the table in the second HDU; None if there is none with these columns. Reads headers alone."""
    try:
        with open_stream(path) as stream:
            return int(_table_header(stream, path, needed, "")["NAXIS2"])
    except (ReadError, ValueError, OSError):
        return None


def _read(stream: Any, n_bytes: int) -> memoryview:
    """Read so many bytes, or fewer where the stream ends or its packing is damaged."""
    buffer = memoryview(bytearray(n_bytes))
    got = 0
    while got < n_bytes:
        try:
            n = stream.readinto(buffer[got : got + _STEP])
        except DAMAGED:
            break
        if not n:
            break
        got += n
    return buffer[:got]


def _table_header(stream: Any, path: Path, needed: tuple[str, ...], what: str) -> fits.Header:
    """Header of the second HDU; the stream is left at its data."""
    try:
        primary = fits.Header.fromfile(stream)
        shape = [int(primary[f"NAXIS{i}"]) for i in range(1, int(primary["NAXIS"]) + 1)]
        n_bytes = int(np.prod(shape)) * abs(int(primary["BITPIX"])) // 8 if shape else 0
        stream.seek(n_bytes + -n_bytes % 2880, 1)
        header = fits.Header.fromfile(stream)
    except _UNREADABLE as error:
        raise ReadError(f"{path}: its second HDU cannot be read ({error}); get the file again") from error
    found = "no table"
    if header.get("XTENSION") == "BINTABLE":
        hdu = _table(header, b"", 0)
        if has_columns(hdu, *needed):
            return header
        missing = [name for name in needed if not has_columns(hdu, name)]
        found = f"a table without {', '.join(missing)}"
    raise ReadError(f"{path}: expected {what} in its second HDU, got {found}; pass another file")


def _plain_rows(header: fits.Header) -> np.dtype[Any] | None:
    """Type of a row whose bytes are its values; None where only astropy knows how to unpack them."""
    plain = {"A", "B", "I", "J", "K", "E", "D"}
    definition = _table(header, b"", 0).columns
    if all(
        column.format.format in plain and column.bscale in ("", None, 1) and column.bzero in ("", None, 0)
        for column in definition
    ):
        row_type: np.dtype[Any] = definition.dtype.newbyteorder(">")
        if row_type.itemsize == header["NAXIS1"]:
            return row_type
    return None


def _unpacked(header: fits.Header, row_type: np.dtype[Any] | None, data: memoryview, n: int) -> Table:
    if row_type is None:
        return columns(_table(header, bytes(data), n))
    rows = np.frombuffer(data, dtype=row_type)
    return {name.upper(): rows[name] for name in rows.dtype.names or ()}


def _table(header: fits.Header, data: bytes, n: int) -> fits.BinTableHDU:
    """Table of n rows with this header: astropy unpacks strings, scaled columns and byte order."""
    part = header.copy()
    part["NAXIS2"], part["PCOUNT"] = n, 0
    for key in ("THEAP", "CHECKSUM", "DATASUM"):
        part.remove(key, ignore_missing=True)
    padding = b"\0" * (-len(data) % 2880)
    return fits.BinTableHDU.fromstring(part.tostring().encode("ascii") + data + padding)
