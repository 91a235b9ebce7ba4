"""Labels of real stars, with the defaults of `maury fit`: MAURY_TEST_DATA=... python bench/real_accuracy.py

Compared with catalogues: LAMOST DR10 and DR1, stars of SDSS, visits of MaStar, Gaia benchmark stars. Compared
with the same spectra unchanged: multiplied by powers of the wavelength, restricted to windows, with noise
added. Stars of MILES are included if `sdss-mangadap` is installed; the built-in emulator was trained on most
of them. All results must be finite.
"""

import argparse
from dataclasses import replace

import machine
import numpy as np
import real_stars

import maury
from maury.labels import offset_and_mad
from maury.spectra import assumed_ivar

COOL, SNR_MIN = 6500.0, 20.0  # K; S/N in g
GIANT = 3.5  # log g
SLOPES = (-3, -1, 1, 3)
WINDOWS = ((3750, 5700), (4400, 5400), (4810, 6790))  # A
SOLAR_TYPE = ((5300, 6300), (3.8, 4.8), (-0.6, 0.4))  # Teff [K], log g, [Fe/H]
NOISE = (10.0, 30.0)  # S/N
MODELS = {"like the Sun": (5777, 4.44, 0.0), "A star of 8500 K": (8500, 4.1, 0.0)}
DRAWS = 200
# Goals: medians no larger than this.
SLOPE_GOAL, WINDOW_GOAL, MILES_GOAL = (5, 0.015, 0.005), (40, 0.08, 0.05), (25, 0.05, 0.03)
HEAD = f"| {'sample':31} | {'test':27} | n | Teff [K] | log g | [Fe/H] | goal |\n|{'---|' * 7}"


def measured(spectra, emulator):
    """Return labels (N, 3); every one must be finite."""
    labels = real_stars.labels_of(maury.fit(spectra, emulator, threads=1))
    assert np.isfinite(labels).all(), f"{np.sum(~np.isfinite(labels).all(axis=1))} fits without labels"
    return labels


def cells(values):
    """Return three numbers as cells."""
    assert np.isfinite(values).all()
    return f"{values[0]:+.1f}", f"{values[1]:+.3f}", f"{values[2]:+.3f}"


def statistics(difference):
    """Return three cells, each median / MAD."""
    offset, mad = (np.array(part) for part in zip(*map(offset_and_mad, difference.T), strict=True))
    widths = [cell.removeprefix("+") for cell in cells(mad)]
    return [f"{a} / {b}" for a, b in zip(cells(offset), widths, strict=True)]


def print_row(sample, test, n, three, goal=None):
    """Print a row of the table."""
    words = "" if goal is None else f"{goal[0]:g} / {goal[1]:g} / {goal[2]:g}"
    print(f"| {sample:31} | {test:27} | {n} | {' | '.join(three)} | {words} |", flush=True)


def compare(sample, spectra, labels, emulator):
    """Compare cool stars with their catalogue, all and giants; return their spectra and labels."""
    found = measured(spectra, emulator)
    difference, giant = found - labels, labels[:, 1] < GIANT
    print_row(sample, "minus catalogue", len(found), statistics(difference))
    if giant.sum() >= 5:
        print_row(f"{sample}, giants", "minus catalogue", giant.sum(), statistics(difference[giant]))
    return found


def slopes(sample, spectra, unchanged, emulator):
    """Multiply the flux by powers of the wavelength."""
    for power in SLOPES:
        factor = (spectra.wavelength / 5000.0) ** power
        factor = np.where(np.isfinite(factor), factor, 1.0)
        tilted = replace(spectra, flux=spectra.flux * factor, ivar=spectra.ivar / factor**2)
        change = measured(tilted, emulator) - unchanged
        print_row(sample, f"times wavelength^{power}", len(change), statistics(change), SLOPE_GOAL)
        largest = [cell.removeprefix("+") for cell in cells(np.median(np.abs(change), axis=0))]
        print_row(sample, "the same, absolute change", len(change), largest, SLOPE_GOAL)


