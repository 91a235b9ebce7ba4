"""One row per star: the weighted mean of its visits, with discrepant visits flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maury.catalog.columns import column_values, label_names
from maury.catalog.errors import model_part, noise_errors
from maury.catalog.flags import Flag, is_valid
from maury.catalog.star_flags import star_flags
from maury.labels import covariance_of, find_label

if TYPE_CHECKING:
    from astropy.table import QTable

Array = NDArray[np.float64]

DISAGREE = 4.0  # sigma
_LEAST_NOISE = 0.01  # of the error


def combine_visits(catalog: QTable) -> QTable:
    """Combine the visits of each star.

    A label is the mean of the visits with weights 1/noise^2, noise^2 = error^2 - model^2, where model is
    ``<label>_err_model`` of the catalogue (0 if it has none): the model error is the same in each visit, and
    is not reduced by averaging. The error of the mean is

        sigma^2 = 1 / sum_v noise_v^-2 + (sum_v share_v model_v)^2,   share_v = noise_v^-2 / sum noise^-2

    A visit that differs by more than 4 sigma of the noise from the others of its star, in any label, is
    rejected if at least two others remain. If only two visits disagree, both are kept, and the noise is
    multiplied by the square root of their reduced chi2. In both cases the star has the flag
    ``VISITS_DISAGREE``, and the column ``discrepant`` names the visits.

    Parameters
    ----------
    catalog : QTable
        One row per visit, preferably with errors from repeat visits: `maury.fit` with ``errors``. Rows
        without a name are treated as separate stars.

    Returns
    -------
    QTable
        One row per star, in the order of their first visits. ``flags`` follow from those of the visits by
        `maury.catalog.star_flags.STAR_FLAGS`: one noisy visit among good ones does not mark the star, one
        visit with emission does. A star without a valid visit has NaN labels and the flags of all its visits.
        ``ra`` and ``dec`` are those of the first visit with a position.
    """
    from astropy import units as u
    from astropy.table import QTable

    labels = label_names(catalog)
    star, first = _star_numbers(np.asarray(catalog["star_id"], dtype=str))
    n_stars = len(first)
    flags = np.asarray(catalog["flags"]).astype(np.int32)
    values = np.column_stack([column_values(catalog, name) for name in labels])
    errors = np.column_stack([column_values(catalog, f"{name}_err") for name in labels])
    good = is_valid(flags) & np.isfinite(values).all(axis=1) & (errors > 0).all(axis=1)
    model, correlation = model_part(catalog, labels)
    model = np.nan_to_num(model)
    errors = np.maximum(noise_errors(catalog, labels), _LEAST_NOISE * errors)
    used, odd = _without_discrepant(values, errors, star, good, n_stars)

    weight = np.where(used[:, None], errors**-2.0, 0.0)
    total = _sums(weight, star, n_stars)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = _sums(np.where(used[:, None], weight * values, 0.0), star, n_stars) / total
        share = weight / total[star]
    n_used = np.bincount(star[used], minlength=n_stars)
    split = np.bincount(star[used & odd], minlength=n_stars) > 0  # two visits that disagree
    pulls = np.where(used[:, None], (values - mean[star]) / errors, 0.0)
    chi2 = _sums(pulls**2, star, n_stars) / np.maximum(n_used - 1, 1)[:, None]
    grow = np.where(split[:, None], np.sqrt(np.maximum(1.0, chi2)), 1.0)
    noise = np.where(n_used[:, None] > 0, grow / np.sqrt(np.where(total > 0, total, np.nan)), np.nan)
    common = _sums(np.where(used[:, None], share * model, 0.0), star, n_stars)
    common[n_used == 0] = np.nan
    sigma = np.hypot(noise, common)

    table = QTable()
    table["star_id"] = np.asarray(catalog["star_id"], dtype=str)[first]
    if {"ra", "dec"} <= set(catalog.colnames):
        placed = _first_known(np.isfinite(column_values(catalog, "ra")), star, first)
        table["ra"], table["dec"] = catalog["ra"][placed], catalog["dec"][placed]
    table["n_visits"] = np.bincount(star, minlength=n_stars).astype(np.int32)
    table["n_used"] = n_used.astype(np.int32)
    for j, name in enumerate(labels):
        unit = catalog[name].unit or u.dimensionless_unscaled
        table[name] = mean[:, j] * unit
        table[f"{name}_err"] = sigma[:, j] * unit
        table[name].info.description = f"{find_label(name).description}, mean of the visits used"
        table[f"{name}_err"].info.description = f"error of {name}"
        if f"{name}_err_model" in catalog.colnames:
            table[f"{name}_err_model"] = common[:, j] * unit
            table[f"{name}_err_model"].info.description = f"model error of {name}, not reduced by averaging"
    snr = np.asarray(catalog["snr"], dtype=float)
    table["snr"] = np.sqrt(np.bincount(star, np.where(used, np.nan_to_num(snr) ** 2, 0.0), n_stars))
    table["converged"] = table["valid"] = n_used > 0
    table["flags"] = star_flags(flags, star, used, n_stars) | np.where(
        np.bincount(star[odd], minlength=n_stars) > 0, int(Flag.VISITS_DISAGREE), 0
    ).astype(np.int32)
    names = np.asarray(catalog["visit_id"], dtype=str)
    said = [""] * n_stars
    for i in np.flatnonzero(odd):
        said[star[i]] = f"{said[star[i]]} {names[i]}".strip()
    table["discrepant"] = np.array(said, dtype=str)
    noise_covariance = np.asarray(catalog["covariance"], dtype=float)
    if "covariance_formal" in catalog.colnames:
        noise_covariance = np.asarray(catalog["covariance_formal"], dtype=float)
    table["covariance"] = _covariance(noise_covariance, share, noise, star) + covariance_of(
        np.eye(len(labels)) if correlation is None else correlation, common
    )
    for name, text in _DESCRIPTIONS.items():
        table[name].info.description = text
    table.meta.update(catalog.meta)
    table.meta["ROWS"] = "stars"
    table.meta[f"FLAG{Flag.VISITS_DISAGREE.bit_length() - 1}"] = (
        f"VISITS_DISAGREE: {Flag.VISITS_DISAGREE.meaning}"
    )
    return table


_DESCRIPTIONS = {
    "star_id": "name of the star",
    "n_visits": "number of visits",
    "n_used": "number of visits in the mean",
    "snr": "signal-to-noise ratio of the visits used, added in quadrature",
    "converged": "whether any visit could be used",
    "valid": "whether any visit may be published",
    "flags": "sum of the bits of the star, from those of its visits; 0 = no flag set",
    "discrepant": "visits that differ from the others by more than their errors",
    "covariance": "covariance of the labels, in their units",
}


def _star_numbers(star_id: NDArray[np.str_]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the index of the star of each row, and the first row of each star; stars in that order."""
    keys = star_id.astype(object)
    for i in np.flatnonzero(star_id == ""):
        keys[i] = f"\0{i}"
    _, first, star = np.unique(keys.astype(str), return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[star], first[order]


def _first_known(
    known: NDArray[np.bool_], star: NDArray[np.intp], first: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return the first row of each star that is known, else its first row."""
    rows: NDArray[np.intp] = first.copy()
    stars, at = np.unique(star[known], return_index=True)
    rows[stars] = np.flatnonzero(known)[at]
    return rows


def _sums(values: Array, star: NDArray[np.intp], n_stars: int) -> Array:
    """Sum over the visits of each star: (N, L) -> (stars, L)."""
    return np.column_stack([np.bincount(star, column, n_stars) for column in values.T])


def _without_discrepant(
    values: Array, errors: Array, star: NDArray[np.intp], good: NDArray[np.bool_], n_stars: int
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return the visits to use, and those that disagree with the others; the worst is removed first."""
    used, odd = good.copy(), np.zeros(len(good), dtype=bool)
    while True:
        weight = np.where(used[:, None], np.where(errors > 0, errors, np.inf) ** -2.0, 0.0)
        centred = np.where(used[:, None], values, 0.0)
        total, weighted = (_sums(x, star, n_stars)[star] for x in (weight, weight * centred))
        n_used = np.bincount(star[used], minlength=n_stars)[star]
        others = total - weight
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = (weighted - weight * centred) / others
            pull = np.abs(centred - mean) / np.sqrt(errors**2 + 1 / others)
        worst = np.where(used & (n_used > 1), np.nan_to_num(pull).max(axis=1), 0.0)
        odd |= (worst > DISAGREE) & (n_used == 2)
        worst[(n_used == 2) | (worst <= DISAGREE)] = 0.0
        largest = np.zeros(n_stars)
        np.maximum.at(largest, star, worst)
        out = np.flatnonzero((worst > 0) & (worst == largest[star]))
        if not out.size:
            return used, odd
        out = out[np.unique(star[out], return_index=True)[1]]  # of two equally distant visits one is removed
        odd[out] = True
        used[out] = False


def _covariance(visits: Array, share: Array, sigma: Array, star: NDArray[np.intp]) -> Array:
    """Covariance (stars, L, L) of weighted means: sum_v share_j share_k C_v,jk, scaled to sigma."""
    used = np.isfinite(share).all(axis=1) & (share > 0).all(axis=1) & np.isfinite(visits).all(axis=(1, 2))
    summed = np.zeros((len(sigma), *visits.shape[1:]))
    np.add.at(summed, star[used], share[used, :, None] * share[used, None, :] * visits[used])
    with np.errstate(invalid="ignore", divide="ignore"):
        width = np.sqrt(np.diagonal(summed, axis1=1, axis2=2))
        correlation = summed / (width[:, :, None] * width[:, None, :])
    scaled: Array = correlation * sigma[:, :, None] * sigma[:, None, :]
    return scaled
