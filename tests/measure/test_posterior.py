"""Samples of the posterior: as the covariance where chi2 is a parabola, and inside the bounds."""

import numpy as np
import pytest

import made_up_stars
import maury
import maury._core as _core
from instrument_twin import moving_stars
from maury.measure.fit import core_options, core_spectra, fit_spectra
from maury.measure.options import Options
from maury.measure.plan import fit_plan
from maury.show.posterior import plot_posterior

pytest.importorskip("emcee")
pytest.importorskip("arviz")

N = made_up_stars.N_PIXELS
WAVELENGTH = np.arange(4900.0, 5400.0, 1.5)
RV = np.array([-240.0, 35.0, 410.0, -90.0])


@pytest.fixture(scope="module")
def emulator():
    return made_up_stars.emulator(lsf=np.full(N, 1.2))


def stars(emulator, snr=200.0, **more):
    return moving_stars(emulator, made_up_stars.LABELS, RV, snr, WAVELENGTH, 1.8, **more)


def values(data, name, spectrum=0):
    return data.posterior[name].to_numpy()[:, :, spectrum].ravel()


@pytest.mark.slow
def test_agrees_with_the_covariance(emulator):
    spectra = stars(emulator)[1:3]
    data = maury.posterior(spectra, emulator, draws=600)
    result, _ = fit_spectra(emulator, spectra, Options())
    assert result.converged.all()
    for i in range(2):
        error = np.sqrt(np.diagonal(result.covariance[i]))
        for k, name in enumerate(emulator.labels):
            sample = values(data, name, i)
            assert abs(sample.mean() - result.labels[i, k]) < 0.25 * error[k]
            assert sample.std() == pytest.approx(error[k], rel=0.2)
        assert values(data, "rv", i).mean() == pytest.approx(result.rv[i], abs=0.25 * result.rv_err[i])
        assert values(data, "rv", i).std() == pytest.approx(result.rv_err[i], rel=0.2)
        correlation = np.corrcoef([values(data, name, i) for name in emulator.labels])
        expected = result.covariance[i] / (error * error[:, None])
        assert np.abs(correlation - expected).max() < 0.15


def test_bounds_end_the_samples(emulator):
    """One label lies beyond its bound: the samples pile up there, and the mean is inside."""
    spectra = stars(emulator, 30.0)[1]
    truth = made_up_stars.LABELS[1]
    bounds = np.array(emulator.bounds)
    result, _ = fit_spectra(emulator, spectra, Options())
    error = np.sqrt(result.covariance[0, 2, 2])
    bounds[2, 1] = result.labels[0, 2] - 0.5 * error
    data = maury.posterior(spectra, emulator, draws=300, bounds=bounds)
    sample = values(data, emulator.labels[2])
    assert sample.max() <= bounds[2, 1]
    assert bounds[2, 1] - 1.5 * error < sample.mean() < bounds[2, 1]
    assert np.abs(values(data, "teff") - truth[0]).max() < 3000


@pytest.mark.parametrize("broadening", [False, True])
def test_chi2_is_that_of_the_fit(emulator, broadening):
    """At the solution, and at any point whatever the others are."""
    arm = (WAVELENGTH > 5150).astype(int)
    spectra = stars(emulator, arm=arm, extra=np.full(4, 1.5) if broadening else None)
    options = Options(clip=0.0, broadening=broadening)
    result, _ = fit_spectra(emulator, spectra, options)
    parts = [result.labels, result.rv[:, None], result.arm_rv]
    points = np.column_stack([*parts, result.broadening] if broadening else parts)
    assert np.isfinite(points).all()
    spectra.rv = result.rv
    yes = np.ones(4, dtype=bool)
    core = core_spectra(spectra, emulator, fit_rv=yes, fit_arms=yes)
    plan = fit_plan(emulator, options.box(emulator), velocity=True)
    rng = np.random.default_rng(3)
    away = points[:, None] * (1 + 0.01 * rng.normal(size=(4, 9, points.shape[1])))
    many = np.concatenate([points[:, None], away, np.full((4, 1, points.shape[1]), np.nan)], axis=1)
    chi2 = _core.chi2(plan, core, core_options(options), many)
    np.testing.assert_allclose(chi2[:, 0], result.chi2, rtol=1e-3)  # weights of another velocity
    assert (chi2[:, 1:-1] > chi2[:, :1]).all() and np.isnan(chi2[:, -1]).all()
    shuffled = rng.permutation(11)
    np.testing.assert_array_equal(
        _core.chi2(plan, core, core_options(options), np.take(many, shuffled, axis=1), threads=1),
        chi2[:, shuffled],
    )


def test_same_seed_same_samples_and_a_bad_spectrum_is_nan(emulator):
    spectra = stars(emulator)[:2]
    spectra.ivar[0] = 0.0
    first, second = (maury.posterior(spectra, emulator, tune=20, draws=40) for _ in range(2))
    assert np.isnan(values(first, "teff", 0)).all()
    np.testing.assert_array_equal(values(first, "teff", 1), values(second, "teff", 1))
    assert first.posterior["teff"].dims == ("chain", "draw", "spectrum")
    with pytest.raises(ValueError, match="number 0 could not be fitted"):
        plot_posterior(first)
    assert len(plot_posterior(first, 1).axes) == 16


def test_prior_and_fixed_label(emulator):
    """A prior as wide as the error halves the variance; a fixed label is not sampled."""
    spectra = stars(emulator, 60.0)[1]
    result, _ = fit_spectra(emulator, spectra, Options(fixed={"fe_h": made_up_stars.LABELS[1, 2]}))
    error = np.sqrt(result.covariance[0, 1, 1])
    data = maury.posterior(
        spectra,
        emulator,
        prior={"logg": (result.labels[0, 1] + error, error)},
        fixed={"fe_h": made_up_stars.LABELS[1, 2]},
        draws=600,
    )
    assert "fe_h" not in data.posterior
    sample = values(data, "logg")
    assert sample.mean() == pytest.approx(result.labels[0, 1] + error / 2, abs=0.2 * error)
    assert sample.std() == pytest.approx(error / np.sqrt(2), rel=0.2)


def test_arguments(emulator):
    with pytest.raises(ValueError, match="walkers: expected at least 8"):
        maury.posterior(stars(emulator)[0], emulator, walkers=6)
    with pytest.raises(TypeError, match="speed"):
        maury.posterior(stars(emulator)[0], emulator, speed=1)
