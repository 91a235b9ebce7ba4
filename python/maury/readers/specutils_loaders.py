"""LAMOST and MaStar files for users of specutils: importing this module registers them.

specutils has no entry point for loaders; it imports the files in ``~/.specutils``::

    import maury.readers.specutils_loaders
    SpectrumList.read("spec-55859-F5902_sp01-001.fits.gz")
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from specutils import SpectrumList
from specutils.io.registers import data_loader

from maury.readers import lamost, mastar
from maury.readers._fits_file import open_file
from maury.readers.read import read_spectra


def _register(name: str, reader: Any) -> None:
    def is_ours(origin: str, *arguments: Any, **_: Any) -> bool:
        path = arguments[0]
        if origin != "read" or not isinstance(path, str | Path) or not Path(path).is_file():
            return False
        with open_file(Path(path)) as file:
            return file is not None and bool(reader.matches(file))

    @data_loader(  # type: ignore[untyped-decorator]
        f"{name} (maury)", identifier=is_ours, dtype=SpectrumList, extensions=["fits"], priority=10
    )
    def load(file: Any, **_: Any) -> Any:
        path = getattr(file, "name", file)  # astropy has opened it
        return read_spectra(path).to_specutils()


_register("LAMOST", lamost)
_register("MaStar", mastar)
