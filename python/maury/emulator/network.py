"""The compiled network of an emulator."""

from __future__ import annotations

import numpy as np

import maury._core as _core
from maury.emulator.content import Content
from maury.emulator.cut import MOST_INPUTS, Cut, exact_factors


def compiled(content: Content, cut: Cut | None = None) -> _core.Emulator:
    """Compile the network, with its last layer truncated to low rank for the search if `cut` is given.

    A last layer that is the product of two matrices is factorised; it is then as fast as a bottleneck.
    """
    weights = [weight.astype(np.float64) for weight in content.weights]
    biases = [bias.astype(np.float64) for bias in content.biases]
    activations = [*content.activations, "identity"]
    factors = exact_factors(weights[-1]) if weights[-1].shape[1] > MOST_INPUTS else None
    if factors is not None:
        basis, projection = factors
        weights[-1:] = [projection, basis]
        biases[-1:] = [np.zeros(len(projection)), biases[-1]]
        activations.append("identity")
    return _core.Emulator(
        list(content.transforms),
        content.label_min,
        content.label_max,
        weights,
        biases,
        activations,
        None if cut is None else (cut.projection, cut.centre, cut.basis, cut.mean),
    )
