"""A FITS file that is opened once: its HDUs in order, and rows of any of them as bytes.

`fits.open` reads to the end of a table before it returns the first row, so a compressed file is decompressed
completely and kept in memory. Here only the requested rows are in memory. Small compressed files are
decompressed at once, large ones while they are read.
"""

from __future__ import annotations

import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from gzip import GzipFile
from io import BytesIO
from pathlib import Path
from typing import Any

from astropy.io import fits
from astropy.utils.exceptions import AstropyUserWarning
from isal import igzip, isal_zlib

from maury.output import one_line
from maury.readers._fits import DAMAGED, GZIP, ReadError, open_stream
from maury.readers._head import Head, Header, Rows, extension_head

_BLOCK = 2880  # bytes: headers and data are padded to multiples of it
_CARD = 80
_END = b"END".ljust(_CARD)
_LONGEST = 1024 * _BLOCK  # maximum size of a header: 36,864 cards
_SIMPLE = re.compile(rb"SIMPLE  = *T[ /]")
_NAMED = re.compile(rb"XTENSION= '[A-Z0-9]+ *'")
_HDUS = 1000  # maximum number of HDUs
_AT_ONCE = 1 << 28  # bytes: maximum size of an array
# A compressed file may unpack to so many bytes, or so many times its size. Spectra compress by less than 10.
_FREE, _RATIO = 1 << 28, 100
_STEP = 1 << 20  # bytes; of a damaged stream, at most this much of the good part is lost
# Bytes: compressed files up to these sizes, compressed and decompressed, are decompressed at once.
_SMALL = _UNPACKED = 4 << 20


@dataclass(frozen=True)
class Hdu:
    """One HDU: its header, and the offset of its data [bytes]."""

    file: FitsFile
    head: Head
    offset: int

    @property
    def header(self) -> Header:
        """Values by keyword."""
        return self.head.header

    @property
    def end(self) -> int:
        """First byte after the data."""
        return self.offset + self.head.n_bytes

    def read(self, first: int = 0, n: int | None = None) -> Rows:
        """Read n rows from `first` on, by default all; fewer if the file ends early or is damaged."""
        size = self.head.row_bytes
        n = self.head.n_rows - first if n is None else n
        data = self.file.read(self.offset + first * size, n * size)
        whole = len(data) // size if size else 0
        return Rows(self.head, data[: whole * size], whole)

    def whole(self) -> Rows:
        """All rows.

        Raises
        ------
        EOFError
            If rows are missing.
        """
        rows = self.read()
        if rows.n < self.head.n_rows:
            raise EOFError("truncated")
        return rows

    def check(self) -> None:
        """Check that the file contains all of the data.

        Raises
        ------
        EOFError
            If it does not.
        """
        if self.file.pass_over(self.end - 1, 1) < min(1, self.head.n_bytes):
            raise EOFError("truncated")

    def pass_over(self, first: int, n: int) -> int:
        """Return how many of these rows the file contains, without storing them."""
        size = self.head.row_bytes
        return self.file.pass_over(self.offset + first * size, n * size) // size

    def image(self) -> Any:
        """All pixels, in the shape of the image; see `Rows.image`."""
        return self.whole().image()


