"""Faults planted into good spectra: what flags are for.

Each fault is a function of (spectra, rng) that returns Spectra of the same size, `FAULTS` their list.
Strengths are drawn from weak to strong, so that some do no harm. The noise is that of the spectra.
"""

from dataclasses import replace

import numpy as np
import synthetic

from maury.spectra import SPEED_OF_LIGHT

BALMER = np.array([6564.61, 4862.68, 4341.68, 4102.89, 3971.20, 3890.15])
CALCIUM = np.array([3934.77, 3969.59, 8500.36, 8544.44, 8664.52])
TELLURIC = ((6868.0, 6960.0), (7167.0, 7330.0), (7594.0, 7700.0), (8130.0, 8350.0), (8940.0, 9850.0))
QUASAR_LINES = {1216: 3.0, 1549: 1.5, 1909: 0.6, 2799: 0.6, 4341: 0.3, 4862: 0.6, 6565: 2.5}
NEBULAR_LINES = {
    3869.9: 0.8, 4102.9: 0.25, 4341.7: 0.45, 4862.7: 1.0, 4960.3: 3.0, 5008.2: 9.0, 5877.2: 0.15,
    6549.9: 0.5, 6564.6: 3.0, 6585.3: 1.5, 9533.2: 1.0,
}  # fmt: skip
OF_GALAXIES = np.array([[4500.0, 2.2, 0, 0.1, 0.2], [5600, 4.3, 0, 0, 0.1], [9000, 4.0, 0, 0, 0.3]])
ARMS = 6000.0  # where two arms of a spectrograph meet
HC_K = 1.4388e8  # Angstrom K


def level(spectra):
    """Return a smooth continuum (N, P) of noisy spectra: medians of 300 pixels, joined."""
    pixel = np.arange(spectra.flux.shape[1])
    nodes = np.arange(0, len(pixel), 150)
    out = np.empty(spectra.flux.shape)
    for row, bad, smooth in zip(spectra.flux, spectra.mask, out, strict=True):
        good = np.where(bad, np.nan, row)
        median = np.array([np.nanmedian(good[max(0, i - 150) : i + 150]) for i in nodes])
        smooth[:] = np.interp(pixel, nodes, median)
    return out


def times(spectra, factor):
    """Return spectra whose flux and errors are multiplied by factor (N, P)."""
    return replace(spectra, flux=spectra.flux * factor, ivar=spectra.ivar / factor**2)


def instead(spectra, shape, rng):
    """Return spectra of another shape (N, P), as bright and as noisy as they were."""
    bright = np.nanmedian(np.where(spectra.mask, np.nan, spectra.flux), axis=1)[:, None]
    shape = shape / np.median(shape, axis=1, keepdims=True)
    error = np.sqrt(np.maximum(shape, 0.01)) / spectra.snr[:, None]
    flux = bright * (shape + error * rng.normal(size=shape.shape))
    return replace(spectra, flux=flux, ivar=(bright * error) ** -2.0)


def lines(wavelength, centres, sigma):
    """Return Gaussian profiles of height 1: (N, M, P) for sigma (N,) [Angstrom]."""
    away = wavelength - np.asarray(centres)[:, None]
    return np.exp(-0.5 * (away / np.reshape(sigma, (-1, 1, 1))) ** 2)


def uniform(rng, low, high, n):
    """Return n numbers as a column (n, 1), even in their logarithm."""
    return low * (high / low) ** rng.random((n, 1))


# Emission


def balmer_emission(spectra, rng):
    """H alpha of 0.2 to 2 times the continuum, the others after Case B with some self-absorption."""
    n = len(spectra)
    decrement = np.array([1.0, 0.4, 0.2, 0.12, 0.08, 0.05])
    shape = np.einsum("m,nmp->np", decrement, lines(spectra.wavelength, BALMER, rng.uniform(2.0, 4.5, n)))
    return replace(spectra, flux=spectra.flux + uniform(rng, 0.2, 2.0, n) * level(spectra) * shape)


def fill_in(spectra, rng):
    """Lift half to all of the Balmer cores to the continuum."""
    n, top = len(spectra), level(spectra)
    core = lines(spectra.wavelength, BALMER, rng.uniform(3.0, 6.0, n)).max(axis=1)
    lift = uniform(rng, 0.5, 1.0, n) * core
    return replace(spectra, flux=spectra.flux + lift * np.maximum(top - spectra.flux, 0.0))


