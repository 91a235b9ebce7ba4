"""Tables joined by TOPCAT, which adds _1 and _2 to the names of columns that both tables have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from numpy.typing import NDArray

from maury.readers._head import Head

_FIRST = "_1"


def joined_names(head: Head, *names: str) -> tuple[str, ...]:
    """Names of columns, with _1 where a table has them only so."""
    return tuple(name + _FIRST if _only_joined(head, name) else name for name in names)


def _only_joined(head: Head, name: str) -> bool:
    return head.has_columns(name + _FIRST) and not head.has_columns(name)


class Joined(Mapping[str, NDArray[Any]]):
    """Columns of a table, those of the first table of a join also without _1."""

    def __init__(self, table: Mapping[str, NDArray[Any]]) -> None:
        plain = {name.removesuffix(_FIRST): name for name in table}
        self._names = plain | {name: name for name in table}
        self._table = table

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._table[self._names[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