class FitsFile:
    """The HDUs of a file that `open_file` has opened.

    Raises
    ------
    EOFError
        From `at` and `find`, if the file ends within a header, or before the end of the data it describes.
    """

    def __init__(self, path: Path, stream: Any, stack: ExitStack) -> None:
        self.path = path
        self._most = max(_FREE, _RATIO * path.stat().st_size)
        self._stream, self._stack = stream, stack
        self._hdus: list[Hdu] = []
        self._complete = self._damaged = False

    @property
    def primary(self) -> Hdu:
        """The first HDU."""
        hdu = self.at(0)
        if hdu is None:
            raise EOFError("truncated")
        return hdu

    def at(self, position: int) -> Hdu | None:
        """Return the HDU at a position, None if there is none; later HDUs are not read."""
        while len(self._hdus) <= position and not self._complete:
            self._next()
        return self._hdus[position] if position < len(self._hdus) else None

    def find(self, name: str) -> Hdu | None:
        """Return the first HDU with an EXTNAME, None if there is none."""
        position = 0
        while (hdu := self.at(position)) is not None:
            if hdu.head.name == name:
                return hdu
            position += 1
        return None

    def read(self, offset: int, n: int) -> memoryview:
        """Read n bytes, or fewer if the file ends or its compressed stream is damaged.

        Raises
        ------
        ReadError
            If this is more than an array may have, or the compressed stream is suspiciously long.
        """
        size = self._size()
        if size is not None:
            n = max(0, min(n, size - offset))
        elif offset + n > self._most:
            raise self._too_long()
        if n > _AT_ONCE:
            raise ReadError(f"one array has {n:,} bytes, more than the {_AT_ONCE:,} that maury reads at once")
        buffer = memoryview(bytearray(n))
        got = 0
        try:
            self._stream.seek(offset)
            while got < n:
                step = self._stream.readinto(buffer[got : got + _STEP])
                if not step:
                    break
                got += step
        except DAMAGED:
            self._damaged = True
        return buffer[:got]

    def pass_over(self, offset: int, n: int) -> int:
        """Return how many of these bytes the file contains; compressed files are decompressed."""
        size = self._size()
        if size is not None:
            return max(0, min(n, size - offset))
        return sum(len(self.read(at, min(_STEP, offset + n - at))) for at in range(offset, offset + n, _STEP))

    def random_access(self) -> None:
        """Prepare for random access: a large compressed file is decompressed to a temporary file.

        Raises
        ------
        EOFError, OSError
            If the compressed stream is damaged, or the disk is full.
        """
        if self._size() is not None:
            return
        unpacked = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
        self._stream.seek(0)
        while part := self._stream.read(_STEP):
            unpacked.write(part)
            if unpacked.tell() > self._most:
                raise self._too_long()
        self._stream = unpacked

    def check_end(self) -> None:
        """Decompress the rest of a compressed file, to check the checksum at its end.

        Raises
        ------
        EOFError, OSError
            If it is cut short or damaged.
        """
        while isinstance(self._stream, GzipFile) and self._stream.read(_STEP):
            if self._stream.tell() > self._most:
                raise self._too_long()

    def check_headers(self) -> None:
        """Check all headers, for astropy; see `Head`."""
        position = 0
        while self.at(position) is not None:
            position += 1
        end = self._hdus[-1].end if self._hdus else 0
        if any(self.read(end + -end % _BLOCK, _BLOCK)):  # astropy would search for an HDU there, or for ever
            raise ReadError(f"after HDU {position - 1} of the file follows something that is not an HDU")

    def _too_long(self) -> ReadError:
        return ReadError(
            f"it unpacks to more than {self._most:,} bytes, {_RATIO} times its size; if that is right, "
            "decompress it first"
        )

    def _size(self) -> int | None:
        """Bytes of the file; None if this requires decompression."""
        if isinstance(self._stream, GzipFile):
            return None
        return int(self._stream.seek(0, 2))

    def _next(self) -> None:
        """Read the next header, or find that there is none."""
        start, end = 0, 0
        if self._hdus:
            end = self._hdus[-1].end
            start = end + -end % _BLOCK
        size = self._size()
        if size is not None and size < end:
            raise EOFError("truncated")
        block = self._header_bytes(start)
        if block is None:
            self._complete = True
            return
        if len(self._hdus) == _HDUS:
            raise ReadError(f"it has more than {_HDUS} HDUs")
        if not (_NAMED if self._hdus else _SIMPLE).match(block):  # of which astropy reads no end
            first = one_line(block[:_CARD].decode("latin-1"), 60)
            raise ReadError(f"a header starts with the card {first}; get the file again")
        head = extension_head(block) if self._hdus else Head(block)
        self._hdus.append(Hdu(self, head, start + len(block)))

    def _header_bytes(self, start: int) -> bytes | None:
        """Header with its padding; None after the last HDU, also if other data follow it."""
        block = bytes(self.read(start, 4 * _BLOCK))
        if not block.startswith(b"XTENSION" if self._hdus else b"SIMPLE  ="):
            if self._damaged and len(block) < _BLOCK:
                raise EOFError("truncated")
            return None
        seen = 0
        while True:
            at = block.find(_END, seen)
            while at >= 0 and at % _CARD:
                at = block.find(_END, at + 1)
            if at >= 0:
                length = at + _CARD
                length += -length % _BLOCK
                if len(block) < length:
                    raise EOFError("truncated")
                return block[:length]
            seen = max(0, len(block) - _CARD)
            more = bytes(self.read(start + len(block), max(4 * _BLOCK, len(block))))
            if not more or len(block) > _LONGEST:
                raise EOFError("truncated")
            block += more


@contextmanager
def open_file(path: Path, whole: bool = True) -> Iterator[FitsFile | None]:
    """Open a file, gzip-compressed or not; None if it is not FITS. Not `whole`: for headers only."""
    with ExitStack() as stack:
        stream: Any = stack.enter_context(path.open("rb"))
        if stream.read(len(GZIP)) == GZIP:
            small = path.stat().st_size <= _SMALL
            if small and not whole:
                stream.seek(0)
                stream = GzipFile(fileobj=stream)  # gives its first bytes sooner than ISA-L
            else:
                stream = (small and _unpacked(stream)) or stack.enter_context(igzip.IGzipFile(path))
        stream.seek(0)
        is_fits = stream.read(9) == b"SIMPLE  ="
        yield FitsFile(path, stream, stack) if is_fits else None


def _unpacked(stream: Any) -> BytesIO | None:
    """Return the contents of a small compressed file; None if they are large or damaged."""
    stream.seek(0)
    packed = stream.read()
    if int.from_bytes(packed[-4:], "little") > _UNPACKED:  # the last bytes give the size, but may be wrong
        return None
    unpacker = isal_zlib.decompressobj(wbits=31)  # gzip
    try:
        data = unpacker.decompress(packed, _UNPACKED + 1)
    except DAMAGED:
        return None
    whole = unpacker.eof and not unpacker.unused_data and len(data) <= _UNPACKED
    return BytesIO(data) if whole else None


def damaged(path: Path, row: int, n_rows: int) -> ReadError:
    """Return the error for a file that ends before its last row."""
    return ReadError(f"{path}: it is cut short or damaged, after row {row} of {n_rows}; get the file again")


@contextmanager
def open_fits(path: Path) -> Iterator[fits.HDUList]:
    """HDUs as astropy reads them, in memory (never mapped), closed at the end; a cut-off file is an error."""
    with open_file(path) as file:
        if file is not None:
            file.check_headers()
            file.check_end()
    with warnings.catch_warnings(), open_stream(path) as stream:  # astropy leaves a bad file open
        # astropy only warns, and then returns the available bytes.
        warnings.filterwarnings("error", message=".*truncated", category=AstropyUserWarning)
        warnings.filterwarnings("error", message="Error validating header", category=AstropyUserWarning)
        with fits.open(stream, memmap=False) as hdus:
            yield hdus
            # astropy takes a truncated gzip stream for a file with fewer HDUs; only its end shows the damage.
            while isinstance(stream, igzip.IGzipFile) and stream.read(1 << 20):
                pass
