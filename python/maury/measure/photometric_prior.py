"""Gaussian priors on Teff and log g from Gaia photometry, parallaxes and isochrones.

log g = q + 0.4 M + 4 log10 Teff, where M is the absolute magnitude in G and q contains the mass and the
bolometric correction. M is observed, so isochrone points near a star in colour and magnitude tell only Teff,
from the colour, and q: log g is right also for a star between isochrones, of another age or metallicity.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.measure.photometry import (
    COLOUR_FLOOR,
    MAGNITUDE_FLOOR,
    named_labels,
    observed_stars,
    rows_by_name,
)
from maury.measure.prior import PHOTOMETRY
from maury.measure.star_prior import StarPrior
from maury.readers.isochrones import column

if TYPE_CHECKING:
    from astropy.table import Table

Array = NDArray[np.float64]

#: E(B-V) of a star for which none is given, and its error; the error of one that is given is
#: the larger of `EBV_ERROR` and `EBV_PART` of it [mag].
UNKNOWN_EBV, UNKNOWN_EBV_ERROR = 0.02, 0.02
EBV_ERROR, EBV_PART = 0.01, 0.1
#: Systematic error of log g at known Teff and M, by log g: stars of one Teff and M differ little in mass on
#: the main sequence, but giants by a third of it. Measured, with `COLOUR_OF_TEFF_FLOOR` [mag].
LOGG_FLOOR = ((3.7, 4.2), (0.14, 0.07))
COLOUR_OF_TEFF_FLOOR = 0.01
_FARTHEST = 4.0  # errors, with the floors: a star so far from all points is no star of these isochrones
_RIDGE = 1e-3  # squared errors: points so close to each other tell no slope
_ROWS = 200  # stars at a time


def needed_for_prior(prior: str, photometry: Table | None, isochrones: Table | None) -> tuple[Table, Table]:
    """Return the photometry and the isochrones that the prior "photometry" is made of.

    Raises
    ------
    ValueError
        If `prior` is another text, or they are not given.
    """
    if prior != PHOTOMETRY:
        raise ValueError(f"prior: expected 'photometry' or (mean, covariance), got {prior!r}")
    if photometry is None or isochrones is None:
        raise ValueError("prior: 'photometry' requires photometry and isochrones")
    return photometry, isochrones


def priors_by_name(photometry: Table, isochrones: Table, labels: Sequence[str]) -> dict[str, Array]:
    """`photometric_prior` by the name of the star: mean and covariance as one array (L + L L,)."""
    mean, covariance = photometric_prior(photometry, isochrones, labels)
    return rows_by_name(photometry, np.column_stack([mean, covariance.reshape(len(mean), -1)]))


def named_priors(star_id: ArrayLike, known: Mapping[str, Array], n_labels: int) -> StarPrior:
    """Priors of `priors_by_name` for N named stars; none for others."""
    rows = named_labels(star_id, known, n_labels + n_labels**2)
    return StarPrior(rows[:, :n_labels], rows[:, n_labels:].reshape(-1, n_labels, n_labels))


def photometric_prior(
    photometry: Any, isochrones: Table, labels: Sequence[str], *, ebv: ArrayLike | None = None
) -> tuple[Array, Array]:
    """Mean and covariance of labels given colour, absolute magnitude, extinction and their errors.

    The covariance contains the errors of the photometry, parallax and extinction, the spread of the
    isochrones near the star and a floor for their systematic errors; Teff and log g are correlated. Points
    have weights exp(-distance^2 / 2), in units of the errors as in `photometric_start`, times the age over
    the number of points of their isochrone: stars form at a constant rate. A binary is brighter, by up to
    0.75 mag, and its log g too low, by up to 0.3.

    Parameters
    ----------
    photometry, isochrones, ebv
        See `photometric_start`. By default E(B-V) is the column ebv, else `UNKNOWN_EBV`; its error is the
        column ebv_error, if any.
    labels : sequence of str, L
        teff and logg have a prior; no other label is determined by one colour.

    Returns
    -------
    mean : (N, L) float64
        NaN = no prior: other labels; stars with unknown photometry, parallaxes that are not positive, or
        farther than 4 errors from all isochrones.
    covariance : (N, L, L) float64
        NaN without a prior.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    dust_error: ArrayLike
    names = {str(name).lower(): name for name in photometry.keys()}  # noqa: SIM118  (a Table has rows)
    if ebv is None and "ebv" not in names:
        ebv, dust_error = UNKNOWN_EBV, UNKNOWN_EBV_ERROR
    elif "ebv_error" in names:
        dust_error = np.asarray(photometry[names["ebv_error"]], dtype=np.float64)
    else:
        given = photometry[names["ebv"]] if ebv is None else ebv
        dust_error = np.maximum(EBV_ERROR, EBV_PART * np.asarray(given, dtype=np.float64))
    stars = observed_stars(photometry, ebv)
    # Errors of colour and magnitude, (N, 2, 2): dust changes both.
    dust = np.stack([stars.reddening, stars.extinction], axis=-1) * np.atleast_1d(dust_error)[:, None]
    errors = dust[:, :, None] * dust[:, None, :]
    errors[:, 0, 0] += stars.colour_error**2
    errors[:, 1, 1] += stars.magnitude_error**2
    near = _near(stars.colour, stars.magnitude, errors, isochrones)
    log_teff, slope, teff_variance, q, q_variance = near.T
    # (log10 Teff, log g) = J (colour, magnitude)
    jacobian = np.zeros_like(errors)
    jacobian[:, 0, 0], jacobian[:, 1, 0], jacobian[:, 1, 1] = slope, 4 * slope, 0.4
    both = jacobian @ errors @ np.swapaxes(jacobian, 1, 2)
    own = teff_variance + (slope * COLOUR_OF_TEFF_FLOOR) ** 2
    both += own[:, None, None] * np.array([[1.0, 4.0], [4.0, 16.0]])
    teff, logg = 10.0**log_teff, q + 0.4 * stars.magnitude + 4 * log_teff
    both[:, 1, 1] += q_variance + np.interp(logg, *LOGG_FLOOR) ** 2
    values = {"teff": teff, "logg": logg}
    units = {"teff": teff * np.log(10), "logg": np.ones_like(teff)}
    mean = np.full((len(teff), len(labels)), np.nan)
    covariance = np.full((len(teff), len(labels), len(labels)), np.nan)
    known = [name for name in values if name in labels]
    for j in known:
        mean[:, labels.index(j)] = values[j]
        for k in known:
            element = both[:, list(values).index(j), list(values).index(k)]
            covariance[:, labels.index(j), labels.index(k)] = element * units[j] * units[k]
    return mean, covariance


