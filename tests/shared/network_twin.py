"""The slow twin of the emulator: its equations in NumPy, float64, one line each; and random networks."""

from itertools import pairwise

import numpy as np
from scipy.special import erf, expit

from maury.emulator.checks import log10_wavelength

ACTIVATIONS = ("identity", "relu", "leaky_relu", "silu", "tanh", "sigmoid", "gelu")


def _normal(z):
    return np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


# Activation s(z) and its slope s'(z).
VALUE = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "leaky_relu": lambda z: np.where(z > 0, z, 0.01 * z),
    "silu": lambda z: z * expit(z),
    "tanh": np.tanh,
    "sigmoid": expit,
    "gelu": lambda z: z * (1 + erf(z / np.sqrt(2))) / 2,
}
SLOPE = {
    "identity": np.ones_like,
    "relu": lambda z: np.where(z > 0, 1.0, 0.0),
    "leaky_relu": lambda z: np.where(z > 0, 1.0, 0.01),
    "silu": lambda z: expit(z) * (1 + z * (1 - expit(z))),
    "tanh": lambda z: 1 - np.tanh(z) ** 2,
    "sigmoid": lambda z: expit(z) * (1 - expit(z)),
    "gelu": lambda z: (1 + erf(z / np.sqrt(2))) / 2 + z * _normal(z),
}


def flux_and_jacobian(emulator, labels):
    """Return flux (N, P) and jacobian (N, P, L) at labels (N, L)."""
    low, high = emulator.label_min, emulator.label_max
    labels = np.asarray(labels, dtype=float)
    x, slope = np.empty_like(labels), np.empty_like(labels)
    for i, transform in enumerate(emulator.transforms):
        if transform == "linear":
            x[:, i] = (labels[:, i] - low[i]) / (high[i] - low[i]) - 0.5
            slope[:, i] = 1 / (high[i] - low[i])
        else:
            width = np.log10(high[i]) - np.log10(low[i])
            x[:, i] = (np.log10(labels[:, i]) - np.log10(low[i])) / width - 0.5
            slope[:, i] = 1 / (labels[:, i] * np.log(10) * width)
    value, tangent = x, np.eye(labels.shape[1]) * slope[:, None, :]
    for weight, bias, activation in zip(
        emulator.weights, emulator.biases, (*emulator.activations, "identity"), strict=True
    ):
        weight = weight.astype(float)
        z = value @ weight.T + bias
        tangent = SLOPE[activation](z)[:, :, None] * (weight @ tangent)
        value = VALUE[activation](z)
    return value, tangent


def random_layers(widths, seed=0):
    """Return weights and biases for widths L, H, ..., P, of the size a trained network has."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, 1 / np.sqrt(n_in), (n_out, n_in)) for n_in, n_out in pairwise(widths)]
    weights[0] = weights[0] * 3
    weights[-1] = weights[-1] * 0.2
    biases = [rng.normal(0, 0.5, n_out) for n_out in widths[1:]]
    biases[-1] = 1 + 0.1 * biases[-1]
    # Exact in float32, in which emulators keep them.
    return [[np.float32(array).astype(float) for array in arrays] for arrays in (weights, biases)]


def three_labels(hidden=(12, 9), n_pixels=40, seed=0, **changes):
    """Return the arguments of from_layers for a small emulator of teff (log10), logg and fe_h."""
    weights, biases = random_layers((3, *hidden, n_pixels), seed)
    arguments = {
        "weights": weights,
        "biases": biases,
        "activation": "silu",
        "labels": ["teff", "logg", "fe_h"],
        "label_min": [3000.0, 0.0, -2.5],
        "label_max": [30000.0, 5.0, 0.5],
        "transforms": ["log10", "linear", "linear"],
        "wavelength": log10_wavelength(3.6, 1e-4, n_pixels),
    }
    return arguments | changes


def random_labels(emulator, n, seed=0):
    """Return (n, L) labels in the scaling range, exact in float32: both precisions see the same star."""
    part = np.random.default_rng(seed).uniform(size=(n, len(emulator.labels)))
    labels = emulator.label_min + part * (emulator.label_max - emulator.label_min)
    return labels.astype(np.float32).astype(float)
