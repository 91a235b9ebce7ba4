"""Synthetic spectra of stars from 3000 to 30,000 K: smooth in five labels, with the physics that shapes them.

Not for science. They have the features of real spectra: lines that depend on temperature by Saha and
Boltzmann, wings sensitive to gravity, saturated lines sensitive to microturbulence, molecular bands.
One layer of gas at Teff; everything per hydrogen nucleus, cgs, energies in eV.
"""

from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

LABELS = ("teff", "logg", "fe_h", "alpha_fe", "log_vmicro")
LOW = np.array([3000.0, -0.5, -2.5, -0.25, -0.3])
HIGH = np.array([30000.0, 5.5, 0.75, 0.6, 0.9])

LOG_STEP = 1e-4
WAVELENGTH = 10 ** (np.log10(3621.6) + LOG_STEP * np.arange(4563))  # that of MaStar, vacuum Angstrom
PIXEL = 299792.458 * np.log(10) * LOG_STEP  # km/s
DEPTH = 0.8  # of a saturated line at its centre
STRONGEST = 200.0  # line over continuous opacity; more would fill the window of the median


class Species(NamedTuple):
    """Lines of one ion, energies to reach this stage and to leave it, and the range of the lower levels."""

    lines: int
    log_abundance: float
    alpha: bool
    reach: float
    leave: float
    partition: float
    low: float
    high: float
    mass: float


SPECIES = (
    Species(1000, -4.5, False, 0.0, 7.9, 25.0, 0.0, 5.0, 56.0),  # Fe I and similar
    Species(200, -4.5, False, 7.9, 16.2, 45.0, 2.0, 6.0, 56.0),  # Fe II
    Species(350, -5.0, True, 0.0, 6.8, 8.0, 0.0, 5.5, 40.0),  # Ca I, Ti I, Mg I, Si I
    Species(250, -5.5, True, 6.8, 13.6, 15.0, 0.5, 4.0, 44.0),  # Ti II
    Species(80, -3.6, True, 11.0, 30.0, 8.0, 13.0, 21.0, 20.0),  # O II, N II, C II, Si III
)
# Resolved lines of each of STRONG_SPECIES: wavelength, log gf, energy of the lower level.
STRONG = (
    ((3934.78, 0.13, 0.0), (3969.59, -0.17, 0.0)),
    ((8500.36, -1.3, 1.69), (8544.44, -0.36, 1.70), (8664.52, -0.62, 1.69)),
    ((5168.76, -0.87, 2.71), (5174.13, -0.39, 2.71), (5185.05, -0.17, 2.72), (4227.92, 0.24, 0.0)),
    ((5891.58, 0.11, 0.0), (5897.56, -0.19, 0.0)),
)
STRONG_SPECIES = (
    Species(2, -5.7, True, 6.1, 11.9, 2.3, 0.0, 0.0, 40.0),  # Ca II, H and K
    Species(3, -5.7, True, 6.1, 11.9, 2.3, 0.0, 0.0, 40.0),  # Ca II, triplet
    Species(4, -4.6, True, 0.0, 7.4, 1.3, 0.0, 0.0, 24.0),  # Mg b; Ca I 4227
    Species(2, -5.8, False, 0.0, 5.1, 2.0, 0.0, 0.0, 23.0),  # Na D
)
HELIUM = Species(9, -1.0, False, 0.0, 24.6, 1.0, 0.0, 0.0, 4.0)
HELIUM_LINES = tuple(
    (wavelength, log_gf, 21.0)
    for wavelength, log_gf in (
        (3820.7, -0.8), (4027.3, -0.4), (4472.7, 0.05), (4714.5, -1.2), (4923.3, -0.4), (5017.1, -0.8),
        (5877.2, 0.7), (6679.9, 0.3), (7067.1, -0.2),
    )
)  # fmt: skip
# Molecules: band heads and width [Angstrom], dissociation energy, 5040 K / T where they come, effect of logg.
BANDS = (
    ((4956, 5168, 5449, 5863, 6160, 6653, 7056, 7591, 8206, 8434, 8862, 9211), 140.0, 6.9, 1.33, 0.1),  # TiO
    ((4288, 4305), 25.0, 3.5, 1.0, -0.1),  # CH
    ((3860, 4180, 7900, 9170), 60.0, 5.0, 1.15, -0.25),  # CN
    ((4780, 5005, 5165), 60.0, 2.5, 1.15, 0.5),  # MgH
    ((6384, 6750, 6946), 70.0, 2.5, 1.4, 0.6),  # CaH
)


