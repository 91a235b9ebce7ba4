"""Maximum-likelihood fit of the size of scatter, with outliers: ln sigma as a sum of terms.

Used for pairs of visits (`maury.catalog.repeats`), where the sigma of both members is fitted, and for
residuals of stars with known labels (`maury.learn.model_error`), where the second sigma is known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

LEAST_OUTLIERS, MOST_OUTLIERS = 1e-4, 0.4  # fraction
_WIDER = (3.0, 100.0)  # of the outliers, in sigma
_PRIOR = 1.0  # rms of the coefficients; matters only where there are few data
_MAX_STEPS = 500
_SETTLED = 1e-5
_MIN_PULLS = 30
NORMAL_MEDIAN = 0.6744897501960817  # of |x| for a normal x


@dataclass(frozen=True, eq=False)
class LnSigma:
    """Result of `largest_likelihood`: coefficients (T,), fraction of outliers, and their width over sigma."""

    coefficients: Array
    outliers: float = 0.05
    wider: float = 5.0


def largest_likelihood(
    d: Array,
    first: Array,
    second: Array,
    bases: tuple[Array, Array],
    weight: Array,
    start: LnSigma,
    most_outliers: float = MOST_OUTLIERS,
) -> LnSigma:
    """Maximise sum_q w_q ln[(1 - f) N(d_q; 0, V_q) + f N(d_q; 0, k^2 V_q)].

    V = sigma1^2 + sigma2^2, ln sigma = base + c . terms; c, f and k are fitted. With r the probability that a
    pair belongs to the second Gaussian, u = d^2/V and g = (sigma1^2 terms1 + sigma2^2 terms2)/V, the gradient
    with respect to c is sum w [u (1 - r + r/k^2) - 1] g, and Fisher's information for known r is 2 sum w g
    g'. c takes the corresponding steps, halved where the likelihood decreased; f and k are updated as in
    expectation maximisation.
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


def ln_likelihood(
    d: Array, first: Array, second: Array, bases: tuple[Array, Array], fitted: LnSigma
) -> Array:
    """Logarithm of the density (Q,) of `largest_likelihood` at other data, without the constant."""
    v1 = np.exp(2 * (bases[0] + first @ fitted.coefficients))
    v2 = np.exp(2 * (bases[1] + second @ fitted.coefficients))
    u, k2 = d * d / (v1 + v2), fitted.wider**2
    wide = np.log(fitted.outliers) - 0.5 * (u / k2 + np.log(k2))
    both: Array = np.logaddexp(np.log1p(-fitted.outliers) - 0.5 * u, wide) - 0.5 * np.log(v1 + v2)
    return both


def pull_width(
    pulls: ArrayLike, weight: ArrayLike | None = None, most_outliers: float = MOST_OUTLIERS
) -> float:
    """Width of pulls (Q,) without outliers: the fit of `largest_likelihood` with one coefficient.

    NaN if there are fewer than 30 pulls.
    """
    pulls = np.asarray(pulls, dtype=float)
    known = np.isfinite(pulls) & (pulls != 0)
    if known.sum() < _MIN_PULLS:
        return float("nan")
    w = np.ones(known.sum()) if weight is None else np.asarray(weight, dtype=float)[known]
    one, nothing = np.ones((known.sum(), 1)), np.zeros(known.sum())
    start = LnSigma(np.log(np.median(np.abs(pulls[known]), keepdims=True) / NORMAL_MEDIAN))
    bases = nothing, nothing
    found = largest_likelihood(np.sqrt(2) * pulls[known], one, one, bases, w, start, most_outliers)
    return float(np.exp(found.coefficients[0]))
