"""The test step of The Cannon (Ness et al. 2015; Casey et al. 2016, PyPI: annieslasso), for context.

It fits another, simpler emulator: a quadratic in the labels for every pixel, good in a part of the box. Its
own training step fails with NumPy 2 (it assigns an array of one to a number), so the coefficients come from
plain linear least squares, which is what that step solves without regularisation.
"""

import numpy as np
from mocks import labels_in_range, mock_spectra

FGK = np.array([4500.0, 6500.0])  # K
N_TRAINING, N_TEST = 500, 16


def prepare(emulator, snr):
    """Return a mock of FGK stars, and the call that fits it: labels (n, L)."""
    from thecannon import fitting
    from thecannon.vectorizer import PolynomialVectorizer

    vectorizer = PolynomialVectorizer(label_names=emulator.labels, order=2)
    training = mock_spectra(emulator, _labels(emulator, N_TRAINING, 1), 10 * snr, 1)
    middle = np.median(training.truth, axis=0)
    scale = np.ptp(np.percentile(training.truth, [2.5, 97.5], axis=0), axis=0)
    design = vectorizer((training.truth - middle) / scale).T
    theta = np.linalg.lstsq(design, training.flux, rcond=None)[0].T.copy()
    variance = np.mean((training.flux - design @ theta.T) ** 2, axis=0)
    mock = mock_spectra(emulator, _labels(emulator, N_TEST, 2), snr, 2)

    def call():
        return np.array(
            [
                fitting.fit_spectrum(flux, ivar, middle, vectorizer, theta, variance, middle, scale)[0]
                for flux, ivar in zip(mock.flux, mock.ivar, strict=True)
            ]
        )

    return mock, call


def _labels(emulator, n, seed):
    labels = labels_in_range(emulator, n, seed)
    labels[:, 0] = np.random.default_rng(seed).uniform(*FGK, n)
    return labels
