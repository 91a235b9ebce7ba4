"""Broadening the basis: against a dense convolution, and stars seen by a coarser instrument."""

import numpy as np
import pytest

import made_up_stars
import maury
from maury.measure.broaden import broadened, extra_variance, groups, predict_broadened

LABELS = made_up_stars.LABELS


@pytest.fixture(scope="module")
def emulator():
    # Lines of the made-up star have a sigma of 1.5 pixels; the emulator's own lsf is 1.2 A.
    return made_up_stars.emulator(lsf=np.full(made_up_stars.N_PIXELS, 1.2))


def dense_convolution(flux, variance):
    """Convolve with a Gaussian of one variance [squared pixels], in Fourier space; wrong near the edges."""
    frequency = 2 * np.pi * np.fft.rfftfreq(flux.shape[-1])
    return np.fft.irfft(np.fft.rfft(flux) * np.exp(-0.5 * variance * frequency**2), flux.shape[-1])


@pytest.mark.parametrize(("variance", "tolerance"), [(0.05, 2e-4), (0.3, 2e-4), (4.0, 1e-6)])
def test_against_a_convolution(emulator, variance, tolerance):
    wide = broadened(emulator, np.full(len(emulator.wavelength), variance))
    want = dense_convolution(emulator.predict(LABELS), variance)
    inner = slice(40, -40)
    np.testing.assert_allclose(wide.predict(LABELS)[:, inner], want[:, inner], atol=tolerance)


def test_a_line_gets_the_variance_it_should_and_keeps_its_area(emulator):
    n = len(emulator.wavelength)
    pixel = np.arange(n)
    line = np.exp(-0.5 * ((pixel - 700) / 1.3) ** 2)
    weights = [emulator.weights[0], np.repeat(line[:, None], emulator.rank, axis=1)]
    star = made_up_stars.emulator(weights=weights, biases=[emulator.biases[0], np.ones(n)])
    for variance in (0.03, 0.3, 3.0):
        profile = broadened(star, np.full(n, variance)).weights[-1][:, 0].astype(float)
        assert profile.sum() == pytest.approx(line.sum(), rel=1e-5)
        wide = 1.3**2 + variance
        gaussian = 1.3 / np.sqrt(wide) * np.exp(-0.5 * (pixel - 700) ** 2 / wide)
        np.testing.assert_allclose(profile, gaussian, atol=5e-4)


def test_a_flat_spectrum_stays_flat_also_at_the_edges(emulator):
    n = len(emulator.wavelength)
    flat = made_up_stars.emulator(
        weights=[emulator.weights[0], np.zeros((n, emulator.rank))], biases=[emulator.biases[0], np.ones(n)]
    )
    np.testing.assert_allclose(broadened(flat, np.linspace(0, 9, n)).predict(LABELS), 1, rtol=1e-6)


def test_data_sharper_than_the_emulator_or_of_unknown_sharpness_leave_it_alone(emulator):
    n = len(emulator.wavelength)
    lsf = np.stack([np.full(n, 0.8), np.full(n, np.nan), np.full(n, 1.2)])
    variance = extra_variance(emulator, lsf)
    assert not variance.any()
    assert broadened(emulator, variance[0]) is emulator
    np.testing.assert_array_equal(predict_broadened(emulator, LABELS[:3], lsf), emulator.predict(LABELS[:3]))


def test_groups_hold_every_row_once():
    curves = np.repeat(np.array([[0.0], [1.0], [0.0], [1.0], [1.0 + 1e-9]]), 50, axis=1)
    found = [rows.tolist() for rows, _ in groups(curves)]
    assert found == [[0, 2], [1, 3], [4]]


def test_a_fit_that_knows_the_resolution_is_unbiased(emulator):
    n = len(emulator.wavelength)
    coarse = np.full(n, 1.9)
    rng = np.random.default_rng(9)
    truth = np.column_stack([rng.uniform(*ends, 60) for ends in ((4300, 6700), (1.5, 4.5), (-1.5, 0.3))])
    flux = predict_broadened(emulator, truth, np.tile(coarse, (60, 1)))
    flux += rng.normal(0, 1 / 150, flux.shape)
    ivar = np.full(flux.shape, 150.0**2)
    blind = maury.fit_normalized(emulator, flux, ivar, use_scatter=False)
    knowing = maury.fit_normalized(emulator, flux, ivar, lsf=coarse, use_scatter=False)
    sigma = np.sqrt(np.diagonal(knowing.covariance, axis1=1, axis2=2))
    pull = (knowing.labels - truth) / sigma
    assert (np.abs(np.median(pull, axis=0)) < 0.5).all()
    assert np.median(blind.chi2) > 1.5 * np.median(knowing.chi2)
    # Rows of their own curve give what one curve for all gives, in the order of the spectra.
    each = np.where(np.arange(60)[:, None] % 2 == 0, coarse, np.nan)
    mixed = maury.fit_normalized(emulator, flux, ivar, lsf=each, use_scatter=False)
    np.testing.assert_allclose(mixed.labels[::2], knowing.labels[::2], rtol=1e-6)
    np.testing.assert_allclose(mixed.labels[1::2], blind.labels[1::2], rtol=1e-6)


def test_wrong_arguments_are_named(emulator):
    flux = np.ones((2, len(emulator.wavelength)))
    with pytest.raises(ValueError, match="lsf: expected shape"):
        maury.fit_normalized(emulator, flux, flux, lsf=np.ones(7))
    with pytest.raises(ValueError, match="lsf: the emulator does not know its own"):
        maury.fit_normalized(made_up_stars.emulator(), flux, flux, lsf=np.ones(flux.shape[1]))
