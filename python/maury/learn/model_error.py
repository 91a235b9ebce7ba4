"""Model error of an emulator from residuals of stars that were not used for training.

The residual of a star is fitted - given label. After subtraction of the median, its distribution is

    (1 - f) N(0, V) + f N(0, k^2 V),  V = sigma^2 + noise^2 + given^2,

with sigma the model error, which is fitted, noise the noise error of the fit, and given the error of the
given label where that is known. The second, wider Gaussian describes stars whose given labels are wrong.
ln sigma is a sum of terms, the number of which is selected by the likelihood of stars left out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from maury.catalog.likelihood import NORMAL_MEDIAN, LnSigma, largest_likelihood, ln_likelihood, pull_width
from maury.emulator.model_error import DISTANCE, ModelError
from maury.labels import covariance_of

Array = NDArray[np.float64]

#: Minimum number of stars: with 30, one factor per label is accurate to 13 %.
MIN_STARS = 30
#: Minimum number of stars per term.
_STARS_PER_TERM = 15
#: Breaks of a straight line in log10 Teff [K]; a quadratic does not fit both M dwarfs and B stars.
_BENDS = (4300.0, 5000.0, 5700.0, 6500.0, 8000.0, 10000.0)
_STARS_BEYOND = 20  # minimum on each side of a break
_FOLDS = 5
_EDGE = 1.0  # percentile: limits of the variables and of ln sigma
_LARGEST_CORRELATION = 0.98
_OUTLIER = 4.0  # in units of the error
_ANYWHERE = 1e-3  # probability of a residual that has nothing to do with its error
_LN_ROOT_2_PI = 0.5 * np.log(2 * np.pi)


@dataclass(frozen=True, eq=False)
class Residuals:
    """Labels of stars measured by emulators that were trained without them.

    Attributes
    ----------
    names : tuple of str, L
    log10 : (L,) bool
        Whether ln sigma depends on log10 of a label.
    star_id : (N,) str
    given, given_error : (N, L)
        Labels of the reference set, NaN = missing, and their errors; 0 where an error is unknown.
    fitted : (N, L)
        NaN where the fit failed.
    noise : (N, L, L)
        Covariance of the fit.
    distance : (N,)
        Distance to the training stars of the emulator that measured the star.
    folds : int
        Number of parts of the cross-validation.
    modes : int
        Which of `Trained.modes` the emulators had; 0 = none.
    """

    names: tuple[str, ...]
    log10: NDArray[np.bool_]
    star_id: NDArray[np.str_]
    given: Array
    given_error: Array
    fitted: Array
    noise: Array
    distance: Array
    folds: int
    modes: int = 0

    def __len__(self) -> int:
        return len(self.star_id)

    def __getitem__(self, rows: NDArray[np.bool_]) -> Residuals:
        parts = ("star_id", "given", "given_error", "fitted", "noise", "distance")
        return replace(self, **{name: getattr(self, name)[rows] for name in parts})

    @property
    def usable(self) -> NDArray[np.bool_]:
        """Whether the star was measured and has a label that is known, (N,)."""
        known = np.isfinite(self.fitted).all(axis=1) & np.isfinite(self.noise).all(axis=(1, 2))
        return np.asarray(known & np.isfinite(self.distance) & np.isfinite(self.given).any(axis=1))

    @property
    def covariance(self) -> Array:
        """Covariance (N, L, L) of the residuals due to noise and to errors of the given labels."""
        return self.noise + self.given_error[:, :, None] * np.eye(len(self.names)) * self.given_error[:, None]


def fit_model_error(residuals: Residuals) -> ModelError:
    """Estimate the model error of an emulator.

    A missing label has no residual.

    Raises
    ------
    ValueError
        If a label has a residual for fewer than `MIN_STARS` stars.
    """
    known = residuals[residuals.usable]
    difference = known.fitted - known.given
    n_stars = np.array([len(np.unique(known.star_id[np.isfinite(d)])) for d in difference.T])
    rarest = int(n_stars.argmin())
    if n_stars[rarest] < MIN_STARS:
        raise ValueError(
            f"reference: {n_stars[rarest]} stars with a known {known.names[rarest]} were measured by a "
            f"network trained without them; the model error requires {MIN_STARS}. Pass a larger reference "
            "set, or folds=0 to omit it"
        )
    offset = np.nanmedian(difference, axis=0)
    # For the standard error of the median of a normal distribution.
    spread = np.nanmedian(np.abs(difference - offset), axis=0) / NORMAL_MEDIAN
    shape = _Shape(known, int(n_stars[rarest]))
    weight = 1.0 / np.unique(known.star_id, return_inverse=True, return_counts=True)[2][shape.star]
    noise = known.covariance
    centred = difference - offset
    with np.errstate(divide="ignore"):  # ln 0 without noise
        ln_noise = 0.5 * np.log(np.diagonal(noise, axis1=1, axis2=2))
    terms, pulls = _chosen(centred, shape, ln_noise, weight)
    phi = shape.phi(terms)
    have = np.isfinite(centred)
    fits = [
        _fit(centred[rows, j], phi[rows], ln_noise[rows, j], weight[rows]) for j, rows in enumerate(have.T)
    ]
    coefficients = np.column_stack([found.coefficients for found in fits])
    ln_sigma = phi @ coefficients
    width = np.array([pull_width(pulls[rows, j], weight[rows]) for j, rows in enumerate(have.T)])
    return ModelError(
        labels=known.names,
        variables=shape.variables,
        log10=shape.log10,
        centre=shape.centre,
        scale=shape.scale,
        low=shape.low,
        high=shape.high,
        terms=terms,
        coefficients=coefficients,
        ln_sigma_range=np.percentile(ln_sigma, [_EDGE, 100 - _EDGE], axis=0),
        correlation=_correlation(centred, np.exp(ln_sigma), noise),
        offset=offset,
        offset_error=np.sqrt(np.pi / 2 / n_stars) * spread,
        outliers=np.array([found.outliers for found in fits]),
        pull_width=np.where(np.isfinite(width), width, 0.0),
        n_stars=int(n_stars.max()),
        folds=known.folds,
    )


class _Shape:
    """Variables on which ln sigma may depend, and the candidate sets of terms."""

    def __init__(self, known: Residuals, n_stars: int) -> None:
        self.variables = (*known.names, DISTANCE)
        self.log10 = np.append(known.log10, False)
        v = np.column_stack([known.fitted, known.distance])
        v[:, self.log10] = np.log10(v[:, self.log10])
        self.low, self.high = np.percentile(v, [_EDGE, 100 - _EDGE], axis=0)
        self._v = np.clip(v, self.low, self.high)
        self.centre, spread = np.median(self._v, axis=0), np.std(self._v, axis=0)
        self.scale = np.where(spread > 1e-9 * (1 + np.abs(self.centre)), spread, 1.0)
        self.star = np.unique(known.star_id, return_inverse=True)[1]
        self.sets = list(self._sets(known.names, n_stars))

    def _sets(self, names: tuple[str, ...], n_stars: int) -> Iterator[tuple[str, ...]]:
        terms: tuple[str, ...] = ("1",)
        pairs = [(i, j) for i in range(len(names)) for j in range(i, len(names))]
        bends = []
        if names[0] == "teff" and self.log10[0]:
            hotter = [int(np.sum(self._v[:, 0] > np.log10(knot))) for knot in _BENDS]
            beyond = [min(n, len(self._v) - n) for n in hotter]
            bends = [f"teff>{knot:.0f}" for knot, n in zip(_BENDS, beyond, strict=True) if n >= _STARS_BEYOND]
        for more in (
            names,
            (DISTANCE,),
            tuple(bends),
            tuple(f"{names[i]}*{names[j]}" for i, j in pairs),
        ):
            yield terms
            terms += more
            if len(terms) * _STARS_PER_TERM > n_stars:
                return
        yield terms

    def phi(self, terms: tuple[str, ...]) -> Array:
        """Return the terms (N, T) of all rows, as `ModelError` evaluates them."""
        z = (self._v - self.centre) / self.scale
        columns = []
        for term in terms:
            name, bend, knot = term.partition(">")
            if bend:
                i = self.variables.index(name)
                columns.append(np.maximum(self._v[:, i] - np.log10(float(knot)), 0.0) / self.scale[i])
            else:
                parts = [] if term == "1" else [z[:, self.variables.index(part)] for part in term.split("*")]
                columns.append(np.prod([np.ones(len(z)), *parts], axis=0))
        return np.column_stack(columns)


def _fit(d: Array, phi: Array, ln_noise: Array, weight: Array) -> LnSigma:
    """Fit ln sigma = c . phi to residuals d (N,); the noise is a second, known sigma."""
    # Start: the median absolute residual minus the noise, in quadrature, at least a tenth of it.
    typical = np.median(np.abs(d)) / NORMAL_MEDIAN
    left = typical**2 - np.median(np.exp(2 * ln_noise))
    first = np.zeros(phi.shape[1])
    first[0] = 0.5 * np.log(max(left, 0.01 * typical**2, np.finfo(float).tiny))
    return largest_likelihood(d, phi, np.zeros_like(phi), _bases(ln_noise), weight, LnSigma(first))


def _bases(ln_noise: Array) -> tuple[Array, Array]:
    return np.zeros_like(ln_noise), ln_noise


def _chosen(d: Array, shape: _Shape, ln_noise: Array, weight: Array) -> tuple[tuple[str, ...], Array]:
    """Select the terms by stars left out; return them, and residual / error (N, L) of those stars."""
    fold = np.random.default_rng(0).permutation(shape.star.max() + 1)[shape.star] % _FOLDS
    best, chosen, kept = -np.inf, shape.sets[0], np.full(d.shape, np.nan)
    # The density of a star anywhere in the range of the residuals: no single one decides about the terms.
    width = np.maximum(np.nanmax(d, axis=0) - np.nanmin(d, axis=0), np.finfo(float).tiny)
    ln_anywhere = np.log(_ANYWHERE / width) + _LN_ROOT_2_PI
    for terms in shape.sets:
        phi, ln_l, pulls = shape.phi(terms), np.zeros(d.shape), np.full(d.shape, np.nan)
        for k, j in itertools.product(range(_FOLDS), range(d.shape[1])):
            have = np.isfinite(d[:, j])
            out, others = have & (fold == k), have & (fold != k)
            found = _fit(d[others, j], phi[others], ln_noise[others, j], weight[others])
            ln_sigma = phi @ found.coefficients
            inside = np.clip(ln_sigma, *np.percentile(ln_sigma[others], [_EDGE, 100 - _EDGE]))[out]
            rows = phi[out], np.zeros_like(phi[out]), (inside - ln_sigma[out], ln_noise[out, j])
            ln_l[out, j] = np.logaddexp(ln_likelihood(d[out, j], *rows, found), ln_anywhere[j])
            pulls[out, j] = d[out, j] / np.hypot(np.exp(inside), np.exp(ln_noise[out, j]))
        total = float(np.sum(weight[:, None] * ln_l))
        if total > best:
            best, chosen, kept = total, terms, pulls
    return chosen, kept


def _correlation(d: Array, sigma: Array, noise: Array) -> Array:
    """Correlation (L, L) of the model errors; noise (N, L, L) is the rest of the covariance.

    The correlation of ranks, without outliers, gives rho = 2 sin(pi rho_ranks / 6) for normal variables. For
    the residuals, rho is the mean of (r_jk sigma_j sigma_k + C_jk) / sqrt(V_j V_k), where r is that of the
    model.
    """
    n_labels = d.shape[1]
    total = np.sqrt(sigma**2 + np.diagonal(noise, axis1=1, axis2=2))
    inside = (np.abs(d / total) < _OUTLIER).all(axis=1)
    if inside.sum() < MIN_STARS:  # too few stars with all labels
        return np.eye(n_labels)
    ranks = np.argsort(np.argsort((d / total)[inside], axis=0), axis=0)
    rho = np.atleast_2d(2 * np.sin(np.pi / 6 * np.corrcoef(ranks.T)))
    size = covariance_of(np.ones((n_labels, n_labels)), total)
    share = np.mean(covariance_of(np.ones((n_labels, n_labels)), sigma) / size, axis=0)
    rho = (rho - np.mean(noise / size, axis=0)) / np.maximum(share, 1e-3)
    rho = np.clip(rho, -_LARGEST_CORRELATION, _LARGEST_CORRELATION)
    np.fill_diagonal(rho, 1.0)
    # Nearest correlation matrix: no negative eigenvalue, and a diagonal of 1.
    values, axes = np.linalg.eigh((rho + rho.T) / 2)
    rho = (axes * np.maximum(values, 1 - _LARGEST_CORRELATION)) @ axes.T
    width = np.sqrt(np.diag(rho))
    rho = rho / (width[:, None] * width)
    rho = (rho + rho.T) / 2
    np.fill_diagonal(rho, 1.0)
    return np.asarray(rho)
