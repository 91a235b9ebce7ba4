"""Residual modes in the fit, against dense covariance matrices in NumPy and SciPy, float64."""

import numpy as np
import pytest
from scipy.linalg import qr, solve_triangular
from scipy.optimize import least_squares

import made_up_stars
import maury
from maury import _core
from maury.measure.best_fit import best_fit
from maury.measure.fit import core_options, core_spectra, fit_spectra
from maury.measure.options import Options
from maury.measure.plan import fit_plan

SCALE = np.array([1000.0, 1.0, 1.0])
N = made_up_stars.N_PIXELS
SCATTER = 0.012


def modes(n, size=0.003):
    """Return modes (P, n) with features a few pixels wide, so that labels can imitate them in part."""
    rng = np.random.default_rng(8)
    kernel = np.exp(-0.5 * (np.arange(-8, 9) / 2.0) ** 2)
    rough = [np.convolve(rng.normal(size=N), kernel / np.sqrt((kernel**2).sum()), "same") for _ in range(n)]
    return size * np.clip(np.transpose(rough), -2, 2) / np.sqrt(n / 4)


def emulator(chosen=None):
    return made_up_stars.emulator(scatter=np.full(N, SCATTER), modes=chosen)


def wrong(known, n=6, seed=4):
    """Return normalised spectra with noise of 1/100 and errors along the modes, and their ivar."""
    rng = np.random.default_rng(seed)
    labels = np.column_stack([rng.uniform(4500, 6500, n), rng.uniform(2, 4.5, n), rng.uniform(-1.2, 0.2, n)])
    flux = known.predict(labels) + rng.normal(0, 0.01, (n, N))
    flux += rng.normal(size=(n, known.modes.shape[1])) @ known.modes.T
    return labels, flux, np.full(flux.shape, 1e4)


def same(one, other, rtol=0.0):
    for name in ("labels", "covariance", "noise_covariance", "chi2", "n_pixels", "status"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=rtol)


@pytest.mark.parametrize("n_modes", [1, 8, pytest.param(11, marks=pytest.mark.slow)])
def test_agrees_with_dense_covariance(n_modes):
    known = emulator(modes(n_modes))
    _, flux, ivar = wrong(known)
    ivar[1, 100:300] = 0.0
    result = maury.fit_normalized(known, flux, ivar)
    assert result.converged.all()
    for i in range(len(flux)):
        use = ivar[i] > 0
        covariance = np.diag(1 / ivar[i, use] + known.scatter_rest[use] ** 2)
        covariance += known.modes[use] @ known.modes[use].T
        factor = np.linalg.cholesky(covariance)

        def residual(x, use=use, factor=factor, data=flux[i]):
            return solve_triangular(factor, (known.predict(x * SCALE) - data)[use], lower=True)

        here = result.labels[i] / SCALE
        slope = solve_triangular(factor, known.jacobian(result.labels[i])[use] * SCALE, lower=True)
        expected = np.linalg.inv(slope.T @ slope)
        error = np.sqrt(np.diagonal(expected))
        solution = least_squares(
            residual, here + 0.5 * error, xtol=1e-12, ftol=1e-14, gtol=1e-12, x_scale="jac"
        )
        assert (np.abs(here - solution.x) < 2e-3 * error).all()
        np.testing.assert_allclose(result.chi2[i], 2 * solution.cost, rtol=1e-6)
        np.testing.assert_allclose(result.covariance[i] / np.outer(SCALE, SCALE), expected, rtol=1e-5)
        by_pixel = expected @ solve_triangular(factor, slope, lower=True, trans=1).T  # d labels / d flux
        noise = (by_pixel * (1 / ivar[i, use] + known.scatter_rest[use] ** 2)) @ by_pixel.T
        np.testing.assert_allclose(result.noise_covariance[i] / np.outer(SCALE, SCALE), noise, rtol=1e-5)


def test_they_make_labels_and_errors_right():
    known = emulator(modes(8))
    labels, flux, ivar = wrong(known, 200)
    with_them = maury.fit_normalized(known, flux, ivar)
    without = maury.fit_normalized(known.without_modes(), flux, ivar)
    off = [np.std(result.labels - labels, axis=0) for result in (with_them, without)]
    assert (off[0] < 0.9 * off[1]).all()
    pull = (with_them.labels - labels) / np.sqrt(np.diagonal(with_them.covariance, axis1=1, axis2=2))
    assert (np.abs(pull).mean(axis=0) < 0.8).all()  # the scatter that remains is in the weights, not the data


def test_visits_of_a_star_scatter_by_the_noise_part():
    known = emulator(modes(8))
    labels, flux, _ = wrong(known, 1, seed=5)
    wrong_alike = np.repeat(flux, 300, axis=0)
    noise = np.sqrt(1e-4 + known.scatter_rest**2)
    visits = wrong_alike + noise * np.random.default_rng(6).normal(size=wrong_alike.shape)
    result = maury.fit_normalized(known, visits, np.full(visits.shape, 1e4), start=labels[0])
    scatter = np.std(result.labels, axis=0)
    expected, whole = (
        np.sqrt(np.mean(np.diagonal(part, axis1=1, axis2=2), axis=0))
        for part in (result.noise_covariance, result.covariance)
    )
    np.testing.assert_allclose(scatter, expected, rtol=0.15)
    assert (expected < whole).all()


