"""Mock spectra: an emulator's own, with noise that differs from pixel to pixel and spectrum to spectrum."""

from dataclasses import dataclass

import numpy as np

import maury
from maury.labels import transformed, untransformed


@dataclass(frozen=True)
class Mock:
    """Spectra of known labels: truth (N, L), flux and ivar (N, P)."""

    emulator: maury.Emulator
    truth: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray

    def __len__(self):
        return len(self.truth)

    def __getitem__(self, rows):
        return Mock(self.emulator, self.truth[rows], self.flux[rows], self.ivar[rows])


def mock_spectra(emulator, truth, snr, seed=0):
    """Return mock spectra of these labels, with S/N (N,) or one for all in the mean."""
    rng = np.random.default_rng(seed)
    flux = emulator.predict(truth)
    # Errors alike in all spectra would let a fit share work that real spectra do not share.
    error = rng.uniform(0.7, 1.4, flux.shape) / np.reshape(snr, (-1, 1))
    return Mock(emulator, truth, flux + error * rng.standard_normal(flux.shape), 1 / error**2)


def labels_in_range(emulator, n, seed=0):
    """Return labels (n, L), even over what the emulator was trained on, in the variables it sees."""
    low, high = transformed(emulator.training_range.T, emulator.transforms)
    rng = np.random.default_rng(seed)
    return untransformed(low + rng.random((n, len(low))) * (high - low), emulator.transforms)


def labels_of_stars(emulator, n, seed=0):
    """Return labels (n, L) of stars it was trained on, inside its bounds."""
    known, (low, high) = emulator.training_labels, emulator.bounds.T
    inside = known[((known > low) & (known < high)).all(axis=1)]
    return np.random.default_rng(seed).permutation(inside)[:n]
