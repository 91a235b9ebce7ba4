"""Regions of the spectrum that can be excluded from a fit by name."""

from __future__ import annotations

from collections.abc import Sequence

import maury._core as _core

#: Name -> whether it moves with the star, and its ranges [vacuum Angstrom].
REGIONS: dict[str, tuple[bool, tuple[tuple[float, float], ...]]] = _core.REGIONS


def check_regions(names: Sequence[str]) -> None:
    """Raise ValueError for a name that is not in `REGIONS`."""
    if isinstance(names, str):
        raise ValueError(f"leave_out: expected a list of names, got the text {names!r}; pass [{names!r}]")
    unknown = sorted(set(names) - set(REGIONS))
    if unknown:
        raise ValueError(f"leave_out: unknown region {', '.join(unknown)}; known are {', '.join(REGIONS)}")
