"""An emulator's layers as NumPy arrays, as one would write the network without maury."""

from copy import copy

import numpy as np

from maury.labels import transformed, untransformed


def activated(kind, z):
    """Return the activation of z, and its slope there."""
    if kind == "identity":
        return z, np.ones_like(z)
    if kind == "silu":
        gate = 1 / (1 + np.exp(-z))
        return z * gate, gate * (1 + z * (1 - gate))
    if kind == "leaky_relu":
        slope = np.where(z > 0, z.dtype.type(1), z.dtype.type(0.01))
        return z * slope, slope
    raise ValueError(f"kind: expected identity, silu or leaky_relu, got {kind!r}")


class Network:
    """Layers of one dtype; labels scaled to -0.5 .. 0.5 over the training range, as The Payne has them."""

    def __init__(self, emulator, dtype=np.float64):
        self.weights = [np.asarray(weight, dtype=dtype) for weight in emulator.weights]
        self.biases = [np.asarray(bias, dtype=dtype) for bias in emulator.biases]
        self.kinds = (*emulator.activations, "identity")
        self.transforms = emulator.transforms
        self._low, self._high = (
            transformed(edge, emulator.transforms) for edge in (emulator.label_min, emulator.label_max)
        )
        self.lower, self.upper = self.scaled(emulator.bounds.T)
        # Rounded: SciPy's first trust region is as small as the start, unless that is exactly 0.
        self.middle = np.round((self.lower + self.upper) / 2, 9) + 0.0

    def without_last_layer(self):
        """Return the network from labels to the input of the last layer; its flux is (K,)."""
        trunk = copy(self)
        trunk.weights, trunk.biases, trunk.kinds = self.weights[:-1], self.biases[:-1], self.kinds[:-1]
        return trunk

    def scaled(self, labels):
        return (transformed(labels, self.transforms) - self._low) / (self._high - self._low) - 0.5

    def labels(self, x):
        return untransformed(self._low + (x + 0.5) * (self._high - self._low), self.transforms)

    def flux(self, x, product=np.matmul):
        """Return the flux (P,) at scaled labels (L,)."""
        for weight, bias, kind in zip(self.weights, self.biases, self.kinds, strict=True):
            x = product(weight, x) + bias
            if kind != "identity":
                x, _ = activated(kind, x)
        return x

    def jacobian(self, x):
        """Return the slope of the flux (P, L) at scaled labels (L,)."""
        tangents = np.eye(len(x), dtype=self.weights[0].dtype)
        for weight, bias, kind in zip(self.weights, self.biases, self.kinds, strict=True):
            x, tangents = weight @ x + bias, weight @ tangents
            if kind != "identity":
                x, slope = activated(kind, x)
                tangents *= slope[:, None]
        return tangents
