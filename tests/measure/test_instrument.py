"""Spectra on their own pixels: where those lie, what they see of the emulator, data sharper than it."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.interpolate import BSpline

import made_up_stars
import maury
from instrument_twin import coefficients, edges, place, seen, shown
from maury.catalog.flags import Flag
from maury.emulator.grid import pixel_velocity
from maury.spectra import SPEED_OF_LIGHT, Spectra

N = made_up_stars.N_PIXELS
OWN = 1.2  # lsf of the emulator [Angstrom]
LABELS = made_up_stars.LABELS[:2]
RV = np.array([120.0, -340.0])


@pytest.fixture(scope="module")
def emulator():
    return made_up_stars.emulator(lsf=np.full(N, OWN))


def grids():
    log = 10 ** (3.65 + 1e-4 * np.arange(N))
    uneven = 4500 + np.cumsum(0.4 + 0.02 * np.arange(150))
    blue, red = np.arange(4480.0, 5400.0, 1.3), np.arange(5250.0, 6300.0, 2.1)
    return {
        "native": (log, None),
        "linear": (np.arange(4400.0, 6400.0, 1.0), None),
        "much finer": (np.arange(5000.0, 5100.0, 0.2), None),
        "much coarser": (np.arange(4450.0, 6350.0, 7.7), None),
        "uneven, with a gap": (np.concatenate([uneven[:60], uneven[75:]]), None),
        "two arms": (np.concatenate([blue, red]), np.repeat([0, 1], [len(blue), len(red)])),
    }


GRIDS = grids()


@pytest.mark.parametrize("sigma", [OWN, 1.9, 9.0])
@pytest.mark.parametrize("name", GRIDS)
def test_what_a_pixel_sees_is_the_dense_matrix(emulator, name, sigma):
    wavelength, arm = GRIDS[name]
    lsf = np.full((2, len(wavelength)), sigma)
    if arm is not None:
        lsf[:, arm == 1] *= 1.3
    ones = np.ones(lsf.shape)
    spectra = Spectra(wavelength, ones, ones, lsf=lsf, arm=arm)
    velocity = pixel_velocity(emulator)
    offset, extra = np.array([-0.4, 0.7]), np.array([0.3, 0.0])  # pixels, pixels^2
    more = () if arm is None else (offset * velocity, np.sqrt(extra) * velocity)
    got = shown(emulator, spectra, LABELS, RV, *more)
    low, high = (place(emulator, edge) for edge in edges(wavelength, arm))
    pixel = wavelength * np.log(10) * 1e-4
    for i in range(2):
        shift = np.log10(1 + RV[i] / SPEED_OF_LIGHT) / 1e-4
        own = np.interp((low + high) / 2 - shift, np.arange(N), OWN / np.gradient(emulator.wavelength))
        variance = np.maximum((lsf[i] / pixel) ** 2 - own**2, 0.0)
        if arm is not None:
            variance, shift = variance + extra[i], shift + offset[i] * arm
        known = np.isfinite(got[i])
        assert known.mean() > 0.5
        # Of the pixels beyond the emulator the twin knows nothing either: they are left out in front of it.
        cut = slice(*(np.flatnonzero(known)[[0, -1]] + [0, 1]))
        cut_shift = shift if arm is None else shift[cut]
        number = None if arm is None else arm[cut]
        want = seen(low[cut], high[cut], variance[cut], cut_shift, emulator.predict(LABELS[i]), number)
        assert_allclose(got[i][cut], want, atol=2e-6)


@pytest.mark.parametrize("sigma", [0.3, 2.0, 8.0])  # pixels
def test_what_a_pixel_sees_is_the_integral(sigma):
    """The spline, convolved on 128 points a pixel and averaged over the pixel."""
    wavelength = np.arange(4600.0, 6200.0, 3.1)
    emulator = made_up_stars.emulator(lsf=np.full(N, 1e-6))
    pixel = wavelength * np.log(10) * 1e-4
    ones = np.ones((1, len(wavelength)))
    spectra = Spectra(wavelength, ones, ones, lsf=sigma * pixel[None])
    got = shown(emulator, spectra, LABELS[:1], 50.0)[0]
    low, high = (place(emulator, edge) for edge in edges(wavelength))
    shift = np.log10(1 + 50.0 / SPEED_OF_LIGHT) / 1e-4
    f = BSpline(np.arange(N + 3) - 1.5, coefficients(emulator.predict(LABELS[0])), 2)
    t = np.linspace(-7 * sigma, 7 * sigma, int(14 * 128 * sigma) | 1)
    kernel = np.exp(-0.5 * (t / sigma) ** 2)
    part, weight = np.polynomial.legendre.leggauss(40)
    for p in (0, 20, 41, 300, len(wavelength) - 1):
        u = (low[p] + high[p]) / 2 + part * (high[p] - low[p]) / 2 - shift
        blurred = (f(u[:, None] - t) * kernel).sum(axis=1) / kernel.sum()
        assert got[p] == pytest.approx((weight * blurred).sum() / 2, abs=2e-6)


def test_on_its_own_grid_it_is_the_emulator(emulator):
    spectra = made_up_stars.spectra(emulator, LABELS, lsf=np.full((2, N), OWN))
    got = shown(emulator, spectra, LABELS, 0.0)
    assert_allclose(got, emulator.predict(LABELS), atol=3e-5)  # edges half-way in wavelength, not in its log


def test_an_emulator_on_an_uneven_grid():
    wavelength = np.linspace(4500.0, 6000.0, N)
    linear = made_up_stars.emulator(wavelength=wavelength, lsf=np.full(N, OWN))
    assert linear.log10_grid is None
    z = 1 + RV[:1] / SPEED_OF_LIGHT
    ones = np.ones((1, N))
    got = shown(linear, Spectra(wavelength * z, ones, ones, lsf=2.0 * z * ones), LABELS[:1], RV[:1])[0]
    step = wavelength[1] - wavelength[0]
    pixel = np.arange(N)
    want = seen(pixel - 0.5, pixel + 0.5, (4.0 - OWN**2) / step**2, 0.0, linear.predict(LABELS[0]))
    known = np.isfinite(got)
    assert known.mean() > 0.99
    assert_allclose(got[known], want[known], atol=1e-5)  # places by log wavelength


def flagged(spectra, emulator):
    return (np.asarray(maury.fit(spectra, emulator)["flags"]) & Flag.SHARPER) != 0


def test_sharper_is_told_where_it_is_known(emulator):
    lsf = np.full((5, N), OWN)
    lsf[1], lsf[2, :100], lsf[3, :200], lsf[4] = 0.9 * OWN, 0.9 * OWN, 0.9 * OWN, np.nan
    spectra = made_up_stars.spectra(emulator, made_up_stars.LABELS[[0, 1, 2, 3, 0]], lsf=lsf, rv=0.0)
    assert flagged(spectra, emulator).tolist() == [False, True, False, True, False]
    assert not flagged(spectra, made_up_stars.emulator()).any()  # nobody knows


def test_data_sharper_than_the_emulator_are_blurred_to_it():
    """Labels are those of the same stars at the emulator's resolution, and their errors hold."""
    sharp = made_up_stars.emulator(lsf=np.full(N, 1.2))
    truth = made_up_stars.LABELS
    ones = np.ones((4, N))
    blurred = SimpleNamespace(wavelength=sharp.wavelength, flux=ones, lsf=2.0 * ones, arm=None, resolution=None)
    response = shown(sharp, blurred, truth, 0.0)
    assert np.abs(response - sharp.predict(truth))[np.isfinite(response)].max() > 0.02
    # An emulator at 2 A: the hidden layer as it is, the last one blurred.
    weight, bias = (np.asarray(v[-1], dtype=float) for v in (sharp.weights, sharp.biases))
    width = np.sqrt(2.0**2 - 1.2**2) / np.gradient(sharp.wavelength)
    offset = np.arange(N)[:, None] - np.arange(N)
    kernel = np.exp(-0.5 * (offset / width[:, None]) ** 2)
    kernel /= kernel.sum(axis=1, keepdims=True)
    coarse = made_up_stars.emulator(
        lsf=np.full(N, 2.0), weights=[sharp.weights[0], kernel @ weight], biases=[sharp.biases[0], kernel @ bias]
    )
    rng = np.random.default_rng(4)
    snr, repeats = 100.0, 40
    labels = np.tile(truth, (repeats, 1))
    flux = sharp.predict(labels) + rng.normal(0, 1 / snr, (len(labels), N))
    data = Spectra(sharp.wavelength, flux, np.full(flux.shape, snr**2), lsf=1.2, rv=0.0)
    catalog = maury.fit(data, coarse, use_scatter=False, bounds=coarse.bounds)
    assert ((np.asarray(catalog["flags"]) & Flag.SHARPER) != 0).all()
    for j, name in enumerate(coarse.labels):
        error = np.asarray(getattr(catalog[f"{name}_err_formal"], "value", catalog[f"{name}_err_formal"]))
        pull = (np.asarray(getattr(catalog[name], "value", catalog[name])) - labels[:, j]) / error
        assert abs(np.median(pull)) < 0.35
        assert 0.8 < 1.4826 * np.median(np.abs(pull - np.median(pull))) < 1.25
