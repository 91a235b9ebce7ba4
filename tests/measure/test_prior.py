"""Gaussian priors and fixed labels: against SciPy with the prior as further residuals, and their limits."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

import made_up_stars
import maury
from instrument_twin import edges, local_line, moving_stars, place, seen
from maury.measure.fit import fit_spectra
from maury.measure.options import Options
from maury.measure.pipeline import measure
from maury.measure.prior import LEAST_SIGMA, checked_prior
from maury.spectra import SPEED_OF_LIGHT

TRUTH = made_up_stars.LABELS
N_LABELS = TRUTH.shape[1]
SIGMA = np.array([80.0, 0.04, 0.03])
SCALE = np.array([1000.0, 1.0, 1.0])


@pytest.fixture(scope="module")
def emulator():
    return made_up_stars.emulator(transforms=["log10", "linear", "linear"])


def noisy(emulator, snr=40.0, labels=TRUTH, seed=0):
    flux = emulator.predict(labels)
    return flux + np.random.default_rng(seed).normal(0, 1 / snr, flux.shape), np.full(flux.shape, snr**2)


def correlated(sigma=SIGMA, rho=-0.7):
    matrix = np.full((N_LABELS, N_LABELS), rho / 2)
    np.fill_diagonal(matrix, 1.0)
    matrix[0, 1] = matrix[1, 0] = rho
    return matrix * sigma * sigma[:, None]


def prior_rows(mean, covariance):
    """Return W with |W (x - mean)|^2 = (x - mean)' C^-1 (x - mean)."""
    return np.linalg.inv(np.linalg.cholesky(covariance))


def fit_slowly(residual, mean, covariance, start, box=None):
    """Minimise the residuals and the prior; return labels, covariance, chi2 of the data and of the prior."""
    rows = prior_rows(mean, covariance)

    def both(x):
        return np.concatenate([residual(x * SCALE), rows @ (x[:N_LABELS] * SCALE - mean)])

    bounds = (-np.inf, np.inf) if box is None else (box.T / SCALE)
    found = least_squares(
        both, start / SCALE, jac="3-point", bounds=bounds, xtol=1e-12, ftol=1e-13, gtol=1e-12, x_scale="jac"
    )
    x = found.x * SCALE
    away = rows @ (x - mean)
    matrix = np.linalg.inv(found.jac.T @ found.jac) * SCALE * SCALE[:, None]
    return x, matrix, 2 * found.cost - away @ away, away @ away


def check_twin(result, i, twin):
    x, covariance, chi2, chi2_prior = twin
    error = np.sqrt(np.diagonal(covariance))
    assert (np.abs(result.labels[i] - x) < 1e-3 * error).all()
    np.testing.assert_allclose(result.chi2[i], chi2, rtol=1e-6)
    np.testing.assert_allclose(result.chi2_prior[i], chi2_prior, rtol=1e-2, atol=1e-4)
    difference = (result.covariance[i] - covariance) / (error * error[:, None])
    assert np.abs(difference).max() < 1e-3


@pytest.mark.parametrize("snr", [5.0, 40.0, 300.0])
def test_normalised_spectra_agree_with_scipy(emulator, snr):
    """The prior is beside the truth, by its own errors, and correlated."""
    flux, ivar = noisy(emulator, snr)
    mean = TRUTH + SIGMA * np.array([[1, -1, 0.5], [-1, 1, 1], [0.3, 1, -1], [-1, -0.5, 0]])
    covariance = correlated()
    result = maury.fit_normalized(emulator, flux, ivar, prior=(mean, np.tile(covariance, (4, 1, 1))))
    assert result.converged.all() and not result.at_bound.any()
    weight = 1 / (1 / ivar + emulator.scatter**2)
    for i in range(4):

        def residual(x, i=i):
            return np.sqrt(weight[i]) * (emulator.predict(x) - flux[i])

        start = result.labels[i] + 0.5 * np.sqrt(np.diagonal(result.covariance[i]))
        check_twin(result, i, fit_slowly(residual, mean[i], covariance, start))


