"""Spectra on their own pixels: where those lie, what they see of the emulator, how they are normalised."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.interpolate import BSpline

import made_up_stars
from instrument_twin import coefficients, seen
from maury.measure.observe import Observed, observe, running_median
from maury.measure.options import Options
from maury.spectra import SPEED_OF_LIGHT, Spectra

N = made_up_stars.N_PIXELS
OWN = 1.2  # lsf of the emulator [Angstrom]
LABELS = made_up_stars.LABELS[:2]
RV = np.array([120.0, -340.0])


@pytest.fixture(scope="module")
def emulator():
    return made_up_stars.emulator(lsf=np.full(N, OWN))


def place(emulator, wavelength):
    start, step = emulator.log10_grid
    return (np.log10(wavelength) - start) / step


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


def edges(wavelength, arm):
    """Half-way between neighbours of an arm; at its ends and at gaps as wide as on the other side."""
    low, high = np.empty_like(wavelength), np.empty_like(wavelength)
    arm = np.zeros(len(wavelength)) if arm is None else arm
    for number in np.unique(arm):
        own = np.flatnonzero(arm == number)
        step = np.diff(wavelength[own])
        typical = np.concatenate([step[:1], np.minimum(step[1:], step[:-1]), step[-1:]])
        half = np.minimum(np.append(step, np.inf), np.inf) / 2
        half = np.where(half > 0.75 * typical, typical / 2, half)
        high[own] = wavelength[own] + half
        half = np.insert(step, 0, np.inf) / 2
        low[own] = wavelength[own] - np.where(half > 0.75 * typical, typical / 2, half)
    return low, high


@pytest.mark.parametrize("sigma", [OWN, 1.9, 9.0])
@pytest.mark.parametrize("name", GRIDS)
def test_what_a_pixel_sees_is_the_dense_matrix(emulator, name, sigma):
    wavelength, arm = GRIDS[name]
    lsf = np.full((2, len(wavelength)), sigma)
    if arm is not None:
        lsf[:, arm == 1] *= 1.3
    ones = np.ones(lsf.shape)
    observed = observe(Spectra(wavelength, ones, ones, lsf=lsf, arm=arm), emulator, RV, margin=600.0)
    nuisances = np.array([[-0.4, 0.3], [0.7, 0.0]]) if arm is not None else np.empty((2, 0))
    core = observed.core(Options(velocity="given", arm_rv=arm is not None, broadening=arm is not None))
    got = core.see(emulator.core, LABELS, nuisances)

    cut = slice(observed.first, observed.first + got.shape[1])
    low, high = (place(emulator, edge)[cut] for edge in edges(wavelength, arm))
    assert_allclose(observed.low[0], low, atol=1e-7)
    assert_allclose(observed.high[0], high, atol=1e-7)
    pixel = wavelength * np.log(10) * 1e-4
    for i in range(2):
        shift = np.log10(1 + RV[i] / SPEED_OF_LIGHT) / 1e-4
        own = np.interp((low + high) / 2 - shift, np.arange(N), OWN / np.gradient(emulator.wavelength))
        variance = np.maximum((lsf[i] / pixel)[cut] ** 2 - own**2, 0.0)
        number = None if arm is None else observed.arm[0]
        if arm is not None:
            variance, shift = variance + nuisances[i, 1], shift + nuisances[i, 0] * number
        want = seen(observed.low[0], observed.high[0], variance, shift, emulator.predict(LABELS[i]), number)
        assert_allclose(got[i], want, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.3, 2.0, 8.0])  # pixels
def test_what_a_pixel_sees_is_the_integral(emulator, sigma):
    """The spline, convolved on 128 points a pixel and averaged over the pixel."""
    wavelength = np.arange(4600.0, 6200.0, 3.1)
    ones = np.ones((1, len(wavelength)))
    observed = observe(Spectra(wavelength, ones, ones), emulator, np.array([50.0]))
    observed = replace(observed, variance=np.full_like(observed.low, sigma**2))
    got = observed.core().see(emulator.core, LABELS[:1], np.empty((1, 0)))[0]
    f = BSpline(np.arange(N + 3) - 1.5, coefficients(emulator.predict(LABELS[0])), 2)
    t = np.linspace(-7 * sigma, 7 * sigma, int(14 * 128 * sigma) | 1)
    kernel = np.exp(-0.5 * (t / sigma) ** 2)
    part, weight = np.polynomial.legendre.leggauss(40)
    for p in (0, 20, 41, 300, len(wavelength) - 1):
        low, high = observed.low[0, p], observed.high[0, p]
        u = (low + high) / 2 + part * (high - low) / 2 - observed.shift[0]
        blurred = (f(u[:, None] - t) * kernel).sum(axis=1) / kernel.sum()
        assert got[p] == pytest.approx((weight * blurred).sum() / 2, abs=1e-6)


def test_on_its_own_grid_it_is_the_emulator(emulator):
    spectra = made_up_stars.spectra(emulator, LABELS, lsf=np.full((2, N), OWN))
    observed = observe(spectra, emulator, np.zeros(2))
    assert observed.variance.max() < 1e-7
    got = observed.core().see(emulator.core, LABELS, np.empty((2, 0)))
    assert_allclose(got, emulator.predict(LABELS), atol=3e-5)  # edges half-way in wavelength, not in its log


@pytest.mark.parametrize("name", ["linear", "much finer", "two arms", "uneven, with a gap"])
def test_the_median_spans_the_wavelengths_that_it_does_in_training(emulator, name):
    rng = np.random.default_rng(2)
    wavelength, arm = GRIDS[name]
    flux, mask = rng.normal(1, 0.2, (2, len(wavelength))), rng.uniform(size=(2, len(wavelength))) < 0.1
    observed = observe(Spectra(wavelength, flux, np.ones_like(flux), mask, arm=arm), emulator, RV)
    u = place(emulator, wavelength)
    low, high = (place(emulator, edge) for edge in edges(wavelength, arm))
    for i in range(2):
        shift = np.log10(1 + RV[i] / SPEED_OF_LIGHT) / 1e-4
        good = ~mask[i] & (high - shift > -0.5) & (low - shift < N - 0.5)
        got = observed.continuum[i]
        for p in range(0, len(got), 7):
            near = np.abs(u - u[observed.first + p])
            window = flux[i][good & (near <= 200.0)]
            unsure = flux[i][good & (np.abs(near - 200.0) < 0.5)]  # which side of the end is up to rounding
            if len(unsure) == 0:
                assert got[p] == np.median(window)
            elif len(window) > 4:
                order = np.sort(window)
                middle = len(order) // 2
                assert order[middle - 2] <= got[p] <= order[middle + 2]


def test_flux_and_ivar_are_over_the_median(emulator):
    spectra = made_up_stars.spectra(emulator, LABELS, rv=0.0)
    spectra.mask[0, 300:320] = True
    left = np.zeros((2, N), dtype=bool)
    left[:, 700:750] = True
    observed = observe(spectra, emulator, np.zeros(2), leave_out=left)
    usable = ~spectra.mask & ~left
    assert_array_equal(observed.ivar > 0, usable)
    assert_array_equal(observed.flux[~usable], 1.0)
    assert_array_equal(observed.continuum, running_median(spectra.flux, spectra.mask, observed, emulator))
    assert_array_equal(observed.flux[usable], (spectra.flux / observed.continuum)[usable])
    assert_array_equal(observed.ivar[usable], (spectra.ivar * observed.continuum**2)[usable])


def test_sharper_is_told_where_it_is_known(emulator):
    lsf = np.full((5, N), OWN)
    lsf[1], lsf[2, :100], lsf[3, :200], lsf[4] = 0.9 * OWN, 0.9 * OWN, 0.9 * OWN, np.nan
    spectra = made_up_stars.spectra(emulator, made_up_stars.LABELS[[0, 1, 2, 3, 0]], lsf=lsf, rv=0.0)
    observed = observe(spectra, emulator, np.zeros(5))
    assert observed.sharper.tolist() == [False, True, False, True, False]
    assert observed.variance.max() < 1e-7
    unknown = made_up_stars.emulator()
    observed = observe(spectra, unknown, np.zeros(5))
    assert not observed.sharper.any()  # nobody knows


def test_an_emulator_on_an_uneven_grid(emulator):
    wavelength = np.linspace(4500.0, 6000.0, N)
    linear = made_up_stars.emulator(wavelength=wavelength, lsf=np.full(N, OWN))
    assert linear.log10_grid is None
    z = 1 + RV[:1] / SPEED_OF_LIGHT
    ones = np.ones((1, N))
    spectra = Spectra(wavelength * z, ones, ones, lsf=2.0 * z * ones, rv=RV[:1])
    observed = observe(spectra, linear, RV[:1])
    got = observed.core().see(linear.core, LABELS[:1], np.empty((1, 0)))[0]
    step = wavelength[1] - wavelength[0]
    pixel = np.arange(N)
    want = seen(pixel - 0.5, pixel + 0.5, (4.0 - OWN**2) / step**2, 0.0, linear.predict(LABELS[0]))
    assert_allclose(got, want, atol=1e-5)  # places by log wavelength


def equal(a, b, rows=slice(None)):
    """Whether `b` is these rows of `a`, bit for bit; columns that only one of them has are not used."""
    first = max(a.first, b.first)
    end = min(a.first + a.flux.shape[1], b.first + b.flux.shape[1])
    for field in fields(Observed):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if one is None or field.name == "first":
            continue
        if np.ndim(one) > 1:
            one, other = one[:, first - a.first : end - a.first], other[:, first - b.first : end - b.first]
        if np.ndim(one) == 1 or len(one) == len(a.flux):
            one = one[rows]
        assert_array_equal(np.broadcast_to(one, other.shape) if len(one) == 1 else one, other, field.name)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(GRIDS)), st.booleans())
def test_properties(seed, name, padded):
    emulator = made_up_stars.emulator(lsf=np.full(N, OWN))
    rng = np.random.default_rng(seed)
    wavelength, arm = GRIDS[name]
    n, n_pixels = 3, len(wavelength)
    rv = rng.uniform(-800, 800, n)
    flux, mask = rng.normal(5, 1, (n, n_pixels)), rng.uniform(size=(n, n_pixels)) < 0.1
    ivar, lsf = rng.uniform(0.5, 2, (n, n_pixels)), rng.uniform(1, 4, (n, n_pixels))
    if padded:
        wavelength, arm = np.tile(wavelength, (n, 1)), None if arm is None else np.tile(arm, (n, 1))
        wavelength[1, -9:] = np.nan

    def spectra(flux, ivar=ivar, mask=mask):
        return Spectra(wavelength, flux, ivar, mask, lsf=lsf, arm=arm)

    whole = observe(spectra(flux), emulator, rv)
    equal(whole, observe(spectra(np.where(mask, rng.choice([np.nan, 1e30, 0.0]), flux)), emulator, rv))
    for i in range(n):  # alone
        if (~mask[i]).any() and whole.good[i].any():
            equal(whole, observe(spectra(flux)[[i]], emulator, rv[[i]]), [i])
    order = rng.permutation(n)
    equal(whole, observe(spectra(flux)[order], emulator, rv[order]), order)
    loud = observe(spectra(8 * flux, ivar / 64), emulator, rv)
    assert_array_equal(loud.flux, whole.flux)
    assert_array_equal(loud.ivar, whole.ivar)
    assert_array_equal(loud.continuum, 8 * whole.continuum)
