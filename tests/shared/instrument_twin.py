"""The slow twin of the instrument, a dense matrix in NumPy, float64; and spectra as `observe` gives them."""

from dataclasses import replace

import numpy as np
from scipy.linalg import solve_banded
from scipy.special import erfc

from maury.measure.observe import observe
from maury.measure.options import Options
from maury.spectra import SPEED_OF_LIGHT, Spectra


def step(x, s):
    """S(x) = third difference of T / 6, T(y) = (y^3 + 3 y s^2) Phi(y / s) + s (y^2 + 2 s^2) phi(y / s)."""
    s = np.broadcast_to(np.maximum(s, 1e-6), x.shape)
    out = np.where(x > 0, 1.0, 0.0)
    near = np.abs(x) < 2 + 9 * s  # beyond, cubes of large numbers are not exact
    x, s = x[near], s[near]

    def t(y):
        density = np.exp(-0.5 * (y / s) ** 2) / np.sqrt(2 * np.pi)
        return (y**3 + 3 * y * s**2) * erfc(-y / s / np.sqrt(2)) / 2 + s * (y**2 + 2 * s**2) * density

    out[near] = (t(x + 1.5) - 3 * t(x + 0.5) + 3 * t(x - 0.5) - t(x - 1.5)) / 6
    return out


def coefficients(values):
    """Return coefficients (n,) of quadratic B-splines with these averages over the pixels of a grid."""
    n = len(values)
    bands = np.vstack([np.full(n, 1 / 6), np.full(n, 4 / 6), np.full(n, 1 / 6)])
    bands[1, [0, -1]] = 5 / 6  # f goes on as it ends
    return solve_banded((1, 1), bands, values)


def seen(low, high, variance, shift, flux, arm=None):
    """Return what pixels at low to high see of flux (n,) on a grid: dense weights times coefficients."""
    n, n_pixels = len(flux), len(low)
    sigma = np.sqrt(np.maximum(variance, 0.0)) * np.ones(n_pixels)
    arm = np.zeros(n_pixels) if arm is None else arm
    shared = (high[:-1] == low[1:]) & (arm[:-1] == arm[1:])
    shared &= np.abs(np.diff(sigma)) <= 0.1 * np.maximum(sigma[1:], sigma[:-1])
    middle = (sigma[1:] + sigma[:-1]) / 2
    lower, upper = sigma.copy(), sigma.copy()
    lower[1:][shared] = upper[:-1][shared] = middle[shared]
    reach = 3 + 9 * sigma.max()
    knots = np.arange(np.floor((low - shift).min() - reach), np.ceil((high - shift).max() + reach))
    far = (low - shift)[:, None] - knots, (high - shift)[:, None] - knots
    weights = step(far[1], upper[:, None]) - step(far[0], lower[:, None])
    beyond = np.clip(knots, 0, n - 1).astype(int)
    return weights @ coefficients(flux)[beyond] / (high - low)


def moving_stars(emulator, labels, rv, snr, wavelength=None, lsf=None, seed=0, margin=1000.0, **more):
    """Return spectra of stars (N, L) at velocities (N,) as `observe` would, but with a running median of 1.

    `more` goes to `Spectra`; `see` in it holds the velocities of further arms and a broadening [pixels^2].
    """
    n = len(labels)
    see = more.pop("see", None)
    wavelength = emulator.wavelength if wavelength is None else wavelength
    ones = np.ones((n, np.shape(wavelength)[-1]))
    observed = observe(Spectra(wavelength, ones, ones, lsf=lsf, **more), emulator, np.zeros(n), margin=margin)
    shift = np.log10(1 + np.broadcast_to(rv, (n,)) / SPEED_OF_LIGHT) / emulator.log10_grid[1]
    free = Options(velocity="given", arm_rv="arm" in more and see is not None, broadening=see is not None)
    core = observed.core(free, shift)
    flux = core.see(emulator.core, np.ascontiguousarray(labels), np.empty((n, 0)) if see is None else see)
    sigma = np.broadcast_to(1 / np.asarray(snr, dtype=float), (n,))[:, None]
    flux = flux + sigma * np.random.default_rng(seed).standard_normal(flux.shape)
    return replace(observed, flux=flux, ivar=np.where(observed.ivar > 0, 1 / sigma**2, 0.0))


def pull_width(pull):
    """Return the width of a normal distribution with the central half of these numbers."""
    return 1.4826 * np.median(np.abs(pull - np.median(pull, axis=0)), axis=0)
