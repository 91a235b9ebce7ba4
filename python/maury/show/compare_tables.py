"""Comparisons of catalogues as text (Imig et al. 2021, table 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maury.labels import find_label
from maury.show.tables import columns_text, format_label

if TYPE_CHECKING:
    from astropy.table import Row, Table

    from maury.catalog.compare import Spread


def differences_table(table: Table) -> str:
    """Lines for the table of `maury.catalog.compare.differences`."""
    rows = []
    for row in table:
        everything = np.isnan(row["teff_min"])
        ends = "all" if everything else f"{row['teff_min']:.0f}-{row['teff_max']:.0f} K"
        label = row["label"] if everything else ""
        rows.append([label, find_label(row["label"]).unit if everything else "", ends, *_numbers(row)])
    return columns_text(["label", "unit", "teff", "stars", "offset", "scatter", "MAD"], rows)


def spread_table(spread: Spread) -> str:
    """Lines for the table of `maury.catalog.compare.Spread`."""
    rows = [
        [row["label"], find_label(row["label"]).unit, row["catalog"], *_numbers(row)]
        for row in spread.table()
    ]
    return columns_text(["label", "unit", "catalogue", "stars", "offset", "scatter", "MAD"], rows)


def _numbers(row: Row) -> list[str]:
    return [str(row["n"]), *(_fine(row["label"], row[key]) for key in ("offset", "scatter", "mad"))]


def _fine(name: str, value: float) -> str:
    return format_label(name, value) if name == "teff" or np.isnan(value) else f"{value:.3f}"
