"""Random changes of bytes that keep most of the structure of a file, so that they reach its depths."""

import gzip
import struct
import zlib

import numpy as np

_NUMBERS = (
    "0", "-1", "1", "2", "7", "255", "999", "1000", "65536", "2147483647", "-2147483648", "4294967296",
    "1E308", "-1E400", "NaN", "T", "'x'", "99999999999999999999",
)  # fmt: skip
_FLOATS = (np.nan, np.inf, -np.inf, 0.0, -1.0, 1e-300, 1e30, 1e38, 1e300, -999.0)
_TEXT = (b"\x00", b"\xff", b"\x1b[31m", b"\xe2\x80\xa8", b"\n", b"'", b'"', b"#", b"{", b"[" * 50, b"!!")


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return the data after one to five changes."""
    if data[:2] == b"\x1f\x8b" and rng.random() < 0.7:  # the content, packed again
        try:
            return gzip.compress(mutated(gzip.decompress(data), rng), 1, mtime=0)
        except (OSError, EOFError, zlib.error):
            pass
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        if out:
            _CHANGES[int(rng.integers(len(_CHANGES)))](out, rng)
    return bytes(out)


def _at(out: bytearray, rng: np.random.Generator) -> int:
    """Return a position, more often one near the start of the file."""
    most = len(out) if rng.random() < 0.6 else min(len(out), 6000)
    return int(rng.integers(most))


def _flip(out: bytearray, rng: np.random.Generator) -> None:
    out[_at(out, rng)] ^= 1 << int(rng.integers(8))


def _bytes(out: bytearray, rng: np.random.Generator) -> None:
    at, n = _at(out, rng), int(rng.integers(1, 9))
    out[at : at + n] = rng.bytes(n)


def _card(out: bytearray, rng: np.random.Generator) -> None:
    """Change the value in a card of a FITS header."""
    start = out.find(b"= ", _at(out, rng))
    if start >= 0:
        value = _NUMBERS[int(rng.integers(len(_NUMBERS)))].rjust(20).encode()
        out[start + 2 : start + 22] = value[-20:]


def _repeat_card(out: bytearray, rng: np.random.Generator) -> None:
    at, other = (80 * int(rng.integers(max(1, min(len(out), 12000) // 80))) for _ in range(2))
    out[at : at + 80] = out[other : other + 80]


def _float(out: bytearray, rng: np.random.Generator) -> None:
    form = ">d" if rng.random() < 0.5 else ">f"
    value = _FLOATS[int(rng.integers(len(_FLOATS)))]
    try:
        packed = struct.pack(form, value)
    except OverflowError:
        return
    at = _at(out, rng) // 4 * 4
    out[at : at + len(packed)] = packed


def _text(out: bytearray, rng: np.random.Generator) -> None:
    at, text = _at(out, rng), _TEXT[int(rng.integers(len(_TEXT)))]
    out[at : at + len(text)] = text


def _digit(out: bytearray, rng: np.random.Generator) -> None:
    """Replace the next digit of a text."""
    at = _at(out, rng)
    for i in range(at, min(at + 300, len(out))):
        if 48 <= out[i] <= 57:
            out[i] = int(rng.integers(45, 58))
            return


def _copy(out: bytearray, rng: np.random.Generator) -> None:
    at, other, n = _at(out, rng), _at(out, rng), int(rng.integers(1, 200))
    out[at : at + n] = out[other : other + n]


def _insert(out: bytearray, rng: np.random.Generator) -> None:
    at, other, n = _at(out, rng), _at(out, rng), int(rng.integers(1, 100))
    out[at:at] = out[other : other + n]


def _delete(out: bytearray, rng: np.random.Generator) -> None:
    at = _at(out, rng)
    del out[at : at + int(rng.integers(1, 200))]


def _cut(out: bytearray, rng: np.random.Generator) -> None:
    del out[int(rng.integers(len(out))) :]


_CHANGES = (
    _flip, _flip, _bytes, _card, _card, _card, _repeat_card, _float, _float, _text, _digit, _copy, _insert,
    _delete, _cut,
)  # fmt: skip
