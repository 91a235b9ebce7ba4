"""One network that reproduces the mean of several (distillation: Hinton et al. 2015, arXiv:1503.02531).

Networks from different seeds differ most where stars are few, and their mean is closer to new stars than
most of them. To evaluate them all would take as many times longer in each fit, so one network learns the
mean, from as many labels as it needs: the mean has no noise. Requires torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import eigh

from maury.learn.basis import Basis
from maury.learn.network import ACTIVATIONS, RMS_FLOOR, Network, layers, new_trunk, one_thread

Array = NDArray[np.float64]

# Labels at which the networks are compared: those of stars, moved at random by this fraction of the range,
# and some anywhere in the box of a fit.
_DRAWS = 20_000
_SPREAD = 0.03
_ANYWHERE, _HALF = 0.2, 0.55
_BATCH = 1024
# Normalised flux, rms over pixels: as many spectra are learnt as it takes to lose no more than this.
_LOST = 3e-4
_SHOW_EVERY = 25


def mean_network(
    networks: Sequence[Network],
    n_labels: int,
    *,
    hidden: Sequence[int],
    coefficients: int | None,
    activation: str,
    steps: int,
    learning_rate: float,
    seed: int,
    progress: Callable[[int, float], None] | None = None,
) -> Network:
    """Train a network on the mean flux of others.

    Parameters
    ----------
    networks : sequence of Network
        Trained on the same spectra.
    n_labels : int
        Inputs that are labels, the first ones; the others tell the source of a spectrum.
    hidden, coefficients, activation, steps, learning_rate, seed
        As in `maury.learn.network.optimise`, with one cycle. `coefficients` is the most that it has.
    progress : callable, optional
        Called with the step and the rms difference from the mean, in normalised flux.

    Returns
    -------
    Network
        Its losses are the means of those of the others; `x` is the mean of theirs.
    """
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(seed)
        stars = torch.as_tensor(np.mean([one.x for one in networks], axis=0), dtype=torch.float32)
        x, near = _draw(stars, n_labels)
        inner = torch.cat([_before_last(one, x) for one in networks], dim=1).double()
        last = np.hstack([one.weights[-1] for one in networks]).astype(np.float64) / len(networks)
        most = min(coefficients if coefficients is not None else hidden[-1], last.shape[1])
        centre, spectra, target, size = _principal(inner, near, last, most)
        mean = np.mean([one.biases[-1] for one in networks], axis=0, dtype=np.float64) + last @ centre
        trunk = new_trunk(x.shape[1], hidden, len(size), activation)
        optimiser = torch.optim.AdamW(trunk.parameters(), lr=learning_rate, weight_decay=0.0)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=steps)
        for step in range(1, steps + 1):
            rows = torch.randint(len(x), (_BATCH,))
            apart = ((trunk(x[rows]) - target[rows]).square() * size).sum(1) / len(last)
            loss = torch.sqrt(apart + RMS_FLOOR**2).mean()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
            schedule.step()
            if progress is not None and (step % _SHOW_EVERY == 0 or step == steps):
                progress(step, float(loss.detach()))
        basis = Basis(*(torch.as_tensor(values, dtype=torch.float32) for values in (mean, spectra)))
        weights, biases = layers(trunk, basis, full=coefficients is None)
    return Network(
        weights,
        biases,
        networks[0].activations,
        float(np.mean([one.stop_loss for one in networks])),
        [float(np.mean([one.cycle_loss[-1] for one in networks]))],
        all(one.converged for one in networks),
        stars.double().numpy(),
    )


def _draw(stars: torch.Tensor, n_labels: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw inputs (n, L) near those of stars (N, L), or anywhere; return also whether each is near."""
    x = stars[torch.randint(len(stars), (_DRAWS,))].clone()
    x[:, :n_labels] += _SPREAD * torch.randn(_DRAWS, n_labels)
    anywhere = torch.rand(_DRAWS) < _ANYWHERE
    x[anywhere, :n_labels] = _HALF * (2 * torch.rand(int(anywhere.sum()), n_labels) - 1)
    return x, ~anywhere


def _before_last(network: Network, x: torch.Tensor) -> torch.Tensor:
    """Return what the last layer of a network is applied to."""
    for weight, bias, name in zip(network.weights, network.biases, network.activations, strict=False):
        x = ACTIVATIONS[name]()(x @ torch.from_numpy(weight).T + torch.from_numpy(bias))
    return x


def _principal(
    inner: torch.Tensor, near: torch.Tensor, last: Array, most: int
) -> tuple[Array, Array, torch.Tensor, torch.Tensor]:
    """Find the leading components of the flux `last` (P, J) times `inner` (n, J), in the rows `near` (n,).

    Returns the mean of `inner` (J,), at most `most` spectra (P, k), their coefficients (n, k), of order one,
    and the squared size of the spectra (k,).
    """
    centre = inner[near].mean(0).numpy()
    values = inner.numpy() - centre
    gram = last.T @ last
    root = np.linalg.cholesky(gram + 1e-10 * np.trace(gram) / len(gram) * np.eye(len(gram)))
    white = values @ root
    size, axes = eigh(np.cov(white[near.numpy()].T))
    size, axes = size[::-1], axes[:, ::-1]
    lost = np.cumsum(size[::-1])[::-1]  # without this component and those after it
    k = min(most, max(1, int((lost > len(last) * _LOST**2).sum())))
    size, axes = size[:k], axes[:, :k]
    scale = np.sqrt(np.maximum(size, 1e-12 * size[0]))
    spectra = last @ np.linalg.solve(root.T, axes) * scale
    coefficients = torch.as_tensor(white @ axes / scale, dtype=torch.float32)
    return centre, spectra, coefficients, torch.as_tensor(scale**2, dtype=torch.float32)
