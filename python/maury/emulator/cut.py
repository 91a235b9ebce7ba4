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
from maury.labels import spread_labels

if TYPE_CHECKING:
    from maury.emulator.content import Content

Array = NDArray[np.float64]

#: A last layer with at most this number of inputs is searched without truncation.
MOST_INPUTS = 64
#: A last layer is factorised if its rank is at most this fraction of its number of inputs.
MOST_EXACT = 0.75
_ROUNDING = 3e-7  # of the largest singular value; smaller ones are rounding errors
#: Flux, rms over labels and pixels: a smaller truncation error did not make the exact fit faster.
_ENOUGH = 1e-3
_RANKS = range(16, MOST_INPUTS + 1, 16)
_N_LABELS = 2048


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
    """Factors (P, K) and (K, H) of a last layer (P, H) of rank K well below H; None for any other layer.

    If a float32 layer is the product of two matrices, its singular values after the K-th are rounding errors,
    about 1e-8 of the first. Then W = (W V) V', with V the eigenvectors of W'W of the other singular values.
    """
    power, modes = np.linalg.eigh(weight.T @ weight)
    rank = int(np.count_nonzero(power > _ROUNDING**2 * power[-1]))
    if rank == 0 or rank > MOST_EXACT * len(power):
        return None
    kept = modes[:, len(power) - rank :]
    return weight @ kept, np.ascontiguousarray(kept.T)


def make_cut(emulator: Content) -> Cut | None:
    """Truncate the last layer of `emulator`, or return None if it is narrow enough or can be factorised.

    With C the covariance of the activations over the labels and W the layer, the covariance of the flux is W
    C W'; its leading eigenvectors are kept. All matrices have the size of the activations: W = C^1/2 rotated.
    """
    weight = emulator.weights[-1].astype(np.float64)
    n_inputs = weight.shape[1]
    if n_inputs <= MOST_INPUTS or exact_factors(weight) is not None:
        return None
    activations = _activations(emulator, _labels(emulator))
    centre = activations.mean(axis=0)
    spread, axes = np.linalg.eigh(np.cov(activations.T, bias=True))
    width = np.sqrt(np.maximum(spread, 0))
    root = axes * width  # C = root root'
    power, modes = np.linalg.eigh(root.T @ (weight.T @ weight) @ root)
    power, modes = np.maximum(power[::-1], 0), modes[:, ::-1]
    left_out = np.sqrt(np.append(np.cumsum(power[::-1])[::-1], 0) / len(weight))
    rank = next((k for k in _RANKS if left_out[k] <= _ENOUGH), _RANKS[-1])
    inverse = axes / np.where(width > 1e-9 * width.max(), width, np.inf)  # of the root, transposed
    return Cut(
        projection=modes[:, :rank].T @ inverse.T,
        centre=centre,
        basis=weight @ root @ modes[:, :rank],
        mean=emulator.biases[-1] + weight @ centre,
        error=float(left_out[rank]),
    )


def _labels(emulator: Content) -> Array:
    """Return the labels for which the truncation must be accurate: the training set, else the whole range."""
    if len(emulator.training_labels) >= _N_LABELS // 4:
        return emulator.training_labels
    return spread_labels(emulator.bounds, emulator.transforms, _N_LABELS)


def _activations(emulator: Content, labels: Array) -> Array:
    """Return the input of the last layer: (N, H)."""
    n_inputs = emulator.weights[-1].shape[1]
    trunk = _core.Emulator(
        list(emulator.transforms),
        emulator.label_min,
        emulator.label_max,
        [*(weight.astype(np.float64) for weight in emulator.weights[:-1]), np.eye(n_inputs)],
        [*(bias.astype(np.float64) for bias in emulator.biases[:-1]), np.zeros(n_inputs)],
        [*emulator.activations, "identity"],
    )
    return trunk.predict(np.ascontiguousarray(labels))
