"""Velocities: found from nothing, fitted along with the labels, told where they are not to be trusted."""

from dataclasses import replace

import numpy as np
import pytest
from maury.measure.velocity import scan_velocity

import made_up_stars
import maury
from instrument_twin import moving_stars, pull_width
from maury.catalog.flags import Flag
from maury.emulator.grid import pixel_velocity, to_shift, to_velocity
from maury.measure.fit import fit_observed
from maury.measure.options import Options
from maury.spectra import SPEED_OF_LIGHT, Spectra

N = made_up_stars.N_PIXELS
LINEAR = np.arange(4420.0, 6360.0, 1.1)


@pytest.fixture(scope="module")
def emulator():
    return made_up_stars.emulator(lsf=np.full(N, 1.2))


def random_stars(n, seed=1):
    rng = np.random.default_rng(seed)
    labels = [rng.uniform(4300, 6700, n), rng.uniform(1.5, 4.5, n), rng.uniform(-1.5, 0.3, n)]
    return np.column_stack(labels), rng.uniform(-500, 500, n), 20 * 10 ** rng.uniform(0, 1, n)


def fit_from_nothing(emulator, observed, **options):
    found = scan_velocity(observed, emulator, 1000.0, 1)
    shift = np.log10(1 + found / SPEED_OF_LIGHT) / emulator.log10_grid[1]
    free = Options(use_scatter=False, clip=0.0, **options)
    return found, fit_observed(emulator, observed, free, shift=shift)


def test_velocities_are_shifts_on_the_grid(emulator):
    rv = np.array([-900.0, -3.0, 0.0, 250.0])
    shift = np.array([to_shift(v, emulator) for v in rv])
    np.testing.assert_allclose(shift, np.log10(1 + rv / SPEED_OF_LIGHT) / 1e-4, rtol=1e-6)
    np.testing.assert_allclose(to_velocity(shift, emulator), rv, rtol=1e-10, atol=1e-10)
    assert pixel_velocity(emulator) == pytest.approx(to_velocity(np.float64(1e-3), emulator) / 1e-3, rel=1e-6)


@pytest.mark.parametrize("wavelength", [None, LINEAR])
def test_velocities_are_found_from_nothing(emulator, wavelength):
    """Pulls are those of a normal deviate, at S/N 20 to 200."""
    truth, rv, snr = random_stars(300)
    observed = moving_stars(emulator, truth, rv, snr, wavelength, 2.0)
    found, result = fit_from_nothing(emulator, observed)
    assert (np.abs(found - rv) < 60).mean() > 0.99
    assert result.converged.mean() > 0.99
    inside = result.converged & ~result.at_bound.any(axis=1)
    pull = ((result.rv - rv) / result.rv_err)[inside]
    assert abs(pull_width(pull) - 1) < 0.1
    assert abs(np.std(pull) - 1) < 0.1
    assert abs(np.mean(pull)) < 0.2
    sigma = np.sqrt(np.diagonal(result.covariance, axis1=1, axis2=2))
    pulls = ((result.labels - truth) / sigma)[inside]
    assert (np.abs(pull_width(pulls) - 1) < 0.12).all()
    assert (np.abs(np.median(pulls, axis=0)) < 0.25).all()


def test_arms_with_an_offset(emulator):
    truth, rv, snr = random_stars(200, seed=4)
    blue, red = np.arange(4500.0, 5450.0, 0.9), np.arange(5380.0, 6250.0, 1.4)
    arm = np.repeat([0, 1], [len(blue), len(red)])
    offset = np.random.default_rng(5).uniform(-100, 100, 200)
    pixel = pixel_velocity(emulator)
    see = np.column_stack([offset / pixel, np.zeros(200)])
    observed = moving_stars(emulator, truth, rv, snr, np.concatenate([blue, red]), 1.9, arm=arm, see=see)
    _, result = fit_from_nothing(emulator, observed, arm_rv=True)
    good = result.converged & ~result.at_bound.any(axis=1)
    assert good.mean() > 0.9
    error = result.nuisance_errors[:, 1] * pixel
    for pull in ((result.rv - rv) / result.rv_err, (result.arm_rv[:, 0] - offset) / error):
        assert abs(pull_width(pull[good]) - 1) < 0.15
    joined = fit_from_nothing(emulator, observed)[1]
    assert np.median(joined.chi2[good] / result.chi2[good]) > 1.05


@pytest.mark.parametrize("lsf", [None, 1.6])
def test_a_broadening_that_nobody_told(emulator, lsf):
    truth, rv, snr = random_stars(200, seed=6)
    extra = np.random.default_rng(7).uniform(1.0, 4.0, 200)  # squared pixels
    observed = moving_stars(emulator, truth, rv, snr, LINEAR, lsf, see=np.column_stack([extra]))
    _, result = fit_from_nothing(emulator, observed, broadening=True)
    good = result.converged & ~result.at_bound.any(axis=1)
    assert good.mean() > 0.9
    error = result.broadening_err
    pull = (result.broadening - np.sqrt(extra) * pixel_velocity(emulator)) / error
    assert abs(pull_width(pull[good]) - 1) < 0.15
    assert abs(np.median(pull[good])) < 0.25
    # As much the other way: the file says too much.
    if lsf is not None:
        too_much = replace(observed, variance=observed.variance + 9.0)
        _, result = fit_from_nothing(emulator, too_much, broadening=True)
        want = np.sqrt(9.0 - extra) * pixel_velocity(emulator)
        pull = (-result.broadening - want) / result.broadening_err
        assert abs(np.median(pull[result.converged])) < 0.25


