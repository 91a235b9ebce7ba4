"""Learn the noise of LAMOST spectra from repeat visits, for the built-in emulators: ``--errors lamost``.

    python tools/lamost_errors.py DATA

DATA has the folders ``lamost_dr8_repeats`` (groups.csv: file, star) and ``lamost_dr10`` (labels.csv: file,
star). All visits of stars seen more than once are measured as ``maury fit`` does it, by the emulators
"lamost" and "default", and lamost_errors.ecsv and lamost_errors_default.ecsv are written to
python/maury/data; run it again whenever one of these emulators changes. It takes a minute. The tables tell
the width of the pulls (x1 - x2) / sqrt(sigma1^2 + sigma2^2): half the range that holds 68.27 % of them, of
the errors as fitted, and of errors learnt from the other four fifths of the stars.
"""

import argparse
from pathlib import Path

import numpy as np
from astropy.table import Table

import maury
from maury.catalog.columns import column_values, label_names
from maury.catalog.error_file import write_errors
from maury.catalog.errors import errors_of_fit
from maury.catalog.ln_sigma import FOLDS
from maury.catalog.repeats import calibrate_errors, repeat_pairs

SETS = {"lamost_dr8_repeats": "groups.csv", "lamost_dr10": "labels.csv"}
OUTPUT = Path(__file__).parents[1] / "python" / "maury" / "data"
FILES = {"lamost": "lamost_errors.ecsv", "default": "lamost_errors_default.ecsv"}


def repeat_visits(data):
    """Return Spectra of the stars of both sets that were seen more than once."""
    parts = []
    for folder, name in SETS.items():
        table = Table.read(data / folder / name)
        star = np.array([f"{folder} {value}" for value in table["star"]])
        _, which, count = np.unique(star, return_inverse=True, return_counts=True)
        again = count[which] > 1
        spectra = maury.read_spectra([data / folder / str(file) for file in table["file"][again]])
        spectra.star_id = star[again]
        parts.append(spectra)
    return maury.Spectra.concatenate(parts)


def half_range(pulls, weight):
    """Half the range that holds 68.27 % of pulls (Q,), each counted with its weight."""
    order = np.argsort(np.abs(pulls))
    share = (np.cumsum(weight[order]) - 0.5 * weight[order]) / weight.sum()
    return float(np.interp(0.6827, share, np.abs(pulls)[order]))


def reported(catalog, model):
    """Return the noise (N,) of each label and of the velocity, by name."""
    sigma = dict(zip(model.labels, model.predict(catalog).T, strict=True))
    return sigma | {"rv": column_values(catalog, "rv_err_formal") * model.rv[0]}


def width_table(catalog):
    """Return widths of pulls: of the errors of the fit, and of those learnt from four fifths of the stars."""
    names = label_names(catalog)
    pairs = repeat_pairs(catalog, names)
    formal = dict(zip(names, errors_of_fit(catalog, names, [""] * len(names)).T, strict=True))
    formal["rv"] = column_values(catalog, "rv_err_formal")
    left_out = {name: np.full(len(catalog), np.nan) for name in formal}
    stars = np.unique(np.asarray(catalog["star_id"], dtype=str))
    fold = dict(zip(stars, np.random.default_rng(5).permutation(len(stars)) % FOLDS, strict=True))
    of_row = np.array([fold[star] for star in np.asarray(catalog["star_id"], dtype=str)])
    for k in range(FOLDS):
        learnt = reported(catalog, calibrate_errors(catalog[of_row != k]))
        for name, sigma in learnt.items():
            left_out[name][of_row == k] = sigma[of_row == k]
    rows = []
    for name in formal:
        value = column_values(catalog, name)
        difference = value[pairs.first] - value[pairs.second]
        widths = [
            half_range(difference / np.hypot(sigma[pairs.first], sigma[pairs.second]), pairs.weight)
            for sigma in (formal[name], left_out[name])
        ]
        rows.append((name, len(pairs), pairs.weight.sum(), *widths))
    return Table(rows=rows, names=("column", "pairs", "independent", "as fitted", "left out"))


def main():
    """Write the files, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    spectra = repeat_visits(options.data)
    for emulator, file in FILES.items():
        catalog = maury.fit(spectra, emulator)
        model = calibrate_errors(catalog)
        write_errors(model, OUTPUT / file, overwrite=True)
        table = width_table(catalog)
        for name in table.colnames[2:]:
            table[name].info.format = ".2f"
        print("\n".join(table.pformat(max_lines=-1, max_width=-1)))
        print(f"{model.words}. Written to {OUTPUT / file}.")


if __name__ == "__main__":
    main()
