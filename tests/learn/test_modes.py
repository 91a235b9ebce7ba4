"""Residual modes from residuals with known modes."""

from dataclasses import replace

import numpy as np
import pytest

import made_up_stars
import maury
from maury.learn.instruments import same_instrument
from maury.learn.modes import _harmful, candidate_modes, leading_components
from maury.learn.select import TrainingSet
from maury.measure.fit import fit_spectra
from maury.measure.options import Options

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


def training_set(emulator, flux, ivar, labels):
    """Return stars on the pixels of the emulator, at its resolution."""
    n, text = len(flux), np.full(len(flux), "")
    spectra = maury.Spectra(emulator.wavelength, flux, ivar, rv=0.0)
    return TrainingSet(
        flux, ivar, labels, np.zeros(labels.shape), emulator.labels, text, text, emulator.wavelength, None,
        same_instrument(n), None, np.arange(n), spectra, text, {}, "",
    )  # fmt: skip


def stars(n, seed):
    """Return an emulator, labels of stars, and flux with noise of 1/200."""
    emulator = made_up_stars.emulator(scatter=np.full(made_up_stars.N_PIXELS, 0.01))
    rng = np.random.default_rng(seed)
    labels = np.column_stack(
        [rng.uniform(4500, 6500, n), rng.uniform(2.0, 4.5, n), rng.uniform(-1.5, 0.3, n)]
    )
    return emulator, labels, emulator.predict(labels) + rng.normal(0, 0.005, (n, len(emulator.wavelength)))


def test_modes_of_spectra_are_part_of_the_scatter():
    n = 250
    emulator, labels, flux = stars(n, 6)
    pixel = np.arange(made_up_stars.N_PIXELS)
    shape = 0.015 * np.sin(pixel / 5) * (np.abs(pixel - 700) < 100)
    flux += np.random.default_rng(7).normal(size=(n, 1)) * shape
    ivar = np.full(flux.shape, 1 / 0.005**2)
    ivar[:, 200:220] = 0.0
    none, *both = candidate_modes(emulator, training_set(emulator, flux, ivar, labels), labels, 4)
    assert none.shape == (len(pixel), 0)
    for found in both:
        assert 1 <= found.shape[1] <= 4  # where labels imitate a mode, its residual depends on the star
        assert ((found**2).sum(axis=1) <= 0.9001 * emulator.scatter**2).all()
        inside = np.abs(shape) > 0.001
        near = found[inside] @ np.linalg.lstsq(found[inside], shape[inside])[0]
        assert np.corrcoef(near, shape[inside])[0, 1] > 0.95
        level = found[200:220] / np.mean(emulator.predict(labels), axis=0)[200:220, None]  # no data, no shape
        np.testing.assert_allclose(level, np.broadcast_to(level[0], level.shape), rtol=1e-9, atol=1e-12)
    for none in candidate_modes(emulator, training_set(emulator, flux, ivar, labels), labels, 0):
        assert none.shape == (len(pixel), 0)


def test_residuals_at_given_labels_tell_what_imitates_labels():
    """An error with the shape of a label, and with a trace elsewhere that gives it away."""
    n = 300
    emulator, labels, flux = stars(n, 8)
    slope = emulator.jacobian([5500.0, 3.3, -0.5])[:, 0]
    trace = 0.01 * np.sin(np.arange(made_up_stars.N_PIXELS) / 3)
    shape = 150.0 * slope + trace
    flux += np.random.default_rng(9).normal(size=(n, 1)) * shape
    ivar = np.full(flux.shape, 1 / 0.005**2)
    half = n // 2
    stars_seen = training_set(emulator, flux[:half], ivar[:half], labels[:half])
    _, at_fitted, at_given = candidate_modes(emulator, stars_seen, labels[:half], 8)
    off = []
    for version in (emulator, emulator.with_modes(at_fitted), emulator.with_modes(at_given)):
        found = maury.fit_normalized(version, flux[half:], ivar[half:]).labels
        off.append(np.median(np.abs(found - labels[half:])[:, 0]))
    assert off[2] < 0.5 * min(off[:2])


def test_as_many_modes_as_labels_are_enough_for_a_star():
    """The combinations B^-1 X of the modes are all that its labels depend on."""
    emulator, labels, flux = stars(12, 10)
    rng = np.random.default_rng(11)
    many = np.einsum("npl,nl->pn", emulator.jacobian(labels), rng.normal(size=(12, 3)) * [200, 0.5, 0.2])
    many += 0.3 * many.std() * rng.normal(size=many.shape)
    many *= 0.007 / np.sqrt((many**2).sum(axis=1)).max()
    one = flux[:1] + rng.normal(size=12) @ many.T
    ivar = np.full(one.shape, 1 / 0.005**2)

    def fit(modes):
        scatter = np.sqrt(emulator.scatter**2 + (modes**2).sum(axis=1))  # beside the same rest of it
        version = replace(emulator, scatter=scatter, modes=np.ascontiguousarray(modes))
        spectrum = maury.Spectra(emulator.wavelength, one, ivar, rv=0.0)
        return fit_spectra(version, spectrum, Options())[0]

    whole = fit(many)
    weight = 1 / (1 / ivar + emulator.scatter**2)
    turned = many @ _harmful(emulator, whole.labels, emulator.predict(whole.labels), weight, many)
    error = np.sqrt(np.diagonal(whole.covariance[0]))
    assert (np.abs(fit(turned[:, :3]).labels - whole.labels) < 2e-3 * error).all()
    assert (np.abs(fit(turned[:, 3:]).labels - whole.labels) > 0.2 * error).any()
