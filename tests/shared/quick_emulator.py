"""An emulator of the synthetic stars of the benchmarks in seconds: random hidden units, least squares."""

import functools

import numpy as np
import synthetic

from maury import Emulator, running_median

LOW, HIGH = np.array([4400.0, 1.0, -1.5]), np.array([7000.0, 5.0, 0.5])
UNITS = 160
LSF = 1.2  # pixels


@functools.cache
def quick_emulator():
    """Return an emulator of teff, logg, fe_h; its `held_out_rms` is that of stars it has not seen."""
    rng = np.random.default_rng(8)
    labels = LOW + rng.random((700, 3)) * (HIGH - LOW)
    flux = spectra_of(labels)
    flux = flux / running_median(flux, 400)
    wave = synthetic.WAVELENGTH
    weights, biases = rng.normal(0, 1.2, (UNITS, 3)), rng.normal(0, 1.0, UNITS)
    hidden = np.tanh(((labels - LOW) / (HIGH - LOW) - 0.5) @ weights.T + biases)
    hidden = np.column_stack([hidden, np.ones(len(hidden))])
    known, held = slice(0, 600), slice(600, None)
    normal = hidden[known].T @ hidden[known] + 1e-3 * np.eye(UNITS + 1)
    last = np.linalg.solve(normal, hidden[known].T @ flux[known])
    residual = flux[held] - hidden[held] @ last
    return Emulator.from_layers(
        weights=[weights, last[:-1].T],
        biases=[biases, last[-1]],
        activation="tanh",
        labels=["teff", "logg", "fe_h"],
        label_min=LOW,
        label_max=HIGH,
        wavelength=wave,
        scatter=np.sqrt(np.median(residual**2, axis=0)) / 0.6745,
        lsf=LSF * wave * np.log(10) * synthetic.LOG_STEP,
        training_labels=labels[known],
        meta={"name": "quick", "held_out_rms": float(np.sqrt(np.mean(residual**2)))},
    )


def spectra_of(labels):
    """Return flux (n, P) of synthetic stars of teff, logg, fe_h at the resolution of the emulator."""
    others = np.tile([0.1, 0.15], (len(labels), 1))
    blur = np.sqrt(LSF**2 - 0.6**2)
    return synthetic.spectra(np.column_stack([labels, others]), blur=blur).astype(np.float64)
