"""Latent labels: the labels of the training stars as parameters that are fitted along with the network.

A given label has an error, may be missing, and is on the scale of its source. Its true value, in the
variables of the network, is

    x_ij = given_ij + error_ij u_ij - slope_ij b_sj,    u_ij ~ N(0, 1),

with u that of the star i (all visits share it) and b the zero point of its source s. u is 0 where no error is
known. A missing label starts at the mean of the stars with the most similar spectra, and `error` is their
standard deviation. Requires torch.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from maury.learn.given import Given

Array = NDArray[np.float64]

# Neighbours of a star that lacks a label, in this many leading coefficients of its spectrum: on MILES their
# mean is about as accurate as kernel regression.
_NEIGHBOURS = 8
_LEADING = 16
# A step of u in units of a step of the weights, and of a zero point in scaled labels.
RATE = 3.0
_ZERO_POINT = 0.02
# Independent numbers in the residual of a spectrum: misfits are correlated over pixels, and the formal errors
# of fits of MILES are too small by 4 to 17 times.
INDEPENDENT = 100.0


class LatentLabels(torch.nn.Module):
    """Labels (N, L) of all stars as a function of u (G, L) of the G stars and of b (S, L) of the sources.

    Parameters
    ----------
    given : Given
    places : (N, K)
        Coefficients of the spectra, leading ones first, of order one.
    taught : (N,) bool
        Stars from which missing labels may be taken.
    """

    def __init__(self, given: Given, places: Array, taught: NDArray[np.bool_]) -> None:
        super().__init__()
        centre, width = _filled(given, places[:, :_LEADING], taught)
        self.free = bool((width > 0).any()) or given.n_sources > 1
        visits = np.bincount(given.star)[given.star]
        shift = np.where(given.source[:, None] > 0, -given.slope, 0.0)
        self._unit = _ZERO_POINT / np.abs(given.slope).max(axis=0).clip(min=np.finfo(float).tiny)
        self._centre, self._width, self._shift = (
            torch.as_tensor(values, dtype=torch.float32) for values in (centre, width, shift * self._unit)
        )
        self._share = torch.as_tensor(1.0 / visits, dtype=torch.float32)
        self._star, self._source = torch.as_tensor(given.star), torch.as_tensor(given.source)
        self._missing = torch.as_tensor(np.isnan(given.x))
        self.u = torch.nn.Parameter(torch.zeros(int(given.star.max()) + 1, centre.shape[1]))
        self.b = torch.nn.Parameter(torch.zeros(given.n_sources, centre.shape[1]))

    def forward(self, rows: torch.Tensor, move: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the scaled labels (n, L) of n rows, and the cost (n,) of u by its prior.

        Known labels have a gradient only if they should `move`; missing ones always have.
        """
        u = self.u[self._star[rows]]
        if not move:
            u = torch.where(self._missing[rows], u, u.detach())
        x = self._centre[rows] + self._width[rows] * u + self._shift[rows] * self.b[self._source[rows]]
        return x, 0.5 * u.square().sum(1) * self._share[rows]

    @property
    def zero_points(self) -> Array:
        """Given minus true labels of each source (S, L), in the units of the labels."""
        found: Array = self.b.detach().numpy() * self._unit
        return found


def _filled(given: Given, places: Array, taught: NDArray[np.bool_]) -> tuple[Array, Array]:
    """Labels and errors (N, L), with those of neighbours where a label is missing; equal for all visits."""
    centre, width = given.x.copy(), given.error.copy()
    for j, missing in enumerate(np.isnan(given.x).T):
        if not missing.any():
            continue
        known = np.flatnonzero(~missing & taught)
        near = cKDTree(places[known]).query(places[missing], k=min(_NEIGHBOURS, len(known)))[1]
        values = given.x[known, j][near.reshape(int(missing.sum()), -1)]
        visits = np.bincount(given.star[missing], minlength=given.star.max() + 1)
        for target, found in ((centre, values.mean(axis=1)), (width, values.std(axis=1))):
            total = np.bincount(given.star[missing], found, minlength=len(visits))
            target[missing, j] = (total / np.maximum(visits, 1))[given.star[missing]]
    return centre, width