def windows(sample, spectra, unchanged, emulator, goal):
    """Mask all pixels outside a window."""
    for low, high in WINDOWS:
        outside = (spectra.wavelength < low) | (spectra.wavelength > high)
        part = replace(spectra, mask=spectra.mask | outside)
        change = measured(part, emulator) - unchanged
        print_row(sample, f"{low}-{high} A", len(change), statistics(change), goal)


def noise(sample, spectra, unchanged, emulator, draws=1):
    """Give the spectra the inverse variance of a lower S/N, and then noise of that S/N."""
    for snr in NOISE:
        variance = 1 / assumed_ivar(spectra.flux, spectra.mask, snr=snr).clip(1e-30)
        with np.errstate(divide="ignore"):
            ivar = np.where(spectra.mask, 0.0, 1 / (1 / spectra.ivar + variance))
        weighted = replace(spectra, ivar=ivar, snr=np.full(len(spectra), snr))
        still = measured(weighted, emulator)
        print_row(sample, f"weights of S/N {snr:g}", len(still), statistics(still - unchanged))
        many = maury.Spectra.concatenate([weighted] * draws)
        random = np.random.default_rng(int(snr)).standard_normal(many.flux.shape)
        added = np.where(many.mask, 0.0, random * np.tile(np.sqrt(variance), (draws, 1)))
        change = measured(replace(many, flux=many.flux + added), emulator) - np.tile(still, (draws, 1))
        print_row(sample, f"noise of S/N {snr:g}", len(change), statistics(change))


def lamost(emulator, most):
    """Print the rows of LAMOST."""
    spectra, labels, snr = real_stars.lamost("lamost_dr10", "file")
    chosen = np.flatnonzero((snr > SNR_MIN) & (labels[:, 0] < COOL))
    chosen = np.sort(np.random.default_rng(0).permutation(chosen)[:most])
    spectra, labels, snr = spectra[chosen], labels[chosen], snr[chosen]
    found = compare("LAMOST DR10, FGK", spectra, labels, emulator)
    slopes("LAMOST DR10, FGK", spectra, found, emulator)
    windows("LAMOST DR10, FGK", spectra, found, emulator, WINDOW_GOAL)
    best = np.argsort(-snr)[:DRAWS]
    noise("LAMOST DR10, FGK, best S/N", spectra[best], found[best], emulator)
    spectra, labels, snr = real_stars.lamost("lamost_dr1", "filename")
    chosen = np.flatnonzero((snr > SNR_MIN) & (labels[:, 0] < COOL))
    compare("LAMOST DR1, FGK", spectra[chosen], labels[chosen], emulator)


def miles(emulator):
    """Print the rows of MILES."""
    spectra, labels = real_stars.miles()
    low, high = np.transpose(SOLAR_TYPE)
    chosen = np.flatnonzero(((labels > low) & (labels < high)).all(axis=1))
    found = measured(spectra[chosen], emulator)
    print_row("MILES, solar type", "minus catalogue", len(chosen), statistics(found - labels[chosen]))
    windows("MILES, solar type", spectra[chosen], found, emulator, MILES_GOAL)
    for name, model in MODELS.items():
        scale = np.array([100.0 * model[0] / 5777, 0.2, 0.1])
        one = [int(np.argmin((((labels - model) / scale) ** 2).sum(axis=1)))]
        noise(f"MILES, {name}", spectra[one], measured(spectra[one], emulator), emulator, DRAWS)


def single(spectra, labels, names, emulator):
    """Print measured minus listed labels of each star; NaN = not listed."""
    for name, difference in zip(names, measured(spectra, emulator) - labels, strict=True):
        print_row(name, "minus catalogue", 1, cells(difference))


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--most", type=int, default=100_000, help="number of spectra of LAMOST DR10")
    options = parser.parse_args()
    machine.print_header()
    emulator = maury.Emulator.load("default")
    print("median / MAD of the differences; a goal is that of the median\n")
    print(HEAD)
    lamost(emulator, options.most)
    spectra, labels = real_stars.sdss()
    compare("SDSS templates, FGK", spectra, labels, emulator)
    for stars in (real_stars.mastar, real_stars.benchmark):
        single(*stars(), emulator)
    if real_stars.miles_is_installed():
        miles(emulator)
    else:
        print("MILES: pip install --no-deps sdss-mangadap==4.5.0")


if __name__ == "__main__":
    main()
