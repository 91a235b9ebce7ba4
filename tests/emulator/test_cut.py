"""Networks trained elsewhere: a wide last layer is cut for the search, and kept for the finish."""

import numpy as np
import pytest
from scipy.optimize import least_squares

import maury
from maury.emulator.cut import MOST_INPUTS, exact_factors
from network_twin import flux_and_jacobian, random_labels, three_labels

N_PIXELS = 900


def wide(**changes):
    """Return an emulator whose last layer has 150 inputs; flux smooth in the labels."""
    arguments = three_labels(hidden=(30, 150), n_pixels=N_PIXELS, seed=2, **changes)
    return maury.Emulator.from_layers(**arguments)


@pytest.fixture(scope="module")
def emulator():
    return wide()


def test_narrow_layers_are_not_cut(emulator):
    assert maury.Emulator.from_layers(**three_labels(hidden=(30, MOST_INPUTS))).cut is None
    assert emulator.cut is not None
    assert emulator.cut.basis.shape == (N_PIXELS, emulator.cut.projection.shape[0])


def test_the_cut_reproduces_the_flux_as_well_as_it_says(emulator):
    cut = emulator.cut
    labels = random_labels(emulator, 500)
    trunk = maury.Emulator.from_layers(
        **three_labels(hidden=(30,), n_pixels=150)
        | {
            "weights": emulator.weights[:-1],
            "biases": emulator.biases[:-1],
            "activation": "silu",
        }
    )
    hidden = trunk.predict(labels)
    hidden = hidden / (1 + np.exp(-hidden))  # its last layer is linear here
    flux = cut.mean + (hidden - cut.centre) @ cut.projection.T @ cut.basis.T
    rms = np.sqrt(np.mean((flux - emulator.predict(labels)) ** 2))
    assert 0.5 * cut.error < rms < 2 * cut.error
    assert cut.error < 1e-3


@pytest.mark.slow
def test_no_cut_of_the_same_rank_is_better(emulator):
    """Over the labels it was made for, by the singular values of the fluxes themselves (Eckart & Young)."""
    labels = random_labels(emulator, 700, seed=4)
    known = wide(training_labels=labels)
    flux = known.predict(labels)
    singular = np.linalg.svd(flux - flux.mean(axis=0), compute_uv=False)
    least = np.sqrt(np.sum(singular[len(known.cut.basis.T) :] ** 2) / flux.size)
    assert known.cut.error == pytest.approx(least, rel=1e-3)


def test_fits_are_those_of_the_whole_network(emulator):
    truth = random_labels(emulator, 25, seed=5)
    rng = np.random.default_rng(6)
    flux = emulator.predict(truth) + rng.normal(0, 0.01, (25, N_PIXELS))
    ivar = np.full(flux.shape, 1e4)
    found = maury.fit_normalized(emulator, flux, ivar, use_scatter=False)
    assert found.converged.all()
    low, width = emulator.bounds[:, 0], np.diff(emulator.bounds).ravel()
    for i in range(25):
        sigma = np.sqrt(np.diag(found.covariance[i]))

        def residual(x, i=i):
            return 100 * (flux_and_jacobian(emulator, (low + x * width)[None])[0][0] - flux[i])

        def jacobian(x):
            return 100 * flux_and_jacobian(emulator, (low + x * width)[None])[1][0] * width

        start = np.clip((found.labels[i] + 0.2 * sigma - low) / width, 0, 1)
        slow = least_squares(
            residual, start, jacobian, bounds=(0, 1), method="dogbox", x_scale="jac", ftol=1e-15, xtol=1e-15,
            gtol=1e-15,
        )  # fmt: skip
        assert np.abs((found.labels[i] - (low + slow.x * width)) / sigma).max() < 1e-3
        assert found.chi2[i] == pytest.approx(2 * slow.cost, rel=1e-6)
    inverse = np.einsum("npk,npl->nkl", *[emulator.jacobian(found.labels)] * 2) * 1e4
    sigma = np.sqrt(np.einsum("nll->nl", found.covariance))  # the tangents are summed in float32
    off = (found.covariance - np.linalg.inv(inverse)) / (sigma[:, :, None] * sigma[:, None, :])
    assert np.abs(off).max() < 1e-5


def test_info_tells_of_the_cut(emulator):
    rank = len(emulator.cut.basis.T)
    assert f"K = 150 coefficients before the pixels, cut to {rank} for the search" in emulator.describe()
    assert "all used in the search" in maury.Emulator.load("default").describe()


def test_a_product_of_two_matrices_is_factorised():
    """The emulator is then that with an explicit bottleneck: the same flux, the same fits."""
    rng = np.random.default_rng(4)
    n_hidden, rank, n_pixels = 120, 20, 700
    hidden = rng.normal(0, 1.5, (n_hidden, 3)), rng.normal(0, 0.5, n_hidden)
    projection, basis = rng.normal(0, 0.2, (rank, n_hidden)), rng.normal(0, 0.05, (n_pixels, rank))
    arguments = {
        "labels": ["teff", "logg", "fe_h"],
        "label_min": [4000.0, 0.0, -2.0],
        "label_max": [7000.0, 5.0, 0.5],
        "wavelength": 10 ** (3.6 + 1e-4 * np.arange(n_pixels)),
    }
    told = maury.Emulator.from_layers(
        [hidden[0], projection, basis],
        [hidden[1], np.zeros(rank), np.ones(n_pixels)],
        activation=["tanh", "identity"],
        **arguments,
    )
    whole = maury.Emulator.from_layers(
        [hidden[0], basis @ projection], [hidden[1], np.ones(n_pixels)], activation="tanh", **arguments
    )
    assert whole.cut is None
    factors = exact_factors(whole.weights[-1].astype(np.float64))
    assert factors[0].shape == (n_pixels, rank)
    labels = random_labels(whole, 30, seed=1)
    np.testing.assert_allclose(whole.predict(labels), told.predict(labels), atol=3e-6)
    flux = told.predict(labels) + rng.normal(0, 0.01, (30, n_pixels))
    ivar = np.full(flux.shape, 1e4)
    one, other = (maury.fit_normalized(e, flux, ivar) for e in (told, whole))
    sigma = np.sqrt(np.einsum("nll->nl", one.covariance))
    assert np.median(np.abs(one.labels - other.labels) / sigma) < 1e-2
    assert exact_factors(rng.normal(size=(300, 100))) is None
