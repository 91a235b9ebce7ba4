"""Regions of labels to be used with caution (Imig et al. 2021, sec. 4.2); their limits are in the core."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

import maury._core as _core
from maury.catalog.flags import Flag


def in_caution(labels: ArrayLike, names: Sequence[str]) -> dict[str, NDArray[np.bool_]]:
    """Which of the labels (N, L) lie in each region: name of the flag -> (N,).

    False for NaN labels, and for regions of a label that is not in `names`.
    """
    bits = _core.cautions(np.ascontiguousarray(labels, dtype=np.float64), list(names))
    return {bit.name: (bits & bit) != 0 for bit in Flag if bit.name and bit.name.startswith("CAUTION_")}
