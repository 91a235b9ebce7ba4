"""One HDU of a FITS file as bytes: its header, and rows of its image or table as arrays.

astropy reads single cards of the header, and determines the layout of a row. Extensions of one survey have
the same header in thousands of files, so the results for a header are cached; numbers are then read directly
from the bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from maury.output import one_line
from maury.readers._fits import ReadError

_CARD = 80  # bytes
_PLAIN = {"A", "B", "I", "J", "K", "E", "D"}  # column formats whose values are stored unchanged
_MOST = 999  # axes, and columns of a table, by the FITS standard
_LARGEST = 2**40  # length of an axis: beyond any file
_PIXEL = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}  # by BITPIX


class Header:
    """Values of a header by keyword. A card is read when it is needed: most headers have a hundred more."""

    def __init__(self, block: bytes) -> None:
        self._block = block

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value in the first card with this key, as astropy reads it."""
        at = _find_card(self._block, key)
        if at < 0:
            return default
        end = at + _CARD
        while self._block.startswith(b"CONTINUE", end):
            end += _CARD
        value = fits.Card.fromstring(self._block[at:end]).value
        return None if isinstance(value, fits.card.Undefined) else value

    def __contains__(self, key: str) -> bool:
        """Whether there is such a card."""
        return _find_card(self._block, key) >= 0


def _find_card(block: bytes, key: str) -> int:
    """Return where the first card with this key starts; -1 if there is none."""
    start = key.encode().ljust(8) + b"="
    at = block.find(start)
    while at % _CARD and at >= 0:
        at = block.find(start, at + 1)
    return at


def _whole_number(block: bytes, key: str, default: int | None = None, most: int | None = None) -> int:
    """Return the number in the first card with this key; from 0 to `most`, if given."""
    at = _find_card(block, key)
    if at < 0 and default is not None:
        return default
    text = block[at + 9 : at + _CARD].partition(b"/")[0].decode("ascii", "replace").strip()
    try:
        value = int(text if at >= 0 else "none")
    except ValueError:
        value = -1 if most is not None else 0
    if most is not None and not 0 <= value <= most:
        raise ReadError(
            f"its header has {key} = {one_line(text, 40)}, expected 0 to {most}; get the file again"
        )
    return value


class Head:
    """A header and the layout derived from it; immutable, so that files can share it.

    Attributes
    ----------
    header : Header
    shape : tuple of int
        Shape of the image; of a table (rows, bytes per row). () if there are no data.
    n_bytes : int
        Size of the data, without the padding.
    """

    def __init__(self, block: bytes) -> None:
        # Checked before astropy reads the header: of NAXIS = 2147483647 it makes as many objects.
        self.bitpix = _whole_number(block, "BITPIX")
        if self.bitpix not in _PIXEL:
            raise ReadError(f"its header has BITPIX = {self.bitpix}, which FITS does not know; get it again")
        n_axes = _whole_number(block, "NAXIS", most=_MOST)
        self.shape = tuple(_whole_number(block, f"NAXIS{i}", most=_LARGEST) for i in range(n_axes, 0, -1))
        _whole_number(block, "TFIELDS", 0, _MOST)
        pixels = math.prod(self.shape) if self.shape else 0
        self.n_bytes = abs(self.bitpix) // 8 * (pixels + _whole_number(block, "PCOUNT", 0, _LARGEST))
        self.header = Header(block)
        if self.is_table and n_axes != 2:  # else every byte would be a row
            raise ReadError(f"a table in it has NAXIS = {n_axes}, expected 2; get the file again")
        self._block = block

    @property
    def is_table(self) -> bool:
        """Whether this is a binary table."""
        return bool(self.header.get("XTENSION") == "BINTABLE")

    @cached_property
    def name(self) -> str:
        """EXTNAME in upper case."""
        return str(self.header.get("EXTNAME", "")).strip().upper()

    @property
    def n_rows(self) -> int:
        """Length of the first axis: rows of a table or image, pixels of a spectrum."""
        return self.shape[0] if self.shape else 0

    @property
    def row_bytes(self) -> int:
        """Bytes per row."""
        row = int(np.prod(self.shape[1:], dtype=object)) if len(self.shape) > 1 else 1
        return abs(self.bitpix) // 8 * row

    @cached_property
    def column_names(self) -> frozenset[str]:
        """Names of the columns in upper case; none if this is not a table."""
        if not self.is_table:
            return frozenset()
        return frozenset(
            str(self.header.get(f"TTYPE{i}", "")).strip().upper()
            for i in range(1, int(self.header.get("TFIELDS", 0)) + 1)
        )

    def has_columns(self, *names: str) -> bool:
        """Whether this is a table with these columns, in any case."""
        return self.column_names.issuperset(names)

    @cached_property
    def layout(self) -> tuple[np.dtype[Any], dict[str, str]]:
        """Type of a table row, and by upper-case name the fields whose values are stored unchanged."""
        definition = self.astropy_table(b"", 0).columns
        row_type: np.dtype[Any] = definition.dtype.newbyteorder(">")
        if row_type.itemsize != self.row_bytes:
            raise ReadError(f"its columns have {row_type.itemsize} bytes per row, NAXIS1 is {self.row_bytes}")
        plain = [
            column.name
            for column in definition
            if column.format.format in _PLAIN
            and column.bscale in ("", None, 1)
            and column.bzero in ("", None, 0)
        ]
        return row_type, {name.upper(): name for name in plain}

    @cached_property
    def is_plain_image(self) -> bool:
        """Whether pixels are stored unscaled."""
        get = self.header.get
        return get("BSCALE", 1) == 1 and get("BZERO", 0) == 0 and "BLANK" not in self.header

    def astropy_table(self, data: bytes, n: int) -> fits.BinTableHDU:
        """Table of n rows: astropy decodes strings, scaled columns and byte order."""
        return fits.BinTableHDU.fromstring(self._padded(data, n), uint=True)

    def astropy_image(self, data: bytes, n: int) -> NDArray[Any]:
        """Return n rows of the image: astropy scales them."""
        kind = fits.ImageHDU if "XTENSION" in self.header else fits.PrimaryHDU
        hdu = kind.fromstring(self._padded(data, n), uint=True)
        array: NDArray[Any] = hdu.data
        return array

    @cached_property
    def _astropy_header(self) -> fits.Header:
        return fits.Header.fromstring(self._block)

    def _padded(self, data: bytes, n: int) -> bytes:
        """Bytes of an HDU of n rows."""
        part = self._astropy_header.copy()
        part[f"NAXIS{len(self.shape)}"] = n
        if "PCOUNT" in part:
            part["PCOUNT"] = 0
        for key in ("THEAP", "CHECKSUM", "DATASUM"):
            part.remove(key, ignore_missing=True)
        return str(part.tostring()).encode("ascii") + data + b"\0" * (-len(data) % 2880)


