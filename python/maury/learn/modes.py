"""Residual modes of an emulator, from the stars that it was trained on.

What a network does wrong is correlated over pixels: it is learnt as the leading principal components of the
residuals of its stars. At their given labels the residuals contain what imitates a change of the labels, and
tell how that is correlated with the rest of the spectrum; but also the errors of these labels, and where
those are large, residuals at the fitted labels serve better. Unseen stars decide: see `maury.learn.folds`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from maury.emulator.emulator import Emulator
from maury.learn.normalise import half_window, local_lines
from maury.learn.select import TrainingSet
from maury.measure.fit import fit_spectra
from maury.measure.options import Options
from maury.spectra import Spectra

Array = NDArray[np.float64]

RULES = ("none", "fitted", "given")  # of `candidate_modes`

_AT_FITTED = 8  # modes: more do not bring labels closer
_POOL = 80  # components from which the modes at given labels are made
# And an error of the level, in normalised flux: a straight line through a curved continuum is at its level
# but for a part that is the same everywhere if the flux is multiplied by a power of the wavelength.
_LEVEL = 0.002
_SURE = 3.0  # times the scale of Tracy and Widom
_LIMIT = 5.0  # scatters; larger residuals are reduced to it
_MOST = 0.9  # of the variance of a pixel; the rest is not correlated


def candidate_modes(
    emulator: Emulator, stars: TrainingSet, labels: Array, most: int
) -> tuple[Array, Array, Array]:
    """No modes, those from the residuals at fitted labels, and those from the residuals at given labels.

    Parameters
    ----------
    emulator : Emulator
        With its scatter, without modes.
    stars : TrainingSet
        N stars of its source.
    labels : (N, L)
        Those that it was trained at.
    most : int
        Maximum number of modes.

    Returns
    -------
    (P, 0), (P, M), (P, M)
        In normalised flux; each has as many as the residuals show.
    """
    none = np.zeros((len(emulator.wavelength), 0))
    if most == 0:
        return none, none, none
    scatter = emulator.scatter[:, None]
    at_fitted = scatter * leading_components(_at_fitted(emulator, stars, labels), min(most, _AT_FITTED))
    residual, weight, model = _at_given(emulator, stars, labels)
    pool = scatter * leading_components(residual * np.sqrt(weight), max(most, _POOL))
    if pool.shape[1]:
        pool = np.column_stack([pool, _LEVEL * np.mean(model, axis=0)])
    at_given = pool @ _harmful(emulator, labels, model, weight, pool)[:, :most]
    return none, _part_of(emulator.scatter, at_fitted), _part_of(emulator.scatter, at_given)


def _part_of(scatter: Array, modes: Array) -> Array:
    """Modes (P, M), smaller where their variance is more than its part of that of a pixel."""
    power = (modes**2).sum(axis=1)
    shrink = np.sqrt(np.minimum(1.0, _MOST * scatter**2 / np.maximum(power, 1e-300)))
    return np.asarray(modes * shrink[:, None])


def _at_fitted(emulator: Emulator, stars: TrainingSet, labels: Array) -> Array:
    """Residuals (N, P) in units of their errors, with continuum and labels fitted."""
    spectra = Spectra(emulator.wavelength, stars.flux, stars.ivar, rv=0.0, lsf=stars.star_lsf)
    result, models = fit_spectra(
        emulator, spectra, Options(velocity="given", clip=0.0), np.ascontiguousarray(labels[:, None])
    )
    good = (models.weight > 0) & np.isfinite(models.model) & result.converged[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        residual = (models.flux - models.model) / models.continuum
        variance = 1 / (models.ivar * models.continuum**2) + emulator.scatter**2
        return np.where(good, residual / np.sqrt(variance), 0.0)


def _at_given(emulator: Emulator, stars: TrainingSet, labels: Array) -> tuple[Array, Array, Array]:
    """Residuals with the continuum fitted, their weights and the models, (N, P)."""
    model = stars.instruments.see(emulator.predict(labels))
    weight = stars.ivar / (1 + stars.ivar * emulator.scatter**2)
    continuum = local_lines(stars.flux, weight, model, half_window(emulator.window))
    good = (weight > 0) & (continuum > 0)
    residual = np.where(good, stars.flux / np.where(good, continuum, 1.0) - model, 0.0)
    return residual, np.where(good, weight, 0.0), model


def _harmful(emulator: Emulator, labels: Array, model: Array, weight: Array, modes: Array) -> Array:
    """Turn modes U (P, M) so that those come first that change labels most; the rotation, (M, M).

    With J the derivatives of a spectrum by the labels, X = U'WJ and B = I + U'WU, its labels depend on the
    amplitudes of the modes only by the combinations B^-1 X: a fit with the modes U Q, the columns of Q an
    orthonormal basis of them, has the same labels. They differ from star to star; the rotation sorts by the
    sum of their squares over the stars, in units of the error of each star's labels.
    """
    total = np.zeros((modes.shape[1],) * 2)
    for x, m, w in zip(labels, model, weight, strict=True):
        slope = emulator.jacobian(x).T  # (L, P), less what the continuum takes up
        line = local_lines(slope, w[None], m[None], half_window(emulator.window))
        slope = slope - m * np.nan_to_num(line)
        cross = modes.T @ (w * slope).T
        solved = np.linalg.solve(np.eye(len(total)) + modes.T @ (w[:, None] * modes), cross)
        total += solved @ np.linalg.pinv((w * slope) @ slope.T - cross.T @ solved) @ solved.T
    return np.asarray(eigh(total)[1][:, ::-1])


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
    most = min(most, n // 2, n_pixels // 2)  # the others tell the noise
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
