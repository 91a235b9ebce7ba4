"""Version and build of the installed package."""

from __future__ import annotations

import os
import sys
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

try:
    __version__ = version("maury")
except PackageNotFoundError:  # a source tree on the path that was never installed
    __version__ = "0+unknown"


@cache
def maker() -> dict[str, str]:
    """Return what determines a result besides its input: version, hash of the core, SIMD level."""
    import maury._core as _core

    core = sha256(Path(_core.__file__).read_bytes()).hexdigest()[:16]
    return {"version of maury": __version__, "core": core, "SIMD level": _core.SIMD_LEVEL}


def use_simd(level: str) -> None:
    """Have this process use one SIMD level. The core keeps the level with which it was loaded.

    Raises
    ------
    ValueError
        If this machine has no such level, or the core is loaded already, with another one.
    """
    if "maury._core" not in sys.modules:
        os.environ["MAURY_SIMD"] = level
    try:
        found = maker()["SIMD level"]
    except ImportError as error:
        raise ValueError(str(error).replace("MAURY_SIMD", "simd", 1)) from error
    if found != level:
        raise ValueError(f"simd: expected {found}, with which the core of this process runs, got {level}")
