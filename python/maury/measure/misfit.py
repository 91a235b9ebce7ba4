"""Misfits that are smooth over tens of pixels: fringes, steps between arms, telluric bands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator

Array = NDArray[np.float64]

CELL = 20  # pixels of the emulator
MAX_RMS = 1.0  # of the cells, in units of `usual_error`
MAX_CELL = 2.5  # of the worst cell
LEAST_ERROR = 0.008  # accuracy to which the local lines reproduce the running median of training spectra
_SURE = 3.0  # sigma of the noise that are subtracted
_SPIKE = 6.0  # sigma; such pixels are outliers, and counted as such
_EDGE = 4  # 1/4 of the window is excluded at either end, where the running median covers one side only


def smooth_misfit(
    flux: ArrayLike, ivar: ArrayLike, model: ArrayLike, scatter: ArrayLike, cell: int = CELL, edge: int = 0
) -> tuple[Array, Array]:
    """Rms of the residual in cells of several pixels, and its largest value.

    a = sum w r / sum w in a cell, r = flux - model, w = 1/(1/ivar + scatter^2); its variance is v = 1/sum w.
    The rms of M cells is sqrt(mean(a^2 - v) - 3 sqrt(2 sum v^2)/M), the largest value |a| - 3 sqrt(v): with
    3 sigma of the noise subtracted, noise alone rarely gives more than 0. Both are at least 0.

    Parameters
    ----------
    flux, ivar, model : (N, P)
        Normalised flux, its inverse variance, and that of the fit.
    scatter : (P,) or (N, P)
        Rms that the emulator cannot explain.
    cell, edge : int
        Pixels per cell, and pixels excluded at either end of a spectrum.

    Returns
    -------
    rms, worst : (N,)
        In units of the continuum.
    """
    data, inverse, fitted = (np.atleast_2d(np.asarray(x, dtype=float)) for x in (flux, ivar, model))
    n, n_pixels = data.shape
    used = (inverse > 0) & np.isfinite(fitted)
    pixel = np.arange(n_pixels)
    first = np.argmax(used, axis=1)[:, None] + edge
    last = n_pixels - 1 - np.argmax(used[:, ::-1], axis=1)[:, None] - edge
    used &= (pixel >= first) & (pixel <= last)
    with np.errstate(divide="ignore"):
        weight = np.where(used, 1 / (1 / inverse + np.asarray(scatter, dtype=float) ** 2), 0.0)
    residual = np.where(used, data - fitted, 0.0)
    weight[residual**2 * weight > _SPIKE**2] = 0.0
    cells = (n, n_pixels // cell, cell)
    weight, residual = (x[:, : cells[1] * cell].reshape(cells) for x in (weight, residual))
    total = weight.sum(axis=2)
    known = total > 0
    variance = np.divide(1.0, total, out=np.zeros_like(total), where=known)
    mean = np.sum(weight * residual, axis=2) * variance
    noise = np.sqrt(2 * np.sum(variance**2, axis=1))
    square = (np.sum(mean**2 - variance, axis=1) - _SURE * noise) / np.maximum(known.sum(axis=1), 1)
    worst = np.max(np.abs(mean) - _SURE * np.sqrt(variance), axis=1, initial=0.0)
    return np.sqrt(np.maximum(square, 0.0)), np.asarray(worst)


def usual_error(emulator: Emulator) -> float:
    """Rms flux error of stars withheld from the training of the emulator; infinite if unknown."""
    return max(LEAST_ERROR, float((emulator.meta or {}).get("held_out_rms", np.inf)))


def is_misfit(
    flux: Array, ivar: Array, model: Array, scatter: Array, width: Array, emulator: Emulator
) -> NDArray[np.bool_]:
    """Whether spectra (N,) differ from their fits by more than the emulator typically does from stars.

    `width` (N,) or (1,) is the width of a pixel, in pixels of the emulator; other arguments as in
    `smooth_misfit`.
    """
    shape = np.shape(flux)
    usual = usual_error(emulator)
    lengths = np.array([[CELL], [emulator.window / _EDGE]])
    sizes = np.broadcast_to(np.maximum(1, np.round(lengths / width)).astype(int), (2, shape[0])).T
    found = np.zeros(shape[0], dtype=bool)
    for cell, edge in np.unique(sizes, axis=0).tolist():
        same = (sizes == (cell, edge)).all(axis=1)
        rows = slice(None) if same.all() else same
        noise = np.broadcast_to(scatter, shape)[rows]
        rms, worst = smooth_misfit(flux[rows], ivar[rows], model[rows], noise, cell, edge)
        found[rows] = (rms > MAX_RMS * usual) | (worst > MAX_CELL * usual)
    return found
