"""MaStar spectra (SDSS DR17): goodspec files, one row per visit, and combspec files, one row per star.

Vacuum wavelengths in steps of 1e-4 in log10, at rest; flux in 1e-17 erg/s/cm2/A, not corrected for
extinction. The goodspec file of DR17 has 59,266 rows of 4,563 pixels, 5 GB compressed, so rows are read in
blocks: only one is in memory, whatever the length of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.readers._fits import ReadError, exact_log_grid, wavelength_of
from maury.readers._fits_file import FitsFile, open_file
from maury.readers._row_blocks import (
    ROWS,
    RowBlock,
    Select,
    Wanted,
    check_rows,
    chosen_rows,
    everything,
    rows_that_fit,
    table_block,
    table_blocks,
)
from maury.readers._topcat import Joined, joined_names
from maury.spectra import Floats, Spectra
from maury.spectra.units import as_text

FILL = -999.0
NEEDED, WHAT = ("MANGAID", "WAVE", "FLUX", "IVAR"), "a table of MaStar spectra"
Table = Mapping[str, NDArray[Any]]


def matches(file: FitsFile) -> bool:
    """Whether the second HDU is a table of MaStar spectra."""
    hdu = file.at(1)
    return hdu is not None and hdu.head.has_columns(*joined_names(hdu.head, *NEEDED))


def n_rows(file: FitsFile) -> int:
    """Return the number of rows of the table, from its header."""
    hdu = file.at(1)
    return 0 if hdu is None else hdu.head.n_rows


def blocks(file: FitsFile, rows: int = ROWS, wanted: Wanted = everything) -> Iterator[RowBlock]:
    """Blocks of rows; see `maury.readers.read_blocks`."""
    hdu = file.at(1)
    rows = rows_that_fit(
        rows, hdu.head.row_bytes if hdu else 1
    )  # bytes per row are similar to those of the float64 arrays
    convert = partial(to_spectra, file=str(file.path))
    needed = joined_names(hdu.head, *NEEDED) if hdu else NEEDED
    for block in table_blocks(file, rows, needed, WHAT, wanted):
        yield table_block(*block, convert)


def read_blocks(
    path: str | PathLike[str], rows: int = 500, select: ArrayLike | Select | None = None
) -> Iterator[Spectra]:
    """Read a goodspec or combspec file block by block, with only one block in memory.

    `star_id` is the MANGAID, `visit_id` is PLATE-IFUDESIGN-MJD if the file has them, `snr` is S2N, `lsf` is
    DISP, `quality` is MJDQUAL, and `ra` and `dec` are those of the file, if any. For parameters and errors
    see `maury.readers.read_blocks`, which reads files of every format.
    """
    check_rows(rows)
    with open_file(Path(path)) as file:
        if file is None:
            raise ReadError(f"{path}: expected {WHAT}, got a file that is not FITS; pass another file")
        yield from chosen_rows(blocks(file, rows), select)


def to_spectra(table: Table, file: str) -> Spectra:
    """Spectra of some rows, by upper-case column name."""
    table = Joined(table)
    flux, ivar = table["FLUX"], table["IVAR"]
    star = as_text(table["MANGAID"])
    mask = flux == FILL
    if "MASK" in table:
        mask |= np.asarray(table["MASK"]) != 0
    return Spectra(
        _wavelength(table["WAVE"]),
        flux,
        ivar,
        mask=mask,
        lsf=table.get("DISP"),
        star_id=star,
        visit_id=visit_names(table),
        file=file,
        rv=0.0,
        snr=known(table["S2N"]) if "S2N" in table else np.nan,
        quality=table.get("MJDQUAL", 0),
        ra=table.get("RA", np.nan),
        dec=table.get("DEC", np.nan),
    )


def visit_names(table: Any) -> NDArray[np.str_]:
    """PLATE-IFUDESIGN-MJD, as far as the table has them, which distinguish the visits of a star."""
    named = getattr(table, "colnames", table)
    parts = [as_text(table[name]) for name in ("PLATE", "IFUDESIGN", "MJD") if name in named]
    return np.array(
        ["-".join(row) for row in zip(*parts, strict=True)] or [""] * len(table["MANGAID"]), dtype=str
    )


def known(values: ArrayLike) -> Floats:
    """Numbers as float64, NaN in place of the fill value."""
    numbers = np.array(values, dtype=np.float64)
    numbers[numbers == FILL] = np.nan
    return numbers


def _wavelength(rows: Any) -> Floats:
    """Return a single grid if all rows have the same one."""
    wave = np.asarray(rows, dtype=np.float64)
    if wave.ndim == 2 and (wave == wave[0]).all():
        wave = wave[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return wavelength_of(exact_log_grid(np.log10(wave), 1e-7))  # single precision leaves 3e-8
