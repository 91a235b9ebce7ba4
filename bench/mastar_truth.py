"""Measure the stars of the synthetic MaStar that are not in the reference set, and compare with their truth.

    python bench/mastar_truth.py FOLDER F.onnx

FOLDER is that of `mastar_files.py`. One good visit of every single, undisturbed star without APOGEE
observations is measured as by `maury fit`. The table corresponds to Table 1 of the paper;
the last column is the offset in units of the MAD.
"""

import argparse
from pathlib import Path

import numpy as np
from astropy.table import QTable, Table

import maury
from maury.readers.mastar import read_blocks

SIDES = (("below 6000 K", 0.0, 6000.0), ("above 6000 K", 6000.0, np.inf))


def unseen(folder, truth):
    """Return Spectra of the stars that only MaStar observed, the first visit of each."""
    wanted = set(truth["star_id"][(truth["kind"] == "MaStar only") & (truth["n_good_visits"] > 0)])
    seen = set()

    def first_visit(stars, _):
        keep = np.zeros(len(stars), dtype=bool)
        for i, star in enumerate(stars.tolist()):
            keep[i] = star in wanted and star not in seen
            seen.add(star)
        return keep

    path = next(Path(folder).glob("mastar-goodspec-made.fits*"))
    return maury.Spectra.concatenate(list(read_blocks(path, 500, first_visit)))


def table(catalog, truth, names):
    """Return offset and MAD of every label below and above 6000 K."""
    rows = []
    known = {row["star_id"]: row for row in truth}
    teff = np.array([known[star]["teff"] for star in catalog["star_id"]])
    for name in names:
        expected = np.array([known[star][name] for star in catalog["star_id"]])
        difference = np.asarray(getattr(catalog[name], "value", catalog[name])) - expected
        for side, low, high in SIDES:
            mine = difference[(teff >= low) & (teff < high) & np.isfinite(difference)]
            offset = np.median(mine)
            mad = np.median(np.abs(mine - offset))
            # Error of the median of a normal distribution, 1.2533 sigma / sqrt(n), in units of its MAD.
            rows.append(
                (name, side, len(mine), offset, mad, offset / mad, 1.2533 * 1.4826 / np.sqrt(len(mine)))
            )
    return QTable(rows=rows, names=("label", "stars", "n", "offset", "mad", "offset_over_mad", "its_error"))


def main():
    """Print the table requested on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("emulator")
    options = parser.parse_args()
    truth = Table.read(options.folder / "truth.ecsv")
    emulator = maury.Emulator.load(options.emulator)
    spectra = unseen(options.folder, truth)
    catalog = maury.fit(spectra, emulator)
    print(f"{len(catalog)} stars, {int(catalog['converged'].sum())} converged")
    found = table(catalog, truth, emulator.labels)
    for name in ("offset", "mad", "offset_over_mad", "its_error"):
        found[name].info.format = ".3f"
    print("\n".join(found.pformat(max_lines=-1, max_width=-1)))


if __name__ == "__main__":
    main()
