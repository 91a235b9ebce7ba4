"""Distance of labels to the training stars of an emulator."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.emulator.checks import NEIGHBOUR
from maury.labels import scaled

if TYPE_CHECKING:
    from maury.emulator.content import Content

# A star is outside the training set if its third nearest training star is farther away than for 99 %
# of the training stars themselves; the third, so that one mislabelled star does not extend the region. With
# the MILES labels this flags 1.6 % of stars drawn around the training stars with errors of 1.4 %, 0.2 dex and
# 0.1 dex, and 52 % of labels drawn at random from the box. A convex hull would flag 2.3 % more of the former.
TRAINING_PERCENTILE = 99.0


def training_distance(labels: ArrayLike, emulator: Content) -> NDArray[np.float64]:
    """Distance (N,) of labels (N, L) to the third nearest training star, divided by a limit.

    The limit is the percentile `TRAINING_PERCENTILE` of this distance among the training stars themselves.
    NaN for NaN labels, and if the emulator has no training labels.
    """
    labels = np.asarray(labels, dtype=float)
    distance = np.full(len(labels), np.nan)
    known = np.isfinite(labels).all(axis=1)
    stars = _training_stars(emulator)
    if stars is not None and known.any():
        tree, far = stars
        places = scaled(labels[known], emulator.label_min, emulator.label_max, emulator.transforms)
        distance[known] = tree.query(places, k=[NEIGHBOUR])[0][:, 0] / far
    return distance


@lru_cache(maxsize=4)
def _training_stars(emulator: Content) -> tuple[Any, float] | None:
    """Tree of the training stars, and the limit of the distance; None if they are unknown."""
    from scipy.spatial import cKDTree

    training = np.asarray(emulator.training_labels, dtype=float)
    if training.ndim != 2:
        return None
    training = np.unique(training[np.isfinite(training).all(axis=1)], axis=0)
    if len(training) <= NEIGHBOUR:
        return None
    tree = cKDTree(scaled(training, emulator.label_min, emulator.label_max, emulator.transforms))
    # The nearest neighbour of a training star is the star itself.
    own = tree.query(tree.data, k=[NEIGHBOUR + 1])[0]
    return tree, float(np.percentile(own, TRAINING_PERCENTILE))
