"""Pulls of the errors from repeat visits of a synthetic MaStar, by Teff and S/N, for both methods.

    python bench/mastar_errors.py FOLDER F.onnx [--errors-of OTHER]

FOLDER is that of `mastar_files.py`. All its visits are measured as by `maury fit`; the catalogue is stored in
FOLDER. With --errors-of the errors are calibrated on the visits of another such folder, and tested on this
one. Pulls of repeats are (x1 - x2)/sqrt(sigma1^2 + sigma2^2) of two visits of a star, in which the truth
cancels; pulls of the truth, (x - truth)/sigma, also contain the systematic errors of the
emulator, which are the same in all visits and therefore cancel in repeats. The last table has the pulls of
the truth for the errors of a catalogue, noise from repeats and model error together, and for the rows of
stars as `maury stars` combines their visits; both without the stars that taught the emulator. Binaries,
stars with emission lines and without a good visit are excluded.

The width of pulls is half the range that contains 68.27 % of them; its uncertainty for n independent ones is
0.96/sqrt(n).
"""

import argparse
from itertools import pairwise
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

import maury
from maury.catalog.columns import column_values, label_names
from maury.catalog.error_file import apply_errors
from maury.catalog.flags import is_valid
from maury.catalog.repeats import METHODS, calibrate_errors, repeat_pairs
from maury.catalog.stars import combine_visits
from maury.catalog.table import read_catalog, write_catalog
from maury.labels import TEFF_BINS
from maury.readers.mastar import read_blocks

SNR_BINS = (0.0, 60.0, 90.0, 130.0, np.inf)
ENOUGH = 93  # independent pulls, for a width accurate to 0.1
NORMAL = 68.27


def measured(folder, emulator, rows=500):
    """Return the catalogue of all visits of FOLDER, from the file of an earlier call if there is one."""
    path = Path(folder) / f"catalogue-{emulator.name}-{emulator.file_hash[:8]}.fits"
    if not path.exists():
        spectra = next(Path(folder).glob("mastar-goodspec-made.fits*"))
        parts = [maury.fit(block, emulator) for block in read_blocks(spectra, rows)]
        write_catalog(vstack(parts, metadata_conflicts="silent"), path)
    return read_catalog(path)


def stars_of(catalog, folder):
    """Return the row of the truth of every visit."""
    truth = Table.read(Path(folder) / "truth.ecsv")
    row = {star: i for i, star in enumerate(truth["star_id"])}
    return truth[[row[star] for star in catalog["star_id"]]]


def undisturbed(truth):
    """Return which visits show a single undisturbed star."""
    kind = np.asarray(truth["kind"])
    faulty = [np.char.startswith(kind, word) for word in ("binary", "emission", "no good visit")]
    return ~np.any(faulty, axis=0)


def width(pulls, weight):
    """Half the range that contains 68.27 % of the pulls (n,), by weight."""
    order = np.argsort(np.abs(pulls))
    share = (np.cumsum(weight[order]) - 0.5 * weight[order]) / weight.sum()
    return float(np.interp(NORMAL / 100, share, np.abs(pulls)[order]))


def pull_table(catalog, sigma, truth):
    """Return a table with one row per bin of Teff and S/N: widths of both types of pulls for every label."""
    names = label_names(catalog)
    values = np.column_stack([column_values(catalog, name) for name in names])
    known = np.column_stack([truth[name] for name in names])
    teff, snr, good = np.asarray(truth["teff"]), column_values(catalog, "snr"), undisturbed(truth)
    pairs = repeat_pairs(catalog, names)
    pairs = pairs[good[pairs.first]]
    first, second = pairs.first, pairs.second
    of_repeats = (values[first] - values[second]) / np.hypot(sigma[first], sigma[second])
    of_truth = (values - known) / sigma
    usable = good & is_valid(np.asarray(catalog["flags"])) & np.isfinite(of_truth).all(axis=1)
    pair_snr = np.minimum(snr[first], snr[second])
    rows = []
    for low, high in pairwise(TEFF_BINS):
        for dim, bright in pairwise(SNR_BINS):
            here = (teff[first] >= low) & (teff[first] < high) & (pair_snr >= dim) & (pair_snr < bright)
            visits = usable & (teff >= low) & (teff < high) & (snr >= dim) & (snr < bright)
            if here.sum() < 2:
                continue
            w = pairs.weight[here]
            one = np.ones(visits.sum())
            rows.append((
                f"{low:.0f}-{high:.0f} K", f"{dim:.0f}-{bright:.0f}", w.sum(),
                *(width(of_repeats[here, j], w) for j in range(len(names))),
                visits.sum(), *(width(of_truth[visits, j], one) for j in range(len(names))),
            ))  # fmt: skip
    truth_names = [f"{name}, truth" for name in names]
    return Table(rows=rows, names=("range", "S/N", "pairs", *names, "visits", *truth_names))


