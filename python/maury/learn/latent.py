"""Latent labels: uncertain labels of the training stars as parameters that are fitted along with the network.

A given label has an error, or is missing. Its true value, in the variables of the network, is

    x_ij = given_ij + error_ij u_ij,    u_ij ~ N(0, 1),

with u that of the star i; all visits share it. u has no effect where no error is known. A missing label
starts at the mean of the stars with the most similar spectra, and `error` is their standard deviation.
Requires torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Array = NDArray[np.float64]

# Neighbours of a star that lacks a label, in this many leading coefficients of its spectrum: on MILES their
# mean is about as accurate as kernel regression.
_NEIGHBOURS = 8
_LEADING = 16
#: Learning rate of u, in units of that of the weights.
RATE = 3.0
# Independent numbers in the residual of a spectrum: misfits are correlated over pixels, and the formal errors
# of fits of MILES are too small by 4 to 17 times.
_INDEPENDENT = 30.0


@dataclass(frozen=True)
class Given:
    """Labels in the variables of a network.

    Attributes
    ----------
    x : (N, L)
        Scaled labels; NaN = missing.
    error : (N, L)
        Their errors, scaled; 0 = none, or unknown.
    star : (N,) int
        Index of the star, from 0; visits of a star share it.
    """

    x: Array
    error: Array
    star: NDArray[np.intp]


class LatentLabels(torch.nn.Module):
    """Labels (N, L) of all spectra as a function of u (G, L) of the G stars.

    Parameters
    ----------
    given : Given
    places : (N, K)
        Coefficients of the spectra, leading ones first, of order one.
    taught : (N,) bool
        Spectra from which missing labels may be taken.
    """

    def __init__(self, given: Given, places: Array, taught: NDArray[np.bool_]) -> None:
        super().__init__()
        centre, width = _filled(given, places[:, :_LEADING], taught)
        self.free = bool((width > 0).any())
        visits = np.bincount(given.star)[given.star]
        self._centre, self._width, self._share = (
            torch.as_tensor(values, dtype=torch.float32) for values in (centre, width, 1.0 / visits)
        )
        self._star = torch.as_tensor(given.star)
        self.u = torch.nn.Parameter(torch.zeros(int(given.star.max()) + 1, centre.shape[1]))

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Scaled labels (n, L) of n rows."""
        return self._centre[rows] + self._width[rows] * self.u[self._star[rows]]

    def objective(self, rms: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """Return the rms (n,) of the spectra, plus the cost of u by its prior.

        -ln L of a star is n ln(rms) + u^2 / 2, with n the independent numbers in its residual. Divided by
        n / rms, its gradient with respect to the network is that of the rms.
        """
        cost = 0.5 * self.u[self._star[rows]].square().sum(1) * self._share[rows]
        return rms + rms.detach() / _INDEPENDENT * cost


def _filled(given: Given, places: Array, taught: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Labels and errors (N, L), with those of neighbours where a label is missing; equal for all visits."""
    centre, width = given.x.copy(), given.error.copy()
    for j, missing in enumerate(np.isnan(given.x).T):
        if not missing.any():
            continue
        known = np.flatnonzero(~missing & taught)
        near = cKDTree(places[known]).query(places[missing], k=min(_NEIGHBOURS, len(known)))[1]
        values = given.x[known, j][near.reshape(int(missing.sum()), -1)]
        star = given.star[missing]
        visits = np.bincount(star)
        for target, found in ((centre, values.mean(axis=1)), (width, values.std(axis=1))):
            target[missing, j] = (np.bincount(star, found) / np.maximum(visits, 1))[star]
    return centre, width
