"""Regions of labels to be used with caution, as rows of one table (Imig et al. 2021, sec. 4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

INF = float("inf")


@dataclass(frozen=True)
class Region:
    """A box in the space of labels, including its edges.

    Attributes
    ----------
    flag : str
        Name of the bit in `maury.Flag`.
    limits : dict
        Label -> lowest and highest value.
    needs : tuple of str
        Labels of which the emulator must have at least one, for the region to be meaningful.
    meaning : str
        One line of text.
    """

    flag: str
    limits: dict[str, tuple[float, float]]
    needs: tuple[str, ...]
    meaning: str


#: The paper names the regions; where it gives no limits (the gap, the tip of the giant branch) they are ours.
CAUTION = (
    Region(
        "CAUTION_GAP",
        {"teff": (9000.0, 11000.0), "logg": (3.5, INF)},
        ("teff",),
        "caution: a dwarf near 10,000 K, where fits may avoid the strongest hydrogen lines",
    ),
    Region(
        "CAUTION_COOL_DWARF",
        {"teff": (0.0, 3750.0), "logg": (4.0, INF)},
        ("logg",),
        "caution: a dwarf cooler than 3750 K, where log g is poorly known",
    ),
    Region(
        "CAUTION_HOT",
        {"teff": (10000.0, INF)},
        ("fe_h", "alpha_fe"),
        "caution: hotter than 10,000 K, where few lines constrain [Fe/H] and [alpha/Fe]",
    ),
    Region(
        "CAUTION_TIP",
        {"teff": (0.0, 4000.0), "logg": (-INF, 1.5), "fe_h": (0.0, INF)},
        ("fe_h",),
        "caution: a metal-rich giant at the tip of the giant branch, where training stars are few",
    ),
)


def in_caution(labels: ArrayLike, names: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Which of the labels (N, L) lie in each region of `CAUTION`: name of the flag -> (N,).

    False for NaN labels, and for regions of a label that is not in `names`.
    """
    values = np.asarray(labels, dtype=float)
    names = list(names)
    inside = {}
    for region in CAUTION:
        here = np.full(
            len(values), set(region.limits) <= set(names) and not set(region.needs).isdisjoint(names)
        )
        for name, (low, high) in region.limits.items():
            if here.any():
                column = values[:, names.index(name)]
                here &= (column >= low) & (column <= high)
        inside[region.flag] = here
    return inside
