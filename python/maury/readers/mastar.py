"""MaStar spectra (SDSS DR17): goodspec files, one row a visit, and combspec files, one row a star.

Vacuum wavelengths in steps of 1e-4 in log10, at rest; flux in 1e-17 erg/s/cm2/A, not corrected for
extinction. The goodspec file of DR17 has 59,266 rows of 4,563 pixels, 5 GB compressed, so rows are read in
blocks, straight from the (compressed) stream: memory holds one block, whatever the length of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import ArrayLike, NDArray

from maury.readers._fits import ReadError, columns, exact_log_grid, has_columns, open_stream, table_at
from maury.spectra import Floats, Spectra

FILL = -999.0
_NEEDED = ("MANGAID", "WAVE", "FLUX", "IVAR")
Select = Callable[[NDArray[np.str_], NDArray[np.str_]], NDArray[np.bool_]]


def matches(path: Path, hdus: Any) -> bool:
    """Whether the second HDU is a table of MaStar spectra."""
    return has_columns(table_at(hdus, 1), *_NEEDED)


def read(path: Path, hdus: Any) -> Spectra:
    """All spectra of a file that fits into memory."""
    parts = list(read_blocks(path))
    if not parts:
        raise ReadError("its table has no rows; get the file again")
    return Spectra.concatenate(parts)


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
        `visit_id` is PLATE-IFUDESIGN-MJD where the file has them, `snr` its S2N, `lsf` its DISP.

    Raises
    ------
    ReadError
        The file has no such table, or ends before its last row.
    ValueError
        `rows` or `select` does not suit the file.
    """
    if rows < 1:
        raise ValueError(f"rows: expected at least 1 row a block, got {rows}")
    path = Path(path)
    with open_stream(path) as stream:
        header = _table_header(stream, path)
        n_rows, row_bytes = int(header["NAXIS2"]), int(header["NAXIS1"])
        chosen = select if callable(select) else _row_mask(select, n_rows)
        for first in range(0, n_rows, rows):
            n = min(rows, n_rows - first)
            data = stream.read(n * row_bytes)
            if len(data) < n * row_bytes:
                raise ReadError(
                    f"{path}: it is cut short, after row {first + len(data) // row_bytes} of {n_rows}"
                )
            if not callable(chosen) and not chosen[first : first + n].any():
                continue
            block = _block(columns(_table(header, data, n)), str(path))
            keep = chosen(block.star_id, block.visit_id) if callable(chosen) else chosen[first : first + n]
            if np.all(keep):
                yield block
            elif np.any(keep):
                yield block[np.asarray(keep, dtype=bool)]


def _table_header(stream: Any, path: Path) -> fits.Header:
    """Header of the second HDU, with the stream left at its data.

    `fits.open` would go to the end of the table first, which means to unpack all of a compressed file.
    """
    found = "no table"
    try:
        primary = fits.Header.fromfile(stream)
        _skip_data(stream, primary)
        header = fits.Header.fromfile(stream)
    except (OSError, EOFError, KeyError) as error:
        raise ReadError(f"{path}: its second HDU cannot be read ({error}); get the file again") from error
    if header.get("XTENSION") == "BINTABLE":
        hdu = _table(header, b"", 0)
        if has_columns(hdu, *_NEEDED):
            return header
        found = f"the columns {', '.join(hdu.columns.names)}"
    raise ReadError(
        f"{path}: expected a table of MaStar spectra in its second HDU, with the columns "
        f"{', '.join(_NEEDED)}, got {found}; pass a goodspec or combspec file"
    )


def _skip_data(stream: Any, header: fits.Header) -> None:
    shape = [int(header[f"NAXIS{i}"]) for i in range(1, int(header["NAXIS"]) + 1)]
    n_bytes = int(np.prod(shape)) * abs(int(header["BITPIX"])) // 8 if shape else 0
    stream.seek(n_bytes + -n_bytes % 2880, 1)


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


def _table(header: fits.Header, data: bytes, n: int) -> fits.BinTableHDU:
    """Table of n rows with this header: astropy unpacks strings, scaled columns and byte order."""
    part = header.copy()
    part["NAXIS2"], part["PCOUNT"] = n, 0
    for key in ("THEAP", "CHECKSUM", "DATASUM"):
        part.remove(key, ignore_missing=True)
    padding = b"\0" * (-len(data) % 2880)
    return fits.BinTableHDU.fromstring(part.tostring().encode("ascii") + data + padding)


def _block(table: dict[str, NDArray[Any]], file: str) -> Spectra:
    flux, ivar = (np.asarray(table[name], dtype=np.float64) for name in ("FLUX", "IVAR"))
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
        return np.asarray(10 ** exact_log_grid(np.log10(wave)))
