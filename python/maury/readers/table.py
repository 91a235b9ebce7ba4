"""Plain tables: FITS files with one table that has columns of wavelength and flux, whatever wrote them.

One spectrum if a row is a pixel, one per row if the columns contain arrays.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from maury.readers._fits import ReadError
from maury.readers._fits_file import FitsFile
from maury.readers._plain import assumptions, find_columns, numbered, unit_of
from maury.readers._row_blocks import one_block
from maury.spectra import Spectra
from maury.spectra.exchange import AIR_OR_VACUUM


def matches(file: FitsFile) -> bool:
    """Whether the second HDU is the only other one, and a table with these columns."""
    hdu = file.at(1)
    return hdu is not None and bool(find_columns(hdu.head.column_names)) and file.at(2) is None


def _read(file: FitsFile) -> Spectra:
    hdu = file.at(1)
    if hdu is None:
        raise ReadError("it has no table")
    table = hdu.whole().table()
    names = (str(hdu.header.get(f"TTYPE{i}", "")) for i in range(1, len(table) + 1))
    units = {name.upper(): hdu.header.get(f"TUNIT{i}") for i, name in enumerate(names, 1)}
    return spectra_of_columns(table, units, file.path)


def spectra_of_columns(table: Any, units: dict[str, Any], path: Path) -> Spectra:
    """Spectra of the columns of a table, by name; see `find_columns`."""
    columns = find_columns(table)
    values: dict[str, Any] = {}
    for kind, (name, unit, _) in columns.items():
        own = None if kind in ("mask", "loglam") else unit_of(units.get(name) or unit)
        column = np.asarray(table[name])
        values[kind] = column.astype(np.float64) if own is None else column.astype(np.float64) * own
    wavelength = values.pop("wavelength", None)
    log = values.pop("loglam", None)
    if "ivar" in values:
        values.pop("error", None)
    air = columns.get("wavelength", ("", "", None))[2]
    with assumptions():
        if air is None:
            warnings.warn(AIR_OR_VACUUM, stacklevel=2)
        return Spectra.from_arrays(
            10**log if wavelength is None else wavelength,
            **values,
            air=bool(air),
            file=str(path),
            star_id=numbered(path, len(np.atleast_2d(values["flux"]))),
        )


blocks = one_block(_read)