def calcium_emission(spectra, rng):
    """Ca II H and K of 0.2 to 1.5 times the continuum, the triplet at a fifth."""
    n = len(spectra)
    height = np.array([1.0, 0.9, 0.2, 0.2, 0.2])
    shape = np.einsum("m,nmp->np", height, lines(spectra.wavelength, CALCIUM, rng.uniform(1.5, 3.0, n)))
    return replace(spectra, flux=spectra.flux + uniform(rng, 0.2, 1.5, n) * level(spectra) * shape)


# Wrong class


def planck(wavelength, teff):
    """Return black bodies of teff (N, 1) as flux a wavelength, of any scale."""
    return wavelength**-5.0 / np.expm1(HC_K / (wavelength * teff)) * 1e20


def white_dwarf(spectra, rng):
    """DA: Balmer lines as broad as gravity makes them, and nothing else."""
    n, wave = len(spectra), spectra.wavelength
    flux = planck(wave, uniform(rng, 8000.0, 40000.0, n))
    width, depth = rng.uniform(25.0, 60.0, (n, 1)), rng.uniform(0.35, 0.65, (n, 1))
    for i, centre in enumerate(BALMER):
        flux = flux * (1 - depth * (1 - 0.08 * i) / (1 + ((wave - centre) / width) ** 2))
    return instead(spectra, flux, rng)


def featureless(spectra, rng):
    """DC white dwarfs and BL Lac objects: no line at all."""
    return instead(spectra, planck(spectra.wavelength, uniform(rng, 4000.0, 30000.0, len(spectra))), rng)


def quasar(spectra, rng):
    """A power law with broad emission at a redshift of 0.2 to 2.5."""
    n, wave = len(spectra), spectra.wavelength
    rest = wave / (1 + uniform(rng, 0.2, 2.5, n))
    flux = (wave / 5000) ** rng.uniform(-2.0, -0.5, (n, 1))
    sigma = rng.uniform(1500.0, 5000.0, (n, 1)) / SPEED_OF_LIGHT
    for centre, height in QUASAR_LINES.items():
        flux = flux * (1 + height * np.exp(-0.5 * (np.log(rest / centre) / sigma) ** 2))
    return instead(spectra, flux, rng)


def galaxy(spectra, rng):
    """Old and young stars of a galaxy at a redshift of 0.01 to 0.2, velocities of 150 to 300 km/s."""
    n, wave = len(spectra), spectra.wavelength
    mix = synthetic.spectra(OF_GALAXIES).T @ rng.dirichlet([3.0, 3.0, 1.0], n).T
    sigma = rng.uniform(150.0, 300.0, n) / synthetic.PIXEL
    z = uniform(rng, 0.01, 0.2, n)[:, 0]
    shape = np.array([
        np.interp(wave / (1 + z[i]), synthetic.WAVELENGTH, synthetic.gaussian_filter1d(mix[:, i], sigma[i]))
        for i in range(n)
    ])  # fmt: skip
    return instead(spectra, shape, rng)


def composite(spectra, rng):
    """An M dwarf and a white dwarf, or a star of 12,000 K, equally bright at 5000 to 8000 Angstrom."""
    n, wave = len(spectra), spectra.wavelength
    cool = synthetic.spectra(np.column_stack([rng.uniform(3100, 3600, n), np.full(n, 5.0), np.zeros((n, 3))]))
    cool = np.array([np.interp(wave, synthetic.WAVELENGTH, row) for row in cool])
    hot = planck(wave, uniform(rng, 9000.0, 20000.0, n))
    for centre in BALMER:
        hot = hot * (1 - 0.5 / (1 + ((wave - centre) / rng.uniform(10.0, 40.0, (n, 1))) ** 2))
    at = np.searchsorted(wave, rng.uniform(5000.0, min(8000.0, wave[-1]), n)).clip(0, len(wave) - 1)
    row = np.arange(n)
    return instead(spectra, cool / cool[row, at][:, None] + hot / hot[row, at][:, None], rng)


def carbon_star(spectra, rng):
    """A star with bands of C2 (Swan) and CN, degraded to the blue and to the red, over its spectrum."""
    n, wave = len(spectra), spectra.wavelength
    depth = uniform(rng, 0.5, 2.0, n)
    optical = np.zeros((n, len(wave)))
    for head in (4383.0, 4737.0, 5165.0, 5636.0, 6191.0):
        optical += depth * (wave < head) * np.exp(-np.abs(wave - head) / 90.0)
    for head in (6926.0, 7088.0, 7259.0, 7876.0, 8067.0, 9150.0):
        optical += 0.7 * depth * (wave > head) * np.exp(-np.abs(wave - head) / 90.0)
    return times(spectra, np.exp(-np.minimum(optical, 3.0)))