def sample_labels(n, rng):
    """Return labels (n, 5), uniform in the box, teff in its logarithm."""
    low, high = LOW.copy(), HIGH.copy()
    low[0], high[0] = np.log10(low[0]), np.log10(high[0])
    labels = low + rng.random((n, len(LOW))) * (high - low)
    labels[:, 0] = 10 ** labels[:, 0]
    return labels


class Gas:
    """State of the gas of N stars: every attribute is (N, 1)."""

    def __init__(self, labels):
        self.teff, self.logg, self.fe_h, self.alpha_fe, log_vmicro = np.hsplit(labels, 5)
        self.theta = 5040 / self.teff
        self.vmicro = 10**log_vmicro
        # Above about 8000 K the gas is more opaque and the photosphere thinner.
        self.pressure = 10 ** (
            5 + 0.6 * (self.logg - 4.44) - 0.375 * np.log1p(np.exp(12 * (np.log10(self.teff) - 3.9)))
        )
        ionised = self.saha(13.6, self.pressure)
        fraction = np.sqrt(ionised / (1 + ionised))
        metals = 1e-4 * 10 ** (self.fe_h + 0.5 * self.alpha_fe)
        split = self.saha(7.5, self.pressure * np.sqrt(metals**2 + fraction**2))
        electrons = fraction / (1 + fraction) + metals * split / (1 + split)
        self.electrons = self.pressure * electrons
        self.neutral = 1 - fraction
        self.opacity = (
            6e-27 * self.neutral * self.electrons * self.theta**2.5 * 10 ** (0.754 * self.theta)  # H-
            + 9e-17 * self.neutral * 10 ** (-12.09 * self.theta)  # H, from n = 3
            + 6.65e-25 * fraction  # free electrons
        )

    def saha(self, energy, electrons):
        """Return the ratio of ions to atoms: log (N1/N0 Pe) = -theta E + 2.5 log T - 0.48."""
        return 10 ** np.clip(-self.theta * energy + 2.5 * np.log10(self.teff) - 0.48, -60, 60) / electrons

    def share(self, species):
        """Return the fraction of an element in this stage."""
        below = 1 / self.saha(species.reach, self.electrons) if species.reach else 0.0
        return 1 / (1 + below + self.saha(species.leave, self.electrons))

    def doppler(self, species):
        """Return the width of a line [km/s]."""
        return np.sqrt(2 * 8.314e-3 * self.teff / species.mass + self.vmicro**2)

    def strength(self, species, wavelength, log_gf, energy):
        """Return line over continuous opacity at the centre of lines (M,): (N, M)."""
        log_number = species.log_abundance + np.zeros_like(self.fe_h)
        if species is not HELIUM:
            log_number = log_number + self.fe_h + species.alpha * self.alpha_fe
        per_ion = 1.5e-14 * wavelength * 10 ** (log_gf - self.theta * energy) / species.partition
        return 10**log_number * self.share(species) * per_ion / self.doppler(species) / self.opacity

    def damping(self, species):
        """Return damping over Doppler width: it grows with the pressure."""
        return 0.03 * (self.pressure / 1e5) ** 0.5 / self.doppler(species)


def spectra(labels, chunk=250, blur=0.8):
    """Return flux (N, P), not normalised, float32; sigma of unresolved lines is hypot(0.6, blur) pixels."""
    rng = np.random.default_rng(20)
    lists = [_line_list(species, rng) for species in SPECIES]
    texture = 0.3 + gaussian_filter1d(rng.exponential(1.0, len(WAVELENGTH)), 1.0)
    parts = [_spectra(Gas(labels[i : i + chunk]), lists, texture, blur) for i in range(0, len(labels), chunk)]
    return np.concatenate(parts)


def _line_list(species, rng):
    """Draw lines, denser in the blue: wavelength, log gf, energy, and their profiles (M, P) of one pixel."""
    wavelength = 3600 * (10400 / 3600) ** (rng.random(species.lines) ** 1.6)
    log_gf = rng.normal(-2.7, 0.9, species.lines)
    energy = rng.uniform(species.low, species.high, species.lines)
    centre = np.log10(wavelength / WAVELENGTH[0]) / LOG_STEP
    offset = np.arange(len(WAVELENGTH)) - centre[:, None]
    profile = np.exp(-0.5 * (offset / 0.6) ** 2) / (0.6 * np.sqrt(2 * np.pi))
    return wavelength, log_gf, energy, profile.astype(np.float32)


