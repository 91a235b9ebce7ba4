"""Any network, drawn by hypothesis."""

import numpy as np
from hypothesis import strategies as st

from network_twin import ACTIVATIONS, random_layers


@st.composite
def architectures(draw):
    """Draw the arguments of from_layers for any network: labels, transforms, hidden layers, activations."""
    n_labels = draw(st.integers(1, 6))
    hidden = draw(st.lists(st.integers(1, 20), max_size=4))
    n_pixels = draw(st.integers(1, 30))
    transforms = draw(st.lists(st.sampled_from(["linear", "log10"]), min_size=n_labels, max_size=n_labels))
    low, high = [], []
    for transform in transforms:
        at = draw(st.floats(0.5, 5000) if transform == "log10" else st.floats(-1000, 1000))
        low.append(at)
        # Wide enough for the float32 of the file, which knows a label of 1000 to 6e-5.
        least = max(2.0, 0.05 * abs(at))
        high.append(
            at * draw(st.floats(1.5, 50)) if transform == "log10" else at + draw(st.floats(least, 1e4))
        )
    weights, biases = random_layers((n_labels, *hidden, n_pixels), draw(st.integers(0, 2**32 - 1)))
    return {
        "weights": weights,
        "biases": biases,
        "activation": draw(
            st.lists(st.sampled_from(ACTIVATIONS), min_size=len(hidden), max_size=len(hidden))
        ),
        "labels": [f"label_{i}" for i in range(n_labels)],
        "label_min": low,
        "label_max": high,
        "transforms": transforms,
        "wavelength": np.cumsum(np.full(n_pixels, draw(st.floats(0.1, 10)))) + 3000,
    }