def _near(colour: Array, magnitude: Array, errors: Array, isochrones: Table) -> Array:
    """Averages of isochrone points near stars, (N, 5), NaN without points.

    log10 Teff at the colour of the star, from the straight line through the points; its slope, and the
    variance of the points about it; q and its variance.
    """
    g, bp, rp = (column(isochrones, band) for band in ("G", "BP", "RP"))
    log_teff = np.log10(column(isochrones, "teff"))
    q = column(isochrones, "logg") - 0.4 * g - 4 * log_teff
    _, which, number = np.unique(
        np.column_stack([column(isochrones, name) for name in ("age", "fe_h")]),
        axis=0,
        return_inverse=True,
        return_counts=True,
    )
    share = column(isochrones, "age") / number[which.ravel()]
    points = np.stack([bp - rp, g])
    middle = np.array([np.mean(log_teff), np.mean(q)])  # sums of squares of small numbers are exact
    y, z = log_teff - middle[0], q - middle[1]
    near = np.full((len(colour), 5), np.nan)
    for first in range(0, len(colour), _ROWS):
        rows = slice(first, first + _ROWS)
        x_width = np.hypot(COLOUR_FLOOR, np.sqrt(errors[rows, 0, 0]))
        x = (points[0] - colour[rows, None]) / x_width[:, None]
        m_width = np.hypot(MAGNITUDE_FLOOR, np.sqrt(errors[rows, 1, 1]))
        distance = x**2 + ((points[1] - magnitude[rows, None]) / m_width[:, None]) ** 2
        least = distance.min(axis=1)
        weight = share * np.exp(-0.5 * (distance - least[:, None]))
        weight /= weight.sum(axis=1, keepdims=True)
        mean_x = (weight * x).sum(axis=1)
        mean_y, mean_z = weight @ y, weight @ z
        spread = (weight * x**2).sum(axis=1) - mean_x**2
        slope = ((weight * x) @ y - mean_x * mean_y) / (spread + _RIDGE)
        about = weight @ y**2 - mean_y**2 - slope**2 * spread
        near[rows] = np.column_stack([
            middle[0] + mean_y - slope * mean_x, slope / x_width, np.maximum(about, 0.0),
            middle[1] + mean_z, np.maximum(weight @ z**2 - mean_z**2, 0.0),
        ])  # fmt: skip
        near[rows][~(least <= _FARTHEST**2)] = np.nan
    return near
