"""The error of an emulator from residuals that were made with a known one."""

import functools

import numpy as np
import pytest

from maury.catalog.likelihood import LnSigma, largest_likelihood, ln_likelihood
from maury.learn.model_error import MIN_STARS, Residuals, fit_model_error

NAMES = ("teff", "logg", "fe_h")
CORRELATION = np.array([[1.0, 0.5, 0.3], [0.5, 1.0, -0.2], [0.3, -0.2, 1.0]])


def true_sigma(labels, distance):
    """Errors (N, 3) that grow to the hot and the metal-poor side and away from training stars."""
    hot = np.maximum(np.log10(labels[:, 0] / 6500), 0)
    return np.column_stack([
        60 * np.exp(4.0 * hot + 0.3 * distance),
        0.15 * np.exp(0.1 * (labels[:, 1] - 4)),
        0.08 * np.exp(-0.3 * (labels[:, 2] + 0.3)),
    ])  # fmt: skip


def residuals(n=3000, outliers=0.0, noise=0.3, given=0.0, seed=1, constant=False):
    """Return residuals and the error of each; noise and given are in units of the error."""
    rng = np.random.default_rng(seed)
    labels = np.column_stack(
        [10 ** rng.uniform(3.55, 4.1, n), rng.uniform(0.5, 5, n), rng.uniform(-2, 0.4, n)]
    )
    distance = rng.gamma(2, 0.15, n)
    sigma = true_sigma(labels, distance)
    if constant:
        sigma = np.broadcast_to([60.0, 0.15, 0.08], sigma.shape)
    draw = rng.normal(size=(n, 3)) @ np.linalg.cholesky(CORRELATION).T
    measured = labels + [20, 0.05, -0.03] + sigma * draw
    measured = measured + noise * sigma * rng.normal(size=(n, 3)) + given * sigma * rng.normal(size=(n, 3))
    bad = rng.random(n) < outliers
    wrong = labels.copy()  # as given
    wrong[bad] += sigma[bad] * rng.choice([-1, 1], (bad.sum(), 3)) * rng.uniform(8, 40, (bad.sum(), 3))
    covariance = (noise * sigma)[:, :, None] * np.eye(3) * (noise * sigma)[:, None]
    told = Residuals(
        NAMES, np.array([True, False, False]), np.array([f"star {i}" for i in range(n)]), wrong,
        given * sigma, measured, covariance, distance, 5,
    )  # fmt: skip
    return told, sigma


@functools.cache
def fitted(**made):
    """Return what is found from residuals, for all tests that only look at it."""
    return fit_model_error(residuals(**made)[0])


@pytest.mark.parametrize("outliers", [0.0, 0.1])
@pytest.mark.parametrize(("noise", "given"), [(0.0, 0.0), (0.3, 0.0), (0.7, 0.7)])
def test_the_error_is_found_again(outliers, noise, given):
    made, truth = residuals(outliers=outliers, noise=noise, given=given)
    found = fitted(outliers=outliers, noise=noise, given=given)
    ratio = found.predict(made.fitted, made.distance) / truth
    assert np.abs(np.median(ratio, axis=0) - 1).max() < 0.1
    assert np.percentile(np.abs(ratio - 1), 90) < 0.25
    np.testing.assert_allclose(found.correlation, CORRELATION, atol=0.15 if noise > 0.5 else 0.08)
    np.testing.assert_allclose((found.offset - [20, 0.05, -0.03]) / [60, 0.15, 0.08], 0, atol=0.1)
    np.testing.assert_allclose(found.pull_width, 1, atol=0.06)
    assert np.abs(found.outliers - outliers).max() < 0.06
    assert (found.n_stars, found.folds) == (3000, 5)


def test_outliers_do_not_matter():
    clean, truth = residuals()
    spoilt, _ = residuals(outliers=0.08)
    both = fitted(outliers=0.0, noise=0.3, given=0.0), fit_model_error(spoilt)
    sigma = [found.predict(clean.fitted, clean.distance) for found in both]
    assert np.median(np.abs(sigma[1] / sigma[0] - 1)) < 0.06
    naive = np.std(spoilt.fitted - spoilt.given, axis=0)
    assert (naive > 1.5 * np.median(truth, axis=0)).all()  # they would, without the second Gaussian


def test_one_star_does_not_decide_about_the_terms():
    """A B star that is measured as a K star is some hundred errors off."""
    made, _ = residuals(n=800)
    terms = fit_model_error(made).terms
    made.given[0, 0], made.fitted[0, 0] = 23_000.0, 4600.0
    assert fit_model_error(made).terms == terms
    assert len(terms) > 1


def test_noise_and_errors_of_given_labels_are_taken_off():
    made, truth = residuals(noise=0.7, given=0.7)
    blind = Residuals(**{**vars(made), "noise": 0 * made.noise, "given_error": 0 * made.given_error})
    ratio = np.median(fit_model_error(blind).predict(made.fitted, made.distance) / truth, axis=0)
    np.testing.assert_allclose(ratio, np.sqrt(1 + 2 * 0.49), rtol=0.08)


def test_terms_are_as_many_as_stars_left_out_ask_for():
    few, _ = residuals(n=MIN_STARS, constant=True)
    found = fit_model_error(few)
    assert len(found.terms) == 1
    np.testing.assert_allclose(np.exp(found.coefficients[0]), [60, 0.15, 0.08], rtol=0.5)
    many, truth = residuals(n=2000, constant=True)
    sigma = fit_model_error(many).predict(many.fitted, many.distance)
    assert np.abs(sigma / truth - 1).max() < 0.3
    rich = fitted(outliers=0.0, noise=0.3, given=0.0)
    assert {"teff", "distance"} <= set(rich.terms)
    assert any(">" in term for term in rich.terms)


def test_it_never_extrapolates():
    made, truth = residuals(n=400)
    found = fit_model_error(made)
    far = np.array([[60000.0, 9.0, 4.0], [1000.0, -9.0, -9.0]])
    sigma = found.predict(far, np.array([50.0, 50.0]))
    assert (sigma <= 1.5 * truth.max(axis=0)).all() and (sigma >= truth.min(axis=0) / 1.5).all()


def test_fits_that_failed_take_no_part():
    made, _ = residuals(n=500)
    spoilt = Residuals(**{**vars(made), "fitted": made.fitted.copy()})
    spoilt.fitted[:50] = np.nan
    found = fit_model_error(spoilt)
    assert found.n_stars == 450
    assert found.as_dict() == fit_model_error(made[np.arange(500) >= 50]).as_dict()


def test_visits_of_a_star_count_as_one():
    made, _ = residuals(n=MIN_STARS + 10)
    star = made.star_id.copy()
    star[: MIN_STARS - 5] = "the same"
    with pytest.raises(ValueError, match=rf"^reference: 16 stars .* requires {MIN_STARS}. .*folds=0"):
        fit_model_error(Residuals(**{**vars(made), "star_id": star}))


def test_the_likelihood_of_data_left_out_is_that_of_the_fit():
    rng = np.random.default_rng(3)
    d, one, nothing = rng.normal(0, 2, 4000), np.ones((4000, 1)), np.zeros(4000)
    rows = one, 0 * one, (nothing, nothing - np.inf)
    found = largest_likelihood(d, *rows, np.ones(4000), LnSigma(np.zeros(1)))
    assert np.exp(found.coefficients[0]) == pytest.approx(2, rel=0.05)
    best = ln_likelihood(d, *rows, found).sum()
    for shift in (-0.1, 0.1):
        other = LnSigma(found.coefficients + shift, found.outliers, found.wider)
        assert ln_likelihood(d, *rows, other).sum() < best
