"""Emission lines that a fit leaves in the residual: Balmer lines and ionised calcium. The core finds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

import maury._core as _core

Array = NDArray[np.float64]

#: Lines that are tested, vacuum Angstrom.
LINES: dict[str, float] = _core.EMISSION_LINES


def emission_lines(
    wavelength: ArrayLike,
    flux: ArrayLike,
    ivar: ArrayLike,
    model: ArrayLike,
    rv: ArrayLike,
    scatter: ArrayLike = 0.0,
) -> tuple[Array, Array]:
    """Height and significance of emission over the model at each of `LINES`.

    a = sum w r g / sum w g^2 for Gaussian profiles g of 90, 180 and 360 km/s at the line, r = flux - model,
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
    data, inverse, fitted = (rows(values) for values in (flux, ivar, model))
    if not data.shape == inverse.shape == fitted.shape:
        raise ValueError(
            f"model: expected flux, ivar, model of one shape, "
            f"got {data.shape}, {inverse.shape}, {fitted.shape}"
        )
    star = np.broadcast_to(np.asarray(rv, dtype=float), len(data))
    noise = np.broadcast_to(np.asarray(scatter, dtype=float), data.shape)
    return _core.emission_lines(
        rows(wavelength), data, inverse, fitted, np.ascontiguousarray(star), np.ascontiguousarray(noise)
    )


def shows_emission(height: ArrayLike, significance: ArrayLike) -> NDArray[np.bool_]:
    """Whether two lines (N, M) are significant (8 sigma) and high (0.05), or H alpha alone (0.2).

    Another line alone is usually a weak absorption line: Ca II K of metallic-line A stars.
    """
    return _core.shows_emission(rows(height), rows(significance))


def rows(values: ArrayLike) -> Array:
    """Return values (N, P) or (P,) as the core takes them, (N, P)."""
    return np.ascontiguousarray(np.atleast_2d(np.asarray(values, dtype=np.float64)))
