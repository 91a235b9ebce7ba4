"""The emulator of a trained network: its bounds and its scatter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.emulator.emulator import Emulator
from maury.labels import transformed, unscaled, untransformed
from maury.learn.recipe import PAPER_BOUNDS, Recipe
from maury.learn.select import TrainingSet
from maury.learn.sources import layers_of_source, network_of
from maury.measure.fit import fit_normalized

if TYPE_CHECKING:
    from maury.learn.network import Network

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]

# The bounds of a fit extend beyond the training labels, as in the paper (sec. 3.2), by this fraction of the
# range.
_MARGIN = 0.05
# Minimum number of spectra with a label that others lack.
_KNOWN = 30
_LOG_LABELS = ("teff",)
# Minimum number of stars of a source at a pixel to tell its scatter, unless it has fewer in all.
_OWN_STARS = 30


def scaling(chosen: TrainingSet, used: Rows) -> tuple[list[str], Array, Array]:
    """Return the transforms of the labels, and their least and largest values (L,) in a training set."""
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


def complete_labels(chosen: TrainingSet, used: Rows, network: Network) -> Array:
    """Labels (U, L): exact ones as given, uncertain and missing ones as they were fitted along."""
    transforms, low, high = scaling(chosen, used)
    given = chosen.labels[used]
    exact = np.isfinite(given) & (chosen.label_error[used] == 0)
    fitted = unscaled(network.x[:, : given.shape[1]] + 0.5, low, high, transforms)
    return np.where(exact, given, fitted)


def assemble(
    chosen: TrainingSet,
    used: Rows,
    network: Network,
    recipe: Recipe,
    sources: Sequence[str],
    source: str | None = None,
    meta: Mapping[str, Any] | None = None,
) -> Emulator:
    """Assemble the emulator of a source, by default the first, with its scatter and without residual modes.

    The scatter is computed at the fitted labels, not at the given ones: errors of the given labels would
    appear as scatter exactly where the flux depends on them most.
    """
    transforms, low, high = scaling(chosen, used)
    labels = complete_labels(chosen, used, network)
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

    def of_source(source: str, scatter: Array) -> Emulator:
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
            window=recipe.window,
            transforms=transforms,
            bounds=bounds,
            training_labels=labels,
            meta=meta,
        )

    stars = chosen[used]
    seen_as = network_of(stars.source, sources)
    residual, ivar = np.zeros(stars.flux.shape), np.zeros(stars.ivar.shape)
    for one in sources:
        rows = seen_as == one
        emulator = of_source(one, np.zeros(len(chosen.wavelength)))
        residual[rows], ivar[rows] = _residuals(stars[rows], labels[rows], emulator)
    return of_source(source, scatter_of(source, residual, ivar, stars.source))


def _residuals(chosen: TrainingSet, labels: Array, emulator: Emulator) -> tuple[Array, Array]:
    """Residuals (n, P) of stars at their fitted labels, and their ivar, 0 where a fit failed."""
    first = replace(
        emulator,
        scatter=_scatter(chosen.flux - chosen.instruments.see(emulator.predict(labels)), chosen.ivar),
    )
    fitted = fit_normalized(first, chosen.flux, chosen.ivar, labels, lsf=chosen.star_lsf).labels
    bad = np.asarray(~np.isfinite(fitted).all(axis=1))
    fitted = np.where(bad[:, None], labels, fitted)
    ivar = np.where(bad[:, None], 0.0, chosen.ivar)
    return chosen.flux - chosen.instruments.see(emulator.predict(fitted)), ivar


def scatter_of(source: str, residual: Array, ivar: Array, of: NDArray[np.str_]) -> Array:
    """Scatter (P,) of a source; where it has few stars, the largest of the other sources that have more.

    Surveys differ by more than the stars of one of them: residuals of the best one alone would promise too
    much of spectra of another.
    """

    def alone(name: str) -> Array:
        rows = of == name
        enough = (ivar[rows] > 0).sum(axis=0) >= min(_OWN_STARS, rows.sum())
        return np.where(enough, _scatter(residual[rows], ivar[rows]), np.nan)

    others = [alone(name) for name in np.unique(of) if name != source]
    scatter = _scatter(residual, ivar)
    for better in (*([np.fmax.reduce(others)] if others else []), alone(source)):
        scatter = np.where(np.isnan(better), scatter, better)
    return scatter


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
