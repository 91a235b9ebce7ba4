"""Residual modes from residuals with known modes."""

import numpy as np
import pytest

import made_up_stars
from maury.learn.modes import leading_components, residual_modes

N_STARS, N_PIXELS = 300, 900


def planted(sizes, n=N_STARS, seed=2):
    """Return orthonormal shapes (P, M), and residuals (N, P) = noise of 1 and shapes times amplitudes."""
    rng = np.random.default_rng(seed)
    shapes = np.linalg.qr(rng.normal(size=(N_PIXELS, len(sizes))))[0]
    residual = rng.normal(size=(n, N_PIXELS)) + (rng.normal(size=(n, len(sizes))) * sizes) @ shapes.T
    return shapes, residual


@pytest.mark.parametrize("n", [N_STARS, 3 * N_PIXELS])
def test_planted_modes_are_found(n):
    sizes = np.array([30.0, 15.0, 8.0])
    shapes, residual = planted(sizes, n)
    found = leading_components(residual, 8)
    assert found.shape == (N_PIXELS, 3)
    length = np.linalg.norm(found, axis=0)
    assert (length < 1.05 * sizes).all()
    assert (length > [18.0, 12.0, 7.0]).all()  # stars in which the first is strong have less weight
    assert (np.abs(np.sum(found / length * shapes, axis=0)) > 0.85).all()


@pytest.mark.parametrize("n", [20, N_STARS, 3 * N_PIXELS])
def test_noise_has_no_modes(n):
    assert leading_components(planted([], n)[1], 8).shape == (N_PIXELS, 0)


def test_a_few_odd_stars_make_no_mode():
    _, residual = planted([])
    odd = np.random.default_rng(3).normal(size=N_PIXELS)
    residual[:6] += 4 * odd
    assert leading_components(residual, 8).shape == (N_PIXELS, 0)


def test_no_more_than_asked_for_and_none_of_nothing():
    assert leading_components(planted([30.0, 15.0, 8.0])[1], 2).shape == (N_PIXELS, 2)
    assert leading_components(np.zeros((10, 50)), 3).shape == (50, 0)
    assert leading_components(planted([30.0])[1], 0).shape == (N_PIXELS, 0)


def test_modes_of_spectra_are_part_of_the_scatter():
    n_pixels, n = made_up_stars.N_PIXELS, 250
    emulator = made_up_stars.emulator(scatter=np.full(n_pixels, 0.01))
    rng = np.random.default_rng(6)
    labels = np.column_stack(
        [rng.uniform(4500, 6500, n), rng.uniform(2.0, 4.5, n), rng.uniform(-1.5, 0.3, n)]
    )
    shape = 0.015 * np.sin(np.arange(n_pixels) / 5) * (np.abs(np.arange(n_pixels) - 700) < 100)
    flux = emulator.predict(labels) + rng.normal(0, 0.005, (n, n_pixels))
    flux += rng.normal(size=(n, 1)) * shape
    ivar = np.full(flux.shape, 1 / 0.005**2)
    ivar[:, 200:220] = 0.0
    found = residual_modes(emulator, flux, ivar, labels, 4)
    assert 1 <= found.shape[1] <= 4  # where labels imitate a mode, its residual depends on the star
    assert ((found**2).sum(axis=1) <= 0.9001 * emulator.scatter**2).all()
    inside = np.abs(shape) > 0.001
    assert abs(np.corrcoef(found[inside, 0], shape[inside])[0, 1]) > 0.95
    assert (found[200:220] == 0).all()