@pytest.mark.slow
def test_observed_spectra_agree_with_scipy(emulator):
    """With the continuum, the instrument and a known velocity."""
    wavelength = np.arange(4900.0, 5400.0, 1.5)
    rv = np.array([-240.0, 35.0, 410.0, -90.0])
    spectra = moving_stars(emulator, TRUTH, rv, 40.0, wavelength)
    spectra.rv[:] = rv
    mean, covariance = TRUTH + 1.5 * SIGMA, correlated(rho=0.5)
    options = Options(velocity="given", clip=0.0)
    result, models = fit_spectra(
        emulator, spectra, options, prior=checked_prior((mean, covariance), 4, emulator)
    )
    assert result.converged.all()
    low, high = (place(emulator, edge) for edge in edges(wavelength))
    for i in range(4):
        use = np.flatnonzero(models.weight[i] > 0)
        cut = slice(use[0], use[-1] + 1)
        weight, data = models.weight[i][cut], np.where(models.weight[i] > 0, spectra.flux[i], 0.0)[cut]
        shift = np.log10(1 + rv[i] / SPEED_OF_LIGHT) / 1e-4
        u = (low[cut] + high[cut]) / 2
        one = np.zeros(len(u))

        def residual(x, cut=cut, weight=weight, data=data, shift=shift, u=u, one=one):
            model = seen(low[cut], high[cut], 0.0, shift, emulator.predict(x))
            return np.sqrt(weight) * (local_line(u, one, data, weight, model, 100.0) * model - data)

        check_twin(result, i, fit_slowly(residual, mean[i], covariance, result.labels[i] + 0.2 * SIGMA))


def test_the_least_sum_is_found(emulator):
    """A prior that contradicts the data: never above the best of SciPy from many starts."""
    flux, ivar = noisy(emulator, 15.0)
    weight = 1 / (1 / ivar + emulator.scatter**2)
    rng = np.random.default_rng(4)
    mean = np.array([6800.0, 0.7, 0.3])
    for sigma in (np.array([300.0, 0.2, 0.2]), np.array([3000.0, 0.01, 3.0])):
        covariance = correlated(sigma)
        result = maury.fit_normalized(emulator, flux, ivar, prior=(mean, covariance))
        assert result.converged.all()
        for i in range(4):

            def residual(x, i=i):
                return np.sqrt(weight[i]) * (emulator.predict(x) - flux[i])

            box = np.asarray(emulator.bounds)
            least = min(
                sum(fit_slowly(residual, mean, covariance, start, box)[2:])
                for start in rng.uniform(*box.T, (6, 3))
            )
            assert result.chi2[i] + result.chi2_prior[i] <= least * (1 + 1e-6)


def test_a_broad_prior_changes_nothing(emulator):
    flux, ivar = noisy(emulator)
    alone = maury.fit_normalized(emulator, flux, ivar)
    broad = maury.fit_normalized(emulator, flux, ivar, prior=(TRUTH[0], np.diag([1e9, 1e4, 1e4]) ** 2))
    error = np.sqrt(np.diagonal(alone.covariance, axis1=1, axis2=2))
    assert (np.abs(broad.labels - alone.labels) < 1e-3 * error).all()
    np.testing.assert_allclose(broad.covariance, alone.covariance, rtol=1e-6)
    assert (broad.chi2_prior < 1e-4).all() and alone.chi2_prior is None


@pytest.mark.parametrize("sigma", [1e-4, 1e-6, 1e-100])
def test_a_tiny_variance_holds_a_label(emulator, sigma):
    """The others are those of a fit in which it is fixed, whichever label it is."""
    flux, ivar = noisy(emulator)
    spectra = made_up_stars.spectra(emulator)
    spectra.flux[:], spectra.ivar[:], spectra.rv[:], spectra.lsf = flux, ivar, 0.0, None
    for j, (name, value) in enumerate(zip(emulator.labels, (5300.0, 3.8, -0.6), strict=True)):
        held = measure(spectra, emulator, Options(clip=0.0), prior={name: (value, sigma)})
        fixed = measure(spectra, emulator, Options(clip=0.0, fixed=((name, value),)))
        width = emulator.label_max[j] - emulator.label_min[j]
        assert held["converged"].all() and fixed["converged"].all()
        # A prior gives way by its variance times the slope of chi2.
        assert (np.abs(held[name] - value) <= max(2 * sigma, 1e-6 * width)).all()
        assert (fixed[name] == value).all()
        for other in set(emulator.labels) - {name}:
            away = np.abs(held[other] - fixed[other]) / fixed[f"{other}_err_formal"]
            assert (away < (0.5 if sigma == 1e-4 else 0.01)).all()
            np.testing.assert_allclose(held[f"{other}_err_formal"], fixed[f"{other}_err_formal"], rtol=0.02)
        expected = np.hypot(sigma, LEAST_SIGMA * width)
        np.testing.assert_allclose(held[f"{name}_err_formal"], expected, rtol=1e-2)


