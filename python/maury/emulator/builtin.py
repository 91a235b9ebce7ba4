"""The emulators that come with maury, and which of them measures the files of a survey."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from importlib.resources import files

DEFAULT = "default"
#: Built-in emulators, and the formats of files (`maury.readers.FORMATS`) that each was trained on; the first
#: one is for all other formats.
BUILT_IN: dict[str, frozenset[str]] = {DEFAULT: frozenset(), "lamost": frozenset({"lamost"})}


def built_in_file(name: str) -> bytes:
    """Return the file of a built-in emulator."""
    return (files("maury") / "data" / f"{name}.onnx").read_bytes()


def emulator_of_formats(formats: Iterable[str]) -> str:
    """Return the name of the built-in emulator for spectra of these formats.

    The emulator of a survey if all of them are its own, else the default. "" = no format: spectra from
    arrays, or a file that could not be read, which has no influence. Formats beyond the one that decides are
    not looked at.
    """
    name = None
    for own in formats:
        if not own:
            continue
        native = next((n for n, known in BUILT_IN.items() if own in known), DEFAULT)
        if native == DEFAULT or name not in (None, native):
            return DEFAULT
        name = native
    return name or DEFAULT


def emulator_with_hash(file_hash: str) -> str:
    """Return the name of the built-in emulator whose file has this SHA-256; the default if none has it."""
    hashes = ((name, hashlib.sha256(built_in_file(name)).hexdigest()) for name in BUILT_IN)
    return next((name for name, own in hashes if own == file_hash), DEFAULT)
