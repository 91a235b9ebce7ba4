"""Fits of observed spectra against SciPy: labels, velocity and continuum at once, by dense matrices."""

import numpy as np
import pytest
from scipy.optimize import least_squares

import made_up_stars
from instrument_twin import edges, local_line, moving_stars, place, seen
from maury.emulator.grid import pixel_velocity
from maury.measure.fit import fit_spectra
from maury.measure.options import Options
from maury.spectra import SPEED_OF_LIGHT, Spectra

N = made_up_stars.N_PIXELS
TRUTH = made_up_stars.LABELS
RV = np.array([-240.0, 35.0, 410.0, -90.0])
HALF = 100.0  # pixels of the emulator on each side of a line
OWN = 1.1  # of the emulator [pixels]


@pytest.fixture(scope="module")
def emulator():
    """Its line-spread function is the same everywhere in pixels, so no velocity changes what it lacks."""
    return made_up_stars.emulator(lsf=OWN * 10 ** (3.65 + 1e-4 * np.arange(N)) * np.log(10) * 1e-4)


def twin(emulator, spectra, i, weight, start, options):
    """Minimise chi2 over labels, shift and (with broadening) a variance; give x, its covariance, chi2."""
    wavelength = spectra.wavelength if spectra.wavelength.ndim == 1 else spectra.wavelength[i]
    arm = np.zeros(len(wavelength)) if spectra.arm is None else np.atleast_2d(spectra.arm)[0]
    low, high = (place(emulator, edge) for edge in edges(wavelength, arm))
    lsf = np.broadcast_to(spectra.lsf, spectra.flux.shape)[i] / (wavelength * np.log(10) * 1e-4)
    variance = np.maximum(lsf**2 - OWN**2, 0.0)
    use = np.flatnonzero(weight > 0)
    cut = slice(use[0], use[-1] + 1)
    low, high, variance, arm, w = (v[cut] for v in (low, high, variance, arm, weight))
    data, u = np.where(w > 0, spectra.flux[i][cut], 0.0), (low + high) / 2
    scale = np.array([1000.0, 1.0, 1.0, 1.0, 1.0])[: len(start)]

    def residual(x):
        x = x * scale
        extra = x[4] if options.broadening else 0.0
        model = seen(low, high, variance + extra, x[3], emulator.predict(x[:3]), arm)
        return np.sqrt(w) * (local_line(u, arm, data, w, model, HALF) * model - data)

    solution = least_squares(
        residual, start / scale, jac="3-point", xtol=1e-11, ftol=1e-12, gtol=1e-10, x_scale="jac"
    )
    covariance = np.linalg.inv(solution.jac.T @ solution.jac) * scale * scale[:, None]
    return solution.x * scale, covariance, 2 * solution.cost


@pytest.mark.parametrize("arms", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("broadening", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_agrees_with_scipy(emulator, broadening, arms):
    """Not the continuum of its making: a slope and a ripple, and a step between the arms."""
    wavelength = np.arange(4900.0, 5400.0, 1.5)
    lsf = np.linspace(1.7, 2.4, len(wavelength))
    arm = (wavelength > 5200).astype(int) if arms else None
    extra = np.full(4, 1.3) if broadening else None
    made = moving_stars(emulator, TRUTH, RV, 60.0, wavelength, lsf, extra=extra, arm=arm)
    shape = (wavelength / 5000.0) ** 3 * (1 + 0.03 * np.sin(wavelength / 40)) * 5e-17
    if arms:
        shape = np.where(arm == 1, 1.4 * shape, shape)
    mask = made.mask.copy()
    mask[:, 100:120] = True
    flux = np.where(mask, 1e5, made.flux * shape)
    spectra = Spectra(wavelength, flux, made.ivar / shape**2, mask, lsf=lsf, arm=arm)
    options = Options(broadening=broadening, clip=0.0, arm_rv=False)
    result, models = fit_spectra(emulator, spectra, options)
    assert result.converged.all() and not result.at_bound.any()
    for i in range(4):
        weight = models.weight[i]
        assert result.n_pixels[i] == np.count_nonzero(weight)
        shift = np.log10(1 + result.rv[i] / SPEED_OF_LIGHT) / 1e-4
        pixel = pixel_velocity(emulator)
        variance = [np.sign(result.broadening[i]) * (result.broadening[i] / pixel) ** 2] if broadening else []
        here = np.concatenate([result.labels[i], [shift], variance])
        error = np.sqrt(np.diagonal(result.covariance[i]))
        start = here + np.concatenate([0.3 * error, [0.02], [0.05] if broadening else []])
        x, covariance, chi2 = twin(emulator, spectra, i, weight, start, options)
        error = np.sqrt(np.diagonal(covariance))
        assert (np.abs(here - x) < 1e-3 * error).all()
        np.testing.assert_allclose(result.chi2[i], chi2, rtol=1e-6)
        correlation = (result.covariance[i] - covariance[:3, :3]) / (error[:3] * error[:3, None])
        assert np.abs(correlation).max() < 1e-3
        np.testing.assert_allclose(
            result.rv_err[i], error[3] * pixel * (1 + result.rv[i] / SPEED_OF_LIGHT), rtol=1e-3
        )


def test_company_and_order_do_not_matter(emulator):
    """Bit for bit: threads, order, each alone, spectra between others that are bad."""
    rng = np.random.default_rng(8)
    n = 12
    labels = np.column_stack(
        [rng.uniform(4300, 6700, n), rng.uniform(1.5, 4.5, n), rng.uniform(-1.5, 0.3, n)]
    )
    spectra = moving_stars(
        emulator, labels, rng.uniform(-300, 300, n), 40.0, np.arange(4600.0, 6200.0, 1.4), 2.0
    )
    spectra.ivar[5], spectra.flux[6] = 0.0, np.nan
    spectra.rv[3] = 0.0

    def results(rows, threads):
        result, models = fit_spectra(emulator, spectra[rows], Options(broadening=True), threads=threads)
        return (
            result.labels,
            result.covariance,
            result.rv,
            result.rv_err,
            result.broadening,
            result.chi2,
            models.model,
            models.continuum,
        )

    whole = results(np.arange(n), 1)
    order = rng.permutation(n)
    for want, got in zip(whole, results(order, 3), strict=True):
        np.testing.assert_array_equal(got, want[order])
    for i in range(n):
        for want, got in zip(whole, results(np.array([i]), 2), strict=True):
            np.testing.assert_array_equal(got[0], want[i])
