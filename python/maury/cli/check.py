"""The results of ``maury demo`` that are stored with the package, to which any build must come close."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astropy.table import QTable, Table

#: Largest accepted difference of a label, in its formal errors. Builds and instruction sets differ by less.
TOLERANCE = 1e-3


def answers_of(catalog: QTable) -> Table:
    """Return what is stored of a catalogue: name, labels, their formal errors, flags."""
    from astropy.table import Table

    from maury.catalog.columns import column_values, label_names

    table = Table({"star_id": np.asarray(catalog["star_id"], dtype=str)})
    for name in label_names(catalog):
        table[name] = np.round(column_values(catalog, name), 6)
        table[f"{name}_err_formal"] = np.round(column_values(catalog, f"{name}_err_formal"), 6)
    table["flags"] = np.asarray(catalog["flags"])
    return table


def stored_answers() -> Table:
    """Return the table `demo_answers.ecsv` of the package, which `tools/frozen_answers.py` writes."""
    from astropy.table import Table

    with as_file(files("maury") / "data" / "demo_answers.ecsv") as path:
        return Table.read(path)


def difference(catalog: QTable, stored: Table) -> float:
    """Return the largest difference of a label in its formal errors; inf if a star or a flag differs."""
    found = answers_of(catalog)
    if found.colnames != stored.colnames or any(
        not np.array_equal(found[name], stored[name]) for name in ("star_id", "flags")
    ):
        return float("inf")
    names = [name for name in found.colnames if f"{name}_err_formal" in found.colnames]
    off = [np.abs(found[name] - stored[name]) / stored[f"{name}_err_formal"] for name in names]
    return float(np.max(off)) if np.isfinite(off).all() else float("inf")
