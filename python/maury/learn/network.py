"""The network and its optimisation: labels to normalised flux (the only part that requires torch).

Two hidden layers as in The Payne (Ting et al. 2019, eq. 1), then a linear bottleneck of K coefficients and K
basis spectra. These are initialised as the principal components of the training set. The network is trained
on the coefficients (see `maury.learn.basis`), then the basis is fitted to the network, and so on in cycles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maury.learn import NO_TORCH

try:
    import torch
except ImportError as error:
    raise ImportError(NO_TORCH) from error

from maury.learn.basis import Basis, Compressed, Data, compress, principal, refit
from maury.learn.instruments import Instruments
from maury.learn.latent import RATE, Given, LatentLabels

Array = NDArray[np.float64]

#: Normalised flux; keeps the gradient of the root finite where a star is reproduced exactly.
RMS_FLOOR = 1e-4
_CHECK_EVERY = 25
# Maximum number of spectra in a step.
_BATCH = 1024
# Later cycles start from a network that is already good.
_LATER_RATE = 0.3
# The last cycle is the one that lowers the error on the stopping set by less than this fraction.
CONVERGED = 0.01


@dataclass(frozen=True)
class Network:
    """Layers of a trained network, and its performance on the stopping set.

    Attributes
    ----------
    weights, biases : lists of (out, in) and (out,) float32
    activations : list of str
        One per hidden layer.
    stop_loss : float
        Mean rms per star, in normalised flux, on the stopping set.
    cycle_loss : list of float
        The same after each cycle.
    converged : bool
        Whether the last cycle lowered it by less than `CONVERGED`.
    x : (N, L)
        Scaled labels of all spectra, as given or as fitted.
    """

    weights: list[NDArray[np.float32]]
    biases: list[NDArray[np.float32]]
    activations: list[str]
    stop_loss: float
    cycle_loss: list[float]
    converged: bool
    x: Array


ACTIVATIONS: dict[str, type[torch.nn.Module]] = {
    "identity": torch.nn.Identity,
    "relu": torch.nn.ReLU,
    "leaky_relu": torch.nn.LeakyReLU,
    "silu": torch.nn.SiLU,
    "tanh": torch.nn.Tanh,
    "sigmoid": torch.nn.Sigmoid,
    "gelu": torch.nn.GELU,
}


def optimise(
    given: Given,
    flux: Array,
    weight: Array,
    instruments: Instruments,
    stop: NDArray[np.bool_],
    *,
    hidden: Sequence[int],
    coefficients: int | None,
    activation: str,
    steps: int,
    cycles: int,
    learning_rate: float,
    seed: int,
    progress: Callable[[int, float], None] | None = None,
) -> Network:
    """Train on the stars outside `stop`, and keep the network that is best on those inside.

    The loss is the mean over stars of the weighted rms of a star, so that a few stars with wrong labels or
    bad spectra have far less influence than in a mean of squares. A star counts by the part of the pixels
    that it has. AdamW, one-cycle rate, large batches.

    Parameters
    ----------
    given : Given
        Labels of N stars.
    flux, weight : (N, P)
        Normalised flux, and weights of the pixels (0 = missing).
    instruments : Instruments
        Of the N stars.
    stop : (N,) bool
    hidden, coefficients, activation
        Hidden units of each layer; K, or None for a full last layer; name of the activation.
    steps, cycles, learning_rate, seed
        Of the optimiser: steps per cycle, and the maximum number of cycles.
    progress : callable, optional
        Called with the step, counted over all cycles, and the loss on the stopping set.
    """
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation: expected one of {', '.join(ACTIVATIONS)}, got {activation!r}")
    train, held_out = (
        Data(
            torch.as_tensor(flux[rows], dtype=torch.float32),
            torch.as_tensor(weight[rows], dtype=torch.float32),
            instruments[rows],
        )
        for rows in (~stop, stop)
    )
    train_rows, stop_rows = (torch.as_tensor(np.flatnonzero(rows)) for rows in (~stop, stop))
    # A full last layer is a bottleneck as wide as the last hidden layer, multiplied out at the end.
    k = coefficients if coefficients is not None else min(hidden[-1], *train.flux.shape)
    with torch.random.fork_rng(), one_thread():
        torch.manual_seed(seed)
        basis = principal(train, k)
        trunk = new_trunk(given.x.shape[1], hidden, k, activation)
        seen, held = compress(train, basis), compress(held_out, basis)
        places = np.empty((len(stop), k))
        places[~stop], places[stop] = seen.best.numpy(), held.best.numpy()
        latent = LatentLabels(given, places, ~stop)
        model = torch.nn.ModuleList([trunk, latent])
        losses: list[float] = []
        best, kept = float("inf"), (_state(model), basis)
        converged = False
        for cycle in range(cycles):
            rate = learning_rate * (_LATER_RATE if cycle else 1.0)
            for step, value in _cycle(trunk, latent, (train_rows, seen), (stop_rows, held), steps, rate):
                if progress is not None:
                    progress(cycle * steps + step, value)
            with torch.no_grad():
                h_train = trunk(latent(train_rows))
                basis = refit(train, h_train, seen.rms(h_train, RMS_FLOOR), basis)
                seen, held = compress(train, basis), compress(held_out, basis)
                loss = float(_objective(trunk, latent, stop_rows, held).mean())
            losses.append(loss)
            converged = bool(loss > (1 - CONVERGED) * best)
            if loss < best:
                best, kept = loss, (_state(model), basis)
            if converged:
                break
        model.load_state_dict(kept[0])
    if not np.isfinite(best):
        raise ValueError("training diverged: the loss is not finite; lower learning_rate")
    weights, biases = layers(trunk, kept[1], full=coefficients is None)
    activations = [activation] * len(hidden) + ([] if coefficients is None else ["identity"])
    with torch.no_grad():
        x = latent(torch.arange(len(stop))).double().numpy()
    return Network(weights, biases, activations, best, losses, converged, x)


@contextmanager
def one_thread() -> Iterator[None]:
    """Restrict torch to one thread.

    Its matrices are small here: two threads on two free cores gain little, and on busy cores they wait for
    each other for eight times as long as they work. With one thread all machines of a kind give the same
    result.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


