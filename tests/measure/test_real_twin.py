"""Fits of real LAMOST spectra against SciPy: labels, velocities of both arms and local lines at once."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve_triangular
from scipy.optimize import least_squares, minimize_scalar

import maury
from instrument_twin import edges, place, seen
from maury.emulator.grid import pixel_velocity
from maury.measure.fit import fit_spectra
from maury.measure.options import Options
from maury.spectra import SPEED_OF_LIGHT

HALF = 100.0  # pixels of the emulator on each side of a line
SCALE = np.array([1000.0, 1.0, 1.0, 1.0, 1.0])


def pixel_width(wavelength, emulator):
    """Width of the emulator's pixels at a wavelength [Angstrom], even in log10."""
    return wavelength * np.log(10.0) * emulator.log10_grid[1]


def windows(u, run):
    """Return (P, P) whether a pixel is in the window of another."""
    return (np.abs(u[:, None] - u) <= HALF + 1e-3) & (run[:, None] == run)


def local_lines(near, u, data, weight, model):
    """Value (P,) at each u of the straight line fitted to data / model in its window, by dense sums."""
    u = (u - u.mean()) / HALF
    a, b = weight * data * model, weight * model**2
    a0, a1, b0, b1, b2 = (near @ np.column_stack([a, a * u, b, b * u, b * u**2])).T
    a1, b2, b1 = a1 - u * a0, b2 - 2 * u * b1 + u**2 * b0, b1 - u * b0
    return (a0 * b2 - a1 * b1) / (b0 * b2 - b1**2)


@pytest.fixture(scope="module")
def spectra(data_folder):
    """Return pieces of both arms of two stars, so that dense matrices are quick."""
    files = sorted((data_folder / "lamost_dr10").rglob("*.fits*"))[:40:20]
    if not files:
        pytest.skip("no lamost_dr10/")
    whole = maury.read_spectra(files)
    wavelength = np.atleast_2d(whole.wavelength)
    outside = ~((wavelength > 4700) & (wavelength < 5500) | (wavelength > 6200) & (wavelength < 6700))
    return replace(whole, mask=whole.mask | outside, rv=np.full(len(whole), np.nan))


def with_modes(emulator):
    """Return the emulator with three smooth modes, and a scatter that exceeds them."""
    phase = np.linspace(0, 1, len(emulator.wavelength))[:, None] * [40.0, 110.0, 300.0]
    scatter = np.sqrt(emulator.scatter**2 + 3 * 0.004**2)
    return replace(emulator, modes=0.004 * np.sin(phase), scatter=scatter)


@pytest.mark.parametrize("modes", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("i", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_agrees_with_scipy(spectra, i, modes):
    emulator = maury.Emulator.load("default").without_modes()
    if modes:
        emulator = with_modes(emulator)
    spectrum = spectra[[i]]
    result, models = fit_spectra(emulator, spectrum, Options())
    assert result.converged[0] and not result.at_bound.any() and not result.sharper[0]
    wavelength, arm = np.atleast_2d(spectrum.wavelength)[0], np.atleast_2d(spectrum.arm)[0]
    low, high = (place(emulator, edge) for edge in edges(wavelength, arm))
    pixel = pixel_velocity(emulator)
    shift = np.log10(1 + result.rv[0] / SPEED_OF_LIGHT) / emulator.log10_grid[1]
    use = np.flatnonzero(models.weight[0] > 0)
    weight, flux, shown, sigma = (x[0] for x in (models.weight, models.flux, models.model, spectrum.lsf))
    w, data, fitted, lsf = (v[use] for v in (weight, flux, shown, sigma))
    wavelength, low, high, arm = (v[use] for v in (wavelength, low, high, arm))
    u = (low + high) / 2
    near = windows(u, arm).astype(float)

    def variance(shift):
        """Return what the emulator lacks where it is moved by this shift."""
        rest = wavelength / 10 ** (shift * emulator.log10_grid[1])
        own = np.interp(rest, emulator.wavelength, emulator.lsf) / pixel_width(rest, emulator)
        return np.maximum((lsf / pixel_width(wavelength, emulator)) ** 2 - own**2, 0.0)

    def model(x, lacking):
        seen_flux = seen(low, high, lacking, x[3] + x[4] * (arm > 0), emulator.predict(x[:3]), arm)
        return local_lines(near, u, data, w, seen_flux) * seen_flux

    here = np.concatenate([result.labels[0], [shift], result.arm_rv[0] / pixel])
    lacking = variance(shift)
    np.testing.assert_allclose(model(here, lacking), fitted, rtol=3e-6)

    # The modes lie where the search was, near the solution, and are times the first continuum. Both are in
    # the weights: the scatter where the search was is the one that leaves a smooth continuum.
    def first_continuum(searched):
        scatter = np.interp(
            place(emulator, wavelength) - searched,
            np.arange(len(emulator.scatter_rest)),
            emulator.scatter_rest,
        )
        return np.sqrt(1 / w - 1 / models.ivar[0][use]) / scatter

    def roughness(searched):
        return np.sum(np.diff(np.log(first_continuum(searched))) ** 2)

    nearly = min(shift + np.linspace(-0.5, 0.5, 101), key=roughness)
    near_by = {"bounds": (nearly - 0.01, nearly + 0.01), "method": "bounded", "options": {"xatol": 1e-6}}
    searched = minimize_scalar(roughness, **near_by).x
    first, covariance = first_continuum(searched), np.diag(1 / w)
    for mode in emulator.modes.T:
        column = first * seen(low, high, variance(searched), np.full(len(u), searched), mode, arm)
        covariance += np.outer(column, column)
    factor = np.linalg.cholesky(covariance)

    def residual(x):
        return solve_triangular(factor, model(x * SCALE, lacking) - data, lower=True)

    error = np.append(np.sqrt(np.diagonal(result.covariance[0])), [0.02, 0.02])
    solution = least_squares(
        residual, (here + 0.3 * error) / SCALE, xtol=1e-9, ftol=1e-12, gtol=1e-9, x_scale="jac"
    )
    covariance = np.linalg.inv(solution.jac.T @ solution.jac) * SCALE * SCALE[:, None]
    error = np.sqrt(np.diagonal(covariance))
    # The width of the instrument in pixels is that where the round before the last ended, not the last:
    # velocities differ by up to 1.6e-3 of their errors.
    assert (np.abs(here - solution.x * SCALE) < np.array([1, 1, 1, 3, 3]) * 1e-3 * error).all()
    # The place of the modes is found from the weights: chi2 of the second star is off by 1.7e-6 with modes.
    np.testing.assert_allclose(result.chi2[0], 2 * solution.cost, rtol=3e-6 if modes else 1e-6)
    np.testing.assert_allclose(np.sqrt(np.diagonal(result.covariance[0])), error[:3], rtol=2e-3)