def test_without_scatter_there_are_no_modes():
    known = emulator(modes(8))
    _, flux, ivar = wrong(known)
    bare = maury.fit_normalized(known.without_modes(), flux, ivar, use_scatter=False)
    same(maury.fit_normalized(known, flux, ivar, use_scatter=False), bare)


def test_modes_of_zero_change_nothing():
    known = emulator(np.zeros((N, 3)))
    _, flux, ivar = wrong(emulator(modes(8)))
    same(maury.fit_normalized(known, flux, ivar), maury.fit_normalized(emulator(), flux, ivar))


def test_only_their_covariance_counts():
    """Rotated modes have the same U U'; float16 rounds them."""
    some = modes(8)
    turn = qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    one, other = emulator(some), emulator(some @ turn)
    _, flux, ivar = wrong(one)
    one, other = maury.fit_normalized(one, flux, ivar), maury.fit_normalized(other, flux, ivar)
    error = np.sqrt(np.diagonal(one.covariance, axis1=1, axis2=2))
    assert (np.abs(one.labels - other.labels) < 0.01 * error).all()
    np.testing.assert_allclose(one.chi2, other.chi2, rtol=2e-3)


@pytest.mark.parametrize("threads", [1, 2])
def test_each_spectrum_is_on_its_own(threads):
    known = emulator(modes(8))
    _, flux, ivar = wrong(known)
    together = maury.fit_normalized(known, flux, ivar, threads=threads)
    for i in range(len(flux)):
        alone = maury.fit_normalized(known, flux[i], ivar[i])
        np.testing.assert_array_equal(alone.labels[0], together.labels[i])
        np.testing.assert_array_equal(alone.covariance[0], together.covariance[i])


def moving(known):
    labels, flux, ivar = wrong(known, 5)
    shifted = known.wavelength * (1 + 60.0 / 299792.458)
    return labels, maury.Spectra(shifted, flux, ivar, rv=np.nan)


def test_a_flux_scale_changes_nothing():
    known = emulator(modes(8))
    _, spectra = moving(known)
    one = maury.fit(spectra, known)
    spectra.flux, spectra.ivar = 50 * spectra.flux, spectra.ivar / 2500
    other = maury.fit(spectra, known)
    np.testing.assert_allclose(one["teff"], other["teff"], rtol=1e-6)
    np.testing.assert_allclose(one["chi2"], other["chi2"], rtol=1e-6)


def test_velocities_and_outliers_are_found():
    known = emulator(modes(8))
    labels, spectra = moving(known)
    spectra.flux[:, 500] += 1.0
    result, models = fit_spectra(known, spectra, Options())
    assert result.converged.all()
    np.testing.assert_allclose(result.rv, 60.0, atol=4.0)
    assert (np.abs(result.labels - labels) < [150, 0.4, 0.25]).all()
    assert (models.weight[:, 500] == 0).all() and (result.n_clipped < 10).all()


def test_a_misfit_along_a_mode_is_no_outlier():
    pixel = np.arange(N)
    mode = 0.01 * np.sin(pixel / 3) * (np.abs(pixel - 700) < 50)
    known = emulator(mode[:, None])
    flux = known.predict([[5500.0, 4.0, -0.2]]) + 20 * mode
    spectra = maury.Spectra(known.wavelength, flux, np.full(flux.shape, 1e6), rv=0.0)
    assert fit_spectra(known, spectra, Options())[0].n_clipped[0] == 0
    assert fit_spectra(known.without_modes(), spectra, Options())[0].n_clipped[0] > 50


def test_chi2_of_a_point_is_that_of_the_fit_whatever_the_other_points():
    known = emulator(modes(8))
    _, spectra = moving(known)
    options = Options(clip=0.0)
    result, _ = fit_spectra(known, spectra, options)
    # The modes lie at the velocity from which the search started, which is given here.
    spectra.rv = result.rv.copy()
    core = core_spectra(spectra, known, fit_rv=np.ones(len(spectra), dtype=bool))
    here = np.column_stack([result.labels, result.rv])
    other = here + np.array([50.0, 0.1, 0.1, 20.0])
    plan = fit_plan(known, options.box(known))

    def chi2(*points):
        return _core.chi2(plan, core, core_options(options), np.stack(points, axis=1), threads=1)

    both = chi2(here, other)
    np.testing.assert_allclose(both[:, 0], result.chi2, rtol=1e-3)
    np.testing.assert_array_equal(both[:, ::-1], chi2(other, here))
    np.testing.assert_array_equal(both[:, :1], chi2(here))


@pytest.mark.filterwarnings("ignore:the model error")
def test_the_best_fit_of_a_row_is_found_again():
    known = emulator(modes(8))
    _, spectra = moving(known)
    _, models = fit_spectra(known, spectra, Options())
    shown = best_fit(maury.fit(spectra, known), spectra, known)
    both = np.isfinite(shown) & np.isfinite(models.model)
    assert both.mean() > 0.98
    np.testing.assert_allclose(shown[both], models.model[both], rtol=1e-3)  # other outliers at an end
