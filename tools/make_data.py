"""Make the files of python/maury/data: the built-in emulator and the stars of `maury demo`.

    pip install ".[train]" torch==2.13.0
    pip install --no-deps sdss-mangadap==4.5.0
    python tools/make_data.py LAMOST TEMPLATES             # the emulator
    python tools/make_data.py LAMOST TEMPLATES --demo      # the stars of maury demo, too

training_stars.py tells what is in the folders LAMOST and TEMPLATES, and which stars are not used.

The reference scale, and everything below 7400 A, is of MILES; models are added where it has few stars, above
9000 K. LAMOST, STELIB and templates of SDSS teach the pixels beyond. Templates whose labels are unknown have
those that an emulator of MILES measures. The demo stars are selected among those of MILES: the nearest to a
dozen positions in the Kiel diagram, copied without changes from the library.
"""

import argparse
import gzip
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
from training_stars import listed_spectra, models_of_hot_stars, of_source, templates_of_sdss, withheld

import maury
from maury.learn.recipe import Recipe
from maury.learn.train import train_recipe
from maury.readers.miles import MISPRINTS
from maury.reference.load import load_reference

DATA = Path(__file__).parents[1] / "python" / "maury" / "data"
EMULATOR = DATA / "default.onnx"
WAVELENGTH = (3600.0, 9097.0)  # A
LASP_BELOW = 9000.0  # K; labels of hotter stars by LASP are poor

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


def train(lamost, templates, folds, seed, residuals):
    """Write the emulator, and the residuals of its cross-validation."""
    miles = of_source(maury.read_spectra("miles"), "MILES")
    parts = {
        "MILES 9.1 (sdss-mangadap 4.5.0)": miles,
        "models of hot stars (desisim)": models_of_hot_stars(templates),
        "STELIB (sdss-mangadap 4.5.0)": of_source(maury.read_spectra("stelib"), "STELIB"),
        "LAMOST DR10 (tools/lamost_dr10.csv)": listed_spectra(lamost, LASP_BELOW),
        "templates of SDSS (idlspec2d)": templates_of_sdss(templates, miles),
    }
    meta = {
        "name": "MILES",
        "training_data": "; ".join(f"{name}, {len(spectra)} spectra" for name, spectra in parts.items()),
        "citation": "Sanchez-Blazquez et al. 2006, MNRAS 371, 703; Cenarro et al. 2007, MNRAS 374, 664; "
        "Falcon-Barroso et al. 2011, A&A 532, A95; Le Borgne et al. 2003, A&A 402, 433; Luo et al. 2015, "
        "RAA 15, 1095",
    }
    done = train_recipe(
        maury.Spectra.concatenate(list(parts.values())),
        # Modes at given labels suit the stars of MILES, but not those of other surveys: docs/method.md.
        Recipe(validation_fraction=0.0, reference_scale="MILES", seed=seed, ensemble=8, modes_at="fitted"),
        wavelength=WAVELENGTH,
        folds=folds,
        meta=meta,
        progress=True,
    )
    meta = {**done.emulator.meta, "validation_stars": sorted(withheld("MILES").tolist())}
    replace(done.emulator, meta=meta).save(EMULATOR)
    if residuals is not None:
        kept = {name: value for name, value in vars(done.residuals).items() if name not in ("names", "folds")}
        np.savez(residuals, **kept)


def choose():
    """Copy the demo stars, with their lines of the table of labels."""
    stars = load_reference("miles")
    stars = stars[np.isin(stars.star_id, withheld("MILES"))]
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
    parser.add_argument("lamost", type=Path)
    parser.add_argument("templates", type=Path)
    parser.add_argument("--demo", action="store_true", help="copy the stars of maury demo, too")
    parser.add_argument("--folds", type=int, default=5, help="networks for the model error")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--residuals", type=Path, metavar="F.npz", help="write what bench/pulls.py reads")
    options = parser.parse_args()
    train(options.lamost, options.templates, options.folds, options.seed, options.residuals)
    if options.demo:
        choose()
