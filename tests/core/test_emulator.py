"""C++ flux and Jacobian against the equations in float64 NumPy, and against central differences."""

import numpy as np
import pytest

from core_network import core_and_twin, flux_and_jacobian, inside
from maury import _core
from network_twin import ACTIVATIONS

WIDTHS = [(3, 50), (1, 9, 33), (5, 24, 7, 101), (4, 16, 8, 13, 40)]  # one to four layers, off any panel size


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_flux_and_jacobian_are_those_of_the_equations(widths, activation):
    core, twin = core_and_twin(widths, activation, seed=len(widths), log10=(0,))
    labels = inside(twin, 20, np.random.default_rng(1))
    flux, jacobian = flux_and_jacobian(twin, labels)
    np.testing.assert_allclose(core.predict(labels), flux, rtol=0, atol=1e-13)
    width = twin.label_max - twin.label_min
    np.testing.assert_allclose(core.jacobian(labels) * width, jacobian * width, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_jacobian_is_the_slope_of_the_flux(widths, activation):
    core, twin = core_and_twin(widths, activation, seed=7, log10=(0,))
    labels = inside(twin, 10, np.random.default_rng(2), margin=-0.1)
    step = 1e-5 * (twin.label_max - twin.label_min)
    jacobian = core.jacobian(labels)
    for i in range(widths[0]):
        shift = np.zeros(widths[0])
        shift[i] = step[i]
        difference = (core.predict(labels + shift) - core.predict(labels - shift)) / 2
        # A kink of relu within a step would show as a difference of order step; none is that near here.
        np.testing.assert_allclose(jacobian[:, :, i] * step[i], difference, rtol=0, atol=2e-9)


def test_each_star_has_its_own_answer():
    core, twin = core_and_twin((3, 16, 30), "silu")
    labels = inside(twin, 8, np.random.default_rng(3))
    together = core.predict(labels)
    for row, label in zip(together, labels, strict=True):
        assert core.predict(label[None]).tobytes() == row.tobytes()
    assert core.predict(labels[:0]).shape == (0, 30)
    assert core.jacobian(labels[:0]).shape == (0, 30, 3)


def test_nan_label_gives_nan_flux():
    core, twin = core_and_twin((3, 16, 30), "relu")
    labels = inside(twin, 2, np.random.default_rng(4))
    labels[0, 1] = np.nan
    flux = core.predict(labels)
    assert np.isnan(flux[0]).all()
    assert np.isfinite(flux[1]).all()


GOOD = {
    "transforms": ["linear"],
    "label_min": [0.0],
    "label_max": [1.0],
    "weights": [np.ones((4, 1)), np.ones((6, 4))],
    "biases": [np.zeros(4), np.zeros(6)],
    "activations": ["silu", "identity"],
}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"transforms": ["sqrt"]}, "transforms: unknown name 'sqrt'; choose linear or log10"),
        ({"transforms": []}, "transforms: at least one label"),
        ({"label_min": [0.0, 1.0]}, "label_min: expected one value a label, 1, got 2"),
        ({"label_max": "high"}, "label_max: expected a 1-D array"),
        ({"label_max": [0.0]}, "label_min < label_max"),
        ({"activations": ["softplus", "identity"]}, "activations: unknown name 'softplus'"),
        ({"activations": ["silu", "tanh"]}, "the last layer gives the flux"),
        ({"activations": ["silu"]}, "expected one of each a layer, got 2, 2, 1"),
        ({"weights": [np.ones((4, 1)), np.ones((6, 5))]}, r"weights\[1\]: expected 4 columns"),
        (
            {"weights": [np.ones(4), np.ones((6, 4))]},
            r"weights\[0\]: expected float64 \(out, in\), got float64 \(4,\)",
        ),
        (
            {"weights": [np.full((4, 1), np.nan), np.ones((6, 4))]},
            r"weights\[0\]: 4 of 4 values are not finite",
        ),
        ({"biases": [np.zeros(4), np.zeros(5)]}, r"biases\[1\]: expected 6 values"),
    ],
)
def test_bad_layers_are_named(change, words):
    _core.Emulator(**GOOD)
    with pytest.raises(ValueError, match=words):
        _core.Emulator(**(GOOD | change))


@pytest.mark.parametrize(
    "labels",
    [np.zeros(3), np.zeros((2, 4)), np.zeros((2, 3), "f4"), np.zeros((3, 2)).T, [[0.0, 0.0, 0.0]], None],
)
def test_bad_labels_are_named(labels):
    core, _ = core_and_twin((3, 8, 12), "silu")
    with pytest.raises(
        ValueError, match=r"labels: expected float64 \(N, L\) = \(any, 3\), C-contiguous, got"
    ):
        core.predict(labels)