def extension_head(block: bytes) -> Head:
    """Return the head of an extension without its checksums, the only part that differs between files."""
    for name in (b"CHECKSUM=", b"DATASUM ="):
        at = block.find(name)
        if at >= 0 and at % _CARD == 0:
            block = block[:at] + b" " * _CARD + block[at + _CARD :]
    return _kept_head(block)


@lru_cache(maxsize=64)
def _kept_head(block: bytes) -> Head:
    return Head(block)


def forget() -> None:
    """Clear the cache of extension headers."""
    _kept_head.cache_clear()


@dataclass(frozen=True)
class Rows:
    """Complete rows of an image or table as bytes, which can be decoded later, in another thread."""

    head: Head
    data: memoryview
    n: int

    def row(self, i: int) -> Rows:
        """One row."""
        size = self.head.row_bytes
        return Rows(self.head, self.data[i * size : (i + 1) * size], 1)

    def image(self) -> NDArray[Any]:
        """Return (n, ...) pixels as stored, in their byte order, or as scaled by astropy."""
        if not self.head.is_plain_image:
            return self.head.astropy_image(bytes(self.data), self.n)
        pixels = np.frombuffer(self.data, dtype=_PIXEL[self.head.bitpix])
        return pixels.reshape(self.n, *self.head.shape[1:])

    def table(self) -> Table:
        """Columns by upper-case name."""
        return Table(self)


class Table(Mapping[str, NDArray[Any]]):
    """Columns of some rows by upper-case name, (n, ...) each; their case differs between releases."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        row_type, self._plain = rows.head.layout
        self._values = np.frombuffer(rows.data, dtype=row_type)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return the values of a column; text stored unchanged is returned as bytes."""
        if name in self._plain:
            return self._values[self._plain[name]]
        if name not in self._rows.head.column_names:
            raise KeyError(name)
        values: NDArray[Any] = self._unpacked.field(name)
        return values

    def __contains__(self, name: object) -> bool:
        """Whether the column exists; nothing is decoded."""
        return name in self._rows.head.column_names

    def __iter__(self) -> Iterator[str]:
        """Upper-case names."""
        return iter(self._rows.head.column_names)

    def __len__(self) -> int:
        """Return the number of columns."""
        return len(self._rows.head.column_names)

    @cached_property
    def _unpacked(self) -> Any:
        return self._rows.head.astropy_table(bytes(self._rows.data), self._rows.n).data
