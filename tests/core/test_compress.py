"""Fits through the compressed chi2 against the same fits through the pixels, and what they share."""

import numpy as np
import pytest

from core_network import core_and_twin, errors, fit, inside, mock
from maury import _core

CONVERGED = [_core.STATUS[name][0] for name in ("COST", "STEP", "GRADIENT")]
N, N_PIXELS = 150, 400


@pytest.fixture(scope="module")
def case():
    core, twin = core_and_twin((4, 30, 30, 12, N_PIXELS), "silu", seed=5, log10=(0,))
    truth, *_ = mock(core, twin, N, snr=50, margin=0.05)  # some on a bound
    return core, twin, truth, inside(twin, 60, np.random.default_rng(9))


def noisy(core, truth, snr):
    """Return flux and ivar (N, P) with a gap, lost pixels and uneven noise."""
    rng = np.random.default_rng(snr)
    ivar = snr**2 * rng.uniform(0.1, 1, (len(truth), N_PIXELS))
    flux = core.predict(truth) + rng.normal(size=ivar.shape) / np.sqrt(ivar)
    lost = rng.uniform(size=ivar.shape) < 0.05
    ivar[lost], flux[lost] = 0.0, np.nan
    ivar[:, 20:90] = 0.0
    return flux, ivar


@pytest.mark.parametrize("snr", [5, 50, 500, 10000])
@pytest.mark.parametrize("scatter", [None, 0.01])
def test_the_minimum_is_that_of_the_pixel_path(case, snr, scatter):
    core, twin, truth, candidates = case
    more = {"candidates": candidates, "scatter": None if scatter is None else np.full(N_PIXELS, scatter)}
    flux, ivar = noisy(core, truth, snr)
    compressed = fit(core, twin, flux, ivar, **more)
    pixels = fit(core, twin, flux, ivar, **more, compress=False)
    assert np.isin(compressed["status"], CONVERGED).all()
    # Another of several minima is a lower one.
    assert (compressed["chi2"] <= pixels["chi2"] * (1 + 1e-6)).mean() > 0.97
    same = np.abs(compressed["chi2"] - pixels["chi2"]) < 1e-6 * pixels["chi2"]
    assert same.mean() > 0.9
    sigma = errors(pixels["covariance"])
    assert (np.abs(compressed["labels"] - pixels["labels"]) / sigma)[same].max() < 1e-3
    np.testing.assert_array_equal(compressed["n_pixels"], pixels["n_pixels"])
    np.testing.assert_array_equal(compressed["at_bound"][same], pixels["at_bound"][same])
    for found in (compressed, pixels):
        assert ((found["n_agree"] >= 1) & (found["n_agree"] <= found["n_starts"])).all()
        assert (found["n_starts"] <= 24).all()


def test_reported_numbers_are_those_of_the_pixels(case):
    core, twin, truth, candidates = case
    flux, ivar = noisy(core, truth, 10000)
    scatter = np.full(N_PIXELS, 0.002)
    found = fit(core, twin, flux, ivar, candidates=candidates, scatter=scatter)
    weight = np.divide(
        1, 1 / np.where(ivar > 0, ivar, 1) + scatter**2, where=ivar > 0, out=np.zeros_like(ivar)
    )
    residual = np.where(ivar > 0, flux, 0) - np.where(ivar > 0, core.predict(found["labels"]), 0)
    np.testing.assert_allclose(found["chi2"], (weight * residual**2).sum(axis=1), rtol=1e-9)
    np.testing.assert_allclose(found["chi2_noise"], (ivar * residual**2).sum(axis=1), rtol=1e-9)
    jacobian = core.jacobian(found["labels"])
    matrix = np.einsum("npk,np,npl->nkl", jacobian, weight, jacobian)
    sigma = errors(found["covariance"])
    product = found["covariance"] @ matrix * (sigma[:, None, :] / sigma[:, :, None])
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(4), product.shape), atol=1e-6)


def test_the_finish_takes_few_evaluations(case):
    core, twin, truth, candidates = case
    flux, ivar = noisy(core, truth, 100)
    compressed = fit(core, twin, flux, ivar, candidates=candidates)
    pixels = fit(core, twin, flux, ivar, candidates=candidates, compress=False)
    assert np.mean(compressed["n_evaluations"] - pixels["n_evaluations"]) < 4


@pytest.mark.parametrize("most", [1, 2, 3, 5])
def test_max_evaluations_holds_for_search_and_finish_together(case, most):
    core, twin, truth, _ = case
    flux, ivar = noisy(core, truth, 50)
    found = fit(core, twin, flux, ivar, max_evaluations=most)
    assert found["n_evaluations"].max() == most
    assert np.isfinite(found["labels"]).all()


def test_flux_far_off_any_model_is_still_fitted_or_told(case):
    core, twin, truth, candidates = case
    flux, ivar = noisy(core, truth[:4], 100)
    flux[0] *= 1e6
    flux[1] = -1e12
    flux[2] = 1e160
    compressed = fit(core, twin, flux, ivar, candidates=candidates)
    pixels = fit(core, twin, flux, ivar, candidates=candidates, compress=False)
    np.testing.assert_allclose(compressed["chi2"], pixels["chi2"], rtol=1e-6)
    assert compressed["status"][2] == pixels["status"][2] == _core.STATUS["NON_FINITE"][0]
