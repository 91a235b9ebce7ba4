"""Priors on the labels of stars, for an emulator that is known to be wrong.

The labels z at which an emulator reproduces a star differ from its labels y by the model error: z = y + e,
e ~ N(0, E). A prior on y, N(m, C), is one on z, N(m, C + E); and after the fit

    y = z - G (z - m),  G = E (C + E)^-1,  Cov(y) = (1 - G) Cov(z) (1 - G)' + (1 - G) E .

A prior that competed with the noise alone would count for nothing beside a spectrum of high S/N.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maury.labels import covariance_of
from maury.measure.prior import Prior, checked_prior

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator
    from maury.measure.fit import FitResult

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StarPrior:
    """Priors of N stars on their labels: mean (N, L), NaN = none, and covariance (N, L, L)."""

    mean: Array
    covariance: Array

    def of_emulator(self, near: Array, emulator: Emulator, fixed: Sequence[str] = ()) -> EmulatorPrior:
        """Return the priors on the labels of the emulator, with its model error at labels `near` (N, L).

        A label that is `fixed` has no model error.
        """
        sigma = np.nan_to_num(emulator.model_error(near))
        sigma[:, [name in fixed for name in emulator.labels]] = 0.0
        known = emulator.error_on_unseen
        model = covariance_of(np.eye(len(emulator.labels)) if known is None else known.correlation, sigma)
        given = np.isfinite(self.mean)
        both = given[:, :, None] & given[:, None, :]
        total = np.where(both, self.covariance + model, np.eye(len(emulator.labels)))
        prior = checked_prior((self.mean, total), len(self.mean), emulator)
        assert prior is not None
        gain = model @ np.where(both, np.linalg.inv(total), 0.0)
        left = model - gain @ model
        left[~given.any(axis=1)] = np.nan
        return EmulatorPrior(prior, gain, left)


@dataclass(frozen=True, eq=False)
class EmulatorPrior:
    """Priors of N stars on the labels of an emulator.

    Attributes
    ----------
    prior : Prior
        For the fit.
    gain : (N, L, L) float64
        G; 0 without a prior.
    model : (N, L, L) float64
        (1 - G) E, covariance of the model error that is left; NaN without a prior.
    """

    prior: Prior
    gain: Array
    model: Array

    def of_stars(self, result: FitResult, rows: slice) -> FitResult:
        """Return the labels of stars, from a fit of `rows` of them."""
        gain = self.gain[rows]
        away = np.nan_to_num(result.labels - self.prior.mean[rows])
        rest = np.eye(gain.shape[1]) - gain
        return replace(
            result,
            labels=result.labels - np.einsum("ijk,ik->ij", gain, away),
            covariance=rest @ result.covariance @ np.swapaxes(rest, 1, 2),
            noise_covariance=rest @ result.noise_covariance @ np.swapaxes(rest, 1, 2),
            fitted_labels=result.labels,
            model_covariance=self.model[rows],
        )
