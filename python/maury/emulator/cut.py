"""The last layer of a network truncated to low rank, for a faster search.

Networks trained by maury do not need this: their last layer has few inputs. Any other layer is truncated
where this matters least for the training labels, or for labels spread over their range; the fit finishes with
the full layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import maury._core as _core

if TYPE_CHECKING:
    from maury.emulator.content import Content

Array = NDArray[np.float64]

#: A last layer with at most this number of inputs is searched without truncation.
MOST_INPUTS: int = _core.MOST_INPUTS


@dataclass(frozen=True)
class Cut:
    """flux ~ mean + basis h, h = projection (a - centre), with a (H,) the activations before the last layer.

    Attributes
    ----------
    projection : (K, H) float64
    centre : (H,) float64
    basis : (P, K) float64
    mean : (P,) float64
    error : float
        Rms error of the flux, over the pixels and the labels used for the truncation.
    """

    projection: Array
    centre: Array
    basis: Array
    mean: Array
    error: float


def exact_factors(weight: Array) -> tuple[Array, Array] | None:
    """Factors (P, K) and (K, H) of a last layer (P, H) of rank K well below H; None for any other layer."""
    return _core.exact_factors(np.ascontiguousarray(weight))


def make_cut(emulator: Content) -> Cut | None:
    """Truncate the last layer of `emulator`, or return None if it is narrow enough or can be factorised."""
    found = _core.make_cut(
        emulator.transforms,
        emulator.label_min,
        emulator.label_max,
        emulator.bounds[:, 0],
        emulator.bounds[:, 1],
        np.ascontiguousarray(emulator.training_labels),
        emulator.weights,
        emulator.biases,
        [*emulator.activations, "identity"],
    )
    return None if found is None else Cut(*found)
