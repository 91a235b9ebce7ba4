"""Train the built-in emulator for LAMOST: python/maury/data/lamost.onnx.

    pip install ".[train]" torch==2.13.0
    pip install --no-deps sdss-mangadap==4.5.0
    python tools/train_lamost.py FOLDER       # of LAMOST DR10 low-resolution spectra
    python tools/lamost_errors.py DATA        # its errors from repeat visits

What FOLDER contains: see tools/reference_stars.py. Kinds of stars that the list does not have, such as cool
dwarfs, are learnt from MILES; the network knows the source of each spectrum, and the emulator is that of
LAMOST, on the scale of LASP.
"""

import argparse
from pathlib import Path

import reference_stars

import maury
from maury.learn.build import Recipe
from maury.learn.train import train_recipe

OUTPUT = Path(__file__).parents[1] / "python" / "maury" / "data" / "lamost.onnx"
WAVELENGTH = (3700.0, 9097.0)  # A


def main():
    """Write the emulator."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--folds", type=int, default=5, help="networks for the model error")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    lamost, miles = reference_stars.lamost(options.folder), reference_stars.miles()
    meta = {
        "name": "LAMOST",
        "training_data": f"LAMOST DR10, {len(lamost)} spectra with labels of LASP (tools/lamost_dr10.csv); "
        f"MILES 9.1, {len(miles)} stars, as in sdss-mangadap 4.5.0",
        "citation": "; ".join(reference_stars.CITATIONS[name] for name in ("LAMOST", "MILES")),
    }
    done = train_recipe(
        maury.Spectra.concatenate([lamost, miles]),
        Recipe(validation_fraction=0.0, reference_scale=reference_stars.LASP, seed=options.seed),
        wavelength=WAVELENGTH,
        teff_max=reference_stars.LASP_UP_TO,
        folds=options.folds,
        meta=meta,
        progress=True,
    )
    done.emulator.save(options.output)
    print(f"Trained on {done.emulator.meta['sources']}. Written to {options.output}.")


if __name__ == "__main__":
    main()
