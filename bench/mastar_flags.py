"""Faults inserted into good spectra of a synthetic MaStar: how many are flagged, by which flags.

    python bench/mastar_flags.py FOLDER F.onnx [--each 200] [--good 1500]

FOLDER is that of `mastar_files.py`. The faults are those of `faults.py`, each inserted into the same
spectra, and labels outside the training range of F.onnx. A row is marked if it has any flag other than
CAUTION, which depends on the labels only, SHARPER, which describes the instrument, and LOW_SNR, which follows
from the file. A fault is harmless if no label changed by more than its error from repeat visits.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import mastar_errors
import numpy as np
import synthetic
from astropy.table import Table
from faults import FAULTS

import maury
from maury.catalog.columns import column_values, label_names
from maury.catalog.flags import CAUTION_FLAGS, Flag, flag_names
from maury.catalog.repeats import calibrate_errors
from maury.readers.mastar import read_blocks

ADVICE = CAUTION_FLAGS | Flag.SHARPER | Flag.LOW_SNR
# Beyond the labels of any star or model of `mastar_files.py`: label, lowest, highest, and further conditions.
# Good spectra whose labels deviate by more than this should be flagged: fraction of teff, dex for the others.
OFF = {"teff": 0.05, "logg": 0.3, "fe_h": 0.3, "alpha_fe": 0.2, "log_vmicro": 0.3}
HOT = 8000.0  # K; the reference set has stars below, models above
OUTSIDE = {
    "cooler": {"teff": (2300, 2750), "logg": (4.8, 5.5), "fe_h": (-0.3, 0.3)},
    "hotter": {"teff": (36000, 50000), "logg": (3.8, 5.0), "fe_h": (-0.3, 0.3)},
    "metal-poorer": {"teff": (4300, 6500), "logg": (1.5, 4.6), "fe_h": (-4.5, -3.2)},
    "metal-richer": {"teff": (4300, 6500), "logg": (1.5, 4.6), "fe_h": (0.9, 1.5)},
    "cool, log g between": {"teff": (3300, 3900), "logg": (2.6, 3.8), "fe_h": (-0.3, 0.3)},
    "hot and luminous": {"teff": (9000, 20000), "logg": (0.0, 1.5), "fe_h": (-0.3, 0.3)},
    "compact": {"teff": (5000, 8000), "logg": (5.6, 6.8), "fe_h": (-1.0, 0.3)},
}


def good_visits(folder, catalog, n, seed=0):
    """Return Spectra of n visits without faults."""
    truth = mastar_errors.stars_of(catalog, folder)
    fine = mastar_errors.undisturbed(truth) & (truth["kind"] != "good, a visit with a bad bit")
    rows = np.sort(np.random.default_rng(seed).permutation(np.flatnonzero(fine))[:n])
    path = next(Path(folder).glob("mastar-goodspec-made.fits*"))
    return maury.Spectra.concatenate(list(read_blocks(path, 500, rows)))


def outside(spectra, limits, rng):
    """Return spectra of stars with labels in these limits, with the resolution and noise of those given."""
    from mastar_files import broadened

    n = len(spectra)
    limits = {"alpha_fe": (-0.05, 0.3), "log_vmicro": (0.0, 0.3)} | limits
    labels = np.column_stack([rng.uniform(*limits[name], n) for name in synthetic.LABELS])
    sigma = spectra.lsf / (spectra.wavelength * np.log(10) * synthetic.LOG_STEP)
    flux = broadened(synthetic.spectra(labels, blur=0.0).astype(float), np.nan_to_num(sigma, nan=1.0))
    bright = np.median(flux, axis=1, keepdims=True)
    level = np.nanmedian(np.where(spectra.mask, np.nan, spectra.flux), axis=1)[:, None]
    error = np.sqrt(np.maximum(flux / bright, 0.01)) / spectra.snr[:, None]
    noisy = level * (flux / bright + error * rng.normal(size=flux.shape))
    return replace(spectra, flux=noisy, ivar=(level * error) ** -2.0)


def harmless(before, after, sigma):
    """Return which rows have all labels within one error of their original values."""
    moved = [np.abs(column_values(after, name) - column_values(before, name)) for name in label_names(before)]
    return (np.column_stack(moved) <= sigma).all(axis=1)


def marked(catalog, advice=ADVICE):
    """Return which rows are marked."""
    return (np.asarray(catalog["flags"]) & ~int(advice)) != 0


def off_truth(catalog, truth):
    """Return which rows have a label that deviates by more than `OFF`."""
    off = []
    for name in label_names(catalog):
        difference = np.abs(column_values(catalog, name) - truth[name])
        off.append(difference > OFF[name] * (truth[name] if name == "teff" else 1.0))
    return np.any(off, axis=0)


def row_of(kind, name, catalog, safe, least=0.05):
    """Return a row of the table: fractions marked, of all and of the harmful; the flags set."""
    caught = marked(catalog)
    flags = np.asarray(catalog["flags"])
    by = {bit: np.mean((flags & bit) != 0) for bit in Flag if not bit & ADVICE}
    words = [f"{flag_names(bit)[0]} {part:.1%}" for bit, part in by.items() if part >= least]
    harm = caught[~safe].mean() if (~safe).any() else np.nan
    return (
        kind,
        name,
        len(catalog),
        caught.mean(),
        marked(catalog, 0).mean(),
        safe.mean(),
        harm,
        ", ".join(words),
    )


def main():
    """Print the table requested on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("emulator")
    parser.add_argument("--each", type=int, default=200)
    parser.add_argument("--good", type=int, default=1500)
    options = parser.parse_args()
    emulator = maury.Emulator.load(options.emulator)
    visits = mastar_errors.measured(options.folder, emulator)
    errors = calibrate_errors(visits)
    good = good_visits(options.folder, visits, options.good)
    before = maury.fit(good, emulator, errors=errors)
    truth = mastar_errors.stars_of(before, options.folder)
    rows, cool = [], np.asarray(truth["teff"]) < HOT
    for name, here in (("all", cool | True), ("below 8000 K", cool), ("above 8000 K", ~cool)):
        rows.append(row_of("good", name, before[here], np.ones(here.sum(), dtype=bool), 0.001))
        off, seen = off_truth(before[here], truth[here]), marked(before[here])
        print(
            f"good, {name}: {off.mean():.1%} have labels far off the truth; of those {seen[off].mean():.1%} "
            f"are marked, of the others {seen[~off].mean():.1%}"
        )
    few = slice(0, None, max(1, len(good) // options.each))
    base, before = good[few], before[few]
    sigma = np.column_stack([column_values(before, f"{name}_err") for name in label_names(before)])
    rng = np.random.default_rng(1)
    for kind, faults in FAULTS.items():
        for fault in faults:
            after = maury.fit(fault(base, rng), emulator)
            rows.append(row_of(kind, fault.__name__.replace("_", " "), after, harmless(before, after, sigma)))
    for name, limits in OUTSIDE.items():
        after = maury.fit(outside(base, limits, rng), emulator)
        rows.append(row_of("outside", name, after, np.zeros(len(after), dtype=bool)))
    names = ("kind", "fault", "n", "marked", "any bit", "harmless", "marked of harmful", "flags")
    table = Table(rows=rows, names=names)
    for name in names[3:7]:
        table[name].info.format = "{:.1%}"
    print("\n".join(table.pformat(max_lines=-1, max_width=-1)))
    for kind in (*FAULTS, "outside"):
        here = table["kind"] == kind
        caught = table["marked"][here] * table["n"][here]
        harm = (1 - table["harmless"][here]) * table["n"][here]
        of_harmful = np.nansum(table["marked of harmful"][here] * harm) / harm.sum()
        print(f"{kind}: {caught.sum() / table['n'][here].sum():.1%} of all, {of_harmful:.1%} of the harmful")


if __name__ == "__main__":
    main()
