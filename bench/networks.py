"""Trained networks to time fits on: built once, then read from a cache folder."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import synthetic

import maury

STEPS = 1200
SPECTRA = 3000
SEED = 1


def network(hidden=(300, 300), coefficients=64, activation="silu", n_labels=5, steps=STEPS):
    """Return an emulator trained on synthetic spectra, from the cache if it is there.

    The labels left out stay in the middle of their range.
    """
    recipe = {
        "hidden": list(hidden),
        "coefficients": coefficients,
        "activation": activation,
        "labels": list(synthetic.LABELS[:n_labels]),
        "steps": steps,
        "spectra": SPECTRA,
        "seed": SEED,
    }
    text = json.dumps(recipe, sort_keys=True).encode() + Path(synthetic.__file__).read_bytes()
    path = cache() / f"{'-'.join(map(str, hidden))}-{hashlib.sha256(text).hexdigest()[:12]}.onnx"
    if not path.exists():
        print(f"training {path}: once, some minutes", flush=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        _train(recipe).save(path)
    return maury.Emulator.load(path)


def cache():
    """Return the folder of the trained networks."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "maury" / "bench"


def _train(recipe):
    labels = synthetic.sample_labels(recipe["spectra"], np.random.default_rng(recipe["seed"]))
    n_labels = len(recipe["labels"])
    labels[:, n_labels:] = 0.5 * (synthetic.LOW + synthetic.HIGH)[n_labels:]
    flux = synthetic.spectra(labels)
    reference = maury.Spectra(
        wavelength=synthetic.WAVELENGTH,
        flux=flux,
        ivar=1e8 / flux**2,  # S/N 10,000: the scatter is the network's own
        rv=0.0,
        labels=dict(zip(recipe["labels"], labels.T, strict=False)),
    )
    return maury.train(
        reference,
        recipe["hidden"],
        recipe["coefficients"],
        wavelength=synthetic.WAVELENGTH,
        activation=recipe["activation"],
        steps=recipe["steps"],
        doubt=None,  # these labels are exact
        folds=0,  # model errors are not timed
        meta={"name": "synthetic", "bench": recipe},
        progress=True,
    )
