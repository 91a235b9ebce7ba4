"""Files that `Spectra.write` has written: one table, a row per spectrum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maury.readers._fits_file import FitsFile
from maury.readers._row_blocks import (
    ROWS,
    RowBlock,
    Wanted,
    everything,
    rows_that_fit,
    table_block,
    table_blocks,
)
from maury.spectra import Spectra
from maury.spectra.file import NUMBERS, PIXELS, TABLE, TEXT
from maury.spectra.units import as_text

_NEEDED = ("STAR_ID", "WAVELENGTH", "FLUX", "IVAR", "MASK")


def matches(file: FitsFile) -> bool:
    """Whether the second HDU has the name of such a table."""
    hdu = file.at(1)
    return hdu is not None and hdu.head.name == TABLE


def n_rows(file: FitsFile) -> int:
    """Return the number of rows of the table, from its header."""
    hdu = file.at(1)
    return 0 if hdu is None else hdu.head.n_rows


def blocks(file: FitsFile, rows: int = ROWS, wanted: Wanted = everything) -> Iterator[RowBlock]:
    """Blocks of rows; see `maury.readers.read_blocks`."""
    hdu = file.at(1)
    labels = [name for name in str(hdu.header.get("LABELS", "") if hdu else "").split(",") if name]
    rows = rows_that_fit(rows, hdu.head.row_bytes if hdu else 1)
    convert = partial(_spectra, labels=labels, file=str(file.path))
    what = "a table written by Spectra.write"
    for block in table_blocks(file, rows, _NEEDED, what, wanted):
        yield table_block(*block, convert)


def _spectra(table: Mapping[str, NDArray[Any]], labels: list[str], file: str) -> Spectra:
    values: dict[str, Any] = {
        name: table[name.upper()] for name in (*TEXT, *NUMBERS, *PIXELS) if name.upper() in table
    }
    values |= {name: as_text(values[name]) for name in TEXT}
    for name in {"wavelength", "arm"} & set(values):
        rows = np.asarray(values[name])
        if np.array_equal(rows, np.broadcast_to(rows[:1], rows.shape), equal_nan=rows.dtype.kind == "f"):
            values[name] = rows[0]
    return Spectra(**values, file=file, labels={name: table[f"LABEL_{name.upper()}"] for name in labels})
