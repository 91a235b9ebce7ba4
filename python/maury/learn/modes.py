"""Residual modes of an emulator, from the stars that it was trained on.

What a network does wrong is correlated over pixels: it is learnt as the leading principal components of the
residuals, at the fitted labels, since at the given ones it would contain the errors of these labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from maury.emulator.emulator import Emulator
from maury.measure.fit import fit_spectra
from maury.measure.options import Options
from maury.spectra import Spectra

Array = NDArray[np.float64]

_SURE = 3.0  # times the scale of Tracy and Widom
_LIMIT = 5.0  # scatters; larger residuals are reduced to it
_MOST = 0.9  # of the variance of a pixel; the rest is not correlated


def residual_modes(
    emulator: Emulator, flux: Array, ivar: Array, start: Array, most: int, lsf: Array | None = None
) -> Array:
    """Leading modes of the residuals of stars, with continuum and labels fitted.

    Parameters
    ----------
    emulator : Emulator
        With its scatter, without modes.
    flux, ivar : (N, P)
        Normalised spectra on its pixels.
    start : (N, L)
        Labels from which the fits start.
    most : int
        Maximum number of modes.
    lsf : (N, P), optional
        Line-spread functions of the spectra; by default that of the emulator.

    Returns
    -------
    (P, M)
        In normalised flux; as many of `most` as the residuals show.
    """
    spectra = Spectra(emulator.wavelength, flux, ivar, rv=0.0, lsf=lsf)
    result, models = fit_spectra(
        emulator, spectra, Options(velocity="given", clip=0.0), np.ascontiguousarray(start[:, None])
    )
    good = (models.weight > 0) & np.isfinite(models.model) & result.converged[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = (models.flux - models.model) / models.continuum
        variance = 1 / (models.ivar * models.continuum**2) + emulator.scatter**2
        scaled = np.where(good, residual / np.sqrt(variance), 0.0)
    modes = emulator.scatter[:, None] * leading_components(scaled, most)
    power = (modes**2).sum(axis=1)
    shrink = np.sqrt(np.minimum(1.0, _MOST * emulator.scatter**2 / np.maximum(power, 1e-300)))
    return np.asarray(modes * shrink[:, None])


def leading_components(residual: Array, most: int) -> Array:
    """Components (P, M) of residuals (N, P) in units of their errors, as factors: covariance = I + F F'.

    Stars with larger residuals than the median star have less weight, so that a few unusual ones have no
    effect. The eigenvalues of a sample covariance are too large: without any correlation, of N stars and P
    pixels, up to s^2 (1 + sqrt(g))^2 with g = P/N, s^2 their mean, and a known spread. Those above by three
    times that spread are kept, at the variance v that they stand for, v + g v/(v - 1) = eigenvalue / s^2
    (Johnstone & Paul 2018, Proc. IEEE 106, 1277).
    """
    clipped = np.clip(residual, -_LIMIT, _LIMIT)
    power = np.mean(clipped**2, axis=1)
    known = power > 0
    if not known.any():
        return np.zeros((residual.shape[1], 0))
    weight = np.minimum(1.0, np.median(power[known]) / power[known]) ** 2
    root = clipped[known] * np.sqrt(weight / weight.sum())[:, None]
    n, n_pixels = root.shape
    most = min(most, n, n_pixels)
    if most == 0:
        return np.zeros((n_pixels, 0))
    small = root @ root.T if n < n_pixels else root.T @ root
    values, vectors = eigh(small, subset_by_index=[len(small) - most, len(small) - 1])
    values, vectors = values[::-1], vectors[:, ::-1]
    if n < n_pixels:
        vectors = root.T @ vectors / np.sqrt(np.maximum(values, 1e-300))
    n_stars = weight.sum() ** 2 / np.sum(weight**2)
    roots = np.sqrt(n_stars) + np.sqrt(n_pixels)
    edge = (roots**2 + _SURE * roots * (n_stars**-0.5 + n_pixels**-0.5) ** (1 / 3)) / n_stars
    rest = (np.sum(root**2) - np.append(0.0, np.cumsum(values))) / (n_pixels - np.arange(most + 1))
    kept = int(np.argmin(np.append(values > edge * rest[:-1], False)))
    relative, shape = values[:kept] / rest[kept], n_pixels / n_stars
    middle = relative + 1 - shape
    spike = (middle + np.sqrt(middle**2 - 4 * relative)) / 2
    return np.asarray(vectors[:, :kept] * np.sqrt(rest[kept] * (spike - 1)))
