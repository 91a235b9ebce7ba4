"""Pairs of visits of a star, and ln sigma as a sum of terms through their differences.

x1 - x2 of a pair is a draw from N(0, sigma1^2 + sigma2^2). Two ways lead from the pairs to sigma:

paper       sigma_X = |x1 - x2| sqrt(pi) / 2 (Eq. 1), and least squares of ln sigma_X. The mean of sigma_X is
            sigma, but the mean of its logarithm is ln sigma + (ln(pi/4) - gamma) / 2 = ln sigma - 0.409
            (gamma is Euler's), so the errors are too small by a third.
likelihood  the largest likelihood of the differences, with a second, wider Gaussian for outliers and variable
            stars. ln sigma is that of the fit plus the terms: the fit knows the pixels, and what it does not
            know varies less than sigma itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

BIAS_OF_LOGARITHM = 0.5 * (np.log(np.pi / 4) - np.euler_gamma)  # of ln sigma_X, -0.409
FOLDS = 5
LEAST_OUTLIERS, MOST_OUTLIERS = 1e-4, 0.4
FEW_OUTLIERS = 0.05  # few pairs cannot tell outliers from the tail of the errors: most count as errors
_WIDER = (3.0, 100.0)  # of the outliers, in sigma
_PRIOR = 1.0  # rms of the coefficients; it matters only where no pair tells
_MAX_STEPS = 500
_SETTLED = 1e-5
_MIN_PULLS = 30
_NORMAL_MEDIAN = 0.6744897501960817  # of |x| for a normal x


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
    """All pairs of usable rows (N,) with the same name; a row without a name is paired with none."""
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


@dataclass(frozen=True, eq=False)
class LnSigma:
    """What `fit_ln_sigma` found: coefficients (T,), the part of outliers, and how much wider they scatter."""

    coefficients: Array
    outliers: float = 0.05
    wider: float = 5.0


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
        Of the rows of the catalogue.
    pairs : Pairs
    method : str
        One of `METHODS`; "paper" knows no outliers and gives NaN.
    ln_base : (N,), optional
        What the terms are added to, by default 0.
    start : LnSigma, optional
        A fit to nearly the same pairs.
    most_outliers : float
        Largest part of outliers.
    """
    first, second = terms[pairs.first], terms[pairs.second]
    base = np.zeros(len(terms)) if ln_base is None else ln_base
    bases = base[pairs.first], base[pairs.second]
    if method == "likelihood" and start is not None:
        return _largest_likelihood(difference, first, second, bases, pairs.weight, start, most_outliers)
    spread = np.log(pair_sigma(difference, 0.0)) - (bases[0] + bases[1]) / 2
    least_squares = np.asarray(np.linalg.lstsq((first + second) / 2, spread, rcond=None)[0], dtype=float)
    if method == "paper":
        return LnSigma(least_squares, np.nan, np.nan)
    least_squares[0] -= BIAS_OF_LOGARITHM
    start = LnSigma(least_squares)
    return _largest_likelihood(difference, first, second, bases, pairs.weight, start, most_outliers)


def _largest_likelihood(
    d: Array,
    first: Array,
    second: Array,
    bases: tuple[Array, Array],
    weight: Array,
    start: LnSigma,
    most_outliers: float = MOST_OUTLIERS,
) -> LnSigma:
    """Maximise sum_q w_q ln[(1 - f) N(d_q; 0, V_q) + f N(d_q; 0, k^2 V_q)].

    V = sigma1^2 + sigma2^2, ln sigma = base + c . terms; c, f and k are sought. With r the part of the second
    Gaussian in a pair, u = d^2/V and g = (sigma1^2 terms1 + sigma2^2 terms2)/V, the gradient by c is
    sum w [u (1 - r + r/k^2) - 1] g, and Fisher's information, were r known, 2 sum w g g'. c takes their
    steps, halved where the likelihood fell; f and k follow as in expectation maximisation.
    """
    c, f, k2 = start.coefficients, min(start.outliers, most_outliers), start.wider**2
    prior = np.full(len(c), _PRIOR**-2)
    prior[0] = 0.0
    best, step, reach = -np.inf, np.zeros(len(c)), 1.0
    for _ in range(_MAX_STEPS):
        v1, v2 = np.exp(2 * (bases[0] + first @ c)), np.exp(2 * (bases[1] + second @ c))
        total = v1 + v2
        u = d * d / total
        wide = np.log(f) - 0.5 * (u / k2 + np.log(k2))
        both = np.logaddexp(np.log1p(-f) - 0.5 * u, wide)
        likelihood = np.sum(weight * (both - 0.5 * np.log(total))) - 0.5 * np.sum(prior * c * c)
        if likelihood < best - 1e-9 * abs(best):
            step, reach = 0.5 * step, 0.5 * reach
            c = c - step
            continue
        best = likelihood
        r = np.exp(wide - both)
        g = (v1[:, None] * first + v2[:, None] * second) / total[:, None]
        gradient = (weight * (u * (1 - r + r / k2) - 1)) @ g - prior * c
        step = np.linalg.solve(2 * g.T @ (weight[:, None] * g) + np.diag(prior), gradient)
        change = np.abs(g @ step).max()
        reach = min(1.0, 2 * reach)
        step = step * min(reach, 1 / max(change, 1e-300))
        c = c + step
        part = float(np.clip(np.average(r, weights=weight), LEAST_OUTLIERS, most_outliers))
        k2 = float(np.clip(np.sum(weight * r * u) / np.sum(weight * r), *np.square(_WIDER)))
        settled = change < _SETTLED and abs(part - f) < _SETTLED
        f = part
        if settled:
            break
    return LnSigma(c, f, float(np.sqrt(k2)))


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
    """Return (x1 - x2) / sqrt(sigma1^2 + sigma2^2) of pairs (Q,), with errors learnt from other stars.

    `progress`, if given, is called with 1 after each of the five fits; the rest is as for `fit_ln_sigma`.
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
    """Fit the first terms, as many as let the stars left out be most likely.

    Parameters
    ----------
    difference : (Q,)
    terms : (N, T)
    pairs : Pairs
    sizes : sequence of int
        Numbers of terms to try, rising.
    ln_base : (N,)
        What the terms are added to.
    progress : callable, optional
        Called with 1 after each of the six fits of a size.
    most_outliers : float
        Largest part of outliers.

    Returns
    -------
    LnSigma
        All T coefficients; those of terms not used are 0.
    pulls : (Q,)
        Of the stars left out.
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


def pull_width(
    pulls: ArrayLike, weight: ArrayLike | None = None, most_outliers: float = MOST_OUTLIERS
) -> float:
    """Width of pulls (Q,), outliers apart: the fit of `fit_ln_sigma` with one coefficient.

    NaN where there are fewer than 30 pulls.
    """
    pulls = np.asarray(pulls, dtype=float)
    known = np.isfinite(pulls) & (pulls != 0)
    if known.sum() < _MIN_PULLS:
        return float("nan")
    w = np.ones(known.sum()) if weight is None else np.asarray(weight, dtype=float)[known]
    one, nothing = np.ones((known.sum(), 1)), np.zeros(known.sum())
    start = LnSigma(np.log(np.median(np.abs(pulls[known]), keepdims=True) / _NORMAL_MEDIAN))
    bases = nothing, nothing
    found = _largest_likelihood(np.sqrt(2) * pulls[known], one, one, bases, w, start, most_outliers)
    return float(np.exp(found.coefficients[0]))
