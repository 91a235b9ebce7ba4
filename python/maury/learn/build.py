"""One emulator from given rows of a training set (Imig et al. 2021, sec. 3).

Data flow: optimise -> fit the training stars -> reject doubtful labels, normalise as the fits do
        -> optimise again -> scatter -> residual modes -> emulator.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.emulator.emulator import Emulator
from maury.emulator.modes import MOST_MODES
from maury.labels import scaled, transformed, unscaled, untransformed
from maury.learn.doubt import doubts
from maury.learn.ensemble import model_error
from maury.learn.modes import residual_modes
from maury.learn.normalise import as_fitted
from maury.learn.select import TrainingSet
from maury.learn.sources import indicators, layers_of_source, sources_of, told_apart
from maury.learn.stars import DOUBTFUL, STOPPING, TRAINING
from maury.measure.fit import fit_normalized
from maury.output import progress as show_progress

if TYPE_CHECKING:
    from maury.learn.network import Network

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]

# The bounds of a fit extend beyond the training labels, as in the paper (sec. 3.2), by this fraction of the
# range.
_MARGIN = 0.05
# The first training, for the normalisation and the doubtful labels, needs one cycle of half the steps.
_FIRST_LOOK = 0.5
# Part of the steps of a cycle, and cycles: see `Recipe.quick`.
_ENOUGH, _CYCLES = 0.6, 2
# Minimum number of spectra with a label that others lack.
_KNOWN = 30
_LOG_LABELS = ("teff",)
# Stars of a source at a pixel from which its scatter is taken; with fewer, from those of all sources.
_OWN_STARS = 30
#: Bounds of a fit in Imig et al. 2021, sec. 3.2.
PAPER_BOUNDS = {
    "teff": (3000.0, 32000.0),
    "logg": (-1.0, 5.5),
    "fe_h": (-3.0, 1.0),
    "alpha_fe": (-1.0, 1.0),
    "log_vmicro": (-1.1, 1.1),
}
BOUNDS = ("training", "paper")


@dataclass(frozen=True)
class Recipe:
    """Parameters of the training; the defaults gave the best cross-validation on MILES.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    coefficients : int or None
        K of the linear bottleneck; None trains a full last layer.
    activation : str
    window : int
        Running median, pixels.
    steps, cycles : int
        Steps per cycle of the learning rate, and maximum number of cycles; training ends when a cycle lowers
        the error on the stopping set by less than 1 %.
    learning_rate : float
    doubt : float or None
        Stars whose fitted labels differ from the given ones by more than this factor times the typical
        disagreement are rejected from the second training; None keeps all.
    stop_fraction, validation_fraction : float
        Fraction of the stars in the stopping set, and in the validation set.
    seed : int
    bounds : str
        Bounds of a fit: "training" = the range of the training labels and 5 % of it on each side, or "paper"
        = `PAPER_BOUNDS`, extended where the training labels exceed them.
    ensemble : int
        Number of networks, from seeds `seed`, `seed` + 1, ...; the one that is best on the stopping set is
        kept, together with the spread of the labels that they measure.
    modes : int
        Maximum number of residual modes; see `maury.learn.modes`.
    reference_scale : str or None
        Source whose label scale and instrument the emulator has; None = the one with the most spectra. See
        `maury.learn.sources` and `maury.learn.zero_points`.
    """

    hidden: tuple[int, ...] = (128, 128)
    coefficients: int | None = 64
    activation: str = "silu"
    window: int = 400
    steps: int = 1500
    cycles: int = 4
    learning_rate: float = 0.01
    doubt: float | None = 4.0
    stop_fraction: float = 0.1
    validation_fraction: float = 0.1
    seed: int = 0
    bounds: str = "training"
    ensemble: int = 1
    modes: int = 8
    reference_scale: str | None = None

    def quick(self) -> Recipe:
        """Return the recipe of a network that only measures other stars of the training set.

        Fewer steps suffice: on MILES the measured labels are equally good.
        """
        steps, cycles = max(1, round(_ENOUGH * self.steps)), min(_CYCLES, self.cycles)
        return replace(self, steps=steps, cycles=cycles, ensemble=1)


@dataclass(frozen=True)
class Trained:
    """An emulator, and how each spectrum was used.

    Attributes
    ----------
    emulator : Emulator
    use : (N,) str
        "training", "stopping", "withheld for validation", or why the spectrum was left out. From `train_on`,
        "" is a spectrum that was not selected for use.
    """

    emulator: Emulator
    use: NDArray[np.str_]


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
    given = chosen.source
    chosen = replace(chosen, source=told_apart(given, chosen.ivar, used, recipe.reference_scale))
    quick = replace(recipe, steps=max(1, round(_FIRST_LOOK * recipe.steps)), cycles=1, modes=0)
    sources = sources_of(chosen.source[used], recipe.reference_scale)
    first = _optimise(chosen, stop, train_rows, quick, sources, f"{name}first training", progress)
    labels = _complete_labels(chosen, used, first)
    for source in sources:
        own = used & (chosen.source == source)
        emulator = _emulator(chosen, used, first, quick, sources, source)
        chosen, fitted = as_fitted(chosen, own, emulator, labels[own[used]])
        if recipe.doubt is not None:
            found = doubts(chosen, own, fitted.labels, emulator.transforms, recipe.doubt)
            doubtful[own] = found != ""
            use[own & doubtful] = found[found != ""]
    stop, train_rows = stop & ~doubtful, train_rows & ~doubtful
    networks = []
    for member in range(recipe.ensemble):
        what = f"{name}training"
        if recipe.ensemble > 1:
            what += f" {member + 1} of {recipe.ensemble}"
        seeded = replace(recipe, seed=recipe.seed + member)
        networks.append(_optimise(chosen, stop, train_rows, seeded, sources, what, progress))
    network = min(networks, key=lambda one: one.stop_loss)
    origin = {
        **(meta or {}),
        "recipe": vars(recipe),
        "stars": {"training": int(train_rows.sum()), "stopping": int(stop.sum())},
        "left_out": {**chosen.left_out, DOUBTFUL: int(doubtful.sum())},
        "doubtful_stars": sorted(set(chosen.star_id[doubtful].tolist())),
        "held_out_rms": round(network.stop_loss, 5),
        "cycles": [round(loss, 5) for loss in network.cycle_loss],
        "converged": network.converged,
        "training_hash": chosen.digest,
        "sources": {
            one: int((train_rows & (given == one)).sum())
            for one in sources_of(given[used], recipe.reference_scale)
        },
    }
    used = stop | train_rows
    if recipe.ensemble > 1:
        members = [_emulator(chosen, used, one, recipe, sources) for one in networks]
        new = ~train_rows & ~doubtful & (chosen.source == sources[0])
        known = (chosen.flux[new], chosen.ivar[new], chosen.labels[new])
        origin["model_error"] = model_error(members, *known)
    emulator = _emulator(chosen, used, network, recipe, sources, meta=origin)
    return Trained(emulator, use.astype(str))


def _scaling(chosen: TrainingSet, used: Rows) -> tuple[list[str], Array, Array]:
    transforms = ["log10" if name in _LOG_LABELS else "linear" for name in chosen.names]
    low, high = np.nanmin(chosen.labels[used], axis=0), np.nanmax(chosen.labels[used], axis=0)
    known = np.isfinite(chosen.labels[used]).sum(axis=0)
    for name, count in zip(chosen.names, known, strict=True):
        if count < min(_KNOWN, used.sum()):
            raise ValueError(
                f"reference: the label {name} is known for {count} of {used.sum()} spectra, too few to "
                f"learn it; {_KNOWN} are required. Omit it from labels, or leave out the spectra that lack it"
            )
    flat = [name for name, a, b in zip(chosen.names, low, high, strict=True) if not a < b]
    if flat:
        raise ValueError(f"reference: the label {flat[0]} is the same for all stars; omit it from labels")
    return transforms, low, high


def _optimise(
    chosen: TrainingSet,
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
    transforms, low, high = _scaling(chosen, used)
    labels, error = chosen.labels[used], chosen.label_error[used]
    x = scaled(labels, low, high, transforms) - 0.5
    error = np.nan_to_num(scaled(labels + error, low, high, transforms) - 0.5 - x)
    own = indicators(chosen.source[used], sources)
    coefficients = recipe.coefficients
    if coefficients is not None:
        coefficients = min(coefficients, int(train_rows.sum()), chosen.wavelength.size)
    steps = recipe.steps * recipe.cycles
    with show_progress(steps, what, "step", progress) as bar:

        def show(step: int, loss: float) -> None:
            bar.set_postfix(held_out_rms=f"{loss:.4f}")
            bar.update(step - bar.n)

        return optimise(
            Given(
                np.column_stack([x, own]),
                np.column_stack([error, np.zeros_like(own)]),
                np.unique(chosen.star_id[used], return_inverse=True)[1],
            ),
            chosen.flux[used],
            chosen.weight[used],
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


def _complete_labels(chosen: TrainingSet, used: Rows, network: Network) -> Array:
    """Labels (U, L): exact ones as given, uncertain and missing ones as they were fitted along."""
    transforms, low, high = _scaling(chosen, used)
    given = chosen.labels[used]
    exact = np.isfinite(given) & (chosen.label_error[used] == 0)
    fitted = unscaled(network.x[:, : given.shape[1]] + 0.5, low, high, transforms)
    return np.where(exact, given, fitted)


def _emulator(
    chosen: TrainingSet,
    used: Rows,
    network: Network,
    recipe: Recipe,
    sources: Sequence[str],
    source: str | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Emulator:
    """Assemble the emulator of a source, by default the first, with its scatter and its residual modes.

    The scatter is computed at the fitted labels, not at the given ones: errors of the given labels would
    appear as scatter exactly where the flux depends on them most.
    """
    transforms, low, high = _scaling(chosen, used)
    labels = _complete_labels(chosen, used, network)
    ends = transformed(np.stack([labels.min(axis=0), labels.max(axis=0)]), transforms)
    margin = _MARGIN * (ends[1] - ends[0])
    bounds = untransformed(ends + np.stack([-margin, margin]), transforms).T
    if recipe.bounds == "paper":
        wide = np.array(
            [PAPER_BOUNDS.get(name, tuple(own)) for name, own in zip(chosen.names, bounds, strict=True)]
        )
        bounds = np.column_stack(
            [np.minimum(wide[:, 0], labels.min(axis=0)), np.maximum(wide[:, 1], labels.max(axis=0))]
        )
    source = source or sources[0]

    def assemble(source: str, scatter: Array, modes: Array | None = None) -> Emulator:
        weights, biases = layers_of_source(network.weights, network.biases, sources, source)
        return Emulator.from_layers(
            weights,
            biases,
            activation=network.activations,
            labels=chosen.names,
            label_min=low,
            label_max=high,
            wavelength=chosen.wavelength,
            lsf=chosen.lsf,
            scatter=scatter,
            modes=modes,
            window=recipe.window,
            transforms=transforms,
            bounds=bounds,
            training_labels=labels,
            meta=meta,
        )

    stars = chosen[used]
    residual, ivar = np.zeros(stars.flux.shape), np.zeros(stars.ivar.shape)
    fitted = labels.copy()
    for one in sources:
        rows = stars.source == one
        emulator = assemble(one, np.zeros(len(chosen.wavelength)))
        residual[rows], ivar[rows], fitted[rows] = _residuals(stars[rows], labels[rows], emulator)
    own = stars.source == source
    enough = (ivar[own] > 0).sum(axis=0) >= min(_OWN_STARS, own.sum())
    scatter = np.where(enough, _scatter(residual[own], ivar[own]), _scatter(residual, ivar))
    if recipe.modes == 0:
        return assemble(source, scatter)
    own &= (ivar > 0).any(axis=1)
    mine = stars[own]
    modes = residual_modes(
        assemble(source, scatter), mine.flux, mine.ivar, fitted[own], recipe.modes, mine.star_lsf
    )
    return assemble(source, scatter, modes)


def _residuals(chosen: TrainingSet, labels: Array, emulator: Emulator) -> tuple[Array, Array, Array]:
    """Residuals (n, P) of stars at their fitted labels, their ivar, 0 where a fit failed, and the labels."""
    first = replace(
        emulator,
        scatter=_scatter(chosen.flux - chosen.instruments.see(emulator.predict(labels)), chosen.ivar),
    )
    fitted = fit_normalized(first, chosen.flux, chosen.ivar, labels, lsf=chosen.star_lsf).labels
    bad = np.asarray(~np.isfinite(fitted).all(axis=1))
    fitted = np.where(bad[:, None], labels, fitted)
    ivar = np.where(bad[:, None], 0.0, chosen.ivar)
    return chosen.flux - chosen.instruments.see(emulator.predict(fitted)), ivar, fitted


def _scatter(residual: Array, ivar: Array) -> Array:
    """Robust rms of the residual (N, P) in each pixel, minus the noise: (P,).

    1.48 times the median absolute residual, so that a few unusual stars have no effect.
    """
    good = ivar > 0
    size = np.where(good, np.abs(residual), np.nan)
    noise = np.where(good, 1.0 / np.where(good, ivar, 1.0), np.nan)
    empty = ~good.any(axis=0)
    size[:, empty], noise[:, empty] = 1.0, 0.0  # a pixel without data gets the full scatter
    variance = (1.4826 * np.nanmedian(size, axis=0)) ** 2
    # A tenth of the variance is always kept, since noise estimates are not exact.
    scatter: Array = np.sqrt(np.maximum(variance - np.nanmedian(noise, axis=0), 0.1 * variance))
    return scatter
