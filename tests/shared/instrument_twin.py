"""The slow twins of the instrument and the continuum, dense matrices in NumPy, float64; and moving stars."""

import numpy as np
from scipy.linalg import solve_banded
from scipy.special import erfc

import maury._core as _core
from maury.emulator.grid import pixel_velocity
from maury.measure.fit import core_options, core_spectra
from maury.measure.options import AT_REST
from maury.measure.plan import fit_plan
from maury.spectra import Spectra


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
    shared &= np.minimum(sigma[1:], sigma[:-1]) >= 0.9 * np.maximum(sigma[1:], sigma[:-1])
    middle = np.sqrt((sigma[1:] ** 2 + sigma[:-1] ** 2) / 2)
    lower, upper = sigma.copy(), sigma.copy()
    lower[1:][shared] = upper[:-1][shared] = middle[shared]
    reach = 3 + 9 * sigma.max()
    knots = np.arange(np.floor((low - shift).min() - reach), np.ceil((high - shift).max() + reach))
    far = (low - shift)[:, None] - knots, (high - shift)[:, None] - knots
    weights = step(far[1], upper[:, None]) - step(far[0], lower[:, None])
    beyond = np.clip(knots, 0, n - 1).astype(int)
    return weights @ coefficients(flux)[beyond] / (high - low)


def edges(wavelength, arm=None):
    """Half-way between neighbours of an arm; at its ends and at gaps as wide as on the other side."""
    low, high = np.empty_like(wavelength), np.empty_like(wavelength)
    arm = np.zeros(len(wavelength)) if arm is None else arm
    for number in np.unique(arm):
        own = np.flatnonzero(arm == number)
        step = np.diff(wavelength[own])
        typical = np.concatenate([step[:1], np.minimum(step[1:], step[:-1]), step[-1:]])
        half = np.append(step, np.inf) / 2
        half = np.where(half > 0.75 * typical, typical / 2, half)
        high[own] = wavelength[own] + half
        half = np.insert(step, 0, np.inf) / 2
        low[own] = wavelength[own] - np.where(half > 0.75 * typical, typical / 2, half)
    return low, high


def place(emulator, wavelength):
    """Pixel of an even grid at a wavelength."""
    start, step = emulator.log10_grid
    return (np.log10(wavelength) - start) / step


def local_line(u, run, data, weight, model, half):
    """Value at each u of the line that fits data / model with weights w f^2 within `half`, of its own run."""
    line = np.ones(len(u))
    for p in range(len(u)):
        near = (np.abs(u - u[p]) <= half + 1e-3) & (run == run[p])
        used = near & (weight > 0)
        if not used.any():
            continue
        design = np.column_stack([np.ones(used.sum()), u[used] - u[p]]) * model[used, None]
        root = np.sqrt(weight[used])
        line[p] = np.linalg.lstsq(design * root[:, None], data[used] * root, rcond=None)[0][0]
    return line


def shown(emulator, spectra, labels, rv, arm_rv=None, broadening=None):
    """Return the emulator (N, P) as spectra show it, by the core; NaN beyond the emulator."""
    ones = Spectra(
        spectra.wavelength,
        np.ones_like(spectra.flux),
        np.ones_like(spectra.flux),
        lsf=spectra.lsf,
        arm=spectra.arm,
        resolution=spectra.resolution,
    )
    n = len(ones)
    return _core.show(
        fit_plan(emulator, AT_REST.box(emulator)),
        core_spectra(ones, emulator),
        core_options(AT_REST) | {"continuum": False, "clip": 0.0},
        np.ascontiguousarray(labels, dtype=float),
        np.ascontiguousarray(np.broadcast_to(rv, (n,)), dtype=float),
        None if arm_rv is None else np.ascontiguousarray(np.reshape(arm_rv, (n, -1)), dtype=float),
        None if broadening is None else np.ascontiguousarray(np.broadcast_to(broadening, (n,)), dtype=float),
    )["model"]


def moving_stars(
    emulator, labels, rv, snr, wavelength=None, lsf=None, seed=0, arm_rv=None, extra=None, **more
):
    """Return spectra of stars (N, L) at velocities (N,), normalised, with noise; masked beyond the emulator.

    `extra` (N,) is a broadening [pixels^2]; `more` goes to `Spectra`.
    """
    n = len(labels)
    wavelength = emulator.wavelength if wavelength is None else wavelength
    ones = np.ones((n, np.shape(wavelength)[-1]))
    empty = Spectra(wavelength, ones, ones, lsf=lsf, **more)
    broadening = None if extra is None else np.sqrt(extra) * pixel_velocity(emulator)
    flux = shown(emulator, empty, labels, rv, arm_rv, broadening)
    sigma = np.broadcast_to(1 / np.asarray(snr, dtype=float), (n,))[:, None]
    beyond = np.isnan(flux)
    noise = sigma * np.random.default_rng(seed).standard_normal(flux.shape)
    flux = np.where(beyond, 1.0, flux + noise)
    return Spectra(wavelength, flux, ones / sigma**2, beyond, lsf=lsf, **more)


def pull_width(pull):
    """Return the width of a normal distribution with the central half of these numbers."""
    return 1.4826 * np.median(np.abs(pull - np.median(pull, axis=0)), axis=0)
