"""Fits of observed spectra against SciPy, with the dense matrix of the instrument, in float64."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares

import made_up_stars
from instrument_twin import moving_stars, seen
from maury.emulator.grid import pixel_velocity
from maury.measure.fit import fit_observed
from maury.measure.options import Options
from maury.spectra import SPEED_OF_LIGHT

N = made_up_stars.N_PIXELS
TRUTH = made_up_stars.LABELS
RV = np.array([-240.0, 35.0, 410.0, -90.0])


@pytest.fixture(scope="module")
def emulator():
    return made_up_stars.emulator(lsf=np.full(N, 1.2))


def twin(emulator, observed, i, start, weight, broadening):
    """Minimise chi2 over labels, shift and (with `broadening`) a variance; give x, its covariance, chi2."""
    low, high, variance = (
        np.broadcast_to(v, observed.flux.shape)[i] for v in (observed.low, observed.high, observed.variance)
    )
    use = weight > 0
    scale = np.array([1000.0, 1.0, 1.0, 1.0, 1.0])[: 4 + broadening]

    def model(x):
        x = x * scale
        extra = x[4] if broadening else 0.0
        return seen(low, high, variance + extra, x[3], emulator.predict(x[:3]))[use]

    def residual(x):
        return np.sqrt(weight[use]) * (model(x) - observed.flux[i][use])

    solution = least_squares(residual, start / scale, jac="3-point", xtol=1e-12, ftol=1e-12, gtol=1e-10)
    covariance = np.linalg.inv(solution.jac.T @ solution.jac) * scale * scale[:, None]
    return solution.x * scale, covariance, 2 * solution.cost


@pytest.mark.parametrize("broadening", [False, True])
def test_agrees_with_scipy(emulator, broadening):
    wavelength = np.arange(4900.0, 5400.0, 1.5)
    lsf = np.linspace(1.7, 2.4, len(wavelength))
    see = np.full((4, 1), 1.3) if broadening else None
    observed = moving_stars(emulator, TRUTH, RV, 60.0, wavelength, lsf, see=see)
    observed.ivar[:, 100:120] = 0.0
    observed.flux[:, 100:120] = 1e5
    shift = np.log10(1 + RV / SPEED_OF_LIGHT) / 1e-4
    options = Options(broadening=broadening, clip=0.0)
    result = fit_observed(emulator, observed, options, TRUTH, shift=np.round(shift))
    assert result.converged.all() and not result.at_bound.any()
    for i in range(4):
        place = (observed.low[0] + observed.high[0]) / 2 - np.round(shift[i])
        scatter = np.interp(place, np.arange(N), emulator.scatter)
        weight = np.where(
            observed.ivar[i] > 0, 1 / (1 / np.maximum(observed.ivar[i], 1e-9) + scatter**2), 0.0
        )
        assert result.n_pixels[i] == np.count_nonzero(weight)
        start = np.concatenate([TRUTH[i], [shift[i]], [1.0] if broadening else []])
        x, covariance, chi2 = twin(emulator, observed, i, start, weight, broadening)
        error = np.sqrt(np.diagonal(covariance))
        nuisances = result.nuisances[i]
        assert (np.abs(result.labels[i] - x[:3]) < 1e-3 * error[:3]).all()
        assert (np.abs(nuisances - x[3:]) < 1e-3 * error[3:]).all()
        np.testing.assert_allclose(result.chi2[i], chi2, rtol=1e-6)
        correlation = (result.covariance[i] - covariance[:3, :3]) / (error[:3] * error[:3, None])
        assert np.abs(correlation).max() < 1e-3
        np.testing.assert_allclose(result.nuisance_errors[i], error[3:], rtol=1e-3)
        rv = SPEED_OF_LIGHT * (10 ** (1e-4 * x[3]) - 1)
        assert abs(result.rv[i] - rv) < 1e-3 * result.rv_err[i]
        np.testing.assert_allclose(
            result.rv_err[i], error[3] * pixel_velocity(emulator) * (1 + rv / SPEED_OF_LIGHT), rtol=1e-3
        )


def test_company_and_order_do_not_matter(emulator):
    """Bit for bit: threads, order, each alone, spectra between others that are bad."""
    rng = np.random.default_rng(8)
    n = 12
    labels = np.column_stack(
        [rng.uniform(4300, 6700, n), rng.uniform(1.5, 4.5, n), rng.uniform(-1.5, 0.3, n)]
    )
    observed = moving_stars(
        emulator, labels, rng.uniform(-300, 300, n), 40.0, np.arange(4600.0, 6200.0, 1.4), 2.0
    )
    observed.ivar[5], observed.flux[6] = 0.0, np.nan
    shift = np.zeros(n)

    def results(rows, threads):
        some = replace(
            observed,
            **{
                name: getattr(observed, name)[rows]
                for name in ("flux", "ivar", "continuum", "inside", "good", "shift", "sharper")
            },
        )
        result = fit_observed(emulator, some, Options(broadening=True), None, threads, shift=shift[rows])
        return result.labels, result.covariance, result.nuisances, result.nuisance_errors, result.chi2

    whole = results(np.arange(n), 1)
    order = rng.permutation(n)
    for want, got in zip(whole, results(order, 3), strict=True):
        np.testing.assert_array_equal(got, want[order])
    for i in range(n):
        for want, got in zip(whole, results(np.array([i]), 2), strict=True):
            np.testing.assert_array_equal(got[0], want[i])
