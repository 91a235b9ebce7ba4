"""Regions of the spectrum that can be excluded from a fit by name."""

from __future__ import annotations

from collections.abc import Sequence

#: Name -> whether it moves with the star, and its ranges [vacuum Angstrom]. Telluric bands: O2 and H2O.
#: Interstellar lines move with the clouds, by less than these widths.
REGIONS: dict[str, tuple[bool, tuple[tuple[float, float], ...]]] = {
    "telluric": (
        False,
        (
            (6278.0, 6330.0),
            (6868.0, 6960.0),
            (7167.0, 7330.0),
            (7594.0, 7700.0),
            (8130.0, 8350.0),
            (8940.0, 9850.0),
        ),
    ),
    "balmer": (
        True,
        ((4091.0, 4115.0), (4330.0, 4354.0), (4851.0, 4875.0), (6553.0, 6577.0)),  # cores of H delta to alpha
    ),
    "sodium": (True, ((5884.0, 5904.0),)),  # Na D
    "interstellar": (
        False,
        ((3930.8, 3938.8), (3965.6, 3973.6), (5776.0, 5788.0), (5886.0, 5902.0), (6278.0, 6290.0)),
    ),
}


def check_regions(names: Sequence[str]) -> None:
    """Raise ValueError for a name that is not in `REGIONS`."""
    if isinstance(names, str):
        raise ValueError(f"leave_out: expected a list of names, got the text {names!r}; pass [{names!r}]")
    unknown = sorted(set(names) - set(REGIONS))
    if unknown:
        raise ValueError(f"leave_out: unknown region {', '.join(unknown)}; known are {', '.join(REGIONS)}")
