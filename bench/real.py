"""All tests on real stars, with the defaults of `maury fit`: MAURY_TEST_DATA=... python bench/real.py

Compared with catalogues: LAMOST DR10 by kind of star, and DR1; STELIB; stars of SDSS; visits of MaStar; Gaia
benchmark stars. LAMOST is measured by its own emulator, stars of DR10 that its training did not use, and by
the default emulator, all stars. Compared with each other: visits of one star. Compared with the same spectra
unchanged: multiplied by powers of the wavelength, restricted to windows, with noise added. Stars of MILES are
included if `sdss-mangadap` is installed; the default emulator was trained on most of them, which is why the
stars withheld from it have rows of their own. All results must be finite.
"""

import argparse
from dataclasses import replace

import machine
import numpy as np
import real_stars

import maury
from maury.catalog.columns import column_values
from maury.catalog.repeats import repeat_pairs
from maury.labels import offset_and_mad
from maury.spectra import assumed_ivar

COOL, SNR_MIN = 6500.0, 20.0  # K; S/N in g
GIANT = 3.5  # log g
NAMES = ("teff", "logg", "fe_h")
HOT = 8500.0  # K; labels of LASP above are poor
LATE = 4500.0  # K; dwarfs below it are few, so those of any S/N are measured
KINDS = {
    "FGK": ((4000, COOL), (-1, 6)),
    "giants": ((4000, COOL), (-1, GIANT)),
    "dwarfs 4000-4600 K": ((4000, 4600), (GIANT, 6)),
    "dwarfs 4600-5300 K": ((4600, 5300), (GIANT, 6)),
    "dwarfs 5300-6500 K": ((5300, COOL), (GIANT, 6)),
    "6500-8500 K": ((COOL, HOT), (-1, 6)),
    "8500-10,500 K": ((HOT, 10500), (-1, 6)),
    "10,500-14,000 K": ((10500, 14000), (-1, 6)),
}
FEWEST = 5  # stars of a kind
SLOPES = (-3, -1, 1, 3)
WINDOWS = ((3750, 5700), (4400, 5400), (4810, 6790))  # A
BLUE, RED = (3750, 5700), (5700, 9000)  # A
SOLAR_TYPE = ((5300, 6300), (3.8, 4.8), (-0.6, 0.4))  # Teff [K], log g, [Fe/H]
NOISE = (10.0, 30.0)  # S/N
MODELS = {"like the Sun": (5777, 4.44, 0.0), "A star of 8500 K": (8500, 4.1, 0.0)}
DRAWS = 200
DRAWS_EACH = 5  # of the best spectra of LAMOST
# Goals: medians no larger than this.
SLOPE_GOAL, WINDOW_GOAL, MILES_GOAL = (5, 0.015, 0.005), (40, 0.08, 0.05), (25, 0.05, 0.03)
LATE_GOAL = (80, 0.15, 0.12)
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
    """Compare stars with their catalogue, by kind; return the labels found."""
    found = measured(spectra, emulator)
    for kind, (teff, logg) in KINDS.items():
        here = (labels[:, 0] >= teff[0]) & (labels[:, 0] < teff[1])
        here &= (labels[:, 1] >= logg[0]) & (labels[:, 1] < logg[1])
        if here.sum() >= FEWEST:
            print_row(f"{sample}, {kind}", "minus catalogue", here.sum(), statistics((found - labels)[here]))
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


def restricted(spectra, low, high):
    """Return spectra with all pixels outside a window masked."""
    outside = (spectra.wavelength < low) | (spectra.wavelength > high)
    return replace(spectra, mask=spectra.mask | outside)


def windows(sample, spectra, unchanged, emulator, goal):
    """Measure windows alone, compared with all pixels."""
    for low, high in WINDOWS:
        change = measured(restricted(spectra, low, high), emulator) - unchanged
        print_row(sample, f"{low}-{high} A", len(change), statistics(change), goal)


def blue_and_red(sample, spectra, emulator):
    """Measure the blue and the red part, compared with each other."""
    blue, red = (measured(restricted(spectra, *part), emulator) for part in (BLUE, RED))
    print_row(sample, "3750-5700 minus 5700-9000 A", len(blue), statistics(blue - red), WINDOW_GOAL)


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


