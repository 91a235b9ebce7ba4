"""The network and its optimisation: labels in, normalised flux out (torch is needed here only).

Two hidden layers as in The Payne (Ting et al. 2019, eq. 1), then a linear bottleneck of K
coefficients and K basis spectra, which start as the principal components of the training set.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

try:
    import torch
except ImportError as error:
    raise ImportError(
        "training needs torch, which is not installed: pip install 'maury[train]' (or, for the small "
        "build without GPU libraries, install the CPU wheel of torch first)"
    ) from error

Array = NDArray[np.float64]

# The basis starts close to right, so it moves at a small part of the rate of the trunk.
_BASIS_RATE = 0.05
# Normalised flux; keeps the slope of the root finite where a star is reproduced exactly.
_RMS_FLOOR = 1e-4
_CHECK_EVERY = 25


@dataclass(frozen=True)
class Network:
    """Layers of a trained network, and how it did on the stars held for stopping.

    Attributes
    ----------
    weights, biases : lists of (out, in) and (out,) float32
    activations : list of str
        One a hidden layer.
    stop_loss : float
        Mean rms a star, in normalised flux, on the stars held for stopping.
    best_step : int
        The step whose network was kept.
    """

    weights: list[NDArray[np.float32]]
    biases: list[NDArray[np.float32]]
    activations: list[str]
    stop_loss: float
    best_step: int


_ACTIVATIONS: dict[str, type[torch.nn.Module]] = {
    "identity": torch.nn.Identity,
    "relu": torch.nn.ReLU,
    "leaky_relu": torch.nn.LeakyReLU,
    "silu": torch.nn.SiLU,
    "tanh": torch.nn.Tanh,
    "sigmoid": torch.nn.Sigmoid,
    "gelu": torch.nn.GELU,
}


def optimise(
    x: Array,
    flux: Array,
    weight: Array,
    stop: NDArray[np.bool_],
    *,
    hidden: Sequence[int],
    coefficients: int | None,
    activation: str,
    steps: int,
    learning_rate: float,
    seed: int,
    progress: Callable[[int, float], None] | None = None,
) -> Network:
    """Train on the stars outside `stop`, keep the network that is best on those inside.

    The loss is the mean over stars of the weighted rms of a star: a few stars with wrong labels or
    bad spectra then pull far less than in a mean of squares. Full-batch AdamW, one-cycle rate.

    Parameters
    ----------
    x : (N, L)
        Scaled labels.
    flux, weight : (N, P)
        Normalised flux, and weights of the pixels (0 = missing).
    stop : (N,) bool
    hidden, coefficients, activation
        Hidden units of each layer; K, or None for no bottleneck; name of the activation.
    steps, learning_rate, seed
        Of the optimiser.
    progress : callable, optional
        Called with the step and the loss of the stars held for stopping.
    """
    if activation not in _ACTIVATIONS:
        raise ValueError(f"activation: expected one of {', '.join(_ACTIVATIONS)}, got {activation!r}")

    def tensor(values: Array, rows: NDArray[np.bool_]) -> torch.Tensor:
        return torch.as_tensor(values[rows], dtype=torch.float32)

    x_train, f_train, w_train = (tensor(v, ~stop) for v in (x, flux, weight))
    x_stop, f_stop, w_stop = (tensor(v, stop) for v in (x, flux, weight))

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        trunk, basis = _build(x.shape[1], hidden, coefficients, activation, f_train, w_train)
        groups = [
            {"params": list(trunk.parameters()), "lr": learning_rate},
            {"params": list(basis.parameters()), "lr": learning_rate * _BASIS_RATE},
        ]
        if coefficients is None:
            groups = [{"params": [*trunk.parameters(), *basis.parameters()], "lr": learning_rate}]
        optimiser = torch.optim.AdamW(groups, weight_decay=0.0)
        rates = [float(group["lr"]) for group in groups]  # type: ignore[arg-type]
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rates, total_steps=steps)

        def make_loss(
            target: torch.Tensor, pixel_weight: torch.Tensor
        ) -> Callable[[torch.Tensor], torch.Tensor]:
            # Few passes over (N, P) arrays: they cost more than the network.
            root = torch.sqrt(pixel_weight / pixel_weight.sum(1, keepdim=True))
            minus_target = -root * target

            def loss(inputs: torch.Tensor) -> torch.Tensor:
                residual = torch.addcmul(minus_target, root, basis(trunk(inputs)))
                rms = torch.linalg.vector_norm(residual, dim=1)
                return torch.sqrt(rms**2 + _RMS_FLOOR**2).mean()

            return loss

        train_loss, stop_loss = make_loss(f_train, w_train), make_loss(f_stop, w_stop)

        parameters = [*trunk.parameters(), *basis.parameters()]
        best, best_step = float("inf"), 0
        kept = [p.detach().clone() for p in parameters]
        for step in range(1, steps + 1):
            value = train_loss(x_train)
            optimiser.zero_grad()
            torch.autograd.backward(value)
            optimiser.step()
            schedule.step()
            if step % _CHECK_EVERY and step != steps:
                continue
            with torch.no_grad():
                held = stop_loss(x_stop).item()
            if held < best:
                best, best_step = held, step
                kept = [p.detach().clone() for p in parameters]
            if progress is not None:
                progress(step, held)
        with torch.no_grad():
            for parameter, value in zip(parameters, kept, strict=True):
                parameter.copy_(value)
    if not np.isfinite(best):
        raise ValueError("training diverged: the loss is not finite; lower learning_rate")

    linear = [layer for layer in [*trunk, basis] if isinstance(layer, torch.nn.Linear)]
    activations = [activation] * len(hidden) + (["identity"] if coefficients is not None else [])
    return Network(
        [layer.weight.detach().numpy().copy() for layer in linear],
        [layer.bias.detach().numpy().copy() for layer in linear],
        activations,
        best,
        best_step,
    )


def _build(
    n_labels: int,
    hidden: Sequence[int],
    coefficients: int | None,
    activation: str,
    flux: torch.Tensor,
    weight: torch.Tensor,
) -> tuple[torch.nn.Sequential, torch.nn.Linear]:
    """Give the trunk, and the last layer; with a bottleneck that starts as principal components."""
    layers: list[torch.nn.Module] = []
    width = n_labels
    for units in hidden:
        layers += [torch.nn.Linear(width, units), _ACTIVATIONS[activation]()]
        width = units
    if coefficients is None:
        last = torch.nn.Linear(width, flux.shape[1])
        with torch.no_grad():
            last.bias.copy_(_mean(flux, weight))
        return torch.nn.Sequential(*layers), last
    layers.append(torch.nn.Linear(width, coefficients))
    mean = _mean(flux, weight)
    centred = torch.where(weight > 0, flux - mean, torch.zeros(()))
    _, size, components = torch.pca_lowrank(centred, q=coefficients, center=False, niter=6)
    last = torch.nn.Linear(coefficients, flux.shape[1])
    with torch.no_grad():
        # Coefficients of order one, so that one rate suits the whole trunk.
        last.weight.copy_(components * (size / len(flux) ** 0.5))
        last.bias.copy_(mean)
    return torch.nn.Sequential(*layers), last


def _mean(flux: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    here = (weight > 0).to(flux.dtype)
    count = here.sum(0)
    mean: torch.Tensor = torch.where(count > 0, (here * flux).sum(0) / count.clamp(min=1), torch.ones(()))
    return mean