def _spectra(gas, lists, texture, blur):
    depth = np.zeros((len(gas.teff), len(WAVELENGTH)), dtype=np.float32)  # optical, at one pixel's resolution
    for species, (wavelength, log_gf, energy, profile) in zip(SPECIES, lists, strict=True):
        width = _curve_of_growth(gas.strength(species, wavelength, log_gf, energy), gas.damping(species))
        depth += (gas.doppler(species) * width / PIXEL).astype(np.float32) @ profile
    depth += _bands(gas, texture)
    flux = 1 - np.float32(DEPTH) * -np.expm1(-depth / np.float32(DEPTH))
    for species, lines in zip((*STRONG_SPECIES, HELIUM), (*STRONG, HELIUM_LINES), strict=True):
        # Helium's wings are those of electrons.
        damping = gas.damping(species) if species is not HELIUM else 1e-3 * gas.electrons**0.5
        for line in lines:
            width = np.hypot(gas.doppler(species), 30.0) / gas.doppler(species)  # stays finite on the grid
            strength = gas.strength(species, *line) / width
            strength /= 1 + strength / STRONGEST
            _absorb(flux, line[0], strength, gas.doppler(species) * width, damping / width)
    _absorb_hydrogen(flux, gas)
    planck = WAVELENGTH**-5.0 / np.expm1(1.4388e8 / (WAVELENGTH * gas.teff))
    flux *= (planck / planck.max(axis=1, keepdims=True)).astype(np.float32)
    return gaussian_filter1d(flux, blur, axis=1) if blur else flux


def _curve_of_growth(strength, damping):
    """Return equivalent over Doppler width: linear, then sqrt(log), then sqrt (Mihalas 1978, ch. 10)."""
    linear = np.sqrt(np.pi) * strength
    flat = 2 * np.sqrt(np.log(2 + strength))
    wings = np.sqrt(np.pi * damping * strength) * strength / (10 + strength)
    return DEPTH * (linear * flat / (linear + flat) + wings / (1 + 0.02 * wings))


def _absorb(flux, wavelength, strength, width, damping):
    """Multiply by a resolved line of (N, 1) strength, width [km/s] and damping."""
    offset = (299792.458 * np.log(WAVELENGTH / wavelength)).astype(np.float32)
    near = slice(*np.searchsorted(offset, (-15000.0, 15000.0)))
    square = (offset[near] / width.astype(np.float32)) ** 2
    profile = np.exp(-square) + damping.astype(np.float32) / np.sqrt(np.pi) / (1 + square)
    line = strength.astype(np.float32) * profile
    flux[:, near] *= 1 - np.float32(DEPTH) * line / (1 + line)


def _absorb_hydrogen(flux, gas):
    """Multiply by the Balmer and Paschen lines; the electrons set their wings (linear Stark effect)."""
    for lower, uppers, energy, scale in ((2, range(3, 17), 10.2, 3.2), (3, range(7, 18), 12.09, 2.5)):
        for upper in uppers:
            wavelength = 911.76 / (1 / lower**2 - 1 / upper**2)
            strength = scale / upper**3 * lower**2 * 10 ** (-energy * gas.theta)
            width = np.sqrt(0.01663 * gas.teff + 30.0**2)
            strength = 1.5e-15 * wavelength * gas.neutral * strength / width / gas.opacity
            damping = 6e-3 * upper**2 * gas.electrons**0.6 / width
            _absorb(flux, wavelength, strength, width, damping)


def _bands(gas, texture):
    """Return the optical depth of the molecular bands (N, P)."""
    depth = np.zeros((len(gas.teff), len(WAVELENGTH)), dtype=np.float32)
    for heads, width, energy, theta, gravity in BANDS:
        log_strength = energy * (gas.theta - theta) + gas.fe_h + 0.7 * gas.alpha_fe + gravity * (gas.logg - 4)
        strength = 10 ** np.clip(log_strength, -30, 30)
        redward = WAVELENGTH - np.array(heads)[:, None]
        edge = 1 / (1 + np.exp(np.clip(-redward / 2, -50, 50)))
        shape = (edge * np.exp(-np.maximum(redward, 0) / width)).sum(axis=0)
        saturated = 0.3 * np.log1p(strength)  # as its many lines do
        depth += (saturated * shape * texture).astype(np.float32)
    return depth