def lamost(most):
    """Print the rows of LAMOST."""
    own, default = maury.Emulator.load("lamost"), maury.Emulator.load("default")
    spectra, labels, snr = real_stars.lamost("lamost_dr10", "file")
    good = snr > SNR_MIN
    unseen = np.flatnonzero(good & real_stars.unseen_by_lamost(spectra))
    found = compare("LAMOST DR10, unseen", spectra[unseen], labels[unseen], own)
    cool = labels[unseen, 0] < HOT
    unseen, found = unseen[cool], found[cool]
    dwarf = unseen[(labels[unseen, 0] < COOL) & (labels[unseen, 1] >= GIANT)]
    blue_and_red("LAMOST DR10, unseen FGK dwarfs", spectra[dwarf], own)
    slopes("LAMOST DR10, unseen", spectra[unseen], found, own)
    windows("LAMOST DR10, unseen", spectra[unseen], found, own, WINDOW_GOAL)
    best = unseen[np.argsort(-snr[unseen])[:DRAWS]]
    noise("LAMOST DR10, unseen, best S/N", spectra[best], measured(spectra[best], own), own, DRAWS_EACH)
    chosen = np.sort(np.random.default_rng(0).permutation(np.flatnonzero(good))[:most])
    compare("LAMOST DR10, default", spectra[chosen], labels[chosen], default)
    spectra, labels, snr = real_stars.lamost("lamost_dr1", "filename")
    chosen = np.flatnonzero((snr > SNR_MIN) & (labels[:, 0] < COOL))
    late = np.flatnonzero((labels[:, 0] < LATE) & (labels[:, 1] >= GIANT))
    for name, emulator in (("lamost", own), ("default", default)):
        compare(f"LAMOST DR1, {name}", spectra[chosen], labels[chosen], emulator)
        off = measured(spectra[late], emulator) - labels[late]
        print_row(f"LAMOST DR1, {name}", f"dwarfs below {LATE:g} K", len(late), statistics(off), LATE_GOAL)
    repeats(own)


def repeats(emulator):
    """Compare the visits of one star: their scatter, and the width of their pulls."""
    spectra = real_stars.lamost_repeats()
    for errors in (None, "lamost"):
        catalog = maury.fit(spectra, emulator, threads=1, errors=errors)
        pairs = repeat_pairs(catalog, list(NAMES))
        scatter, pulls = [], []
        for name in NAMES:
            value, error = column_values(catalog, name), column_values(catalog, f"{name}_err")
            noise = np.sqrt(error**2 - column_values(catalog, f"{name}_err_model") ** 2)
            difference = value[pairs.first] - value[pairs.second]
            scatter.append(np.median(np.abs(difference)) * 1.4826 / np.sqrt(2))
            pulls.append(np.diff(np.percentile(difference / np.hypot(noise[pairs.first], noise[pairs.second]),
                                               [15.866, 84.134]))[0] / 2)  # fmt: skip
        if errors is None:
            print_row("LAMOST, visits of one star", "scatter of a visit", len(pairs), cells(scatter))
        what = "width of pulls, formal" if errors is None else f"width of pulls, --errors {errors}"
        print_row("LAMOST, visits of one star", what, len(pairs), cells(pulls))


def libraries(emulator):
    """Print the rows of MILES and STELIB."""
    for name in ("miles", "stelib"):
        spectra, labels = real_stars.library(name)
        withheld = np.isin(spectra.star_id, real_stars.withheld(name))
        compare(f"{name.upper()}, withheld", spectra[withheld], labels[withheld], emulator)
    spectra, labels = real_stars.library("miles")
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
    parser.add_argument(
        "--most", type=int, default=100_000, help="number of spectra of LAMOST DR10 for the default emulator"
    )
    options = parser.parse_args()
    machine.print_header()
    emulator = maury.Emulator.load("default")
    print("median / MAD of the differences; a goal is that of the median\n")
    print(HEAD)
    lamost(options.most)
    spectra, labels = real_stars.sdss()
    compare("SDSS templates", spectra, labels, emulator)
    for stars in (real_stars.mastar, real_stars.benchmark):
        single(*stars(), emulator)
    if real_stars.miles_is_installed():
        libraries(emulator)
    else:
        print("MILES: pip install --no-deps sdss-mangadap==4.5.0")


if __name__ == "__main__":
    main()