def nebula(spectra, rng):
    """Lines of a planetary nebula over a faint star."""
    n, wave = len(spectra), spectra.wavelength
    shape = lines(wave, list(NEBULAR_LINES), np.full(1, 1.5))[0].T @ list(NEBULAR_LINES.values())
    return replace(spectra, flux=spectra.flux + uniform(rng, 0.3, 5.0, n) * level(spectra) * shape)


# Cosmic rays


def cosmic_storm(spectra, rng):
    """3 to 15 % of the pixels hit, in tracks of 1 to 4, by 10 to 200 errors."""
    n, p = spectra.flux.shape
    hit = np.zeros((n, p), dtype=bool)
    for i, part in enumerate(uniform(rng, 0.03, 0.15, n)[:, 0]):
        for start in rng.integers(0, p - 4, int(part * p / 2.5)):
            hit[i, start : start + rng.integers(1, 5)] = True
    error = np.where(spectra.mask, 0.0, 1 / np.sqrt(np.where(spectra.mask, 1.0, spectra.ivar)))
    return replace(spectra, flux=spectra.flux + hit * error * 10 * 20 ** rng.random((n, p)))


# Bad calibration


def ripple(spectra, rng):
    """Fringes of 2 to 10 %, with 40 to 250 Angstrom from one to the next."""
    n, wave = len(spectra), spectra.wavelength
    phase = 2 * np.pi * (wave / uniform(rng, 40.0, 250.0, n) + rng.random((n, 1)))
    return times(spectra, 1 + uniform(rng, 0.02, 0.1, n) * np.sin(phase))


def step(spectra, rng):
    """One arm 5 to 30 % brighter than the other."""
    n = len(spectra)
    factor = uniform(rng, 1.05, 1.3, n) ** rng.choice([-1, 1], (n, 1))
    return times(spectra, np.where(spectra.wavelength > ARMS, factor, 1.0))


def blue_slope(spectra, rng):
    """Flux that falls short, or rises, by 10 to 100 % from 4500 Angstrom to the blue end."""
    n = len(spectra)
    way = np.clip((4500 - spectra.wavelength) / 900, 0, None)
    return times(spectra, np.exp(way * np.log1p(uniform(rng, 0.1, 1.0, n)) * rng.choice([-1, 1], (n, 1))))


def shifted(spectra, rng):
    """Wavelengths off by 1 to 4 Angstrom at one end, right at the other."""
    n, wave = len(spectra), spectra.wavelength
    x = (wave - wave[0]) / (wave[-1] - wave[0])
    x = np.where(rng.random((n, 1)) < 0.5, x, 1 - x)
    off = x * uniform(rng, 1.0, 4.0, n) * rng.choice([-1, 1], (n, 1))
    flux = np.array([np.interp(wave + off[i], wave, spectra.flux[i]) for i in range(n)])
    return replace(spectra, flux=flux)


def sky(spectra, rng):
    """Sky lines left in, at 5 to 50 % of the continuum."""
    n, wave = len(spectra), spectra.wavelength
    comb = np.random.default_rng(4)
    red = np.sort(comb.uniform(6800.0, 10300.0, 160))
    centres = np.concatenate([[5578.9, 5891.6, 5897.6, 6302.0, 6365.5], red])
    height = np.concatenate([[2.0, 0.7, 0.5, 0.9, 0.4], comb.exponential(0.7, len(red))])
    shape = (height[:, None] * lines(wave, centres, np.full(1, 1.8))[0]).sum(axis=0)
    return replace(spectra, flux=spectra.flux + uniform(rng, 0.05, 0.5, n) * level(spectra) * shape)


def telluric(spectra, rng):
    """Oxygen and water of the air not divided out, 10 to 60 % deep."""
    n, wave = len(spectra), spectra.wavelength
    comb = np.random.default_rng(5).random(len(wave))
    comb = synthetic.gaussian_filter1d(comb, 1.5) / 0.5
    deep = np.zeros(len(wave))
    for low, high in TELLURIC:
        deep += (wave > low) * (wave < high) * np.exp(-(wave - low) / (high - low) * 2)
    return times(spectra, 1 - np.clip(uniform(rng, 0.1, 0.6, n) * deep * comb, 0.0, 0.95))


FAULTS = {
    "emission": (balmer_emission, fill_in, calcium_emission),
    "wrong class": (white_dwarf, featureless, quasar, galaxy, composite, carbon_star, nebula),
    "cosmic rays": (cosmic_storm,),
    "bad calibration": (ripple, step, blue_slope, shifted, sky, telluric),
}
