"""Errors from repeat visits: pairs of visits, and a quadratic fitted to them (Imig et al. 2021, sec. 4.4).

The difference x1 - x2 of a pair is a draw from N(0, sigma1^2 + sigma2^2). Two methods estimate sigma:

paper       sigma_X = |x1 - x2| sqrt(pi) / 2 (Eq. 1), and least squares of ln sigma_X. The mean of sigma_X is
            sigma, but the mean of its logarithm is ln sigma + (ln(pi/4) - gamma) / 2 = ln sigma - 0.409
            (gamma is Euler's), so the errors are too small by a third.
likelihood  maximum likelihood of the differences, with a second, wider Gaussian for outliers and variable
            stars. ln sigma is that of the fit plus the quadratic and a few more terms: the error of the fit
            already includes the noise of the pixels, and its correction varies less than sigma itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.columns import column_values, label_names
from maury.catalog.errors import (
    EXTRA_TERMS,
    VARIABLES,
    Array,
    ErrorModel,
    error_terms,
    errors_of_fit,
    is_hot,
    is_sharper,
    visit_variables,
)
from maury.catalog.flags import Flag
from maury.catalog.likelihood import LnSigma, largest_likelihood, pull_width
from maury.output import progress as show_progress

if TYPE_CHECKING:
    from astropy.table import QTable

METHODS = ("likelihood", "paper")
BIAS_OF_LOGARITHM = 0.5 * (np.log(np.pi / 4) - np.euler_gamma)  # of ln sigma_X, -0.409
#: T coefficients from n independent differences leave an rms error of sqrt(T / 2n) in ln sigma.
MAX_ERROR = 0.2
MAX_ERROR_APART = 0.1  # of hot stars and of the others, to have coefficients of their own
_NOT_USED = Flag.NOT_CONVERGED | Flag.AT_BOUND | Flag.TOO_FEW_PIXELS | Flag.BAD_CHI2 | Flag.UNREADABLE
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Pairs:
    """Q pairs of visits of the same star.

    Attributes
    ----------
    first, second : (Q,) int
        Rows of the catalogue.
    star : (Q,) int
        Index of the star.
    weight : (Q,)
        2/n for a star of n visits: its n(n - 1)/2 pairs contain n - 1 independent differences.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    star: NDArray[np.intp]
    weight: Array

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, rows: NDArray[np.bool_]) -> Pairs:
        return Pairs(self.first[rows], self.second[rows], self.star[rows], self.weight[rows])


