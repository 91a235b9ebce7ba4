"""Make the files of python/maury/data: the built-in emulator and the stars of `maury demo`.

    pip install ".[train]" torch==2.13.0
    pip install --no-deps sdss-mangadap==4.5.0
    python tools/make_data.py                 # or: python tools/make_data.py FOLDER_OF_MILES
    python tools/make_data.py --errors-only   # the network and the demo stars stay as they are

The emulator is that of `maury train miles`. With --errors-only only its model error is estimated again, by
networks of the same recipe without the validation stars. The demo stars are selected among the stars
withheld from its training: the nearest to a dozen positions in the Kiel diagram, copied without changes from
the library.
"""

import argparse
import gzip
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

import maury
from maury.learn.build import Recipe
from maury.learn.folds import residuals_unseen
from maury.learn.model_error import fit_model_error
from maury.learn.select import select
from maury.readers.miles import MISPRINTS
from maury.reference.load import load_reference, open_reference

DATA = Path(__file__).parents[1] / "python" / "maury" / "data"
EMULATOR = DATA / "default.onnx"

# Teff [K], log g, [Fe/H]: dwarfs and giants, metal-rich and metal-poor, cool to hot.
PLACES = [
    (3800, 1.2, 0.0),
    (4300, 1.8, -0.3),
    (4600, 1.4, -1.8),
    (4700, 4.6, 0.0),
    (4800, 2.7, 0.1),
    (5100, 3.2, -0.4),
    (5400, 4.5, -0.6),
    (5800, 4.4, 0.0),
    (6000, 4.0, -1.5),
    (6300, 4.2, 0.1),
    (8200, 4.0, 0.0),
    (12000, 4.0, 0.0),
]
UNIT = np.array([0.02, 0.2, 0.15])  # of log10 Teff, log g, [Fe/H]: units of distance


def train(reference: str) -> None:
    """Write the emulator."""
    DATA.mkdir(exist_ok=True)
    command = [
        sys.executable,
        "-m",
        "maury",
        "train",
        reference,
        "-o",
        str(EMULATOR),
        "--name",
        "MILES",
        "--overwrite",
    ]
    subprocess.run(command, check=True)


def learn_errors(reference: str, folds: int = 5) -> None:
    """Write the emulator again, with its model error."""
    emulator = maury.Emulator.load(EMULATOR)
    stars = open_reference(reference)
    told = emulator.meta["recipe"]
    modes = told.get("modes", 0) if emulator.modes.size else 0
    recipe = Recipe(**{**told, "hidden": tuple(told["hidden"]), "modes": modes})
    meta = emulator.meta
    chosen = select(stars.spectra, emulator.labels, emulator.wavelength, emulator.window, meta["teff_max"])
    rows = ~np.isin(chosen.star_id, meta["validation_stars"])
    residuals = residuals_unseen(stars.spectra, chosen, rows, recipe, folds, progress=True)
    if not residuals.modes:
        emulator = emulator.without_modes()
    emulator.with_model_error(fit_model_error(residuals)).save(EMULATOR)


def choose(reference: str) -> None:
    """Copy the demo stars, with their lines of the table of labels."""
    unseen = maury.Emulator.load(EMULATOR).meta["validation_stars"]
    stars = load_reference(reference)
    stars = stars[np.isin(stars.star_id, unseen)]
    known = np.column_stack([np.log10(stars.labels["teff"]), stars.labels["logg"], stars.labels["fe_h"]])
    chosen: list[int] = []
    for teff, logg, fe_h in PLACES:
        distance = (((known - [np.log10(teff), logg, fe_h]) / UNIT) ** 2).sum(axis=1)
        distance[chosen] = np.inf
        chosen.append(int(np.nanargmin(distance)))

    folder = DATA / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    table = Path(stars.file[0]).parent / "paramsMILES_v9.1.txt"
    header, lines = (rows := table.read_text().splitlines())[:3], rows[3:]
    kept = []
    for i in chosen:
        source = Path(stars.file[i])
        (folder / (source.name + ".gz")).write_bytes(gzip.compress(source.read_bytes(), mtime=0))
        kept += [line for line in lines if MISPRINTS.get(line[23:27], line[23:27]) == stars.visit_id[i]]
    (folder / table.name).write_text("\n".join(header + kept) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("reference", nargs="?", default="miles")
    parser.add_argument("--errors-only", action="store_true")
    options = parser.parse_args()
    if options.errors_only:
        learn_errors(options.reference)
    else:
        train(options.reference)
        choose(options.reference)
