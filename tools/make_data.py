"""Make the files of python/maury/data: the default emulator and the stars of `maury demo`.

    pip install ".[train]" torch==2.13.0
    pip install --no-deps sdss-mangadap==4.5.0
    python tools/make_data.py MODELS

MODELS is a file of model spectra: see tools/reference_stars.py. The emulator learns from MILES, and where
MILES has few stars, from STELIB (hot stars and cool dwarfs) and models (hot stars). A random tenth of the
stars of MILES, tools/miles_unseen.txt, is not used. The demo stars are those of them nearest to a dozen
positions in the Kiel diagram, copied without changes. Afterwards run tools/lamost_errors.py and
tools/lamost_zero_points.py.
"""

import argparse
import gzip
import shutil
from pathlib import Path

import numpy as np
import reference_stars

import maury
from maury.learn.build import Recipe
from maury.learn.train import train_recipe
from maury.readers.miles import MISPRINTS

DATA = Path(__file__).parents[1] / "python" / "maury" / "data"
EMULATOR = DATA / "default.onnx"
UNSEEN = Path(__file__).with_name("miles_unseen.txt")  # a random tenth of the stars of MILES
WAVELENGTH = (3600.0, 7400.0)  # A, those of MILES

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


def train(models: Path, folds: int, seed: int, output: Path) -> None:
    """Write the emulator."""
    parts = {
        "MILES 9.1": reference_stars.miles(),
        "STELIB 3.2": reference_stars.stelib(),
        "DESI star templates v2.0 (models)": reference_stars.models(models),
    }
    meta = {
        "name": "MILES",
        "training_data": "; ".join(f"{name}, {len(part)} spectra" for name, part in parts.items()),
        "citation": "; ".join(reference_stars.CITATIONS[name] for name in ("MILES", "STELIB", "DESI")),
    }
    done = train_recipe(
        maury.Spectra.concatenate(list(parts.values())),
        Recipe(validation_fraction=0.0, reference_scale=reference_stars.MILES, seed=seed),
        wavelength=WAVELENGTH,
        folds=folds,
        meta=meta,
        withheld=UNSEEN.read_text().split(),
        progress=True,
    )
    done.emulator.save(output)


def choose() -> None:
    """Copy the demo stars, with their lines of the table of labels."""
    stars = reference_stars.miles()
    stars = stars[np.isin(stars.star_id, UNSEEN.read_text().split())]
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
    parser.add_argument("models", type=Path)
    parser.add_argument("--folds", type=int, default=5, help="networks for the model error")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=EMULATOR)
    options = parser.parse_args()
    train(options.models, options.folds, options.seed, options.output)
    if options.output == EMULATOR:
        choose()
