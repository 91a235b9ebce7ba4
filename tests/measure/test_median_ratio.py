"""What noise, resolution and gaps do to the running median, and that it is taken back."""

from dataclasses import replace

import numpy as np
import pytest

import made_up_stars
from instrument_twin import moving_stars
from maury.measure.fit import fit_observed
from maury.measure.median_ratio import median_ratio
from maury.measure.observe import observe, running_median
from maury.measure.options import Options
from maury.spectra import Spectra

N = made_up_stars.N_PIXELS
OWN = 1.2


@pytest.fixture(scope="module")
def emulator():
    return made_up_stars.emulator(lsf=np.full(N, OWN))


def seen(emulator, observed, labels, native=False):
    return observed.core(native=native).see(emulator.core, labels, np.empty((len(labels), 0)))


def star(emulator, labels, ivar, mask=None, lsf=OWN, slope=1.0):
    """Return spectra (N, P) of one star on the grid of the emulator, with noise as `ivar` says."""
    n = len(ivar)
    ones = np.ones((n, N))
    blank = observe(Spectra(emulator.wavelength, ones, ones, lsf=lsf), emulator, np.zeros(n))
    flux = seen(emulator, blank, np.tile(labels, (n, 1)))
    noise = np.random.default_rng(4).standard_normal(flux.shape) / np.sqrt(ivar)
    spectra = Spectra(emulator.wavelength, (flux + noise) * slope, ivar / slope**2, mask, lsf=lsf)
    return observe(spectra, emulator, np.zeros(n))


def ratio_of(emulator, observed, labels):
    labels = np.tile(labels, (len(observed.flux), 1))
    return median_ratio(
        observed, seen(emulator, observed, labels), seen(emulator, observed, labels, native=True), emulator
    )


def test_without_noise_gaps_and_broadening_it_is_one(emulator):
    labels = made_up_stars.LABELS[0]
    observed = star(emulator, labels, np.full((2, N), 1e12))
    np.testing.assert_allclose(ratio_of(emulator, observed, labels), 1.0, atol=2e-5)
    nowhere = np.full((2, N), np.nan)
    np.testing.assert_array_equal(median_ratio(observed, nowhere, nowhere, emulator), 1.0)


@pytest.mark.parametrize("slope", [1.0, np.linspace(1.0, 1.3, N)])
@pytest.mark.parametrize("lsf", [OWN, 4.0])
def test_it_is_the_mean_of_many_medians(emulator, lsf, slope):
    """E[median of the noisy, broadened spectrum] / median of the sharp one, by drawing noise 400 times."""
    labels, snr = made_up_stars.LABELS[2], 10.0
    mask = np.zeros((1, N), dtype=bool)
    mask[:, 500:640] = True
    observed = star(emulator, labels, np.full((1, N), snr**2), mask, lsf, slope)
    model, native = (
        seen(emulator, observed, labels[None], native=native)[0] * slope for native in (False, True)
    )
    noise = np.random.default_rng(11).standard_normal((400, N)) * slope / snr
    many = running_median(model + noise, np.repeat(mask, 400, axis=0), observed, emulator)
    sharp = running_median(native[None], np.zeros((1, N), dtype=bool), observed, emulator)[0]
    want = many.mean(axis=0) / sharp
    got = ratio_of(emulator, observed, labels)[0]
    np.testing.assert_allclose(got, want, atol=0.02)  # eight draws of noise; the gap on a slope
    assert np.std(got - want) < 0.007
    assert abs(np.mean(got - want)) < 0.003
    assert np.sqrt(np.mean((want - 1) ** 2)) > 0.013  # there is something to undo


def test_noise_is_the_same_whoever_stands_beside(emulator):
    labels = made_up_stars.LABELS[1]
    observed = star(emulator, labels, np.full((3, N), 400.0))
    whole = ratio_of(emulator, observed, labels)
    alone = star(emulator, labels, np.full((3, N), 400.0))
    one = replace(
        alone,
        **{
            name: getattr(alone, name)[1:2]
            for name in ("flux", "ivar", "continuum", "inside", "good", "shift", "sharper")
        },
    )
    np.testing.assert_array_equal(ratio_of(emulator, one, labels)[0], whole[1])


def test_the_bias_of_the_labels_is_taken_back(emulator):
    """At S/N 10, over 300 draws: what is left is a fraction of what the median alone does."""
    n, labels = 300, made_up_stars.LABELS[0]
    options = Options(velocity="given", use_scatter=False, clip=0.0)
    clean = star(emulator, labels, np.full((1, N), 1e12))  # what the emulator would be trained on
    target = fit_observed(emulator, clean, options).labels
    observed = star(emulator, labels, np.full((n, N), 100.0))
    first = fit_observed(emulator, observed, options)
    ratio = median_ratio(
        observed,
        seen(emulator, observed, np.nan_to_num(first.labels)),
        seen(emulator, observed, np.nan_to_num(first.labels), native=True),
        emulator,
    )
    undone = replace(observed, flux=observed.flux * ratio, ivar=observed.ivar / ratio**2)
    second = fit_observed(emulator, undone, options, first.labels, near=True)
    sigma = np.sqrt(np.diagonal(first.covariance, axis1=1, axis2=2)).mean(axis=0)
    before, after = (np.median(r.labels, axis=0) - target[0] for r in (first, second))
    bias = np.abs(before) / sigma
    assert bias.max() > 1.0  # there is something to take back
    worst = np.argmax(bias)
    assert abs(after[worst]) < 0.35 * abs(before[worst])
    assert (np.abs(after) / sigma < 0.35).all()


def test_velocities_do_not_matter(emulator):
    """A moving star on a linear grid, without noise: nothing but the ends of the grid differs."""
    labels = made_up_stars.LABELS[:2]
    wavelength = np.arange(4440.0, 6330.0, 1.0)
    observed = moving_stars(emulator, labels, [250.0, -250.0], 1e6, wavelength)
    made = Spectra(wavelength[observed.first :][: observed.flux.shape[1]], observed.flux, observed.ivar)
    observed = observe(made, emulator, np.array([250.0, -250.0]))
    ratio = median_ratio(
        observed, seen(emulator, observed, labels), seen(emulator, observed, labels, native=True), emulator
    )
    np.testing.assert_allclose(ratio, 1.0, atol=2e-4)