def at_velocity(emulator, velocity, **changes):
    """Return four stars, each on its own wavelengths; `rv` in `changes` is what the file says."""
    made = made_up_stars.spectra(emulator)
    z = 1 + np.asarray(velocity)[:, None] / SPEED_OF_LIGHT
    arguments = {"wavelength": made.wavelength * z, "flux": made.flux, "ivar": made.ivar}
    return Spectra(**(arguments | changes))


def column(catalog, name):
    return np.asarray(getattr(catalog[name], "value", catalog[name]), dtype=float)


def test_the_whole_way(emulator):
    rv = np.array([-480.0, 12.0, 230.0, 500.0])
    spectra = at_velocity(emulator, rv)
    catalog = maury.fit(spectra, emulator)
    assert (np.abs(column(catalog, "rv") - rv) < 5 * column(catalog, "rv_err")).all()
    assert not (catalog["flags"] & (Flag.RV_AT_LIMIT | Flag.RV_UNKNOWN)).any()
    told = maury.fit(at_velocity(emulator, rv, rv=rv), emulator)
    np.testing.assert_allclose(column(told, "rv"), column(catalog, "rv"), atol=0.05)
    given = maury.fit(at_velocity(emulator, rv, rv=rv), emulator, velocity="given")
    np.testing.assert_array_equal(column(given, "rv"), rv)
    assert np.isnan(column(given, "rv_err")).all()


def test_spectra_at_rest_stay_there_and_others_do_not(emulator):
    rv = np.array([0.0, 300.0, 0.0, -200.0])
    said = np.where(rv == 0, 0.0, np.nan)
    spectra = at_velocity(emulator, rv, rv=said)
    catalog = maury.fit(spectra, emulator)
    assert np.isnan(column(catalog, "rv_err")).tolist() == [True, False, True, False]
    assert (column(catalog, "rv")[[0, 2]] == 0).all()
    assert (np.abs(column(catalog, "rv") - rv) < 8).all()
    alone = maury.fit(spectra[[0, 2]], emulator)
    np.testing.assert_array_equal(column(alone, "teff"), column(catalog, "teff")[[0, 2]])


@pytest.mark.parametrize("max_rv", [150.0, 800.0])
def test_at_the_limit_of_the_search_it_is_told(emulator, max_rv):
    rv = np.array([max_rv + 40, 0.5 * max_rv, -max_rv - 40, -0.5 * max_rv])
    catalog = maury.fit(at_velocity(emulator, rv), emulator, max_rv=max_rv)
    at_limit = np.abs(column(catalog, "rv")) > 0.99 * max_rv
    assert at_limit.tolist() == [True, False, True, False]
    told = (np.asarray(catalog["flags"]) & Flag.RV_AT_LIMIT) != 0
    np.testing.assert_array_equal(told, at_limit)


def test_limit_at_both_ends(emulator):
    """A shift as far to the blue as the limit to the red is a smaller velocity."""
    shift = to_shift(1000.0, emulator)
    ends = to_velocity(np.array([shift, 0.9 * shift, -0.9 * shift, -shift]), emulator)
    result = made_up_stars.result(rv=ends, rv_err=np.ones(4))
    spectra = made_up_stars.spectra(emulator)
    catalog = made_up_stars.build_catalog(result, spectra, emulator, Options(max_rv=1000.0))
    told = (np.asarray(catalog["flags"]) & Flag.RV_AT_LIMIT) != 0
    assert told.tolist() == [True, False, False, True]


def test_an_uneven_emulator_needs_velocities():
    uneven = made_up_stars.emulator(wavelength=np.linspace(4500.0, 6000.0, N), lsf=np.full(N, 1.2))
    rv = np.array([-80.0, 0.0, 40.0, 120.0])
    with pytest.raises(ValueError, match="velocity: the wavelengths of this emulator are not even in log10"):
        maury.fit(at_velocity(uneven, rv), uneven)
    rest = maury.fit(at_velocity(uneven, 0 * rv, rv=0.0), uneven)
    catalog = maury.fit(at_velocity(uneven, rv, rv=rv), uneven, velocity="given")
    np.testing.assert_array_equal(column(catalog, "rv"), rv)
    np.testing.assert_allclose(column(catalog, "teff"), column(rest, "teff"), rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"velocity": "guess"}, "velocity: expected 'fit' or 'given', got 'guess'"),
        ({"max_rv": 0.0}, "max_rv: expected km/s above 0, got 0.0"),
        ({"max_rv": np.nan}, "max_rv: expected km/s above 0, got nan"),
    ],
)
def test_bad_arguments_are_named(emulator, change, words):
    with pytest.raises(ValueError, match=words):
        maury.fit(made_up_stars.spectra(emulator), emulator, **change)
