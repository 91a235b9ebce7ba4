"""The error that an emulator makes on stars that training did not see, as plain numbers.

It is learnt in `maury.learn.model_error`, from residuals of a cross-validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maury.emulator import checks as check
from maury.emulator.checks import Array
from maury.labels import covariance_of

#: The variable beside the labels: distance to training stars, see `maury.emulator.distance`.
DISTANCE = "distance"
_TINY = 1e-9


@dataclass(frozen=True, eq=False)
class ModelError:
    """Size and correlation of the errors of labels that noise does not explain.

    ln sigma_j = sum_t c_tj phi_t(z), z = (v - centre) / scale,

    v the labels that were fitted (their log10 where `log10` says so) and the distance to training stars. v is
    kept within `low` and `high`, and ln sigma within `ln_sigma_range`: beyond the stars it was learnt from a
    polynomial tells nothing. The covariance of the labels is correlation_jk sigma_j sigma_k.

    Attributes
    ----------
    labels : tuple of str, L
        In the order of the emulator.
    variables : tuple of str, D
        Names of labels, or `DISTANCE`.
    log10 : (D,) bool
    centre, scale, low, high : (D,)
        Of the variables, in log10 where that is taken.
    terms : tuple of str, T
        The functions phi: "1"; products of variables, as in "teff*logg"; or bends, as in "teff>6500", which
        is (v - knot) / scale above the knot, else 0 (the knot in the unit of the variable).
    coefficients : (T, L)
        c; sigma in the unit of the label.
    ln_sigma_range : (2, L)
        Least and largest value of ln sigma.
    correlation : (L, L)
    offset, offset_error : (L,)
        Median of fitted - given label, and its standard error. It is told, not taken off.
    outliers : (L,)
        Part of the stars that differ by more than errors explain.
    pull_width : (L,)
        Width of residual / error of stars left out of this fit; 1 is right.
    n_stars, folds : int
        Stars it was learnt from; parts of the cross-validation.

    Raises
    ------
    ValueError
        If something is not of its shape, not finite, or out of range; the message names it.
    """

    labels: tuple[str, ...]
    variables: tuple[str, ...]
    log10: NDArray[np.bool_]
    centre: Array
    scale: Array
    low: Array
    high: Array
    terms: tuple[str, ...]
    coefficients: Array
    ln_sigma_range: Array
    correlation: Array
    offset: Array
    offset_error: Array
    outliers: Array
    pull_width: Array
    n_stars: int
    folds: int

    def __post_init__(self) -> None:
        """Check everything, and make arrays read-only."""

        def put(name: str, value: Any) -> None:
            object.__setattr__(self, name, value)

        for name in ("labels", "variables", "terms"):
            put(name, check.names(name, getattr(self, name)))
        n_labels, n_variables, n_terms = len(self.labels), len(self.variables), len(self.terms)
        unknown = [name for name in self.variables if name not in (*self.labels, DISTANCE)]
        if unknown or len(set(self.variables)) < n_variables:
            raise ValueError(
                f"variables: expected names of labels or {DISTANCE}, each once, got {self.variables}"
            )
        log10 = np.asarray(self.log10)
        if log10.shape != (n_variables,) or log10.dtype != bool:
            raise ValueError(f"log10: expected {n_variables} times true or false, got {self.log10!r}")
        put("log10", check.frozen(log10))
        for names, shape in _SHAPES.items():
            for name in names.split():
                size = tuple({"D": n_variables, "T": n_terms, "L": n_labels, "2": 2}[axis] for axis in shape)
                put(name, check.numbers(name, getattr(self, name), size))
        for name in ("n_stars", "folds"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 0:
                raise ValueError(f"{name}: expected a whole number, 0 or more, got {value!r}")
            put(name, int(value))
        for name in ("scale", "offset_error", "pull_width"):
            least = getattr(self, name).min(initial=1.0)
            if least < 0 or (least == 0 and name == "scale"):
                raise ValueError(f"{name}: expected positive numbers, got {least:g}")
        if (self.low > self.high).any() or (self.ln_sigma_range[0] > self.ln_sigma_range[1]).any():
            raise ValueError("low, high, ln_sigma_range: a lower end is above its upper one")
        if np.abs(self.ln_sigma_range).max(initial=0.0) > _LARGEST:
            raise ValueError(f"ln_sigma_range: expected numbers from -{_LARGEST:g} to {_LARGEST:g}")
        if (self.outliers < 0).any() or (self.outliers > 1).any():
            raise ValueError("outliers: expected parts from 0 to 1")
        _check_correlation(self.correlation)
        for term in self.terms:
            self._term(term, np.zeros((1, n_variables)), np.zeros((1, n_variables)))

    def predict(self, labels: Array, distance: Array) -> Array:
        """Return standard deviations (N, L) at labels (N, L) with distances (N,) to training stars.

        NaN where a label is NaN, or not positive where its log10 is taken.
        """
        columns = {**dict(zip(self.labels, labels.T, strict=True)), DISTANCE: distance}
        v = np.column_stack([np.empty((len(labels), 0)), *(columns[name] for name in self.variables)])
        with np.errstate(divide="ignore", invalid="ignore"):
            v[:, self.log10] = np.log10(v[:, self.log10])
        v[np.isinf(v)] = np.nan
        v = np.clip(v, self.low, self.high)
        z = (v - self.centre) / self.scale
        phi = np.column_stack([np.empty((len(labels), 0)), *(self._term(term, v, z) for term in self.terms)])
        sigma: Array = np.exp(np.clip(phi @ self.coefficients, *self.ln_sigma_range))
        sigma[~np.isfinite(labels).all(axis=1)] = np.nan
        return sigma

    def covariance(self, sigma: Array) -> Array:
        """Covariance (N, L, L) of labels with these standard deviations (N, L)."""
        return covariance_of(self.correlation, sigma)

    def _term(self, term: str, v: Array, z: Array) -> Array:
        """One function phi (N,) of variables v (N, D) and z = (v - centre) / scale."""
        name, bend, knot = term.partition(">")
        if bend:
            i = self._index(name, term)
            try:
                at = float(knot)
            except ValueError:
                at = np.nan
            if not np.isfinite(at) or (self.log10[i] and at <= 0):
                raise ValueError(f"terms: {term!r} has no sound number after the >")
            above: Array = np.maximum(v[:, i] - (np.log10(at) if self.log10[i] else at), 0.0) / self.scale[i]
            return above
        product = np.ones(len(z))
        for name in [] if term == "1" else term.split("*"):
            product = product * z[:, self._index(name, term)]
        return product

    def _index(self, name: str, term: str) -> int:
        if name not in self.variables:
            raise ValueError(f"terms: {term!r} is not made of the variables {', '.join(self.variables)}")
        return self.variables.index(name)

    @property
    def words(self) -> str:
        """What the header of a catalogue says of it."""
        return f"cross-validation of the training, {self.n_stars} stars in {self.folds} folds"

    def as_dict(self) -> dict[str, Any]:
        """All of it as JSON holds it; `from_dict` gives it back to the bit."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> ModelError:
        """Read what `as_dict` gave; raises as the class, and KeyError where something is missing."""
        return cls(**{field.name: told[field.name] for field in fields(cls)})

    def check_labels(self, labels: Sequence[str], n_training: int) -> None:
        """Refuse to serve an emulator that it was not learnt with.

        Parameters
        ----------
        labels : sequence of str, L
        n_training : int
            Distinct training labels of the emulator.

        Raises
        ------
        ValueError
        """
        if self.labels != tuple(labels):
            raise ValueError(
                f"error_on_unseen: it is of {', '.join(self.labels)}, and the labels of the emulator are "
                f"{', '.join(labels)}; learn it again with this emulator"
            )
        if DISTANCE in self.variables and n_training <= check.NEIGHBOUR:
            raise ValueError(
                "error_on_unseen: it depends on the distance to training stars, and training_labels has "
                f"{n_training} different sets; give the labels of all training stars"
            )


_SHAPES = {
    "centre scale low high": "D",
    "coefficients": "TL",
    "ln_sigma_range": "2L",
    "correlation": "LL",
    "offset offset_error outliers pull_width": "L",
}
_LARGEST = 50.0  # of |ln sigma|


def _check_correlation(correlation: Array) -> None:
    if not np.array_equal(correlation, correlation.T) or not (np.diag(correlation) == 1.0).all():
        raise ValueError("correlation: expected a symmetric matrix with a diagonal of 1")
    if len(correlation) and np.linalg.eigvalsh(correlation).min() < -_TINY:
        raise ValueError("correlation: it has a negative eigenvalue, which no correlation has")
