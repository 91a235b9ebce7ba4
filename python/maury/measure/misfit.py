"""Misfits that are smooth over tens of pixels: fringes, steps between arms, telluric bands, other objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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
_FEATURE = 0.01  # of the continuum; cells with a smaller uncertainty have equal weights
_MEDIAN = np.pi / 2  # variance of a median divided by that of the mean
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
    if not n_pixels:
        return np.zeros(n), np.zeros(n)
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
    found = np.zeros(shape[0], dtype=bool)
    for rows, cell, edge in _by_size(shape[0], width, emulator):
        noise = np.broadcast_to(scatter, shape)[rows]
        rms, worst = smooth_misfit(flux[rows], ivar[rows], model[rows], noise, cell, edge)
        found[rows] = (rms > MAX_RMS * usual) | (worst > MAX_CELL * usual)
    return found


def unexplained_part(flux: Array, ivar: Array, model: Array, width: Array, emulator: Emulator) -> Array:
    """Return rms of the residual over that of the features of spectra, (N,): near 0 for a star, else near 1.

    In cells of 20 pixels of the emulator r is the median of flux - model, m the mean of model - 1. With
    weights g = 1/(v + 0.01^2), v the variance of r by the noise,

        part^2 = [<g^2 r^2> - <g^2 v> - 3 sqrt(2 <g^4 v^2>)] / max(<g^2 (r + m)^2> - <g^2 v>, <g^2 m^2>)

    It needs no unit and no noise floor: the lines of a hot star are few and weak, and so is what a fit leaves
    of them. A quasar, a galaxy or a carbon star shows features that no labels give; a spectrum without lines
    lacks those that any labels give. The median of a cell is blind to cosmic rays and narrow emission.

    Parameters
    ----------
    flux, ivar, model : (N, P)
        Normalised flux, its inverse variance, and that of the fit.
    width : (N,) or (1,)
        Median width of a pixel, in pixels of the emulator.
    emulator : Emulator
    """
    part = np.zeros(len(flux))
    for rows, cell, _ in _by_size(len(flux), width, emulator):
        part[rows] = _part_of_cells(flux[rows], ivar[rows], model[rows], cell)
    return part


def _part_of_cells(flux: Array, ivar: Array, model: Array, cell: int) -> Array:
    n, n_cells = len(flux), flux.shape[1] // cell
    used = ((ivar > 0) & np.isfinite(model))[:, : n_cells * cell]
    shape = (n, n_cells, cell)
    residual, feature, inverse = (
        np.where(used, x[:, : n_cells * cell], fill).reshape(shape)
        for x, fill in ((flux - model, np.inf), (model - 1.0, 0.0), (ivar, 0.0))
    )
    count = used.reshape(shape).sum(axis=2)
    known = 2 * count > cell
    residual.sort(axis=2)
    last = np.maximum(count - 1, 0)
    middle = [
        np.take_along_axis(residual, at[..., None], axis=2)[..., 0] for at in (last // 2, (last + 1) // 2)
    ]
    r = np.where(known, (middle[0] + middle[1]) / 2, 0.0)
    m = feature.sum(axis=2) / np.maximum(count, 1)
    v = np.where(known, _MEDIAN / np.where(known, inverse.sum(axis=2), 1.0), 0.0)
    g = np.where(known, 1 / (v + _FEATURE**2), 0.0)
    g = g / np.maximum(g.max(axis=1, keepdims=True), 1e-300) if n_cells else g
    noise = np.sum(g**2 * v, axis=1)
    left = np.sum((g * r) ** 2, axis=1) - noise - _SURE * np.sqrt(2 * np.sum((g**2 * v) ** 2, axis=1))
    there = np.maximum(np.sum((g * (r + m)) ** 2, axis=1) - noise, np.sum((g * m) ** 2, axis=1))
    positive = (left > 0) & (there > 0)
    part: Array = np.sqrt(np.where(positive, left, 0.0) / np.where(positive, there, 1.0))
    return part


def _by_size(n: int, width: Array, emulator: Emulator) -> Iterator[tuple[Any, int, int]]:
    """Yield the rows of n spectra whose pixels are as wide, and the pixels in their cells and edges."""
    lengths = np.array([[CELL], [emulator.window / _EDGE]])
    sizes = np.broadcast_to(np.maximum(1, np.round(lengths / width)).astype(int), (2, n)).T
    for cell, edge in np.unique(sizes, axis=0).tolist():
        same = (sizes == (cell, edge)).all(axis=1)
        yield (slice(None) if same.all() else same), cell, edge
