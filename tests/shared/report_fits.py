"""A made-up fit for the page of `maury report`, and what the page does to read it."""

import base64
import zlib

import numpy as np

from maury.measure.best_fit import BestFit
from maury.show.report import data


def made_up_fit(n=700, seed=0):
    """Return a best fit with gaps, and flux beyond what can be kept."""
    rng = np.random.default_rng(seed)
    ivar = np.where(rng.random(n) < 0.1, 0.0, 2500.0)
    flux, model = 1 + 0.1 * rng.normal(size=(2, n))
    flux[5:7] = 40.0, -3.0
    return BestFit(3600 * 10 ** (1e-4 * np.arange(n)), flux, ivar, model, np.full(n, 0.005))


def unpacked(packed):
    """Undo `pack_spectrum` as the page does."""
    raw = zlib.decompress(base64.b64decode(packed))
    n = len(raw) // 10
    planes = np.frombuffer(raw, np.uint8).reshape(10, n).astype(np.int64)
    wave = np.cumsum(sum(planes[k] << (8 * k) for k in range(4)).astype(np.uint32).view(np.int32))
    whole = [planes[k] + (planes[k + 1] << 8) for k in (4, 6, 8)]
    return wave * data.WAVE_STEP, *(
        np.where(w == data.MISSING, np.nan, w * data.STEP + data.LOWEST) for w in whole
    )
