"""Rows of two tables that are the same star: by name, by file, by position."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.table import Table

Rows = NDArray[np.intp]

RADIUS = 3.0  # arcsec


def match_names(table: Table, other: Table) -> tuple[Rows, Rows]:
    """Rows of both tables with the same ``star_id``: all of `table`, the first match in `other`.

    Where both have a ``visit_id``, it must be the same too.
    """
    wanted, theirs = keys_of_rows([table, other])
    names, first = np.unique(theirs, return_index=True)
    if not len(names):
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    place = np.minimum(np.searchsorted(names, wanted), len(names) - 1)
    rows = np.flatnonzero((names[place] == wanted) & (wanted != ""))
    return rows, first[place[rows]]


def match_files(table: Table, other: Table) -> tuple[Rows, Rows]:
    """Rows of both tables with the same name of ``file``, in any folder, if it occurs once in each."""
    names = [[Path(file).name for file in t["file"]] for t in (table, other)]
    counts = [Counter(own) for own in names]
    place = {name: row for row, name in enumerate(names[1])}
    rows = [i for i, name in enumerate(names[0]) if name and counts[0][name] == counts[1][name] == 1]
    return np.array(rows, np.intp), np.array([place[names[0][i]] for i in rows], np.intp)


def keys_of_rows(tables: Sequence[Table]) -> list[NDArray[np.str_]]:
    """Names of the rows: star, and visit if all tables have one; "" for a row without a name."""
    keys = [np.asarray(table["star_id"], dtype=str) for table in tables]
    if all("visit_id" in table.colnames for table in tables):
        visits = [np.asarray(table["visit_id"], dtype=str) for table in tables]
        for i, (stars, names) in enumerate(zip(keys, visits, strict=True)):
            joined = [f"{star} {visit}" if star else "" for star, visit in zip(stars, names, strict=True)]
            keys[i] = np.array(joined, dtype=str)
    return keys


def match_positions(table: Table, other: Table, radius: float = RADIUS) -> tuple[Rows, Rows]:
    """Rows of `table`, and the nearest of `other` within `radius` [arcsec]."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    known = [np.flatnonzero(np.isfinite(t["ra"]) & np.isfinite(t["dec"])) for t in (table, other)]
    if not all(len(rows) for rows in known):
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    ours, theirs = (
        SkyCoord(np.asarray(t["ra"][rows]) * u.deg, np.asarray(t["dec"][rows]) * u.deg)
        for t, rows in zip((table, other), known, strict=True)
    )
    nearest, separation, _ = ours.match_to_catalog_sky(theirs)
    near = separation < radius * u.arcsec
    return known[0][near], known[1][nearest[near]]
