"""The running median of a noisy, broadened spectrum with gaps is not that of a training spectrum.

Noise pulls the median down, since lines lie on one side of it; a broader instrument fills the lines, which
moves it too; so do gaps. Once a first fit has told what star it is, all three are known and can be undone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import maury._core as _core
from maury.measure.observe import running_median

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator
    from maury.measure.observe import Observed

Array = NDArray[np.float64]

#: Pairs of noise draws, n and -n: with them the ratio is known to 0.2 % at S/N 10, to 0.05 % at S/N 100.
N_PAIRS = 4


def median_ratio(observed: Observed, model: Array, native: Array, emulator: Emulator) -> Array:
    """Tell by how much the running median of a star in this spectrum differs from that in training: (N, P).

    E[med(c model + noise)] / med(c native), with c the continuum of the spectrum; the upper median over the
    pixels in use, the lower one over all. Errors of the emulator and the slope of the continuum cancel.

    Parameters
    ----------
    observed : Observed
    model, native : (N, P) float64
        The first fit as the spectrum shows it, and at the resolution of the emulator. The ratio is 1 where
        they are NaN.
    emulator : Emulator
    """
    good = np.isfinite(observed.continuum) & (observed.continuum > 0) & observed.good
    continuum = _filled(observed.continuum, good)
    noise = np.zeros_like(continuum)
    np.divide(1.0, np.sqrt(observed.ivar), out=noise, where=observed.ivar > 0)
    expected = np.zeros_like(continuum)
    for pair in range(N_PAIRS):
        draw = _draw(pair, observed.first, noise.shape[1])
        for sign in (1.0, -1.0):
            expected += running_median(
                continuum * (model + sign * draw * noise), ~observed.good, observed, emulator
            )
    reference = running_median(continuum * native, ~observed.inside, observed, emulator)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = expected / (2 * N_PAIRS * reference)
    return np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0)


def known_medians(observed: Observed, emulator: Emulator) -> _core.Medians:
    """Give the C++ core what it needs to find the same ratio, on the sampling of the emulator."""
    draws = _draws(observed.first, observed.flux.shape[1])
    good, inside = np.ascontiguousarray(observed.good), np.ascontiguousarray(observed.inside)
    return _core.Medians(observed.continuum, good, inside, draws, emulator.window // 2)


def _draw(pair: int, first: int, n_pixels: int) -> Array:
    """Noise (P,) of a pair: the same for a pixel of the file, whatever else is fitted."""
    return np.random.default_rng(pair).standard_normal(first + n_pixels)[first:]


@lru_cache(maxsize=4)
def _draws(first: int, n_pixels: int) -> NDArray[np.float32]:
    return np.array([_draw(pair, first, n_pixels) for pair in range(N_PAIRS)], dtype=np.float32)


def _filled(continuum: Array, good: NDArray[np.bool_]) -> Array:
    """Bridge what is not good, along the pixels."""
    filled = np.ones_like(continuum)
    pixel = np.arange(continuum.shape[1])
    for row, known, out in zip(continuum, good, filled, strict=True):
        if known.any():
            out[:] = np.interp(pixel, pixel[known], row[known])
    return filled
