"""Zero points of the sources of labels: catalogues whose label scales differ are brought to one scale.

One source is the reference scale. A network that is trained on its stars only measures the spectra of the
others; the median of given minus measured labels is the zero point of a source. A zero point that is fitted
in the same training as the network comes out too small, since the network follows the labels of single stars.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.learn.build import train_on
from maury.learn.recipe import Recipe
from maury.learn.select import TrainingSet, split_stars
from maury.learn.sources import sources_of
from maury.measure.options import Options
from maury.measure.pipeline import measure

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator

Array = NDArray[np.float64]

#: Minimum number of stars of a source with labels near those of the reference scale.
MIN_STARS = 30
# Pixels that fewer of the stars on the reference scale have tell nothing of it.
_MIN_COVERAGE = 0.5
#: Entry of the meta data of an emulator.
ZERO_POINTS = "zero_points"


def to_one_scale(
    chosen: TrainingSet, rows: NDArray[np.bool_], recipe: Recipe, progress: bool = False, name: str = ""
) -> tuple[TrainingSet, dict[str, Any]]:
    """Subtract the zero points of the sources from the labels.

    Parameters
    ----------
    chosen : TrainingSet
    rows : (N,) bool
        Spectra to use.
    recipe : Recipe
        That of the emulator.
    progress, name
        See `maury.learn.build.train_on`.

    Returns
    -------
    TrainingSet, dict
        The training set on one scale, and an addition to the meta data, empty if there is one source.

    Raises
    ------
    ValueError
        If the reference scale is not a source, or a source has too few stars for a zero point.
    """
    scale, *others = sources_of(chosen.source[rows], recipe.reference_scale)
    if not others:
        return chosen, {}
    standard = rows & (chosen.source == scale)
    known = np.isfinite(chosen.labels[standard]).sum(axis=0) >= MIN_STARS
    columns = np.flatnonzero(known)
    mine = replace(
        chosen,
        names=tuple(chosen.names[j] for j in columns),
        labels=chosen.labels[:, columns],
        label_error=chosen.label_error[:, columns],
    )
    quick = replace(recipe.quick(), doubt=None)  # a median needs no rejection
    stop = np.zeros_like(rows)
    (stop[standard],) = split_stars(chosen.star_id[standard], [recipe.stop_fraction], recipe.seed)
    what = f"{name}zero points, "
    emulator = train_on(mine, stop, standard & ~stop, quick, progress=progress, name=what).emulator
    told: dict[str, Any] = {"reference_scale": scale, "sources": {}}
    labels = chosen.labels.copy()
    covered = chosen.wavelength[(chosen.ivar[standard] > 0).mean(axis=0) >= _MIN_COVERAGE]
    seen = mine.spectra.wavelength
    outside = ~((seen >= covered[0]) & (seen <= covered[-1]))
    mine = replace(mine, spectra=replace(mine.spectra, mask=mine.spectra.mask | outside))
    for source in others:
        entry = _zero_point(mine, rows & (chosen.source == source), emulator, source)
        told["sources"][source] = entry
        for j in columns:
            labels[chosen.source == source, j] -= entry[chosen.names[j]][0]
    return replace(chosen, labels=labels), {ZERO_POINTS: told}


def _zero_point(
    chosen: TrainingSet, rows: NDArray[np.bool_], emulator: Emulator, source: str
) -> dict[str, Any]:
    """Zero points of a source, with their errors."""
    columns = measure(chosen.spectra[np.flatnonzero(rows)], emulator, Options())
    fitted = np.column_stack([columns[name] for name in chosen.names])
    near = np.asarray(columns["converged"]) & (np.asarray(columns["training_distance"]) < 1.0)
    entry: dict[str, Any] = {}
    for j, label in enumerate(chosen.names):
        difference = chosen.labels[rows, j] - fitted[:, j]
        good = near & np.isfinite(difference)
        stars = len(np.unique(chosen.star_id[rows][good]))
        if stars < MIN_STARS:
            raise ValueError(
                f"source: {source!r} has {stars} stars with {label} whose spectra resemble those on the "
                f"reference scale; its zero point requires {MIN_STARS}. Leave the source out, or give it the "
                "name of a source on the same scale"
            )
        offset = float(np.median(difference[good]))
        spread = 1.4826 * float(np.median(np.abs(difference[good] - offset)))
        # Standard error of a median. The network is as uncertain: its stars have errors, too.
        error = np.sqrt(np.pi / 2 * spread**2 * (1 / stars + 1 / len(emulator.training_labels)))
        entry["stars"] = stars
        entry[label] = [float(f"{offset:.4g}"), float(f"{error:.2g}")]
    return entry


def on_reference_scale(
    labels: Array, source: NDArray[np.str_], names: Sequence[str], meta: Mapping[str, Any]
) -> Array:
    """Labels (N, L) minus the zero points of their sources (N,), as the meta data of an emulator has them."""
    found = np.array(labels, dtype=np.float64)
    for name, entry in meta.get(ZERO_POINTS, {}).get("sources", {}).items():
        for j, label in enumerate(names):
            if label in entry:
                found[source == name, j] -= entry[label][0]
    return found
