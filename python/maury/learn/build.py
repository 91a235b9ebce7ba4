"""One emulator from given rows of a training set (Imig et al. 2021, sec. 3).

Data flow: optimise -> fit the training stars -> reject doubtful labels, normalise as the fits do
        -> optimise again -> emulator with its scatter -> residual modes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.emulator.emulator import Emulator
from maury.emulator.modes import MOST_MODES
from maury.labels import scaled
from maury.learn.assemble import assemble, complete_labels, scaling
from maury.learn.doubt import doubts
from maury.learn.ensemble import label_spread
from maury.learn.modes import RULES, candidate_modes
from maury.learn.normalise import as_fitted
from maury.learn.recipe import BOUNDS, Recipe
from maury.learn.select import MIN_PIXEL_FRACTION, TOO_FEW, TrainingSet, weights
from maury.learn.sources import indicators, network_of, sources_of, taught_pixels, told_apart
from maury.learn.stars import DOUBTFUL, STOPPING, TRAINING
from maury.output import progress as show_progress

if TYPE_CHECKING:
    from maury.learn.model_error import Residuals
    from maury.learn.network import Network

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]

# The first training, for the normalisation and the doubtful labels, needs one cycle of half the steps.
_FIRST_LOOK = 0.5
# The mean of several networks has no noise: its network is trained for longer than they are.
_FOR_THE_MEAN = 4


@dataclass(frozen=True)
class Trained:
    """An emulator, and how each spectrum was used.

    Attributes
    ----------
    emulator : Emulator
        From `train_on`, with the modes that the recipe names, or those at fitted labels.
    modes : tuple of (P, M)
        See `maury.learn.modes.candidate_modes`; the first are none.
    use : (N,) str
        "training", "stopping", "withheld for validation", or why the spectrum was left out. From `train_on`,
        "" is a spectrum that was not selected for use.
    residuals : Residuals or None
        Labels measured by networks trained without the star, from which the model error was estimated.
    """

    emulator: Emulator
    modes: tuple[Array, ...]
    use: NDArray[np.str_]
    residuals: Residuals | None = None


def train_on(
    chosen: TrainingSet,
    stop: Rows,
    train_rows: Rows,
    recipe: Recipe,
    *,
    meta: Mapping[str, Any] | None = None,
    progress: bool = False,
    name: str = "",
) -> Trained:
    """Train on given rows of a training set.

    Parameters
    ----------
    chosen : TrainingSet
    stop, train_rows : (N,) bool
        Stars of the stopping set, and of the training; the others are not used.
    recipe : Recipe
    meta : mapping, optional
        Added to the origin of the emulator.
    progress : bool
        Show progress on stderr.
    name : str
        Printed before "training" in the progress.
    """
    if recipe.bounds not in BOUNDS:
        raise ValueError(f"bounds: expected {' or '.join(BOUNDS)}, got {recipe.bounds!r}")
    if recipe.cycles < 1:
        raise ValueError(f"cycles: expected 1 or more, got {recipe.cycles}")
    if recipe.ensemble < 1:
        raise ValueError(f"ensemble: expected 1 network or more, got {recipe.ensemble}")
    if not 0 <= recipe.modes <= MOST_MODES:
        raise ValueError(f"modes: expected 0 to {MOST_MODES}, got {recipe.modes}")
    if recipe.modes_at not in (None, *RULES[1:]):
        raise ValueError(f"modes_at: expected {' or '.join(RULES[1:])}, or None, got {recipe.modes_at!r}")
    used = stop | train_rows
    needed = 2 * (len(chosen.names) + 1)
    if train_rows.sum() < needed or not stop.any():
        left_out = ", ".join(f"{count} {reason}" for reason, count in chosen.left_out.items())
        raise ValueError(
            f"reference: {train_rows.sum()} spectra for training and {stop.sum()} for stopping are too few "
            f"for {len(chosen.names)} labels, which require {needed} and 1. Left out: {left_out or 'none'}. "
            "Pass a larger reference set, fewer labels, or a higher teff_max"
        )
    use = np.where(stop, STOPPING, np.where(train_rows, TRAINING, "")).astype(object)
    doubtful = np.zeros(len(used), dtype=bool)
    sources = told_apart(chosen.source, chosen.ivar, used, recipe.reference_scale)
    taught = taught_pixels(chosen.source, chosen.ivar, used, sources)
    enough = _enough(chosen, taught)
    use[used & ~enough] = TOO_FEW
    stop, train_rows, used = stop & enough, train_rows & enough, used & enough
    quick = replace(recipe, steps=max(1, round(_FIRST_LOOK * recipe.steps)), cycles=1, modes=0)
    first = _optimise(chosen, taught, stop, train_rows, quick, sources, f"{name}first training", progress)
    labels = complete_labels(chosen, used, first)
    for source in sources:
        own = used & (network_of(chosen.source, sources) == source)
        emulator = assemble(chosen, used, first, quick, sources, source)
        chosen, fitted = as_fitted(chosen, own, emulator, labels[own[used]])
        if recipe.doubt is not None:
            found = doubts(chosen, own, fitted.labels, emulator.transforms, recipe.doubt)
            doubtful[own] = found != ""
            use[own & doubtful] = found[found != ""]
    enough = _enough(chosen, taught)
    use[used & ~enough & ~doubtful] = TOO_FEW
    stop, train_rows = stop & enough & ~doubtful, train_rows & enough & ~doubtful
    networks = []
    for member in range(recipe.ensemble):
        what = f"{name}training"
        if recipe.ensemble > 1:
            what += f" {member + 1} of {recipe.ensemble}"
        seeded = replace(recipe, seed=recipe.seed + member)
        networks.append(_optimise(chosen, taught, stop, train_rows, seeded, sources, what, progress))
    network = networks[0] if recipe.ensemble == 1 else _mean(networks, chosen, recipe, name, progress)
    counts = chosen.left_out | {DOUBTFUL: int(doubtful.sum())}
    if few := int((use == TOO_FEW).sum()):
        counts[TOO_FEW] = counts.get(TOO_FEW, 0) + few
    origin = {
        **(meta or {}),
        "recipe": vars(recipe),
        "stars": {"training": int(train_rows.sum()), "stopping": int(stop.sum())},
        "left_out": counts,
        "doubtful_stars": sorted(set(chosen.star_id[doubtful].tolist())),
        "held_out_rms": round(network.stop_loss, 5),
        "cycles": [round(loss, 5) for loss in network.cycle_loss],
        "converged": network.converged,
        "training_hash": chosen.digest,
        "sources": {
            one: int((train_rows & (chosen.source == one)).sum())
            for one in sources_of(chosen.source[used], recipe.reference_scale)
        },
    }
    used = stop | train_rows
    if recipe.ensemble > 1:
        members = [assemble(chosen, used, one, recipe, sources) for one in networks]
        new = ~train_rows & ~doubtful & (chosen.source == sources[0])
        known = (chosen.flux[new], chosen.ivar[new], chosen.labels[new])
        origin["spread"] = label_spread(members, *known)
    emulator = assemble(chosen, used, network, recipe, sources, meta=origin)
    own = used & (network_of(chosen.source, sources) == sources[0]) & (chosen.ivar > 0).any(axis=1)
    labels = complete_labels(chosen, used, network)[own[used]]
    modes = candidate_modes(emulator, chosen[own], labels, recipe.modes)
    rule = RULES.index(recipe.modes_at or "fitted")
    return Trained(emulator.with_modes(modes[rule]), modes, use.astype(str))


def _mean(networks: list[Network], chosen: TrainingSet, recipe: Recipe, name: str, progress: bool) -> Network:
    from maury.learn.mean import mean_network  # requires torch

    steps = _FOR_THE_MEAN * recipe.steps
    with _steps(replace(recipe, steps=steps), f"{name}mean of {len(networks)}", "rms", progress) as show:
        return mean_network(
            networks,
            len(chosen.names),
            hidden=recipe.hidden,
            coefficients=recipe.coefficients,
            activation=recipe.activation,
            steps=steps * recipe.cycles,
            learning_rate=recipe.learning_rate,
            seed=recipe.seed,
            progress=show,
        )


@contextmanager
def _steps(recipe: Recipe, what: str, loss: str, progress: bool) -> Iterator[Callable[[int, float], None]]:
    """Show the steps of all cycles; yields a function of the step and of the present loss."""
    with show_progress(recipe.steps * recipe.cycles, what, "step", progress) as bar:

        def show(step: int, value: float) -> None:
            bar.set_postfix({loss: f"{value:.4f}"})
            bar.update(step - bar.n)

        yield show


def _enough(chosen: TrainingSet, taught: Rows) -> Rows:
    """Whether each spectrum has enough of the pixels that it may teach."""
    has = (chosen.ivar > 0) & taught
    return np.asarray(has.sum(axis=1) >= MIN_PIXEL_FRACTION * taught.sum(axis=1))


def _optimise(
    chosen: TrainingSet,
    taught: Rows,
    stop: Rows,
    train_rows: Rows,
    recipe: Recipe,
    sources: Sequence[str],
    what: str,
    progress: bool,
) -> Network:
    from maury.learn.latent import Given  # requires torch
    from maury.learn.network import optimise

    used = stop | train_rows
    transforms, low, high = scaling(chosen, used)
    labels, error = chosen.labels[used], chosen.label_error[used]
    x = scaled(labels, low, high, transforms) - 0.5
    error = np.nan_to_num(scaled(labels + error, low, high, transforms) - 0.5 - x)
    own = indicators(chosen.source[used], sources)
    coefficients = recipe.coefficients
    if coefficients is not None:
        coefficients = min(coefficients, int(train_rows.sum()), chosen.wavelength.size)
    with _steps(recipe, what, "held_out_rms", progress) as show:
        return optimise(
            Given(
                np.column_stack([x, own]),
                np.column_stack([error, np.zeros_like(own)]),
                np.unique(chosen.star_id[used], return_inverse=True)[1],
            ),
            chosen.flux[used],
            weights(chosen.ivar[used]) * taught[used],
            chosen.instruments[used],
            stop[used],
            hidden=recipe.hidden,
            coefficients=coefficients,
            activation=recipe.activation,
            steps=recipe.steps,
            cycles=recipe.cycles,
            learning_rate=recipe.learning_rate,
            seed=recipe.seed,
            progress=show,
        )
