"""Gaussian priors on labels: chi2 + (x - mean)' C^-1 (x - mean), one per spectrum, as the core takes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.errors import formal_errors

if TYPE_CHECKING:
    from maury.emulator.content import Content

Array = NDArray[np.float64]

#: Mean and covariance of all labels; or mean and standard deviation by label.
PriorLike: TypeAlias = "tuple[ArrayLike, ArrayLike] | Mapping[str, tuple[ArrayLike, ArrayLike]]"

#: Instead of a prior: it is to be made of the photometry; see `maury.measure.photometric_prior`.
PHOTOMETRY: Literal["photometry"] = "photometry"

#: A standard deviation below this part of the range of a label counts as this: it holds the label.
LEAST_SIGMA = 1e-6
_LEAST_EIGENVALUE = 1e-14  # of a correlation matrix that is positive definite


@dataclass(frozen=True, eq=False)
class Prior:
    """Priors of N spectra.

    Attributes
    ----------
    mean : (N, L) float64
        Physical units; NaN = no prior on that label.
    precision : (N, L, L) float64
        Inverse of the covariance of the labels with a mean; 0 for the others.
    """

    mean: Array
    precision: Array

    def __getitem__(self, rows: slice | NDArray[np.intp]) -> Prior:
        return Prior(np.ascontiguousarray(self.mean[rows]), np.ascontiguousarray(self.precision[rows]))


def prior_origin(prior: PriorLike | str | None) -> str:
    """Return where priors are from, for the header."""
    return "none" if prior is None else prior if isinstance(prior, str) else "given"


def checked_prior(prior: PriorLike | None, n_spectra: int, emulator: Content) -> Prior | None:
    """Check a prior, for the labels of an emulator.

    Parameters
    ----------
    prior : (mean, covariance), or mapping, optional
        Mean (L,) for all spectra or (N, L), NaN where a label has no prior; covariance (L, L) or (N, L, L) in
        physical units. Of a label without a mean, the rows and columns of the covariance are not used: the
        prior of the others is their marginal distribution. Or mean and standard deviation, each a number or
        (N,), by the name of the label: ``{"logg": (4.44, 0.02)}``.
    n_spectra : int
        N
    emulator : Emulator

    Raises
    ------
    ValueError
        If a shape or a name is wrong, a mean is infinite or outside the domain of the logarithm, or a
        covariance is not finite, not symmetric or not positive definite; the message names the row.
    """
    if prior is None:
        return None
    labels, n_labels = emulator.labels, len(emulator.labels)
    mean, covariance = _by_name(prior, n_spectra, labels) if isinstance(prior, Mapping) else _pair(prior)
    for name, values, shape in (("mean", mean, (n_labels,)), ("covariance", covariance, (n_labels,) * 2)):
        if values.shape not in (shape, (n_spectra, *shape)):
            raise ValueError(
                f"prior: expected a {name} of shape {shape} or {(n_spectra, *shape)}, got {values.shape}"
            )
    mean = np.broadcast_to(mean, (n_spectra, n_labels))
    covariance = np.broadcast_to(covariance, (n_spectra, n_labels, n_labels))
    given = ~np.isnan(mean)
    both = given[:, :, None] & given[:, None, :]
    log = np.array([transform == "log10" for transform in emulator.transforms])
    _refuse(
        np.isinf(mean) | (given & log & ~(mean > 0)), "expected a finite mean, above 0 for {}", mean, labels
    )
    _refuse(both & ~np.isfinite(covariance), "the covariance of {} is not finite", covariance, labels)
    own = np.where(both, covariance, np.eye(n_labels))
    variance = np.diagonal(own, axis1=1, axis2=2)
    _refuse(
        ~(variance > 0),
        "expected a variance of {} above 0 (`fixed` holds a label without an error)",
        variance,
        labels,
    )
    sigma = formal_errors(own)
    correlation = own / (sigma[:, :, None] * sigma[:, None, :])
    transposed = np.swapaxes(correlation, 1, 2)
    _refuse(np.abs(correlation - transposed) > 1e-6, "the covariance of {} is not symmetric", own, labels)
    indefinite = np.linalg.eigvalsh(correlation)[:, :1] < _LEAST_EIGENVALUE
    _refuse(indefinite, "the covariance is not positive definite; its determinant is", np.linalg.det(own))
    # So narrow a prior is held by it, and the matrices of the fit can still be inverted.
    least = LEAST_SIGMA * (np.asarray(emulator.label_max) - np.asarray(emulator.label_min))
    wider = np.where(given, np.hypot(sigma, least), 1.0)
    correlation = correlation * (sigma / wider)[:, :, None] * (sigma / wider)[:, None, :]
    diagonal = np.arange(n_labels)
    correlation[:, diagonal, diagonal] = 1.0
    precision = np.linalg.inv(correlation) / (wider[:, :, None] * wider[:, None, :])
    return Prior(
        np.ascontiguousarray(mean), np.where(both, (precision + np.swapaxes(precision, 1, 2)) / 2, 0.0)
    )


def _pair(prior: tuple[ArrayLike, ArrayLike]) -> tuple[Array, Array]:
    try:
        mean, covariance = (np.asarray(values, dtype=np.float64) for values in prior)
    except (TypeError, ValueError):
        raise ValueError(
            "prior: expected (mean, covariance), or {label: (mean, standard deviation)}, got "
            f"{type(prior).__name__}"
        ) from None
    return mean, covariance


def _by_name(
    prior: Mapping[str, tuple[ArrayLike, ArrayLike]], n_spectra: int, labels: Sequence[str]
) -> tuple[Array, Array]:
    mean = np.full((n_spectra, len(labels)), np.nan)
    sigma = np.ones_like(mean)
    for name, pair in prior.items():
        if name not in labels:
            raise ValueError(f"prior: unknown label {name}; the emulator has {', '.join(labels)}")
        try:
            mean[:, labels.index(name)], sigma[:, labels.index(name)] = pair
        except (TypeError, ValueError):
            raise ValueError(
                f"prior: expected mean and standard deviation of {name}, each a number or ({n_spectra},), "
                f"got {pair!r}"
            ) from None
    return mean, sigma[:, :, None] ** 2 * np.eye(len(labels))


def _refuse(wrong: NDArray[np.bool_], why: str, values: Array, labels: Sequence[str] = ()) -> None:
    """Raise an error that names the first row, and its label, where `wrong` (N, ...) is true."""
    if wrong.any():
        first = tuple(np.argwhere(wrong)[0].tolist())
        row, where = first[0], first[1:]
        value = values[first] if labels else values[row]
        named = why.format(" and ".join(dict.fromkeys(labels[i] for i in where))) if labels else why
        raise ValueError(f"prior: row {row}: {named}, got {value:.6g}")