def test_no_mean_is_no_prior(emulator):
    """Bit for bit, whatever stands in the covariance; and the prior of the others is their marginal one."""
    flux, ivar = noisy(emulator)
    alone = maury.fit_normalized(emulator, flux, ivar)
    mean, covariance = np.full((4, 3), np.nan), np.full((4, 3, 3), np.nan)
    mean[1], covariance[1] = [5500.0, np.nan, 0.1], correlated()
    result = maury.fit_normalized(emulator, flux, ivar, prior=(mean, covariance))
    for name in ("labels", "covariance", "chi2", "n_evaluations", "n_agree"):
        without = np.delete(np.arange(4), 1)
        np.testing.assert_array_equal(getattr(result, name)[without], getattr(alone, name)[without])
    np.testing.assert_array_equal(result.chi2_prior[[0, 2, 3]], 0.0)
    covariance[1, 1, :] = covariance[1, :, 1] = np.inf
    again = maury.fit_normalized(emulator, flux, ivar, prior=(mean, covariance))
    np.testing.assert_array_equal(again.labels, result.labels)
    marginal = np.linalg.inv(correlated()[np.ix_([0, 2], [0, 2])])
    away = result.labels[1, [0, 2]] - [5500.0, 0.1]
    np.testing.assert_allclose(result.chi2_prior[1], away @ marginal @ away, rtol=1e-6)


@settings(max_examples=20)
@given(st.data())
def test_rows_are_independent(data):
    """Bit for bit: any prior of a row leaves the others as they are, in any company."""
    emulator = made_up_stars.emulator()
    flux, ivar = noisy(emulator)
    number = st.floats(-3, 3)
    mean = np.array([[*data.draw(st.tuples(st.floats(3600, 7900), number, number))] for _ in range(4)])
    sigma = np.array([10 ** np.array(data.draw(st.tuples(number, number, number))) for _ in range(4)])
    mean[data.draw(st.integers(0, 3))] = np.nan
    covariance = np.array([correlated(s, data.draw(st.floats(-0.7, 0.8))) for s in sigma])
    whole = maury.fit_normalized(emulator, flux, ivar, prior=(mean, covariance), threads=2)
    row = data.draw(st.integers(0, 3))
    one = maury.fit_normalized(emulator, flux[row], ivar[row], prior=(mean[row], covariance[row]))
    for name in ("labels", "covariance", "chi2", "chi2_prior", "status"):
        np.testing.assert_array_equal(getattr(one, name)[0], getattr(whole, name)[row])
    assert whole.converged.all()
    box = np.asarray(emulator.bounds)
    assert ((whole.labels >= box[:, 0]) & (whole.labels <= box[:, 1])).all()


def test_bounds_hold_against_a_prior_beyond_them(emulator):
    flux, ivar = noisy(emulator)
    bounds = np.array([[4000.0, 7000.0], [1.0, 4.0], [-2.0, 0.5]])
    result = maury.fit_normalized(emulator, flux, ivar, bounds=bounds, prior={"logg": (9.0, 1e-3)})
    assert result.converged.all() and (result.labels[:, 1] == 4.0).all() and result.at_bound[:, 1].all()
    weight = 1 / (1 / ivar + emulator.scatter**2)
    for i in range(4):
        found = least_squares(
            lambda x, i=i: np.sqrt(weight[i]) * (emulator.predict([x[0] * 1000, 4.0, x[1]]) - flux[i]),
            result.labels[i, [0, 2]] / [1000, 1],
            bounds=([4.0, -2.0], [7.0, 0.5]),
            jac="3-point",
            xtol=1e-12,
        )
        np.testing.assert_allclose(result.chi2[i], 2 * found.cost, rtol=1e-6)
    np.testing.assert_allclose(result.chi2_prior, (5.0 / np.hypot(1e-3, 5.5e-6)) ** 2, rtol=1e-6)