def pair_sigma(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Eq. 1 of the paper: sigma_X = |x1 - x2| / sqrt(4/pi), whose mean is sigma."""
    sigma: Array = np.abs(np.asarray(x1, dtype=float) - np.asarray(x2, dtype=float)) / np.sqrt(4 / np.pi)
    return sigma


def find_pairs(star_id: ArrayLike, usable: ArrayLike = True) -> Pairs:
    """All pairs of usable rows (N,) with the same name; rows without a name are not paired."""
    names = np.asarray(star_id, dtype=str)
    usable = np.broadcast_to(np.asarray(usable, dtype=bool), names.shape) & (names != "")
    rows = np.flatnonzero(usable)
    _, star, counts = np.unique(names[rows], return_inverse=True, return_counts=True)
    rows = rows[np.argsort(star, kind="stable")]
    begin = np.cumsum(counts) - counts
    parts: list[tuple[NDArray[np.intp], ...]] = []
    weights = []
    for n in np.unique(counts[counts > 1]):
        stars = np.flatnonzero(counts == n)
        i, j = np.triu_indices(n, 1)
        parts.append((
            rows[begin[stars, None] + i].ravel(),
            rows[begin[stars, None] + j].ravel(),
            np.repeat(stars, len(i)),
        ))  # fmt: skip
        weights.append(np.full(len(stars) * len(i), 2 / n))
    if not parts:
        nothing = np.empty(0, dtype=np.intp)
        return Pairs(nothing, nothing, nothing, np.empty(0))
    first, second, of_star = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Pairs(first, second, of_star, np.concatenate(weights))


def repeat_pairs(catalog: QTable, labels: list[str]) -> Pairs:
    """Pairs of visits that can be used to estimate errors.

    Excluded are fits that failed, ended at a bound or have no formal error, and pairs that agree to the last
    digit in a label (the same spectrum read twice).
    """
    values = _values(catalog, labels)
    usable = (np.asarray(catalog["flags"]) & int(_NOT_USED)) == 0
    usable &= np.isfinite(values).all(axis=1) & np.isfinite(
        visit_variables(catalog, variables_of(labels))
    ).all(axis=1)
    usable &= (errors_of_fit(catalog, labels, [""] * len(labels)) > 0).all(axis=1)
    pairs = find_pairs(catalog["star_id"], usable)
    return pairs[(values[pairs.first] != values[pairs.second]).all(axis=1)]


def variables_of(labels: list[str]) -> tuple[str, ...]:
    """Keys of `VARIABLES` that a catalogue with these labels has."""
    return tuple(name for name in VARIABLES if name in labels or name == "snr")


def calibrate_errors(catalog: QTable, method: str = "likelihood", *, progress: bool = False) -> ErrorModel:
    """Learn the errors of a catalogue from stars that were visited more than once.

    Parameters
    ----------
    catalog : QTable
        From `maury.fit`; visits of a star share their ``star_id``.
    method : str
        "likelihood" is the default, since its pulls have width 1. "paper" is the method of Imig et al.
        (2021), whose errors are too small by a third.
    progress : bool
        Show progress on stderr.

    Raises
    ------
    ValueError
        If `method` is unknown, or there are too few pairs.
    """
    if method not in METHODS:
        raise ValueError(f"method: expected {' or '.join(METHODS)}, got {method!r}")
    labels = label_names(catalog)
    variables = variables_of(labels)
    relative = method == "likelihood"
    extra = EXTRA_TERMS if relative and variables[0] == "teff" else ()
    n_terms = (len(variables) + 1) * (len(variables) + 2) // 2 + len(extra)
    pairs = repeat_pairs(catalog, labels)
    independent = pairs.weight.sum()
    needed = np.ceil(n_terms / (2 * MAX_ERROR**2))
    if independent < needed:
        raise ValueError(
            f"catalog: {len(np.unique(pairs.star))} stars with repeat visits give {independent:.0f} "
            f"independent differences; errors as a function of {', '.join(variables)} have {n_terms} "
            f"coefficients and need {needed:.0f} for errors good to {MAX_ERROR:.0%}. Visits of a star need "
            "the same star_id; alternatively use the errors of a larger catalogue of the same emulator"
        )
    raw = _star_medians(visit_variables(catalog, variables), pairs, variables)
    used = np.unique(np.concatenate([pairs.first, pairs.second]))
    centre = np.median(raw[used], axis=0)
    scale = np.std(raw[used], axis=0)
    scale = np.where(scale > 1e-9 * (1 + np.abs(centre)), scale, 1.0)
    terms = error_terms(raw, is_sharper(catalog), centre, scale, extra)
    values = _values(catalog, labels)
    units = tuple(str(catalog[name].unit or "") for name in labels)
    with np.errstate(divide="ignore"):  # for rows that are in no pair
        ln_base = np.log(errors_of_fit(catalog, labels, units)) if relative else np.zeros(values.shape)

    hot = is_hot(raw, extra)
    groups = [pairs[~hot[pairs.first]], pairs[hot[pairs.first]]]
    if min(group.weight.sum() for group in groups) < n_terms / (2 * MAX_ERROR_APART**2):
        groups = [pairs]
    coefficients = np.empty((len(groups), n_terms, len(labels)))
    outliers, width = np.empty(len(labels)), np.empty(len(labels))
    n_fits = len(labels) * len(groups) * (1 + _FOLDS)
    with show_progress(n_fits, f"errors by {method}", "fit", progress) as bar:
        for j in range(len(labels)):
            pulls, parts = [], []
            for g, group in enumerate(groups):
                difference = values[group.first, j] - values[group.second, j]
                fitted = fit_ln_sigma(difference, terms, group, method, ln_base[:, j])
                bar.update(1)
                coefficients[g, :, j] = fitted.coefficients
                parts.append(fitted.outliers)
                pulls.append(
                    pulls_left_out(difference, terms, group, method, fitted, ln_base[:, j], bar.update)
                )
            weights = [group.weight for group in groups]
            outliers[j] = np.average(parts, weights=[weight.sum() for weight in weights])
            width[j] = pull_width(np.concatenate(pulls), np.concatenate(weights))
    ln_sigma = terms[used] @ coefficients[0]
    if len(groups) > 1:
        ln_sigma[hot[used]] = terms[used[hot[used]]] @ coefficients[1]
    return ErrorModel(
        method=method,
        labels=tuple(labels),
        units=units,
        variables=variables,
        centre=centre,
        scale=scale,
        low=raw[used].min(axis=0),
        high=raw[used].max(axis=0),
        relative=relative,
        extra=extra,
        coefficients=coefficients[0],
        hot_coefficients=coefficients[1] if len(groups) > 1 else coefficients[0][:0],
        ln_sigma_range=np.percentile(ln_sigma, [0.1, 99.9], axis=0),
        n_pairs=len(pairs),
        n_stars=len(np.unique(pairs.star)),
        outliers=outliers,
        pull_width=width,
        emulator_hash=str(catalog.meta.get("EMUHASH", "")),
    )


def fit_ln_sigma(
    difference: Array,
    terms: Array,
    pairs: Pairs,
    method: str,
    ln_base: Array | None = None,
    start: LnSigma | None = None,
) -> LnSigma:
    """Fit ln sigma to the differences x1 - x2 (Q,) of pairs.

    Parameters
    ----------
    difference : (Q,)
    terms : (N, T)
        For the rows of the catalogue.
    pairs : Pairs
    method : str
        One of `METHODS`; "paper" has no model of outliers and gives NaN.
    ln_base : (N,), optional
        The function to which the terms are added, by default 0.
    start : LnSigma, optional
        A fit to nearly the same pairs.
    """
    first, second = terms[pairs.first], terms[pairs.second]
    base = np.zeros(len(terms)) if ln_base is None else ln_base
    bases = base[pairs.first], base[pairs.second]
    if method == "likelihood" and start is not None:
        return largest_likelihood(difference, first, second, bases, pairs.weight, start)
    spread = np.log(pair_sigma(difference, 0.0)) - (bases[0] + bases[1]) / 2
    least_squares = np.asarray(np.linalg.lstsq((first + second) / 2, spread, rcond=None)[0], dtype=float)
    if method == "paper":
        return LnSigma(least_squares, np.nan, np.nan)
    least_squares[0] -= BIAS_OF_LOGARITHM
    return largest_likelihood(difference, first, second, bases, pairs.weight, LnSigma(least_squares))


def pulls_left_out(
    difference: Array,
    terms: Array,
    pairs: Pairs,
    method: str,
    start: LnSigma,
    ln_base: Array | None = None,
    progress: Callable[[int], object] | None = None,
) -> Array:
    """Return (x1 - x2) / sqrt(sigma1^2 + sigma2^2) of pairs (Q,), with errors calibrated on other stars.

    `progress`, if given, is called with 1 after each of the five fits.
    """
    pulls = np.empty(len(pairs))
    base = np.zeros(len(terms)) if ln_base is None else ln_base
    fold = np.random.default_rng(0).permutation(pairs.star.max() + 1)[pairs.star] % _FOLDS
    for k in range(_FOLDS):
        out = fold == k
        fitted = fit_ln_sigma(difference[~out], terms, pairs[~out], method, base, start).coefficients
        sigma = [np.exp(base[r] + terms[r] @ fitted) for r in (pairs.first[out], pairs.second[out])]
        pulls[out] = difference[out] / np.hypot(*sigma)
        if progress is not None:
            progress(1)
    return pulls


def _star_medians(raw: Array, pairs: Pairs, variables: tuple[str, ...]) -> Array:
    """Replace labels by the median of their star, so that one bad visit does not determine its own error."""
    smooth: Array = raw.copy()
    rows, where = np.unique(np.concatenate([pairs.first, pairs.second]), return_index=True)
    star = np.concatenate([pairs.star, pairs.star])[where]
    rows = rows[np.argsort(star, kind="stable")]
    _, begin, counts = np.unique(np.sort(star), return_index=True, return_counts=True)
    for n in np.unique(counts):
        visits = rows[begin[counts == n, None] + np.arange(n)]
        for i, name in enumerate(variables):
            if name != "snr":
                smooth[visits, i] = np.median(raw[visits, i], axis=1, keepdims=True)
    return smooth


def _values(catalog: QTable, labels: list[str]) -> Array:
    return np.column_stack([column_values(catalog, name) for name in labels])
