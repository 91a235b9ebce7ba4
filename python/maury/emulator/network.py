"""The compiled network of an emulator."""

from __future__ import annotations

import numpy as np

import maury._core as _core
from maury.emulator.content import Content
from maury.emulator.cut import Cut


def compiled(content: Content, cut: Cut | None = None) -> _core.Emulator:
    """Compile the network, with its last layer cut to low rank for the search where `cut` is given."""
    return _core.Emulator(
        list(content.transforms),
        content.label_min,
        content.label_max,
        [weight.astype(np.float64) for weight in content.weights],
        [bias.astype(np.float64) for bias in content.biases],
        [*content.activations, "identity"],
        None if cut is None else (cut.projection, cut.centre, cut.basis, cut.mean),
    )
