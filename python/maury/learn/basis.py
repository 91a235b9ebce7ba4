"""Spectra as coefficients of a few basis spectra, so that training does not involve the pixels.

With the weights w of a spectrum f, summing to 1, and flux = A (mean + B h), its mean squared error is

    r^2 = sum_p w_p (f_p - [A mean]_p - [A B]_p h)^2 = s + |L' (h - c)|^2,    L L' = (A B)' W A B,

where A is the broadening by the instrument of the star (`maury.learn.instruments`), c are the best-fitting
coefficients and s the remaining error. This is exact, including the masks and weights of each spectrum, and
needs K^2 instead of P numbers per spectrum. Requires torch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array

from maury.learn.instruments import Instruments

# Rows or pixels processed at a time, few enough that their K x P or K x N numbers stay in the cache.
_BLOCK = 64
# Fraction of the mean curvature that is added, so that unconstrained basis spectra do not change: that of the
# pixel, or of all pixels if it has hardly any data.
_RIDGE = 1e-4
_LEAST = 0.01
# The same for the projection of a spectrum: more than float32 loses in the sums.
_SMALL = 1e-5
# Pixels that a smaller fraction of the spectra have are not learnt: flux 1.
_COVERED = 0.1
# Conjugate gradients end at this size of the gradient, relative to the first, or after so many steps: details
# finer than the instruments resolve would need many more, and are noise.
_TOLERANCE = 1e-3
_MOST_STEPS = 25


@dataclass(frozen=True)
class Basis:
    """Mean (P,) and K basis spectra (P, K)."""

    mean: torch.Tensor
    spectra: torch.Tensor

    def seen_through(self, operator: csr_array | None) -> Basis:
        """Return the same, broadened by an operator (P, P); None = not broadened."""
        return Basis(_apply(operator, self.mean), _apply(operator, self.spectra))


@dataclass(frozen=True)
class Data:
    """Spectra (N, P) with their weights and instruments."""

    flux: torch.Tensor
    weight: torch.Tensor
    instruments: Instruments

    def part(self) -> torch.Tensor:
        """Part of the pixels that each spectrum has, (N,), relative to their mean."""
        part = (self.weight > 0).float().mean(1)
        return part / part.mean()

    def groups(self) -> Iterator[tuple[csr_array | None, torch.Tensor]]:
        """Yield each operator, and the rows that are seen through it."""
        for k, operator in enumerate(self.instruments.operators):
            rows = np.flatnonzero(self.instruments.group == k)
            if len(rows):
                yield operator, torch.as_tensor(rows)


@dataclass(frozen=True)
class Compressed:
    """Spectra projected on a basis: c (N, K), s (N,) and L (N, K, K) of the module's equation.

    `part` is that of `Data`.
    """

    best: torch.Tensor
    rest: torch.Tensor
    factor: torch.Tensor
    part: torch.Tensor

    def rms(self, coefficients: torch.Tensor, floor: float) -> torch.Tensor:
        """Weighted rms (N,) of flux from coefficients (N, K); `floor` keeps its gradient finite at 0."""
        across = torch.bmm((coefficients - self.best)[:, None, :], self.factor)[:, 0]
        return torch.sqrt(self.rest + across.square().sum(1) + floor**2)

    def __getitem__(self, rows: torch.Tensor) -> Compressed:
        return Compressed(self.best[rows], self.rest[rows], self.factor[rows], self.part[rows])


def _apply(operator: csr_array | None, values: torch.Tensor) -> torch.Tensor:
    return values if operator is None else torch.from_numpy(operator @ values.numpy())


def principal(data: Data, n: int) -> Basis:
    """Principal components of spectra, pixels weighted by their mean weight.

    Scaled so that the coefficients are of order one, for which one learning rate is suitable.
    """
    flux, weight = data.flux, data.weight
    here = weight > 0
    count = here.sum(0)
    mean = torch.where(count > 0, torch.where(here, flux, 0.0).sum(0) / count.clamp(min=1), torch.ones(()))
    scale = torch.sqrt(weight.mean(0) / weight.mean())
    # Pixels without weight get a small weight, to avoid a division by zero.
    scale = scale.clamp(min=1e-3)
    centred = torch.where(here, flux - mean, torch.zeros(())) * scale
    _, size, components = torch.pca_lowrank(centred, q=n, center=False, niter=6)
    return _known(data, Basis(mean, components * (size / len(flux) ** 0.5) / scale[:, None]))


def _known(data: Data, basis: Basis) -> Basis:
    """Replace pixels that few spectra have; extrapolated to the others they would be anything."""
    few = (data.weight > 0).sum(0) < _COVERED * len(data.flux)
    return Basis(basis.mean.masked_fill(few, 1.0), basis.spectra.masked_fill(few[:, None], 0.0))


def compress(data: Data, basis: Basis) -> Compressed:
    """Project spectra on a basis, each through its instrument."""
    n, k = len(data.flux), basis.spectra.shape[1]
    best, rest, factor = torch.empty(n, k), torch.empty(n), torch.empty(n, k, k)
    for operator, members in data.groups():
        seen = basis.seen_through(operator)
        for first in range(0, len(members), _BLOCK):
            rows = members[first : first + _BLOCK]
            part = data.weight[rows] / data.weight[rows].sum(1, keepdim=True)
            away = data.flux[rows] - seen.mean
            curvature = ((seen.spectra.T * part[:, None, :]) @ seen.spectra).double()
            small = _SMALL * curvature.diagonal(dim1=1, dim2=2).mean(1)
            lower = torch.linalg.cholesky(curvature + small[:, None, None] * torch.eye(k))
            slope = ((part * away) @ seen.spectra).double()
            best[rows] = torch.cholesky_solve(slope[:, :, None], lower)[:, :, 0].float()
            rest[rows] = (part * (away - best[rows] @ seen.spectra.T).square()).sum(1)
            factor[rows] = lower.float()
    return Compressed(best, rest, factor, data.part())


def refit(data: Data, coefficients: torch.Tensor, rms: torch.Tensor, basis: Basis) -> Basis:
    """Mean and basis spectra that best fit the coefficients (N, K) of a network.

    The minimum of sum_i w_ip / rms_i (f_ip - [A_i (mean + B h_i)]_p)^2: with the division by the rms (N,) of
    each star, the gradient equals that of the sum of the rms values, which is the training loss; w_ip sum to
    the part of the pixels that the star has. The broadenings A_i couple the pixels: conjugate gradients,
    preconditioned with the exact solution pixel by pixel, which is the result after one step if no star is
    broadened.
    """
    k = coefficients.shape[1]
    columns = torch.cat([coefficients, torch.ones(len(coefficients), 1)], dim=1)
    new = torch.cat([basis.spectra, basis.mean[:, None]], dim=1)
    star = data.part() / (data.weight.sum(1) * rms)
    inverse, ridge = _each_pixel(data.weight, star, columns)

    def solve(gradient: torch.Tensor) -> torch.Tensor:
        return torch.bmm(inverse, gradient[:, :, None].to(inverse.dtype))[:, :, 0].double()

    def curvature(step: torch.Tensor) -> torch.Tensor:
        total = ridge[:, None] * step
        for rows, seen, back in _through(data, step.float()):
            part = data.weight[rows] * star[rows, None] * (columns[rows] @ seen.T)
            total += _apply(back, part.T @ columns[rows]).double()
        return total

    gradient = torch.zeros(new.shape, dtype=torch.float64)
    for rows, seen, back in _through(data, new):
        part = data.weight[rows] * star[rows, None] * (data.flux[rows] - columns[rows] @ seen.T)
        gradient += _apply(back, part.T @ columns[rows]).double()
    found = new.double()
    solved = solve(gradient)
    direction = solved
    size = first = float((gradient * solved).sum())
    for _ in range(_MOST_STEPS):
        if not size > _TOLERANCE**2 * first:
            break
        bent = curvature(direction)
        length = size / float((direction * bent).sum())
        found = found + length * direction
        gradient = gradient - length * bent
        solved = solve(gradient)
        before, size = size, float((gradient * solved).sum())
        direction = solved + size / before * direction
    return _known(data, Basis(found[:, k].float().contiguous(), found[:, :k].float().contiguous()))


def _through(
    data: Data, values: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor, csr_array | None]]:
    """Yield rows, `values` (P, K) through their instrument, and the transposed operator."""
    for operator, rows in data.groups():
        yield rows, _apply(operator, values), None if operator is None else operator.T.tocsr()


def _each_pixel(
    weight: torch.Tensor, star: torch.Tensor, columns: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Inverse (P, K, K) of the curvature of each pixel alone, and the ridge (P,) in it."""
    n, k = weight.shape[1], columns.shape[1]
    mean = ((weight * star[:, None]).T @ columns.square().mean(1)).double()
    inverse, ridge = torch.empty(n, k, k), _RIDGE * mean.clamp(min=_LEAST * float(mean.mean()))
    for first in range(0, n, _BLOCK):
        pixels = slice(first, first + _BLOCK)
        part = (weight[:, pixels] * star[:, None]).T.contiguous()
        curvature = ((columns.T * part[:, None, :]) @ columns).double()
        lower = torch.linalg.cholesky(curvature + ridge[pixels, None, None] * torch.eye(k))
        inverse[pixels] = torch.cholesky_inverse(lower).float()
    return inverse, ridge