@pytest.mark.parametrize(
    "prior, message",
    [
        (7, "prior: expected (mean, covariance), or {label"),
        ((np.zeros(3), np.zeros(3)), "prior: expected a covariance of shape (3, 3) or (4, 3, 3), got (3,)"),
        ((np.zeros(2), np.eye(3)), "prior: expected a mean of shape (3,) or (4, 3), got (2,)"),
        ({"age": (1.0, 1.0)}, "prior: unknown label age; the emulator has teff, logg, fe_h"),
        ({"logg": 4.0}, "prior: expected mean and standard deviation of logg"),
        (
            {"logg": ([4, 4, 4, np.inf], 0.1)},
            "prior: row 3: expected a finite mean, above 0 for logg, got inf",
        ),
        (
            {"teff": ([5e3, 5e3, -1, 5e3], 9)},
            "prior: row 2: expected a finite mean, above 0 for teff, got -1",
        ),
        ({"logg": (4.0, 0.0)}, "prior: row 0: expected a variance of logg above 0 (`fixed`"),
        ({"logg": (4.0, [1, np.nan, 1, 1])}, "prior: row 1: the covariance of logg is not finite, got nan"),
    ],
)
def test_a_wrong_prior_is_named(emulator, prior, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        maury.fit_normalized(emulator, *noisy(emulator), prior=prior)


def test_a_wrong_covariance_is_named_with_its_row():
    emulator = made_up_stars.emulator()
    spectra = made_up_stars.spectra(emulator)
    for change, message in (
        ((0, 1, np.nan), "row 2: the covariance of teff and logg is not finite"),
        ((0, 1, 1e6), "row 2: the covariance of teff and logg is not symmetric"),
        ((1, 1, 1e-9), "row 2: the covariance is not positive definite"),
    ):
        covariance = np.tile(correlated(), (4, 1, 1))
        j, k, value = change
        covariance[2, j, k] = value
        with pytest.raises(ValueError, match=f"prior: {message}"):
            maury.fit(spectra, emulator, prior=(TRUTH, covariance))


def test_the_catalogue_tells_the_prior(emulator):
    spectra = made_up_stars.spectra(emulator)
    alone = maury.fit(spectra, emulator)
    catalog = maury.fit(spectra, emulator, prior={"logg": (TRUTH[:, 1] + 0.5, [0.05, 0.05, 0.05, 1e9])})
    assert json.loads(catalog.meta["OPTIONS"])["prior"] == "given"
    assert json.loads(alone.meta["OPTIONS"])["prior"] == "none" and "chi2_prior" not in alone.colnames
    assert (catalog["chi2_prior"][:3] > 1).all() and catalog["chi2_prior"][3] < 1e-6
    assert (catalog["chi2"][:3] > alone["chi2"][:3]).all()
    assert (catalog["logg_err_formal"][:3] < alone["logg_err_formal"][:3]).all()
    np.testing.assert_allclose(catalog["rchi2"], catalog["chi2"] / (catalog["n_pixels"] - 3))
    models = maury.best_fit(catalog, spectra, emulator)
    assert np.isfinite(models).any(axis=1).all()


def test_a_fixed_label(emulator, tmp_path):
    """It has no error, is not at a bound, and best fits are made with it."""
    spectra = made_up_stars.spectra(emulator)
    catalog = maury.fit(spectra, emulator, fixed={"logg": 3.9})
    assert (catalog["logg"].value == 3.9).all() and (catalog["logg_err"].value == 0.0).all()
    assert (catalog["covariance"][:, 1] == 0).all() and (catalog["teff_err"].value > 0).all()
    assert not (catalog["flags"] & int(maury.Flag.AT_BOUND)).any()
    assert json.loads(catalog.meta["OPTIONS"])["fixed"] == [["logg", 3.9]]
    path = tmp_path / "fixed.fits"
    maury.catalog.write_catalog(catalog, path)
    models = maury.best_fit(maury.catalog.read_catalog(path), spectra, emulator)
    np.testing.assert_array_equal(models, maury.best_fit(catalog, spectra, emulator))
    everything = maury.fit(
        spectra, emulator, fixed=dict(zip(emulator.labels, (5000.0, 3.5, -0.5), strict=True))
    )
    assert everything["converged"].all() and (everything["rv_err"].value > 0).all()


@pytest.mark.parametrize(
    "fixed, message",
    [
        ({"age": 1.0}, "fixed: unknown label age; the emulator has teff, logg, fe_h"),
        ({"logg": 9.0}, "fixed: expected logg inside its bounds [0, 5.5], got 9"),
        ({"logg": np.nan}, "fixed: expected logg inside its bounds"),
        ({"logg": "high"}, "fixed: expected a number by the name of each label"),
        (["logg"], "fixed: expected a number by the name of each label"),
    ],
)
def test_a_wrong_fixed_label_is_named(emulator, fixed, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        maury.fit(made_up_stars.spectra(emulator), emulator, fixed=fixed)
