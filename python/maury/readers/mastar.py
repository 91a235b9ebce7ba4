"""MaStar spectra (SDSS DR17): goodspec files, one row a visit, and combspec files, one row a star.

Vacuum wavelengths in steps of 1e-4 in log10, at rest; flux in 1e-17 erg/s/cm2/A, not corrected for
extinction. The goodspec file of DR17 has 59,266 rows of 4,563 pixels, 5 GB compressed, so rows are read in
blocks: memory holds one, whatever the length of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.readers._fits import exact_log_grid, has_columns, table_at
from maury.readers._table_rows import Table, table_blocks
from maury.spectra import Floats, Spectra

FILL = -999.0
NEEDED, WHAT = ("MANGAID", "WAVE", "FLUX", "IVAR"), "a table of MaStar spectra"
Select = Callable[[NDArray[np.str_], NDArray[np.str_]], NDArray[np.bool_]]


def matches(path: Path, hdus: Any) -> bool:
    """Whether the second HDU is a table of MaStar spectra."""
    return has_columns(table_at(hdus, 1), *NEEDED)


def read(path: Path, hdus: Any) -> Spectra:
    """All spectra of a file that fits into memory."""
    return Spectra.concatenate(list(read_blocks(path)))


def read_blocks(
    path: str | PathLike[str], rows: int = 500, select: ArrayLike | Select | None = None
) -> Iterator[Spectra]:
    """Read a goodspec or combspec file block by block, with the memory of one block.

    Parameters
    ----------
    path : str or path
        The file, gzip-compressed or not.
    rows : int
        Rows of the file in a block; one of DR17 takes 0.35 MB while it is converted.
    select : (N,) bool, list of row numbers, or callable, optional
        Rows of the file to keep; or a function of the star_id and visit_id of a block, (n,) each, that
        returns (n,) bool. By default all.

    Yields
    ------
    Spectra
        In the order of the file; blocks without a row to keep are skipped. `star_id` is the MANGAID,
        `visit_id` is PLATE-IFUDESIGN-MJD where the file has them, `snr` its S2N, `lsf` its DISP,
        `ra` and `dec` those of the file where it has them.

    Raises
    ------
    ReadError
        The file has no such table, or ends before its last row.
    ValueError
        `rows` or `select` does not suit the file.
    """
    if rows < 1:
        raise ValueError(f"rows: expected at least 1 row a block, got {rows}")
    chosen = None
    for first, n, n_rows, unpack in table_blocks(Path(path), rows, NEEDED, WHAT):
        if chosen is None:
            chosen = select if callable(select) else _row_mask(select, n_rows)
        if callable(chosen):
            block = to_spectra(unpack(), str(path))
            keep = np.asarray(chosen(block.star_id, block.visit_id), dtype=bool)
        else:
            keep = chosen[first : first + n]
            if not keep.any():
                continue
            block = to_spectra(unpack(), str(path))
        if keep.all():
            yield block
        elif keep.any():
            yield block[keep]


def _row_mask(select: ArrayLike | None, n_rows: int) -> NDArray[np.bool_]:
    if select is None:
        return np.ones(n_rows, dtype=bool)
    chosen = np.asarray(select)
    if chosen.dtype == bool and chosen.shape == (n_rows,):
        return chosen
    if chosen.dtype.kind not in "iu" and chosen.size:
        raise ValueError(
            f"select: expected ({n_rows},) bool, one a row of the file, row numbers or a function, got "
            f"{chosen.dtype} of shape {chosen.shape}; is the table that of this file?"
        )
    if chosen.size and not (chosen.min() >= 0 and chosen.max() < n_rows):
        raise ValueError(f"select: expected row numbers from 0 to {n_rows - 1}, got {chosen.max()}")
    mask = np.zeros(n_rows, dtype=bool)
    mask[chosen.astype(np.int64)] = True
    return mask


def to_spectra(table: Table, file: str) -> Spectra:
    """Spectra of some rows, by upper-case column name; a row that cannot be one has a `problem`."""
    try:
        return _block(table, file)
    except ValueError as error:
        n = len(table["MANGAID"])
        if n > 1:
            rows = ({name: values[i : i + 1] for name, values in table.items()} for i in range(n))
            return Spectra.concatenate([to_spectra(row, file) for row in rows])
        return Spectra(
            [np.nan],
            [np.nan],
            [0.0],
            star_id=_text(table["MANGAID"]),
            visit_id=visit_names(table) if "MJD" in table else "",
            file=file,
            problem=f"{file}: this row is no spectrum: {error}",
        )


def _block(table: Table, file: str) -> Spectra:
    flux, ivar = table["FLUX"], table["IVAR"]
    star = _text(table["MANGAID"])
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
        visit_id=visit_names(table) if "MJD" in table else "",
        file=file,
        rv=0.0,
        snr=known(table["S2N"]) if "S2N" in table else np.nan,
        ra=table.get("RA", np.nan),
        dec=table.get("DEC", np.nan),
    )


def visit_names(table: Any) -> NDArray[np.str_]:
    """PLATE-IFUDESIGN-MJD of every row: what tells the visits of a star apart."""
    plate, ifu, mjd = (_text(table[name]) for name in ("PLATE", "IFUDESIGN", "MJD"))
    return np.array([f"{a}-{b}-{c}" for a, b, c in zip(plate, ifu, mjd, strict=True)], dtype=str)


def known(values: ArrayLike) -> Floats:
    """Numbers as float64, NaN in place of the fill value."""
    numbers = np.array(values, dtype=np.float64)
    numbers[numbers == FILL] = np.nan
    return numbers


def _text(values: Any) -> NDArray[np.str_]:
    return np.char.strip(np.asarray(values).astype(str))


def _wavelength(rows: Any) -> Floats:
    """One grid where all rows share it."""
    wave = np.asarray(rows, dtype=np.float64)
    if wave.ndim == 2 and (wave == wave[0]).all():
        wave = wave[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(10 ** exact_log_grid(np.log10(wave), 1e-7))  # single precision leaves 3e-8
