"""Pairs of visits of a star, and ln sigma as a sum of terms fitted to their differences.

The difference x1 - x2 of a pair is a draw from N(0, sigma1^2 + sigma2^2). Two methods estimate sigma:

paper       sigma_X = |x1 - x2| sqrt(pi) / 2 (Eq. 1), and least squares of ln sigma_X. The mean of sigma_X is
            sigma, but the mean of its logarithm is ln sigma + (ln(pi/4) - gamma) / 2 = ln sigma - 0.409
            (gamma is Euler's), so the errors are too small by a third.
likelihood  maximum likelihood of the differences, with a second, wider Gaussian for outliers and variable
            stars. ln sigma is that of the fit plus a sum of terms: the error of the fit
            already includes the noise of the pixels, and its correction varies less than sigma itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.likelihood import MOST_OUTLIERS, LnSigma, largest_likelihood

Array = NDArray[np.float64]

BIAS_OF_LOGARITHM = 0.5 * (np.log(np.pi / 4) - np.euler_gamma)  # of ln sigma_X, -0.409
FOLDS = 5
FEW_OUTLIERS = 0.05  # with few pairs, outliers cannot be distinguished from the tail of the errors


@dataclass(frozen=True, eq=False)
class Pairs:
    """Q pairs of visits of the same star.

    Attributes
    ----------
    first, second : (Q,) int
        Rows of the catalogue.
    star : (Q,) int
        Number of the star.
    weight : (Q,)
        2/n for a star of n visits: its n(n - 1)/2 pairs hold n - 1 independent differences.
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


def fit_ln_sigma(
    difference: Array,
    terms: Array,
    pairs: Pairs,
    method: str,
    ln_base: Array | None = None,
    start: LnSigma | None = None,
    most_outliers: float = MOST_OUTLIERS,
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
    most_outliers : float
        Maximum fraction of outliers.
    """
    first, second = terms[pairs.first], terms[pairs.second]
    base = np.zeros(len(terms)) if ln_base is None else ln_base
    bases = base[pairs.first], base[pairs.second]
    if method == "likelihood" and start is not None:
        return largest_likelihood(difference, first, second, bases, pairs.weight, start, most_outliers)
    spread = np.log(pair_sigma(difference, 0.0)) - (bases[0] + bases[1]) / 2
    least_squares = np.asarray(np.linalg.lstsq((first + second) / 2, spread, rcond=None)[0], dtype=float)
    if method == "paper":
        return LnSigma(least_squares, np.nan, np.nan)
    least_squares[0] -= BIAS_OF_LOGARITHM
    start = LnSigma(least_squares)
    return largest_likelihood(difference, first, second, bases, pairs.weight, start, most_outliers)


def pulls_left_out(
    difference: Array,
    terms: Array,
    pairs: Pairs,
    method: str,
    start: LnSigma,
    ln_base: Array | None = None,
    progress: Callable[[int], object] | None = None,
    most_outliers: float = MOST_OUTLIERS,
) -> Array:
    """Return (x1 - x2) / sqrt(sigma1^2 + sigma2^2) of pairs (Q,), with errors calibrated on other stars.

    `progress`, if given, is called with 1 after each of the five fits; for the others see `fit_ln_sigma`.
    """
    return _left_out(difference, terms, pairs, method, start, ln_base, progress, most_outliers)[0]


def _left_out(
    difference: Array,
    terms: Array,
    pairs: Pairs,
    method: str,
    start: LnSigma,
    ln_base: Array | None = None,
    progress: Callable[[int], object] | None = None,
    most_outliers: float = MOST_OUTLIERS,
) -> tuple[Array, float]:
    """Return the pulls (Q,) of `pulls_left_out`, and the sum of ln likelihood of the pairs left out."""
    pulls, likelihood = np.empty(len(pairs)), 0.0
    base = np.zeros(len(terms)) if ln_base is None else ln_base
    fold = np.random.default_rng(0).permutation(pairs.star.max() + 1)[pairs.star] % FOLDS
    for k in range(FOLDS):
        out = fold == k
        fitted = fit_ln_sigma(difference[~out], terms, pairs[~out], method, base, start, most_outliers)
        rows = pairs.first[out], pairs.second[out]
        width = np.hypot(*(np.exp(base[r] + terms[r] @ fitted.coefficients) for r in rows))
        pulls[out] = difference[out] / width
        parts = [
            np.exp(-0.5 * pulls[out] ** 2),
            np.exp(-0.5 * (pulls[out] / fitted.wider) ** 2) / fitted.wider,
        ]
        density = (1 - fitted.outliers) * parts[0] + fitted.outliers * parts[1]
        likelihood += float(np.sum(pairs.weight[out] * np.log(np.maximum(density, 1e-300) / width)))
        if progress is not None:
            progress(1)
    return pulls, likelihood


def choose_terms(
    difference: Array,
    terms: Array,
    pairs: Pairs,
    sizes: Sequence[int],
    ln_base: Array,
    progress: Callable[[int], object] | None = None,
    most_outliers: float = MOST_OUTLIERS,
) -> tuple[LnSigma, Array]:
    """Fit the first terms; their number is that with the highest likelihood of stars left out.

    Parameters
    ----------
    difference : (Q,)
    terms : (N, T)
    pairs : Pairs
    sizes : sequence of int
        Numbers of terms to compare, in ascending order.
    ln_base : (N,)
        The function to which the terms are added.
    progress : callable, optional
        Called with 1 after each of the six fits of a size.
    most_outliers : float
        Maximum fraction of outliers.

    Returns
    -------
    LnSigma
        All T coefficients; those of terms not used are 0.
    pulls : (Q,)
        Those of the stars left out.
    """
    best = -np.inf
    for size in sizes:
        some = terms[:, :size]
        found = fit_ln_sigma(difference, some, pairs, "likelihood", ln_base, None, most_outliers)
        if progress is not None:
            progress(1)
        pulls, likelihood = _left_out(
            difference, some, pairs, "likelihood", found, ln_base, progress, most_outliers
        )
        if likelihood > best:
            best = likelihood
            padded = np.pad(found.coefficients, (0, terms.shape[1] - size))
            chosen = LnSigma(padded, found.outliers, found.wider), pulls
    return chosen
