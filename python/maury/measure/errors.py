"""From a covariance, or from a model learnt on repeat visits, to the error that is reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable

Array = NDArray[np.float64]

#: What an error may depend on (Imig et al. 2021, sec. 4.4), and whether its log10 is taken: errors follow
#: powers of the temperature and the signal-to-noise ratio.
VARIABLES = {"teff": True, "logg": False, "fe_h": False, "snr": True}


def formal_errors(covariance: ArrayLike) -> Array:
    """Square roots of the diagonals of (N, L, L): (N, L), NaN where a variance is NaN or negative."""
    variance = np.diagonal(np.asarray(covariance, dtype=float), axis1=-2, axis2=-1)
    return np.sqrt(np.where(variance >= 0, variance, np.nan))


def scaled_errors(formal: ArrayLike, rchi2: ArrayLike) -> Array:
    """Formal errors (N, L) times sqrt(max(1, rchi2)) (N,): a fit worse than its noise has larger errors."""
    factor: Array = np.sqrt(np.fmax(1.0, np.asarray(rchi2, dtype=float)))
    return np.asarray(formal, dtype=float) * factor[:, None]


def visit_variables(catalog: QTable, variables: Sequence[str]) -> Array:
    """Columns of a catalogue that errors depend on, (N, D), in log10 where `VARIABLES` says so.

    Raises
    ------
    ValueError
        If the catalogue lacks one of them.
    """
    from maury.catalog import column_values

    missing = [name for name in variables if name not in catalog.colnames]
    if missing:
        raise ValueError(
            f"catalog: these errors depend on {', '.join(variables)}, and it has no column "
            f"{', '.join(missing)}; calibrate on a catalogue of the same emulator"
        )
    values = np.empty((len(catalog), len(variables)))
    for i, name in enumerate(variables):
        column = column_values(catalog, name)
        values[:, i] = np.log10(np.where(column > 0, column, np.nan)) if VARIABLES[name] else column
    return values


def quadratic_terms(z: Array) -> Array:
    """All terms of a quadratic of z (N, D): 1, z_i, z_i z_j with i <= j; (N, T), T = (D + 1)(D + 2)/2."""
    i, j = np.triu_indices(z.shape[1])
    return np.column_stack([np.ones(len(z)), z, z[:, i] * z[:, j]])


def term_names(variables: Sequence[str]) -> list[str]:
    """Name the terms of `quadratic_terms`: ``["1", "teff", ..., "teff*logg", ...]``."""
    n = len(variables)
    return ["1", *variables, *(f"{variables[i]}*{variables[j]}" for i in range(n) for j in range(i, n))]


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """Errors of labels as repeat visits show them.

    ln sigma = c . terms(z), z = (v - centre) / scale, v the `VARIABLES` of a visit

    (Imig et al. 2021, sec. 4.4). Beyond the visits it was learnt from a quadratic is worth nothing: v is kept
    within `low` and `high`, ln sigma within `ln_sigma_range`.

    Attributes
    ----------
    method : str
        "likelihood" or "paper"; see `maury.measure.repeats.calibrate_errors`.
    labels, units : tuple of str, L
        What has errors, and their units.
    variables : tuple of str, D
        Keys of `VARIABLES`.
    centre, scale, low, high : (D,)
        Of the variables, in log10 where `VARIABLES` says so.
    coefficients : (T, L)
        c, terms in the order of `quadratic_terms`.
    ln_sigma_range : (2, L)
        Least and largest value.
    n_pairs, n_stars : int
        Pairs of visits, and the stars they are of.
    outliers : (L,)
        Part of the pairs that differ by more than errors explain; NaN where the method does not tell.
    pull_width : (L,)
        Width of (x1 - x2) / sqrt(sigma1^2 + sigma2^2) of stars left out of the calibration; 1 is right.
    """

    method: str
    labels: tuple[str, ...]
    units: tuple[str, ...]
    variables: tuple[str, ...]
    centre: Array
    scale: Array
    low: Array
    high: Array
    coefficients: Array
    ln_sigma_range: Array
    n_pairs: int
    n_stars: int
    outliers: Array
    pull_width: Array

    def predict(self, catalog: QTable) -> Array:
        """Errors (N, L) of the rows of a catalogue, in `units`; NaN where a variable is NaN."""
        values = np.clip(visit_variables(catalog, self.variables), self.low, self.high)
        ln_sigma = quadratic_terms((values - self.centre) / self.scale) @ self.coefficients
        sigma: Array = np.exp(np.clip(ln_sigma, *self.ln_sigma_range))
        return sigma

    @property
    def words(self) -> str:
        """One line for the header of a catalogue."""
        how = {
            "likelihood": "maximum likelihood of the differences",
            "paper": "least squares, as in the paper",
        }
        return (
            f"repeat visits, {how[self.method]} ({self.method}): {self.n_pairs} pairs of {self.n_stars} stars"
        )
