"""Training with labels that are uncertain, incomplete or on several scales, on made-up stars of known truth.

The spectra are those of the built-in emulator at labels near those of its stars, with noise and with errors
that are correlated over pixels, as misfits are. Labels of stars that were not used are compared with the truth.
"""

import argparse

import numpy as np
from scipy.ndimage import gaussian_filter1d

import maury
from maury.labels import offset_and_mad
from maury.learn.select import select

LABELS = ("teff", "logg", "fe_h")
ERROR = np.array([100.0, 0.2, 0.1])
JITTER = np.array([60.0, 0.1, 0.1])  # between the stars that are made and those of the emulator
NOISE, MISFIT, LENGTH = 0.015, 0.01, 20.0  # of flux; pixels
N_TRAIN, N_TEST = 600, 400


def made_up(n, rng):
    """Return spectra of n FGK stars and their true labels (n, 3)."""
    emulator = maury.Emulator.load()
    known = emulator.training_labels
    known = known[(known[:, 0] > 4100) & (known[:, 0] < 6900)]
    truth = known[rng.integers(len(known), size=n)] + JITTER * rng.standard_normal((n, 3))
    truth = np.clip(truth, *emulator.bounds.T)
    shape = (n, len(emulator.wavelength))
    misfit = gaussian_filter1d(rng.standard_normal(shape), LENGTH) * np.sqrt(2 * LENGTH * np.sqrt(np.pi))
    flux = emulator.predict(truth) + MISFIT * misfit + NOISE * rng.standard_normal(shape)
    spectra = maury.Spectra(emulator.wavelength, flux, np.full(shape, NOISE**-2), rv=0.0)
    spectra.labels = dict(zip(LABELS, truth.T.copy(), strict=True))
    return spectra, truth


def measured(emulator, spectra):
    """Return the labels (n, L) of spectra."""
    chosen = select(spectra, emulator.labels, emulator.wavelength, emulator.window)
    return maury.fit_normalized(emulator, chosen.flux, chosen.ivar).labels


def line(what, found, truth, names=LABELS):
    """Print slope, offset and MAD of measured against true labels."""
    words = []
    for j in range(len(names)):
        slope = np.polyfit(truth[:, j], found[:, j] - truth[:, j], 1)[0]
        words.append("{:+.3f} {:+8.3f} {:7.3f}".format(slope, *offset_and_mad(found[:, j] - truth[:, j])))
    print(f"{what:<32}" + "   ".join(words), flush=True)
