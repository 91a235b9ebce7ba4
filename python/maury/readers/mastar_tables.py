"""MaStar tables of DR17: mastarall (targets and quality), Gaia cross-matches, published parameters.

Fill values (-999) become masked entries. A table is identified by its columns, in whichever HDU it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from maury.labels import LABELS
from maury.readers._fits import ReadError, columns, has_columns
from maury.readers._fits_file import open_fits
from maury.readers.mastar import FILL, visit_names
from maury.readers.mastar_bits import PAPER_BITS, QUALITY_BITS, checked_bits

if TYPE_CHECKING:
    from astropy.table import Table

PAPER_SNR = 15.0

_VISITS = ("MANGAID", "PLATE", "IFUDESIGN", "MJD", "RA", "DEC", "EPOCH", "MJDQUAL", "S2N")
_STARS = ("MANGAID", "NVISITS", "RA", "DEC", "EPOCH")
_GAIA = ("MANGAID", "SOURCE_ID")
# Published parameters: stems of the columns and of their errors, by the group that derived them.
_STEMS = {"teff": "TEFF", "logg": "LOGG", "fe_h": "FEH", "alpha_fe": "ALPHA", "log_vmicro": "VMICRO"}
GROUPS = ("MED", "JI", "DL", "YC")


@dataclass(frozen=True)
class Selection:
    """Rows kept, and reasons for rejecting the others.

    Attributes
    ----------
    keep : (N,) bool
    counts : dict of str to int
        Number of rows rejected for each reason, counted for the first one that applies; then those kept.
    """

    keep: NDArray[np.bool_]
    counts: dict[str, int]


def read_visits(path: str | PathLike[str]) -> Table:
    """Read GOODVISITS of a mastarall file: one row per visit, in the order of the goodspec file.

    Raises
    ------
    ReadError
        If the file has no table with these columns.
    """
    return _read(path, "GOODVISITS", _VISITS, ())


def read_stars(path: str | PathLike[str]) -> Table:
    """Read GOODSTARS of a mastarall file: one row per star.

    Raises
    ------
    ReadError
        If the file has no table with these columns, or contains a star twice.
    """
    return _read(path, "GOODSTARS", _STARS, ("MANGAID",))


def read_gaia(path: str | PathLike[str]) -> Table:
    """Read the cross-match of good stars with Gaia DR2 or EDR3: MANGAID, SOURCE_ID and all other columns.

    Raises
    ------
    ReadError
        If the file has no table with these columns, or contains a star twice.
    """
    return _read(path, "the Gaia cross-match", _GAIA, ("MANGAID",))


def select_visits(visits: Table, snr_min: float = PAPER_SNR, reject: Iterable[str] = PAPER_BITS) -> Selection:
    """Select visits by quality bits and S/N; by default as in Imig et al. (2021), sec. 2.2.

    Parameters
    ----------
    visits : Table
        Returned by `read_visits`.
    snr_min : float
        Minimum S/N (S2N), exclusive; visits without a S/N are rejected.
    reject : iterable of str
        Names of `QUALITY_BITS`.

    Raises
    ------
    ValueError
        If a bit is unknown.
    """
    bits = checked_bits(reject)
    quality = np.ma.filled(visits["MJDQUAL"], 0).astype(np.int64)
    snr = np.ma.filled(np.ma.asarray(visits["S2N"], dtype=np.float64), np.nan)
    reasons = {bit: quality >> QUALITY_BITS[bit] & 1 != 0 for bit in bits}
    reasons[f"S/N not above {snr_min:g}"] = ~(snr > snr_min)
    return take_away(reasons, len(visits))


def take_away(reasons: dict[str, NDArray[np.bool_]], n: int) -> Selection:
    """Reject rows for each reason in order, and count them."""
    keep = np.ones(n, dtype=bool)
    counts: dict[str, int] = {}
    for reason, bad in reasons.items():
        counts[reason] = int((keep & bad).sum())
        keep &= ~bad
    return Selection(keep, {**counts, "kept": int(keep.sum())})


def read_parameters(path: str | PathLike[str], group: str = "MED") -> Table:
    """Read a catalogue of published MaStar parameters (the DR17 value-added catalogue, v1 or v2).

    Parameters
    ----------
    path : str or path
        mastar-goodvisits-...-params-v2.fits or mastar-goodstars-...
    group : str
        One of `GROUPS`: "MED" is the median of the four groups, "JI" the results of Imig et al. (2021).

    Returns
    -------
    Table
        Columns star_id, visit_id ("" in a table of stars), the labels of this group by maury's names, with
        ``<label>_err``, and valid; rows that the group marks as invalid have NaN labels.

    Raises
    ------
    ReadError
        If the file has no table with the columns of this group.
    ValueError
        If `group` is unknown.
    """
    from astropy import units as u
    from astropy.table import Table

    if group not in GROUPS:
        raise ValueError(f"group: expected one of {', '.join(GROUPS)}, got {group!r}")
    flag = "NGROUPS" if group == "MED" else f"VALID_{group}"
    given = _read(path, f"parameters of group {group}", ("MANGAID", f"TEFF_{group}", flag), ())
    visits = {"PLATE", "IFUDESIGN", "MJD"} <= set(given.colnames)
    table = Table({"star_id": np.asarray(given["MANGAID"], dtype=str)})
    table["visit_id"] = visit_names(given) if visits else np.full(len(given), "", dtype=str)
    valid = np.ma.filled(given[flag], 0) > 0
    for label, name in _STEMS.items():
        if f"{name}_{group}" not in given.colnames:
            continue
        error = f"{name}_MED_ERR" if group == "MED" else f"{name}_ERR_{group}"
        for column, source in ((label, f"{name}_{group}"), (f"{label}_err", error)):
            if source in given.colnames:
                values = np.ma.filled(np.ma.asarray(given[source], dtype=np.float64), np.nan)
                table[column] = np.where(valid, values, np.nan)
                table[column].unit = u.Unit(LABELS[label].unit)
    table["valid"] = valid
    return table


def _read(path: str | PathLike[str], what: str, needed: tuple[str, ...], unique: tuple[str, ...]) -> Table:
    from pathlib import Path

    with open_fits(Path(path)) as hdus:
        tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
        fitting = [hdu for hdu in tables if has_columns(hdu, *needed)]
        # ALLVISITS and ALLSTARS have the same columns; the name decides, else the order.
        named = [hdu for hdu in fitting if hdu.name.upper() == what]
        if not fitting:
            nearest = _nearest(tables, needed)
            raise ReadError(
                f"{path}: expected a table with the columns {', '.join(needed)} ({what}), {nearest}"
            )
        table = _masked((named or fitting)[0])
    for name in unique:
        values, counts = np.unique(np.asarray(table[name]), return_counts=True)
        if (counts > 1).any():
            twice = values[counts > 1]
            raise ReadError(
                f"{path}: {what} has {len(twice)} stars in more than one row, for example {name} {twice[0]}; "
                "keep one row of each"
            )
    return table


def _nearest(tables: list[Any], needed: tuple[str, ...]) -> str:
    if not tables:
        return "got a file without tables"
    missing = min(([name for name in needed if not has_columns(hdu, name)] for hdu in tables), key=len)
    return f"but none of its {len(tables)} tables has {' and '.join(missing)}"


def _masked(hdu: Any) -> Table:
    """Columns of a table in native byte order, upper-case names, fill values masked, units kept."""
    from astropy import units as u
    from astropy.table import MaskedColumn, Table

    table = Table()
    units = {column.name.upper(): column.unit for column in hdu.columns}
    for name, values in columns(hdu).items():
        array = np.array(values)
        if array.dtype.kind in "SU":
            table[name] = np.char.strip(array.astype(str))
            continue
        array = array.astype(array.dtype.newbyteorder("="))
        bad = array == FILL
        if array.dtype.kind == "f":
            bad |= ~np.isfinite(array)
        unit = u.Unit(units[name], parse_strict="silent") if units[name] else None
        table[name] = MaskedColumn(array, mask=bad, unit=unit)
    return table
