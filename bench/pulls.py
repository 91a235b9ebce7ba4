"""Residuals and widths of pulls by kind of star: python bench/pulls.py F.npz [--lamost FOLDER]

A pull is (fitted - given - offset) / error, with the error that a catalogue reports, noise and model
together. Its width is half of the range that holds the middle 68.3 % of the stars; 1 is right.

MILES: five networks are each trained without a fifth of the stars and measure it (tools/make_data.py with
--residuals F.npz); the model error of each fifth is estimated from the other four. (Their networks were
trained on that fifth, but its residuals are not used.) Stars that are withheld from all training are measured
by the built-in emulator, with its own model error.
STELIB, withheld stars, and LAMOST: measured by the built-in emulator, after the median offset of each label;
of LAMOST the errors of its pipeline, 35 K, 0.06 and 0.035 dex, are subtracted in quadrature.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
import real_stars
from astropy.table import Table
from real import SOLAR_TYPE, statistics

import maury
from maury.catalog.columns import column_values
from maury.catalog.flags import is_valid
from maury.learn.model_error import Residuals, fit_model_error
from maury.learn.select import split_stars
from maury.reference.load import load_reference

NAMES = ("teff", "logg", "fe_h")
LASP = (35.0, 0.06, 0.035)
EDGES = (3000, 4000, 4500, 5000, 5500, 6000, 6500, 8000, 13000, 40000)
FOLDS = 5
ENOUGH = 60  # stars
# Teff [K], log g, [Fe/H]
ANY = ((0, 99999), (-1, 6), (-9, 9))
GIANT, DWARF = (-1, 3.5), (3.5, 6)
KINDS = {
    "below 4000 K": ((0, 4000), *ANY[1:]),
    "4000-6500 K": ((4000, 6500), *ANY[1:]),
    "giants 4000-5000 K": ((4000, 5000), GIANT, ANY[2]),
    "dwarfs 4000-5000 K": ((4000, 5000), DWARF, ANY[2]),
    "giants 5000-6500 K": ((5000, 6500), GIANT, ANY[2]),
    "dwarfs 5000-6500 K": ((5000, 6500), DWARF, ANY[2]),
    "solar type": SOLAR_TYPE,
    "6500-8000 K": ((6500, 8000), *ANY[1:]),
    "8000-13,000 K": ((8000, 13000), *ANY[1:]),
    "above 13,000 K": ((13000, 99999), *ANY[1:]),
    "[Fe/H] < -1.5": (*ANY[:2], (-9, -1.5)),
}


def width(pulls):
    """Return half of the range that holds the middle 68.3 %."""
    low, high = np.percentile(pulls, [15.866, 84.134])
    return (high - low) / 2


def show(title, teff, pulls, errors, edges=EDGES):
    """Print a table, and return (stars, widths) of each range."""
    known = np.isfinite(pulls).all(axis=1)
    print(f"\n{title}: {known.sum()} stars\n")
    print("| Teff [K] | stars | " + " | ".join(f"{name} width | median error" for name in NAMES) + " |")
    print("|---" * (2 + 2 * len(NAMES)) + "|")
    found = []
    for low, high in [*pairwise(edges), (edges[0], edges[-1])]:
        here = known & (teff >= low) & (teff < high)
        if here.sum() < 10:
            continue
        widths = [width(pulls[here, j]) for j in range(len(NAMES))]
        cells = [
            f"{widths[j]:.2f} | {np.median(errors[here, j]):.{0 if j == 0 else 3}f}"
            for j in range(len(NAMES))
        ]
        print(f"| {low}-{high} | {here.sum()} | " + " | ".join(cells) + " |")
        found.append((int(here.sum()), widths))
    return found[:-1]


def verdict(what, found, allowed):
    """Print how many widths are within the tolerance for their number of stars."""
    inside = [abs(w - 1) <= allowed(n) for n, widths in found for w in widths]
    print(f"\n{what}: {sum(inside)} of {len(inside)} widths within the goal")


def kinds(residuals):
    """Print offset and MAD of the labels by kind of star."""
    print("\n| stars | n | Teff [K] | log g | [Fe/H] |\n|---|---|---|---|---|")
    for kind, ranges in KINDS.items():
        here = residuals.usable.copy()
        for j, (low, high) in enumerate(ranges):
            here &= (residuals.given[:, j] >= low) & (residuals.given[:, j] < high)
        difference = (residuals.fitted - residuals.given)[here]
        print(f"| {kind} | {here.sum()} | {' | '.join(statistics(difference))} |")


def miles(emulator, residuals):
    """Show residuals of MILES, measured with networks that were trained without the star."""
    kinds(residuals)
    parts = split_stars(residuals.star_id, [1 / FOLDS] * (FOLDS - 1), 0)
    parts.append(~np.logical_or.reduce(parts))
    pulls, errors = np.full(residuals.fitted.shape, np.nan), np.full(residuals.fitted.shape, np.nan)
    noise = np.sqrt(np.diagonal(residuals.noise, axis1=1, axis2=2))
    for part in parts:
        mine = part & residuals.usable
        learnt = fit_model_error(residuals[~part])
        errors[mine] = np.hypot(learnt.predict(residuals.fitted[mine], residuals.distance[mine]), noise[mine])
        pulls[mine] = (residuals.fitted[mine] - residuals.given[mine] - learnt.offset) / errors[mine]
    found = show("MILES, nested cross-validation", residuals.fitted[:, 0], pulls, errors)
    verdict("MILES", found, lambda n: 0.1 if n >= ENOUGH else 0.2)

    stars = load_reference("miles")
    held = stars[np.isin(stars.star_id, emulator.meta["validation_stars"])]
    known = np.column_stack([held.labels[name] for name in NAMES])
    measured("MILES, stars withheld from the built-in emulator", held, known, (0, 0, 0), emulator, False)


def measured(title, spectra, known, given_error, emulator, zero_point=True):
    """Print pulls of spectra measured by an emulator."""
    catalog = maury.fit(spectra, emulator, progress=True)
    fitted = np.column_stack([column_values(catalog, name) for name in NAMES])
    total = np.column_stack([column_values(catalog, f"{name}_err") for name in NAMES])
    good = is_valid(np.asarray(catalog["flags"])) & np.isfinite(known).all(axis=1)
    good &= (np.asarray(catalog["flags"]) & int(maury.Flag.AT_BOUND)) == 0
    difference = np.where(good[:, None], fitted - known, np.nan)
    cool = (fitted[:, 0] >= 4000) & (fitted[:, 0] < 6500)
    offset = np.nanmedian(difference[cool], axis=0) if zero_point else emulator.error_on_unseen.offset
    print(f"\n{title}: offset {offset[0]:+.0f} K, {offset[1]:+.3f}, {offset[2]:+.3f}")
    pulls = (difference - offset) / np.hypot(total, given_error)
    edges = (4000, 4500, 5000, 5500, 6000, 6500)
    found = show(f"{title}, FGK", fitted[:, 0], pulls, total, edges)
    verdict(title, found, lambda _: 0.3)


def lamost(folder, emulator):
    """Compare LAMOST DR10 with the labels of its pipeline."""
    table = Table.read(folder / "labels.csv")
    table = table[np.asarray(table["snrg"]) > 20]
    spectra = maury.read_spectra([folder / str(name) for name in table["file"]])
    known = np.column_stack([np.asarray(table[name], dtype=float) for name in ("teff", "logg", "feh")])
    measured("LAMOST DR10", spectra, known, LASP, emulator)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lamost", type=Path, metavar="FOLDER", help="with its labels.csv")
    parser.add_argument("residuals", type=Path, metavar="F.npz", help="written by tools/make_data.py")
    options = parser.parse_args()
    emulator = maury.Emulator.load("default")
    with np.load(options.residuals) as kept:
        residuals = Residuals(NAMES, **{name: kept[name] for name in kept.files}, folds=FOLDS)
    miles(emulator, residuals[~np.char.startswith(residuals.star_id, "model")])
    stelib = load_reference("stelib")
    stelib = stelib[np.isin(stelib.star_id, real_stars.withheld("stelib"))]
    known = np.column_stack([stelib.labels[name] for name in NAMES])
    measured("STELIB", stelib, known, (0, 0, 0), emulator)
    if options.lamost is not None:
        lamost(options.lamost, emulator)


if __name__ == "__main__":
    main()
