"""Train the built-in emulator for LAMOST: python/maury/data/lamost.onnx.

    pip install ".[train]" torch==2.13.0
    pip install --no-deps sdss-mangadap==4.5.0
    python tools/train_lamost.py FOLDER       # of LAMOST DR10 low-resolution spectra
    python tools/lamost_errors.py DATA        # its errors from repeat visits

tools/lamost_dr10.csv lists the spectra by obsid, with the labels of the LAMOST pipeline (LASP, DR10 v0); get
them from https://www.lamost.org/dr10 (FITS of low resolution, v2.9.8). Files may have any name. Spectra with
unseen = 1, a random fifth of the stars, are not used at all: figures in the documentation are of these. Kinds
of stars that the list does not have, such as cool dwarfs, are learnt from MILES; the network knows the source
of each spectrum, and the emulator is that of LAMOST, on the scale of LASP.
"""

import argparse
from pathlib import Path

import numpy as np
from astropy.table import Table

import maury
from maury.learn.recipe import Recipe
from maury.learn.train import train_recipe

LIST = Path(__file__).with_name("lamost_dr10.csv")
OUTPUT = Path(__file__).parents[1] / "python" / "maury" / "data" / "lamost.onnx"
LABELS = ("teff", "logg", "fe_h")
SOURCE = "LASP"
WAVELENGTH = (3700.0, 9097.0)  # A
TEFF_MAX = 9000.0  # K; labels of hotter stars by LASP are poor


def listed_spectra(folder):
    """Return the spectra in a folder that the list has for training, with their labels."""
    files = [path for path in sorted(folder.rglob("*.fits*")) if path.is_file()]
    spectra = maury.read_spectra(files, format="lamost")
    table = Table.read(LIST)
    row_of = {str(obsid): row for row, obsid in enumerate(table["obsid"])}
    rows = np.array([row_of.get(name, -1) for name in spectra.visit_id])
    known = (np.asarray(table["unseen"]) == 0) & (np.asarray(table["teff"]) < TEFF_MAX)
    chosen = np.flatnonzero((rows >= 0) & known[rows])
    listed = table[rows[chosen]]
    spectra = spectra[chosen]
    spectra.labels = {name: np.asarray(listed[name], dtype=float) for name in LABELS}
    spectra.star_id = np.asarray(listed["star"], dtype=str)
    spectra.snr = np.asarray(listed["snrg"], dtype=float)
    spectra.source = np.full(len(spectra), SOURCE)
    return spectra


def main():
    """Write the emulator."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--folds", type=int, default=5, help="networks for the model error")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    lamost = listed_spectra(options.folder)
    miles = maury.read_spectra("miles")
    miles.source = np.full(len(miles), "MILES")
    meta = {
        "name": "LAMOST",
        "training_data": f"LAMOST DR10, {len(lamost)} spectra with labels of LASP (tools/lamost_dr10.csv); "
        f"MILES 9.1, {len(miles)} stars, as in sdss-mangadap 4.5.0",
        "citation": "Cui et al. 2012, RAA 12, 1197; Luo et al. 2015, RAA 15, 1095; "
        "Sanchez-Blazquez et al. 2006, MNRAS 371, 703; Cenarro et al. 2007, MNRAS 374, 664; "
        "Falcon-Barroso et al. 2011, A&A 532, A95",
    }
    done = train_recipe(
        maury.Spectra.concatenate([lamost, miles]),
        Recipe(validation_fraction=0.0, reference_scale=SOURCE, seed=options.seed),
        wavelength=WAVELENGTH,
        teff_max=TEFF_MAX,
        folds=options.folds,
        meta=meta,
        progress=True,
    )
    done.emulator.save(options.output)
    print(f"Trained on {done.emulator.meta['sources']}. Written to {options.output}.")


if __name__ == "__main__":
    main()
