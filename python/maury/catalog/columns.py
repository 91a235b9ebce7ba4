"""Columns of a catalogue as plain arrays by name, which are fast to store and to join."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.table import QTable

Columns = dict[str, NDArray[Any]]


def column_values(table: Any, name: str) -> NDArray[np.float64]:
    """Numbers of a column, without their unit; NaN where masked."""
    values = getattr(table[name], "value", table[name])
    return np.asarray(np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan))


def row_value(row: Any, name: str) -> float:
    """Return one number of a row, without its unit; NaN if masked."""
    return float(column_values(row, name))


def label_names(catalog: QTable) -> list[str]:
    """Names of the labels of a catalogue."""
    return str(catalog.meta["LABELS"]).split(",")


def join_columns(parts: Sequence[Columns]) -> Columns:
    """All rows of the parts, in order; NaN where a part lacks a column, or some of the arms, of another."""
    if len(parts) == 1:
        return dict(parts[0])
    names: list[str] = []
    for part in parts:  # a column that only some have keeps its place after the one before it
        for before, name in zip([None, *part], part, strict=False):
            if name not in names:
                names.insert(names.index(before) + 1 if before is not None else 0, name)
    return {name: np.concatenate(_alike(parts, name)) for name in names}


def _alike(parts: Sequence[Mapping[str, NDArray[Any]]], name: str) -> list[NDArray[Any]]:
    """Return the column of each part, padded with NaN to the widest."""
    shapes = [part[name].shape[1:] for part in parts if name in part]
    widest = tuple(max(widths) for widths in zip(*shapes, strict=True))
    columns = []
    for part in parts:
        n = len(part["star_id"])
        here = part.get(name, np.full((n, *widest), np.nan))
        missing = [(0, 0), *((0, most - own) for most, own in zip(widest, here.shape[1:], strict=True))]
        columns.append(np.pad(here, missing, constant_values=np.nan) if any(map(any, missing)) else here)
    return columns
