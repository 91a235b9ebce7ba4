"""Columns of a catalogue as plain arrays by name, which are fast to store and to join."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astropy.table import QTable

Columns = dict[str, NDArray[Any]]


def column_values(catalog: QTable, name: str) -> NDArray[np.float64]:
    """Numbers of a column, without their unit."""
    return np.asarray(getattr(catalog[name], "value", catalog[name]), dtype=float)


def label_names(catalog: QTable) -> list[str]:
    """Names of the labels of a catalogue."""
    return str(catalog.meta["LABELS"]).split(",")


def join_columns(parts: Sequence[Columns]) -> Columns:
    """All rows of the parts, in order; NaN where a part lacks a column, or some of the arms, of another."""
    longest = max(parts, key=len)
    return {name: np.concatenate(_alike(parts, name)) for name in longest}


def _alike(parts: Sequence[Mapping[str, NDArray[Any]]], name: str) -> list[NDArray[Any]]:
    shape = max((part[name].shape[1:] for part in parts if name in part), default=())
    columns = []
    for part in parts:
        n = len(part["star_id"])
        here = part.get(name, np.full((n, *shape), np.nan))
        missing = [(0, 0), *((0, most - own) for most, own in zip(shape, here.shape[1:], strict=True))]
        columns.append(np.pad(here, missing, constant_values=np.nan) if any(map(any, missing)) else here)
    return columns