def truth_table(catalog, truth):
    """Return the widths of (x - truth) / <label>_err of valid, undisturbed rows in bins of Teff."""
    names = label_names(catalog)
    pulls = np.column_stack([
        (column_values(catalog, name) - truth[name]) / column_values(catalog, f"{name}_err") for name in names
    ])  # fmt: skip
    usable = undisturbed(truth) & np.asarray(catalog["valid"]) & np.isfinite(pulls).all(axis=1)
    rows = []
    for low, high in pairwise(TEFF_BINS):
        here = usable & (truth["teff"] >= low) & (truth["teff"] < high)
        one = np.ones(here.sum())
        widths = [width(pulls[here, j], one) if here.any() else np.nan for j in range(len(names))]
        rows.append((f"{low:.0f}-{high:.0f} K", here.sum(), *widths))
    return Table(rows=rows, names=("range", "rows", *names))


def summary(table, names):
    """Return lines: mean and extremes of the widths in bins of `ENOUGH` pulls, fraction within 0.1 of 1."""
    enough = table["pairs"] >= ENOUGH
    cool = np.isin(table["range"], [f"{low:.0f}-{high:.0f} K" for low, high in pairwise(TEFF_BINS[:3])])
    lines = []
    for where, here in (("below 8000 K", enough & cool), ("above 8000 K", enough & ~cool)):
        widths = np.column_stack([table[name] for name in names])[here]
        if not widths.size:
            continue
        within = np.mean(np.abs(widths - 1) <= 0.1)
        lines.append(
            f"  {where}, {here.sum()} bins of {ENOUGH} or more: {widths.size} widths, mean "
            f"{widths.mean():.2f}, {widths.min():.2f} to {widths.max():.2f}, {within:.0%} within 0.1 of 1"
        )
    return "\n".join(lines)


def main():
    """Print the tables requested on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("emulator")
    parser.add_argument("--errors-of", type=Path, help="folder whose repeat visits give the errors")
    options = parser.parse_args()
    emulator = maury.Emulator.load(options.emulator)
    catalog = measured(options.folder, emulator)
    truth = stars_of(catalog, options.folder)
    teacher = measured(options.errors_of, emulator) if options.errors_of else catalog
    names = label_names(catalog)
    formal = np.column_stack([column_values(catalog, f"{name}_err_formal") for name in names])
    errors = {"formal": formal}
    models = {method: calibrate_errors(teacher, method) for method in METHODS}
    for method, model in models.items():
        errors[method] = model.predict(catalog)
        print(f"{method}: {model.n_pairs} pairs of {model.n_stars} stars")
    for method, sigma in errors.items():
        found = pull_table(catalog, sigma, truth)
        for name in found.colnames[2:]:
            found[name].info.format = ".0f" if name in ("pairs", "visits") else ".2f"
        print(f"\nWidth of pulls, {method} errors:")
        print("\n".join(found.pformat(max_lines=-1, max_width=-1)))
        print("repeats:\n" + summary(found, names))
        print("truth:\n" + summary(found, [f"{name}, truth" for name in names]))

    unseen = ~np.asarray(truth["in_reference"], dtype=bool)
    total = apply_errors(catalog[unseen], models["likelihood"])
    stars = combine_visits(total)
    for what, table in (("visits", total), ("rows of stars", stars)):
        found = truth_table(table, stars_of(table, options.folder))
        for name in names:
            found[name].info.format = ".2f"
        print(f"\nWidth of pulls of the truth, {what}, total errors:")
        print("\n".join(found.pformat(max_lines=-1, max_width=-1)))


if __name__ == "__main__":
    main()
