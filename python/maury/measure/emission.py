"""Emission lines that a fit leaves in the residual: Balmer lines and ionised calcium."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.spectra import SPEED_OF_LIGHT

Array = NDArray[np.float64]

#: Lines that are tested, vacuum Angstrom.
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
WIDTHS = (90.0, 180.0, 360.0)  # sigma of the trial profiles [km/s]
SIGNIFICANCE = 8.0
MIN_HEIGHT = 0.05  # in units of the normalised continuum
MIN_ALONE = 0.2
_AROUND = 3000.0  # km/s; the residual in this range shows the quality of the fit
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
    w = 1/(1/ivar + scatter^2). Its error, 1/sqrt(sum w g^2), is increased where the residual near the line is
    larger than expected from w. Single bright pixels (cosmic rays) are removed by a median of three.

    Parameters
    ----------
    wavelength : (P,) or (N, P)
        As observed, vacuum Angstrom.
    flux, ivar : (N, P)
        Normalised flux and its inverse variance, before the clipping of outliers, since emission is an
        outlier.
    model : (N, P)
        Of the fit, on the same pixels.
    rv : (N,) or (1,)
        c z of the stars [km/s]; NaN is treated as 0.
    scatter : (P,) or (N, P)
        Rms that the emulator cannot explain.

    Returns
    -------
    height, significance : (N, M)
        In units of the continuum and of its error, of the most significant profile; NaN if the line
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
    observed = np.atleast_2d(np.asarray(wavelength, dtype=float))
    noise = np.broadcast_to(np.asarray(scatter, dtype=float), data.shape)
    star = 1 + np.nan_to_num(np.atleast_1d(np.asarray(rv, dtype=float))) / SPEED_OF_LIGHT
    height = np.full((len(data), len(LINES)), np.nan)
    significance = height.copy()
    if not len(data):
        return height, significance
    for j, line in enumerate(LINES.values()):
        low, high = (
            line * end(star * (1 + sign * _AROUND / SPEED_OF_LIGHT)) for end, sign in ((min, -1), (max, 1))
        )
        columns = np.flatnonzero(((observed > low) & (observed < high)).any(axis=0))
        if not columns.size:
            continue
        near = np.s_[:, columns[0] : columns[-1] + 1]
        velocity = SPEED_OF_LIGHT * (observed[near] / (line * star[:, None]) - 1)  # of each, or of all
        velocity[np.isnan(velocity)] = np.inf
        residual = data[near] - fitted[near]
        used = (inverse[near] > 0) & np.isfinite(residual) & (np.abs(velocity) < _AROUND)
        with np.errstate(divide="ignore"):
            weight = np.where(used, 1 / (1 / inverse[near] + noise[near] ** 2), 0.0)
        residual = _median_of_three(np.where(used, residual, 0.0))
        height[:, j], significance[:, j] = _strongest(velocity, residual, weight)
    return height, significance


def _strongest(velocity: Array, residual: Array, weight: Array) -> tuple[Array, Array]:
    """Height and significance (N,) of the most significant profile at velocity 0; NaN if there is none."""
    apart = np.abs(velocity)
    beside = (apart > _FAR) & (weight > 0)
    known = ((apart < WIDTHS[0]) & (weight > 0)).any(axis=1) & (beside.sum(axis=1) >= _MIN_PIXELS)
    if len(velocity) > 1:
        velocity = velocity[known]
    residual, weight, beside = residual[known], weight[known], beside[known]
    above = residual - masked_median(residual, beside)[:, None]
    worse = np.maximum(1.0, masked_median(np.abs(above) * np.sqrt(weight), beside) / _NORMAL_MEDIAN)
    best = np.full((2, len(known)), np.nan)
    for width in WIDTHS:
        profile = np.exp(-0.5 * (velocity / width) ** 2)
        information = np.sum(weight * profile**2, axis=1)
        a = np.sum(weight * above * profile, axis=1) / information
        found = np.stack([a, a * np.sqrt(information) / worse])
        best[:, known] = np.where(found[1] < best[1, known], best[:, known], found)
    return best[0], best[1]


def masked_median(values: Array, mask: NDArray[np.bool_]) -> Array:
    """Medians (N,) of the masked values of each row, one at least."""
    ordered = np.sort(np.where(mask, values, np.inf), axis=1)
    last = mask.sum(axis=1) - 1
    rows = np.arange(len(values))
    middle: Array = 0.5 * (ordered[rows, last // 2] + ordered[rows, (last + 1) // 2])
    return middle


def shows_emission(height: ArrayLike, significance: ArrayLike) -> NDArray[np.bool_]:
    """Whether lines (N, M) are significant at two positions, or H alpha alone by `MIN_ALONE`.

    Another line alone is usually a weak absorption line: Ca II K of metallic-line A stars.
    """
    with np.errstate(invalid="ignore"):
        clear = np.asarray(significance) > SIGNIFICANCE
        seen = clear & (np.asarray(height) > MIN_HEIGHT)
        alone = clear[:, 0] & (np.asarray(height)[:, 0] > MIN_ALONE)
    return np.asarray((seen.sum(axis=1) >= 2) | alone)


def _median_of_three(values: Array) -> Array:
    """Each value (N, W) replaced by the median of itself and its two neighbours; the ends are unchanged."""
    out: Array = values.copy()
    left, right = values[:, :-2], values[:, 2:]
    out[:, 1:-1] = np.clip(values[:, 1:-1], np.minimum(left, right), np.maximum(left, right))
    return out
