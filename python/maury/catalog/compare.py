"""Comparison of a catalogue with others: rows matched by name or position, and differences of the labels.

Imig et al. 2021, sec. 4.3 (table 2, fig. 12) and sec. 5.1 (fig. 14).
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.catalog.flags import is_valid
from maury.catalog.match import RADIUS, keys_of_rows, match_files, match_names, match_positions
from maury.labels import LABELS, TEFF_BINS, offset_and_mad

if TYPE_CHECKING:
    from astropy.table import Table

Array = NDArray[np.float64]

_TEXT_ENDINGS = (".txt", ".dat", ".asc", ".tsv")  # astropy recognises other formats by name or content
_OPTIONAL = ("star_id", "visit_id", "file", "ra", "dec", *(f"{name}_err" for name in LABELS))
POSITIONS = {"star_id": "star_id|MANGAID", "ra": "ra", "dec": "dec"}

#: Column maps of surveys, ours -> theirs; the first map whose columns are in the table is used. "log10 X"
#: takes the logarithm of X; "X|Y" takes the first of the two that exists.
SURVEYS: dict[str, dict[str, str]] = {
    "SEGUE": {
        "teff": "TEFF_ADOP", "logg": "LOGG_ADOP", "fe_h": "FEH_ADOP",
        "star_id": "SPECOBJID", "ra": "RA", "dec": "DEC",
    },
    "APOGEE": {
        "teff": "TEFF", "logg": "LOGG", "fe_h": "FE_H", "alpha_fe": "ALPHA_M", "log_vmicro": "log10 VMICRO",
        "star_id": "APOGEE_ID", "ra": "RA", "dec": "DEC",
    },
    "MaStar JI": {
        "teff": "TEFF_JI", "logg": "LOGG_JI", "fe_h": "FEH_JI", "alpha_fe": "ALPHA_JI",
        "log_vmicro": "VMICRO_JI", "star_id": "MANGAID", "ra": "RA", "dec": "DEC",
    },
    "MaStar median": {
        "teff": "TEFF_MED", "logg": "LOGG_MED", "fe_h": "FEH_MED", "alpha_fe": "ALPHA_MED",
        "star_id": "MANGAID", "ra": "RA", "dec": "DEC",
    },
    "LAMOST": {
        "teff": "TEFF", "logg": "LOGG", "fe_h": "FEH", "star_id": "DESIGNATION", "ra": "RA", "dec": "DEC",
    },
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Matched:
    """M pairs of rows of two tables, each pair of one star.

    Attributes
    ----------
    names : tuple of str, L
        Labels common to both.
    ours, theirs : (M, L)
        NaN = missing.
    other : str
        Name of the second table.
    by : str
        How the rows were matched: "id", "file" or "position".
    ours_err, theirs_err : (M, L), optional
        Their errors; NaN where a table has none.
    """

    names: tuple[str, ...]
    ours: Array
    theirs: Array
    other: str
    by: str
    ours_err: Array | None = None
    theirs_err: Array | None = None


def read_table(path: str | os.PathLike[str], columns: Mapping[str, str] | None = None) -> tuple[Table, str]:
    """Read any table that astropy can read, with its columns renamed to ours.

    Parameters
    ----------
    path
        FITS, ECSV, CSV, Parquet, ..., or text in columns.
    columns : mapping, optional
        Ours -> theirs, as in ``{"teff": "TEFF_ADOP"}``; by default those of a catalogue of maury, or the
        first of `SURVEYS` that matches. Upper and lower case are equivalent.

    Returns
    -------
    table : Table
        Labels as float64, NaN where missing (masked, or -999 and below); ``star_id``, ``ra``, ``dec`` [deg]
        if there are such columns with a number in any row. Only the valid rows of a catalogue of maury.
    name : str
        Name of the survey, or of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a table, a column is missing, or `columns` has a name that is not used in comparisons.
    """
    from astropy.table import Table

    unknown = set(columns or ()) - set(LABELS) - set(_OPTIONAL)
    if unknown:
        raise ValueError(
            f"columns: names of maury must be among {', '.join([*LABELS, *_OPTIONAL])}, got "
            f"{', '.join(sorted(unknown))}"
        )
    path = Path(path)
    raw = _read(path)
    there = {name.upper(): name for name in raw.colnames}
    name, optional = path.name, set()
    if columns is None:
        name, columns = _known_columns(path, raw.meta, there)
        optional = set(_OPTIONAL)
    table = Table()
    for ours, words in columns.items():
        choices = words.removeprefix("log10 ").split("|")
        theirs = next((name for name in choices if name.upper() in there), None)
        if theirs is None:
            if ours in optional:
                continue
            raise ValueError(
                f"{path}: no column {' or '.join(choices)} for {ours}; it has {', '.join(raw.colnames)}"
            )
        column = raw[there[theirs.upper()]]
        if ours in ("star_id", "visit_id", "file"):
            table[ours] = _text(column)
            continue
        values = np.ma.filled(np.ma.asarray(column).astype(float), np.nan)
        if ours in LABELS:
            values = np.where(values > -999, values, np.nan)
        if words.startswith("log10 "):
            values = np.log10(np.where(values > 0, values, np.nan))
        table[ours] = values
    if "MAURYVER" in raw.meta:
        table = table[is_valid(np.asarray(raw["flags"]))]
    if {"ra", "dec"} <= set(table.colnames) and not np.isfinite(table["ra"] + table["dec"]).any():
        table.remove_columns(["ra", "dec"])
    return table, name


def _read(path: Path) -> Table:
    from astropy.table import Table
    from astropy.utils.exceptions import AstropyWarning

    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)  # units of surveys; of several tables the first
            return Table.read(path, format="ascii" if path.suffix.lower() in _TEXT_ENDINGS else None)
    except Exception as error:  # each format raises different errors
        raise ValueError(f"{path}: astropy cannot read this table: {error}") from error


def _text(column: Any) -> NDArray[np.str_]:
    values = np.ma.filled(np.ma.asarray(column), b"" if column.dtype.kind == "S" else "")
    text = np.char.decode(values, "utf-8", "replace") if values.dtype.kind == "S" else values.astype(str)
    return np.asarray(np.char.strip(text))


def _known_columns(
    path: Path, meta: Mapping[str, Any], there: Mapping[str, str]
) -> tuple[str, dict[str, str]]:
    if "MAURYVER" in meta:
        names = [*str(meta["LABELS"]).split(","), *_OPTIONAL]
        return path.name, {name: name for name in names}
    for name, columns in SURVEYS.items():
        if all(words.removeprefix("log10 ") in there for ours, words in columns.items() if ours in LABELS):
            return name, columns
    raise ValueError(
        f"{path}: no known columns of {', '.join(SURVEYS)}; name the columns, as in "
        "--columns teff=Teff,logg=logg,fe_h=FeH,ra=RAJ2000,dec=DEJ2000. "
        f"It has {', '.join(there.values())}"
    )


def add_positions(table: Table, positions: Table) -> Table:
    """Return a copy of `table` with the ``ra`` and ``dec`` of the star of the same name in `positions`."""
    for name in ("star_id", "ra", "dec"):
        if name not in positions.colnames:
            raise ValueError(
                f"positions: expected columns star_id, ra, dec, got {', '.join(positions.colnames)}"
            )
    table = table.copy()
    rows, found = match_names(table, positions)
    for name in ("ra", "dec"):
        values = np.full(len(table), np.nan)
        values[rows] = np.asarray(positions[name], dtype=float)[found]
        table[name] = values
    return table


def match_tables(
    table: Table, other: Table, name: str, by: str | None = None, radius: float = RADIUS
) -> Matched:
    """Match two tables from `read_table`.

    Parameters
    ----------
    table, other : Table
    name : str
        Name of `other`.
    by : str, optional
        "id", "file" or "position"; by default id if the tables have names in common, else position.
    radius : float
        Largest separation [arcsec].

    Raises
    ------
    ValueError
        If a table lacks the columns to match by, or the tables have no star or no label in common.
    """
    needs = {"id": ("star_id",), "file": ("file",), "position": ("ra", "dec")}
    if by not in (*needs, None):
        raise ValueError(f"by: expected id, file or position, got {by!r}")
    by = by or _way(table, other)
    mend = (
        "add them with add_positions (--positions TABLE), from a table with star_id, ra and dec"
        if by == "position"
        else "match by position (--by position)"
    )
    for which, t, how in (
        ("the catalogue", table, mend), (f"the other table ({name})", other, "pass columns (--columns)"),
    ):  # fmt: skip
        missing = [column for column in needs[by] if column not in t.colnames]
        if missing:
            raise ValueError(f"{which} has no {' and '.join(missing)} to match by {by}; {how}")
    names = tuple(n for n in LABELS if n in table.colnames and n in other.colnames)
    if not names:
        raise ValueError(f"{name}: no label in common with the catalogue; it has {', '.join(other.colnames)}")
    if by == "position":
        ours, theirs = match_positions(table, other, radius)
    else:
        ours, theirs = (match_names if by == "id" else match_files)(table, other)
    if not len(ours):
        reach = f" within {radius:g} arcsec" if by == "position" else ""
        raise ValueError(
            f"{name}: no star in common with the catalogue by {by}{reach}; names differ between surveys, "
            "positions do not"
        )
    errors = [f"{label}_err" for label in names]
    return Matched(
        names, _values(table, names)[ours], _values(other, names)[theirs], name, by,
        _values(table, errors)[ours], _values(other, errors)[theirs],
    )  # fmt: skip


def _way(table: Table, other: Table) -> str:
    """How to match: positions cannot distinguish the visits of a star, so common names take precedence."""
    named, placed = (all(column in t.colnames for t in (table, other)) for column in ("star_id", "ra"))
    if named and (not placed or len(match_names(table, other)[0])):
        return "id"
    return "position"


def differences(matched: Matched, bins: Sequence[float] = TEFF_BINS) -> Table:
    """Offset (median), scatter (standard deviation) and MAD of ours minus theirs, as in table 2 of the paper.

    One row per label for all stars (``teff_min`` is NaN), then one per range of our Teff that contains stars.
    """
    from astropy.table import Table

    rows = []
    for j, name in enumerate(matched.names):
        difference = matched.ours[:, j] - matched.theirs[:, j]
        rows.append((name, np.nan, np.nan, *_summary(difference)))
        if "teff" in matched.names:
            teff = matched.ours[:, matched.names.index("teff")]
            for low, high in pairwise(bins):
                here = _summary(difference[(teff >= low) & (teff < high)])
                if here[0]:
                    rows.append((name, low, high, *here))
    return Table(rows=rows, names=["label", "teff_min", "teff_max", "n", "offset", "scatter", "mad"])


def _summary(difference: Array) -> tuple[int, float, float, float]:
    known = difference[np.isfinite(difference)]
    if not known.size:
        return 0, np.nan, np.nan, np.nan
    offset, mad = offset_and_mad(known)
    return known.size, offset, float(np.std(known)), mad


@dataclass(frozen=True, eq=False)
class Spread:
    """Labels of the same M stars in C catalogues, as in fig. 14 of the paper.

    Attributes
    ----------
    names : tuple of str, L
    catalogs : tuple of str, C
    median : (M, L)
        Over the catalogues, star by star.
    deviation : (C, M, L)
        From that median.
    """

    names: tuple[str, ...]
    catalogs: tuple[str, ...]
    median: Array
    deviation: Array

    def table(self) -> Table:
        """Median, standard deviation and MAD of the deviations: one row per label and catalogue."""
        from astropy.table import Table

        rows = [
            (name, catalog, *_summary(self.deviation[c, :, j]))
            for j, name in enumerate(self.names)
            for c, catalog in enumerate(self.catalogs)
        ]
        return Table(rows=rows, names=["label", "catalog", "n", "offset", "scatter", "mad"])


def spread_of(tables: Sequence[Table], catalogs: Sequence[str]) -> Spread:
    """Compare three or more catalogues of the same stars, matched as by `match_names`.

    Raises
    ------
    ValueError
        If there are fewer than three, one has no ``star_id``, or no star or no label is in all of them.
    """
    if len(tables) < 3:
        raise ValueError(f"catalogs: a comparison with the median needs at least three, got {len(tables)}")
    for name, table in zip(catalogs, tables, strict=True):
        if "star_id" not in table.colnames:
            raise ValueError(f"{name}: no star_id; catalogues are matched by the names of the stars")
    names = tuple(n for n in LABELS if all(n in t.colnames for t in tables))
    firsts = [dict(zip(*np.unique(key, return_index=True), strict=True)) for key in keys_of_rows(tables)]
    stars = sorted(set(firsts[0]).intersection(*firsts[1:]) - {""})
    if not names or not stars:
        raise ValueError(
            f"catalogs: no {'label' if not names else 'star'} is in all of {', '.join(catalogs)}"
        )
    rows = [[first[star] for star in stars] for first in firsts]
    values = np.stack([_values(t, names)[row] for t, row in zip(tables, rows, strict=True)])
    median = np.median(values, axis=0)
    return Spread(names, tuple(catalogs), median, values - median)


def _values(table: Table, names: Sequence[str]) -> Array:
    """Columns (N, C) by name; NaN for those that the table does not have."""
    missing = np.full(len(table), np.nan)
    return np.column_stack([np.asarray(table[n], float) if n in table.colnames else missing for n in names])
