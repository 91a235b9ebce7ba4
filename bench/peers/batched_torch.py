"""A bounded Levenberg-Marquardt for many spectra at once in torch, float32: the method of batched_numpy."""

import torch
from torch.nn import functional

MOST_STEPS = 50
ENOUGH = 1e-4  # as in batched_numpy
ROUNDING = 2e-7
FIRST_DAMPING, MOST_DAMPING = 0.1, 1e3

torch.set_num_threads(1)


def layers(network):
    """Return the layers of a `Network` as tensors."""
    return [
        (torch.tensor(weight).T.contiguous(), torch.tensor(bias), kind)
        for weight, bias, kind in zip(network.weights, network.biases, network.kinds, strict=True)
    ]


def with_torch(network, flux, ivar, tensors, size=16):
    """Fit (N, P) spectra from the middle of the box: scaled labels (N, L)."""
    lower, upper, middle = (
        torch.tensor(edge, dtype=torch.float32) for edge in (network.lower, network.upper, network.middle)
    )
    with torch.inference_mode():
        parts = [
            _solve(tensors, torch.from_numpy(flux[i : i + size]), torch.from_numpy(ivar[i : i + size]).sqrt(),
                   lower, upper, middle)
            for i in range(0, len(flux), size)
        ]  # fmt: skip
    return torch.cat(parts).numpy()


def _solve(tensors, flux, root, lower, upper, middle):
    n = len(flux)
    found = torch.empty(n, len(middle))
    spectrum = torch.arange(n)
    x = trial = middle.repeat(n, 1)
    damping = torch.full((n,), FIRST_DAMPING)
    chi2 = gradient = hessian = None
    for step in range(MOST_STEPS):
        gram = _gram(tensors, flux, root, trial)
        new = gram[:, 0, 0], gram[:, 1:, 0], gram[:, 1:, 1:]
        if step == 0:
            chi2, gradient, hessian = new
        else:
            better = new[0] <= chi2 + ROUNDING * new[0]
            damping = (damping * torch.where(better, 0.1, 10.0)).clamp(min=1e-6)
            x = torch.where(better[:, None], trial, x)
            chi2 = torch.where(better, new[0], chi2)
            gradient = torch.where(better[:, None], new[1], gradient)
            hessian = torch.where(better[:, None, None], new[2], hessian)
        held = ((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0))
        diagonal = hessian.diagonal(dim1=1, dim2=2) * damping[:, None]
        matrix = hessian + torch.diag_embed(diagonal)
        matrix = matrix.masked_fill(held[:, :, None] | held[:, None, :], 0) + torch.diag_embed(held.float())
        slope = gradient.masked_fill(held, 0)
        trial = torch.clamp(x - torch.linalg.solve(matrix, slope[:, :, None])[:, :, 0], lower, upper)
        gain = (slope * (x - trial)).sum(dim=1)
        small = gain <= (ROUNDING * chi2).clamp(min=ENOUGH)
        done = small | (damping > MOST_DAMPING)
        if step + 1 == MOST_STEPS:
            done[:] = True
        if not done.any():
            continue
        found[spectrum[done]] = torch.where(small[:, None], trial, x)[done]
        if done.all():
            break
        stay = ~done
        spectrum, flux, root, x, trial, damping, chi2, gradient, hessian = (
            state[stay] for state in (spectrum, flux, root, x, trial, damping, chi2, gradient, hessian)
        )
    return found


def _gram(tensors, flux, root, x):
    """Return [r J]' W [r J] of each spectrum, (B, 1 + L, 1 + L)."""
    value, tangents = x, None
    for weight, bias, kind in tensors:
        value = torch.addmm(bias, value, weight)
        tangents = weight.expand(len(x), -1, -1) if tangents is None else tangents @ weight
        if kind == "silu":
            gate = torch.sigmoid(value)
            tangents = tangents * (gate * (1 + value * (1 - gate)))[:, None]
            value = value * gate
        elif kind == "leaky_relu":
            tangents = tangents * torch.where(value > 0, 1.0, 0.01)[:, None]
            value = functional.leaky_relu(value)
    columns = torch.cat([(value - flux)[:, None], tangents], dim=1).mul_(root[:, None])
    return columns @ columns.mT
