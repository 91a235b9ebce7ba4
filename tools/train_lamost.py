"""Train the built-in emulator for LAMOST: python/maury/data/lamost.onnx.

    pip install ".[train]" torch==2.13.0
    pip install --no-deps sdss-mangadap==4.5.0
    python tools/train_lamost.py LAMOST TEMPLATES
    python tools/lamost_errors.py DATA        # its errors from repeat visits

training_stars.py tells what is in the folders LAMOST and TEMPLATES. Types of star that the list of LAMOST
does not have, cool dwarfs and stars above 14,000 K, are learnt from MILES and models, and beyond 7400 A,
where MILES ends, from STELIB and from templates of SDSS, with labels on the scale of MILES. The network knows
the source of each spectrum; the emulator is that of LAMOST, on the scale of LASP.
"""

import argparse
from pathlib import Path

import numpy as np
from training_stars import listed_spectra, models_of_hot_stars, of_source, templates_of_sdss

import maury
from maury.learn.recipe import Recipe
from maury.learn.train import train_recipe

OUTPUT = Path(__file__).parents[1] / "python" / "maury" / "data" / "lamost.onnx"
WAVELENGTH = (3700.0, 9097.0)  # A


def main():
    """Write the emulator."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lamost", type=Path)
    parser.add_argument("templates", type=Path)
    parser.add_argument("--folds", type=int, default=5, help="networks for the model error")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    lamost = listed_spectra(options.lamost)
    miles = maury.read_spectra("miles")
    templates = templates_of_sdss(options.templates, of_source(miles, "MILES"))
    miles.source, templates.source = (np.full(len(part), "MILES") for part in (miles, templates))
    models = models_of_hot_stars(options.templates)
    stelib = of_source(maury.read_spectra("stelib"), "STELIB")
    meta = {
        "name": "LAMOST",
        "training_data": f"LAMOST DR10, {len(lamost)} spectra with labels of LASP (tools/lamost_dr10.csv); "
        f"MILES 9.1, {len(miles)} stars, and STELIB, {len(stelib)} stars, as in sdss-mangadap 4.5.0; "
        f"templates of SDSS (idlspec2d), {len(templates)} spectra; models of hot stars (desisim), "
        f"{len(models)} spectra",
        "citation": "Cui et al. 2012, RAA 12, 1197; Luo et al. 2015, RAA 15, 1095; "
        "Sanchez-Blazquez et al. 2006, MNRAS 371, 703; Cenarro et al. 2007, MNRAS 374, 664; "
        "Falcon-Barroso et al. 2011, A&A 532, A95; Le Borgne et al. 2003, A&A 402, 433",
    }
    done = train_recipe(
        maury.Spectra.concatenate([lamost, miles, stelib, templates, models]),
        Recipe(validation_fraction=0.0, reference_scale="LASP", seed=options.seed, ensemble=4),
        wavelength=WAVELENGTH,
        folds=options.folds,
        meta=meta,
        progress=True,
    )
    done.emulator.save(options.output)
    print(f"Trained on {done.emulator.meta['sources']}. Written to {options.output}.")


if __name__ == "__main__":
    main()
