"""Text files: columns of wavelength, flux and error, with or without a header; ECSV and CSV.

Columns without names are wavelength, flux, and the standard error of the flux.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maury.readers._fits import ReadWarning, open_stream
from maury.readers._plain import find_columns
from maury.readers._row_blocks import RowBlock
from maury.readers.table import spectra_of_columns

if TYPE_CHECKING:
    from astropy.table import Table

_NAMELESS = ("wavelength", "flux", "error")
_LOOK = 4096  # bytes


def read_table(path: Path) -> Table | None:
    """Return the table in a text file; None if there is none with columns of wavelength and flux."""
    from astropy.io import ascii

    with open_stream(path) as stream:
        start = bytes(stream.read(_LOOK))
    if b"\0" in start:
        return None
    try:
        start.decode("utf-8", errors="strict" if len(start) < _LOOK else "ignore")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            table = ascii.read(str(path), format="ecsv" if start.startswith(b"# %ECSV") else None)
    except Exception:  # any text may come; astropy raises many errors
        return None
    names = table.colnames
    if names[:2] == ["col1", "col2"]:
        if len(names) > len(_NAMELESS):
            return None  # any of them may be anything
        table.rename_columns(names, _NAMELESS[: len(names)])
        warnings.warn(
            f"a file has columns without names: {', '.join(_NAMELESS[: len(names)])} are assumed",
            ReadWarning,
            stacklevel=2,
        )
    numeric = all(table[name].dtype.kind in "iuf" for name, _, _ in find_columns(table.colnames).values())
    return table if len(table) > 1 and find_columns(table.colnames) and numeric else None


def blocks(path: Path, table: Table) -> Iterator[RowBlock]:
    """Return one block with the spectrum of a table from `read_table`."""
    units = {name: table[name].unit for name in table.colnames}
    columns = {
        name: np.ma.filled(table[name].astype(float), np.nan)
        for name, _, _ in find_columns(table.colnames).values()
    }
    spectra = spectra_of_columns(columns, units, path)
    yield RowBlock(0, len(spectra), len(spectra), lambda: spectra)
