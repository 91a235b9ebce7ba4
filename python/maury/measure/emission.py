"""Emission lines that a fit leaves in the residual: Balmer lines and ionised calcium."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.spectra import SPEED_OF_LIGHT

Array = NDArray[np.float64]

#: Lines that are looked at, vacuum Angstrom.
LINES = {
    "H alpha": 6564.61,
    "H beta": 4862.68,
    "H gamma": 4341.68,
    "H delta": 4102.89,
    "Ca II K": 3934.77,
    "Ca II H": 3969.59,
    "Ca II 8500": 8500.36,
    "Ca II 8544": 8544.44,
    "Ca II 8665": 8664.52,
}
WIDTHS = (90.0, 180.0, 360.0)  # sigma of the profiles that are tried [km/s]
SIGNIFICANCE = 8.0
MIN_HEIGHT = 0.05  # of the normalised continuum
MIN_ALONE = 0.2
_AROUND = 3000.0  # km/s; the residual there tells how well the fit does
_FAR = 1200.0  # km/s; beyond the widest profile
_MIN_PIXELS = 5
_NORMAL_MEDIAN = 0.6744897501960817


def emission_lines(
    wavelength: ArrayLike,
    flux: ArrayLike,
    ivar: ArrayLike,
    model: ArrayLike,
    rv: ArrayLike,
    scatter: ArrayLike = 0.0,
) -> tuple[Array, Array]:
    """Height and significance of emission over the model at each of `LINES`.

    a = sum w r g / sum w g^2 for a Gaussian profile g of each of `WIDTHS` at the line, r = flux - model,
    w = 1/(1/ivar + scatter^2). Its error, 1/sqrt(sum w g^2), grows by how much worse than w says the residual
    near the line is. Single bright pixels (cosmic rays) are taken out by a median of three.

    Parameters
    ----------
    wavelength : (P,) or (N, P)
        As observed, vacuum Angstrom.
    flux, ivar : (N, P)
        Normalised flux and its inverse variance, before outliers of the fit are left out: emission is one.
    model : (N, P)
        Of the fit, on the same pixels.
    rv : (N,)
        c z of the stars [km/s]; NaN is taken as 0.
    scatter : (P,) or (N, P)
        Rms that the emulator cannot explain.

    Returns
    -------
    height, significance : (N, M)
        In units of the continuum and of its error, of the profile that is most significant; NaN where a line
        is not covered.
    """
    data = np.atleast_2d(np.asarray(flux, dtype=float))
    inverse = np.atleast_2d(np.asarray(ivar, dtype=float))
    fitted = np.atleast_2d(np.asarray(model, dtype=float))
    if not data.shape == inverse.shape == fitted.shape:
        raise ValueError(
            f"model: expected flux, ivar, model of one shape, "
            f"got {data.shape}, {inverse.shape}, {fitted.shape}"
        )
    residual = data - fitted
    used = (inverse > 0) & np.isfinite(residual)
    with np.errstate(divide="ignore"):
        variance = np.where(used, 1 / inverse + np.broadcast_to(np.square(scatter), data.shape), np.inf)
    residual = _median_of_three(np.where(used, residual, 0.0))
    rest = (
        np.broadcast_to(wavelength, data.shape)
        / (1 + np.nan_to_num(np.atleast_1d(rv)) / SPEED_OF_LIGHT)[:, None]
    )
    height = np.full((len(data), len(LINES)), np.nan)
    significance = height.copy()
    for i in range(len(data)):
        for j, line in enumerate(LINES.values()):
            velocity = SPEED_OF_LIGHT * (rest[i] / line - 1)
            near = (np.abs(velocity) < _AROUND) & used[i]
            height[i, j], significance[i, j] = _strongest(
                velocity[near], residual[i, near], 1 / variance[i, near]
            )
    return height, significance


def _strongest(velocity: Array, residual: Array, weight: Array) -> tuple[float, float]:
    """Height and significance of the most significant profile at velocity 0."""
    beside = np.abs(velocity) > _FAR
    if (np.abs(velocity) < WIDTHS[0]).sum() < 1 or beside.sum() < _MIN_PIXELS:
        return np.nan, np.nan
    level = np.median(residual[beside])
    pulls = (residual - level) * np.sqrt(weight)
    worse = max(1.0, float(np.median(np.abs(pulls[beside]))) / _NORMAL_MEDIAN)
    best = (0.0, -np.inf)
    for width in WIDTHS:
        profile = np.exp(-0.5 * (velocity / width) ** 2)
        information = np.sum(weight * profile**2)
        a = np.sum(weight * (residual - level) * profile) / information
        best = max(best, (float(a), float(a * np.sqrt(information) / worse)), key=lambda pair: pair[1])
    return best


def shows_emission(height: ArrayLike, significance: ArrayLike) -> NDArray[np.bool_]:
    """Whether lines (N, M) stand out in two places, or H alpha alone by `MIN_ALONE`.

    One other line alone is more often a weak absorption line: Ca II K of metallic-line A stars.
    """
    with np.errstate(invalid="ignore"):
        clear = np.asarray(significance) > SIGNIFICANCE
        seen = clear & (np.asarray(height) > MIN_HEIGHT)
        alone = clear[:, 0] & (np.asarray(height)[:, 0] > MIN_ALONE)
    return np.asarray((seen.sum(axis=1) >= 2) | alone)


def _median_of_three(values: Array) -> Array:
    out: Array = values.copy()
    out[:, 1:-1] = np.median([values[:, :-2], values[:, 1:-1], values[:, 2:]], axis=0)
    return out
