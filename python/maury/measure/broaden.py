"""An emulator seen by a coarser instrument.

The last layer of an emulator is linear, so broadening its K basis spectra broadens every spectrum it
can give: no training set is convolved for it (the paper, sec. 5.1, finds that too expensive).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from maury.emulator import Emulator

Array = NDArray[np.float64]

# Pixels in which the ripple of a kernel narrower than a pixel dies away.
_RINGING = 12


def extra_variance(emulator: Emulator, lsf: Array) -> Array:
    """Broadening that takes the emulator to a line-spread function: (N, P), variance in squared pixels.

    Parameters
    ----------
    emulator : Emulator
        With its own `lsf`.
    lsf : (N, P) float64
        Gaussian sigma, Angstrom at rest, on the pixels of the emulator. Where it is NaN, or sharper
        than the emulator, nothing is broadened; data are never deconvolved.
    """
    if emulator.lsf is None:
        raise ValueError("lsf: the emulator does not know its own, so the difference to it is not known")
    width = np.gradient(emulator.wavelength)
    return np.fmax((lsf**2 - emulator.lsf**2) / width**2, 0.0)


def broadened(emulator: Emulator, variance: Array) -> Emulator:
    """Give the emulator with its basis broadened by `variance` (P,), squared pixels at every pixel.

    The kernel is that whose transfer function is exp(-variance q^2 / 2) up to the Nyquist frequency: a
    sampled Gaussian where that is wider than a pixel, and right for smooth spectra also where it is not.
    """
    if not variance.any():
        return emulator
    from scipy.sparse import csr_array

    n_pixels = len(variance)
    reach = int(np.ceil(6 * np.sqrt(variance.max()))) + _RINGING
    offset = np.arange(-reach, reach + 1)
    frequency = np.pi * (np.arange(4 * reach) + 0.5) / (4 * reach)
    transfer = np.exp(-0.5 * variance[:, None] * frequency**2)
    kernel = transfer @ np.cos(frequency[:, None] * offset) / len(frequency)
    kernel[variance == 0] = offset == 0
    column = np.arange(n_pixels)[:, None] + offset
    inside = (column >= 0) & (column < n_pixels)
    kernel[~inside] = 0.0
    kernel /= kernel.sum(axis=1, keepdims=True)
    row = np.broadcast_to(np.arange(n_pixels)[:, None], column.shape)
    operator = csr_array((kernel[inside], (row[inside], column[inside])), shape=(n_pixels, n_pixels))
    return replace(
        emulator,
        weights=(*emulator.weights[:-1], (operator @ emulator.weights[-1]).astype(np.float32)),
        biases=(*emulator.biases[:-1], (operator @ emulator.biases[-1]).astype(np.float32)),
        _loaded_hash=None,  # no file holds it
    )


def groups(variance: Array) -> Iterator[tuple[NDArray[np.intp], Array]]:
    """Rows of `variance` (N, P) that are the same, with the curve they share, in order of their first row."""
    members: dict[bytes, list[int]] = {}
    for i, curve in enumerate(variance):
        members.setdefault(curve.tobytes(), []).append(i)
    for rows in members.values():
        yield np.array(rows), variance[rows[0]]


def predict_broadened(emulator: Emulator, labels: Array, lsf: Array | None) -> Array:
    """Flux (N, P) at labels (N, L), as seen with the line-spread functions `lsf` (N, P) or None."""
    if lsf is None or emulator.lsf is None:
        return emulator.predict(labels)
    flux = np.empty((len(labels), len(emulator.wavelength)))
    for rows, variance in groups(extra_variance(emulator, lsf)):
        flux[rows] = broadened(emulator, variance).predict(labels[rows])
    return flux
