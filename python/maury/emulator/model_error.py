"""Model error: the error of an emulator on stars that were not used for training, as plain numbers.

It is estimated in `maury.learn.model_error` from residuals of a cross-validation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import maury._core as _core
from maury.emulator import checks as check
from maury.emulator.checks import Array
from maury.labels import covariance_of

#: The variable beside the labels: distance to training stars, see `maury.emulator.distance`.
DISTANCE = "distance"


@dataclass(frozen=True, eq=False)
class ModelError:
    """Size and correlation of the errors of labels that are not due to noise.

    ln sigma_j = sum_t c_tj phi_t(z), z = (v - centre) / scale,

    where v are the fitted labels (their log10 where `log10` is true) and the distance to training stars. v is
    limited to `low` and `high`, and ln sigma to `ln_sigma_range`, since polynomials are meaningless outside
    the range of the stars that were used. The covariance of the labels is correlation_jk sigma_j sigma_k.

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
        Minimum and maximum of ln sigma.
    correlation : (L, L)
    offset, offset_error : (L,)
        Median of fitted - given label, and its standard error; for information, it is not subtracted.
    outliers : (L,)
        Fraction of outliers.
    pull_width : (L,)
        Width of residual / error for stars left out of this fit; ideally 1.
    n_stars, folds : int
        Number of stars used, and of parts of the cross-validation.

    Raises
    ------
    ValueError
        If a shape is wrong, or a value is not finite or out of range.
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
            raise ValueError("low, high, ln_sigma_range: a lower limit exceeds its upper limit")
        if np.abs(self.ln_sigma_range).max(initial=0.0) > _LARGEST:
            raise ValueError(f"ln_sigma_range: expected numbers from -{_LARGEST:g} to {_LARGEST:g}")
        if (self.outliers < 0).any() or (self.outliers > 1).any():
            raise ValueError("outliers: expected fractions from 0 to 1")
        _compiled(self)

    def predict(self, labels: Array, distance: Array) -> Array:
        """Return standard deviations (N, L) at labels (N, L) with distances (N,) to training stars.

        NaN where a label is NaN, or not positive where its log10 is taken.
        """
        rows, far = (np.ascontiguousarray(x, dtype=np.float64) for x in (labels, distance))
        return _compiled(self).predict(rows, far)

    def covariance(self, sigma: Array) -> Array:
        """Covariance (N, L, L) of labels with these standard deviations (N, L)."""
        return covariance_of(self.correlation, sigma)

    @property
    def words(self) -> str:
        """Text for the header of a catalogue."""
        return f"cross-validation of the training, {self.n_stars} stars in {self.folds} folds"

    def as_dict(self) -> dict[str, Any]:
        """All values in types of JSON; `from_dict` restores them exactly."""
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> ModelError:
        """Restore the result of `as_dict`; raises as the class does, and KeyError if an entry is missing."""
        return cls(**{field.name: told[field.name] for field in fields(cls)})

    def check_labels(self, labels: Sequence[str], n_training: int) -> None:
        """Check that it belongs to an emulator with these labels.

        Parameters
        ----------
        labels : sequence of str, L
        n_training : int
            Number of distinct training labels of the emulator.

        Raises
        ------
        ValueError
        """
        if self.labels != tuple(labels):
            raise ValueError(
                f"error_on_unseen: its labels are {', '.join(self.labels)}, those of the emulator "
                f"{', '.join(labels)}; estimate it again for this emulator"
            )
        if DISTANCE in self.variables and n_training <= check.NEIGHBOUR:
            raise ValueError(
                "error_on_unseen: it depends on the distance to training stars, and training_labels has "
                f"{n_training} different sets; pass the labels of all training stars"
            )


_SHAPES = {
    "centre scale low high": "D",
    "coefficients": "TL",
    "ln_sigma_range": "2L",
    "correlation": "LL",
    "offset offset_error outliers pull_width": "L",
}
_LARGEST = 50.0  # of |ln sigma|


@lru_cache(maxsize=8)
def _compiled(error: ModelError) -> _core.ModelErrors:
    """Return what evaluates it; raises ValueError for the correlation and the terms."""
    return _core.ModelErrors(
        error.labels,
        error.variables,
        error.log10.tolist(),
        error.centre,
        error.scale,
        error.low,
        error.high,
        error.terms,
        error.coefficients,
        error.ln_sigma_range[0],
        error.ln_sigma_range[1],
        error.correlation,
    )
