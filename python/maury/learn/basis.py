"""Spectra as coefficients of a few basis spectra, so that training does not involve the pixels.

With the weights w of a spectrum f, summing to 1, and flux = mean + B h, its mean squared error is

    r^2 = sum_p w_p (f_p - mean_p - B_p h)^2 = s + |L' (h - c)|^2,    L L' = B' W B,

where c are the best-fitting coefficients and s the remaining error. This is exact, including the masks and
weights of each spectrum, and needs K^2 instead of P numbers per spectrum. Requires torch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

# Rows or pixels processed at a time, few enough that their K x P or K x N numbers stay in the cache.
_BLOCK = 64
# Fraction of the mean curvature that is added, so that unconstrained basis spectra do not change.
_RIDGE = 1e-4


@dataclass(frozen=True)
class Basis:
    """Mean (P,) and K basis spectra (P, K)."""

    mean: torch.Tensor
    spectra: torch.Tensor

    def flux(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Normalised flux (N, P) of coefficients (N, K)."""
        return torch.addmm(self.mean, coefficients, self.spectra.T)


@dataclass(frozen=True)
class Compressed:
    """Spectra projected on a basis: c (N, K), s (N,) and L (N, K, K) of the module's equation."""

    best: torch.Tensor
    rest: torch.Tensor
    factor: torch.Tensor

    def rms(self, coefficients: torch.Tensor, floor: float) -> torch.Tensor:
        """Weighted rms (N,) of flux from coefficients (N, K); `floor` keeps its gradient finite at 0."""
        across = torch.bmm((coefficients - self.best)[:, None, :], self.factor)[:, 0]
        return torch.sqrt(self.rest + across.square().sum(1) + floor**2)

    def __getitem__(self, rows: torch.Tensor) -> Compressed:
        return Compressed(self.best[rows], self.rest[rows], self.factor[rows])


def principal(flux: torch.Tensor, weight: torch.Tensor, n: int) -> Basis:
    """Principal components of spectra (N, P), pixels weighted by their mean weight.

    Scaled so that the coefficients are of order one, for which one learning rate is suitable.
    """
    here = weight > 0
    count = here.sum(0)
    mean = torch.where(count > 0, torch.where(here, flux, 0.0).sum(0) / count.clamp(min=1), torch.ones(()))
    scale = torch.sqrt(weight.mean(0) / weight.mean())
    # Pixels without weight get a small weight, to avoid a division by zero.
    scale = scale.clamp(min=1e-3)
    centred = torch.where(here, flux - mean, torch.zeros(())) * scale
    _, size, components = torch.pca_lowrank(centred, q=n, center=False, niter=6)
    return Basis(mean, components * (size / len(flux) ** 0.5) / scale[:, None])


def compress(flux: torch.Tensor, weight: torch.Tensor, basis: Basis) -> Compressed:
    """Project spectra (N, P) on a basis."""
    n, k = len(flux), basis.spectra.shape[1]
    best, rest, factor = torch.empty(n, k), torch.empty(n), torch.empty(n, k, k)
    for first in range(0, n, _BLOCK):
        rows = slice(first, first + _BLOCK)
        part = weight[rows] / weight[rows].sum(1, keepdim=True)
        away = flux[rows] - basis.mean
        curvature = ((basis.spectra.T * part[:, None, :]) @ basis.spectra).double()
        small = 1e-6 * curvature.diagonal(dim1=1, dim2=2).mean(1)
        lower = torch.linalg.cholesky(curvature + small[:, None, None] * torch.eye(k))
        slope = ((part * away) @ basis.spectra).double()
        best[rows] = torch.cholesky_solve(slope[:, :, None], lower)[:, :, 0].float()
        rest[rows] = (part * (away - best[rows] @ basis.spectra.T).square()).sum(1)
        factor[rows] = lower.float()
    return Compressed(best, rest, factor)


def refit(
    flux: torch.Tensor, weight: torch.Tensor, coefficients: torch.Tensor, rms: torch.Tensor, basis: Basis
) -> Basis:
    """Mean and basis spectra that best fit the coefficients (N, K) of a network, pixel by pixel.

    The minimum of sum_i w_ip / rms_i (f_ip - mean_p - B_p h_i)^2: with the division by the rms (N,) of each
    star, the gradient equals that of the sum of the rms values, which is the training loss.
    """
    k = coefficients.shape[1]
    columns = torch.cat([coefficients, torch.ones(len(coefficients), 1)], dim=1)
    old = torch.cat([basis.spectra, basis.mean[:, None]], dim=1)
    new = torch.empty_like(old)
    star = 1 / (weight.sum(1) * rms)
    for first in range(0, len(old), _BLOCK):
        pixels = slice(first, first + _BLOCK)
        part = (weight[:, pixels] * star[:, None]).T.contiguous()
        curvature = ((columns.T * part[:, None, :]) @ columns).double()
        ridge = _RIDGE * curvature.diagonal(dim1=1, dim2=2).mean(1) + torch.finfo(torch.float32).tiny
        slope = ((part * (flux[:, pixels].T - old[pixels] @ columns.T)) @ columns).double()
        step = torch.linalg.solve(curvature + ridge[:, None, None] * torch.eye(k + 1), slope[:, :, None])
        new[pixels] = old[pixels] + step[:, :, 0].float()
    return Basis(new[:, k].contiguous(), new[:, :k].contiguous())
