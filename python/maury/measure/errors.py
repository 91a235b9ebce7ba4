"""From a covariance to the error that is reported, by formal propagation or from repeat visits.

Imig et al. 2021, sec. 4.4, find formal errors too small and model the scatter between visits of the same
star instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from astropy.table import QTable

Array = NDArray[np.float64]

# Mean of ln|z| for a standard normal z: -(Euler's gamma + ln 2) / 2.
_MEAN_LOG_NORMAL = -0.5 * (np.euler_gamma + np.log(2.0))
_PREDICTORS = ("teff", "logg", "fe_h")
# A quadratic form in four predictors has 15 terms; ln|z| scatters by 1.11, so 300 pairs fix sigma to 25 %.
MIN_PAIRS = 300


def formal_errors(covariance: ArrayLike) -> Array:
    """Square roots of the diagonals of (N, L, L): (N, L), NaN where a variance is NaN or negative."""
    variance = np.diagonal(np.asarray(covariance, dtype=float), axis1=-2, axis2=-1)
    return np.sqrt(np.where(variance >= 0, variance, np.nan))


def scaled_errors(formal: ArrayLike, rchi2: ArrayLike) -> Array:
    """Formal errors (N, L) times sqrt(max(1, rchi2)) (N,): a fit worse than its noise has larger errors."""
    factor: Array = np.sqrt(np.fmax(1.0, np.asarray(rchi2, dtype=float)))
    return np.asarray(formal, dtype=float) * factor[:, None]


def visit_pairs(star_id: ArrayLike) -> NDArray[np.int64]:
    """Rows (M, 2) of every pair of visits of the same star; an empty `star_id` is nobody's."""
    names, group = np.unique(np.asarray(star_id, dtype=str), return_inverse=True)
    order = np.argsort(group, kind="stable")
    visits = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    pairs = [pair for rows in visits if len(rows) and names[group[rows[0]]] for pair in combinations(rows, 2)]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


@dataclass(frozen=True)
class ErrorModel:
    """ln(sigma) of every label as a quadratic function of log10 Teff, log g, [Fe/H] and log10 S/N.

    Attributes
    ----------
    labels : tuple of str
        Names of the L labels.
    coefficients : (L, 15) float64
        Of 1, the four predictors and their ten products.
    low, high : (4,) float64
        Range of the predictors among the pairs; outside it the edge is used, since a quadratic runs away.
    n_pairs : int
        Pairs of visits behind the model.
    """

    labels: tuple[str, ...]
    coefficients: Array
    low: Array
    high: Array
    n_pairs: int

    def predict(self, catalog: QTable) -> dict[str, Array]:
        """Error of every label for every row of a catalogue, (N,) each, in the units of the labels."""
        terms = _quadratic(_predictors(catalog), self.low, self.high)
        sigma = np.exp(terms @ self.coefficients.T)
        return {name: sigma[:, j] for j, name in enumerate(self.labels)}


def fit_error_model(catalog: QTable) -> ErrorModel:
    """Learn the errors from repeat visits (Imig et al. 2021, sec. 4.4 and eq. 1).

    Every pair of visits gives ``sigma = |x1 - x2| sqrt(pi) / 2`` (eq. 1). The mean of ln(sigma) of such pairs
    is lower than the ln of the true sigma by 0.41, so that is added to the fit; without it errors come out a
    third too small.

    Raises
    ------
    ValueError
        If the catalogue has fewer than `MIN_PAIRS` pairs of unflagged visits with a known S/N.
    """
    labels = tuple(str(catalog.meta["LABELS"]).split(","))
    missing = [name for name in _PREDICTORS if name not in labels]
    if missing:
        raise ValueError(f"catalog: errors from repeat visits need the labels {', '.join(missing)}")
    predictors = _predictors(catalog)
    pairs = visit_pairs(catalog["star_id"])
    usable = (np.asarray(catalog["flags"]) == 0) & np.isfinite(predictors).all(axis=1)
    pairs = pairs[usable[pairs].all(axis=1)]
    if len(pairs) < MIN_PAIRS:
        raise ValueError(
            f"catalog: {len(pairs)} usable pairs of visits of the same star; to learn errors from them needs "
            f"{MIN_PAIRS} or more, so use the formal errors"
        )
    low, high = predictors[pairs].min(axis=(0, 1)), predictors[pairs].max(axis=(0, 1))
    terms = _quadratic(predictors[pairs].mean(axis=1), low, high)
    coefficients = []
    for name in labels:
        values = _values(catalog, name)
        sigma = np.abs(np.diff(values[pairs], axis=1)[:, 0]) * np.sqrt(np.pi) / 2
        differ = sigma > 0  # the same number twice has no logarithm, and comes from a bound or a copied file
        solution = np.linalg.lstsq(terms[differ], np.log(sigma[differ]), rcond=None)[0]
        solution[0] -= np.log(np.sqrt(np.pi / 2)) + _MEAN_LOG_NORMAL
        coefficients.append(solution)
    return ErrorModel(labels, np.array(coefficients), low, high, len(pairs))


def apply_error_model(catalog: QTable, model: ErrorModel) -> None:
    """Replace the columns ``<label>_err`` by the model; rows without labels or S/N keep theirs."""
    for name, sigma in model.predict(catalog).items():
        column = catalog[f"{name}_err"]
        use = np.isfinite(sigma)
        column[use] = sigma[use] * (column.unit or 1)
    catalog.meta["ERRORS"] = f"repeat visits ({model.n_pairs} pairs)"


def _values(catalog: QTable, name: str) -> Array:
    return np.asarray(getattr(catalog[name], "value", catalog[name]), dtype=float)


def _predictors(catalog: QTable) -> Array:
    teff, logg, fe_h = (_values(catalog, name) for name in _PREDICTORS)
    snr = np.asarray(catalog["snr"], dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.column_stack([np.log10(teff), logg, fe_h, np.log10(snr)])


def _quadratic(predictors: Array, low: Array, high: Array) -> Array:
    """Terms of a quadratic form (N, 15) of predictors scaled to -1..1."""
    width = np.where(high > low, high - low, 1.0)
    x = 2 * (np.clip(predictors, low, high) - low) / width - 1
    one = np.ones((len(x), 1))
    products = [x[:, i] * x[:, j] for i, j in combinations_with_replacement(range(x.shape[1]), 2)]
    return np.column_stack([one, x, *products])