Labelled = tuple[torch.Tensor, Compressed]


def _objective(
    trunk: torch.nn.Module, latent: LatentLabels, rows: torch.Tensor, spectra: Compressed, fixed: bool = False
) -> torch.Tensor:
    """Loss (n,) of n rows; `fixed` trunks have no gradient, so that only the labels are fitted."""
    weights = {name: w.detach() if fixed else w for name, w in trunk.named_parameters()}
    h = torch.func.functional_call(trunk, weights, latent(rows))
    return latent.objective(spectra.rms(h, RMS_FLOOR), rows) * spectra.part


def _cycle(
    trunk: torch.nn.Sequential,
    latent: LatentLabels,
    train: Labelled,
    stop: Labelled,
    steps: int,
    rate: float,
) -> Iterator[tuple[int, float]]:
    """One cycle of the learning rate; keeps the trunk and the labels that were best on the stopping set.

    Yields the step and this loss at intervals.
    """
    (train_rows, seen), (stop_rows, held) = train, stop
    model = torch.nn.ModuleList([trunk, latent])
    groups: list[dict[str, Any]] = [
        {"params": trunk.parameters()},
        {"params": latent.parameters(), "lr": RATE * rate},
    ]
    optimiser = torch.optim.AdamW(groups, lr=rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, [rate, RATE * rate], total_steps=steps)
    batches: list[torch.Tensor] = []
    best, kept = float("inf"), _state(model)
    n_batches = -(-len(train_rows) // _BATCH)
    for step in range(1, steps + 1):
        if n_batches == 1:
            loss = _objective(trunk, latent, train_rows, seen).mean()
        else:
            batches = batches or list(torch.randperm(len(train_rows)).chunk(n_batches))
            rows = batches.pop()
            loss = _objective(trunk, latent, train_rows[rows], seen[rows]).mean()
        if latent.free:  # labels of the stopping set, as a fit would find them
            loss = loss + _objective(trunk, latent, stop_rows, held, fixed=True).mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
        if step % _CHECK_EVERY and step != steps:
            continue
        with torch.no_grad():
            value = float(_objective(trunk, latent, stop_rows, held).mean())
        if value < best:
            best, kept = value, _state(model)
        yield step, value
    model.load_state_dict(kept)


def new_trunk(n_labels: int, hidden: Sequence[int], k: int, activation: str) -> torch.nn.Sequential:
    """Return the layers from the inputs to K coefficients."""
    parts: list[torch.nn.Module] = []
    width = n_labels
    for units in hidden:
        parts += [torch.nn.Linear(width, units), ACTIVATIONS[activation]()]
        width = units
    return torch.nn.Sequential(*parts, torch.nn.Linear(width, k))


def _state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def layers(
    trunk: torch.nn.Sequential, basis: Basis, full: bool
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]]]:
    """Weights and biases; the bottleneck is multiplied into the last layer if that should be full."""
    linear = [layer for layer in trunk if isinstance(layer, torch.nn.Linear)]
    weights = [layer.weight.detach() for layer in linear] + [basis.spectra]
    biases = [layer.bias.detach() for layer in linear] + [basis.mean]
    if full:
        *weights, inner, outer = weights
        *biases, shift, mean = biases
        weights, biases = [*weights, outer @ inner], [*biases, mean + outer @ shift]
    return [w.numpy().copy() for w in weights], [b.numpy().copy() for b in biases]
