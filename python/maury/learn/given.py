"""Labels of training stars as catalogues give them: with errors, incomplete, on the scales of sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.labels import transformed

if TYPE_CHECKING:
    from maury.learn.select import TrainingSet

Array = NDArray[np.float64]
Names = NDArray[np.str_]

#: Minimum number of stars of a source, and of stars that have a label that others lack.
MIN_STARS = 30
#: Entry of the meta data of an emulator.
ZERO_POINTS = "zero_points"


@dataclass(frozen=True)
class Given:
    """Labels in the variables of a network.

    Attributes
    ----------
    x : (N, L)
        Scaled labels; NaN = missing.
    error : (N, L)
        Their errors, scaled; 0 = none, or unknown.
    star : (N,) int
        Index of the star, from 0; visits of a star share it.
    source : (N,) int
        Index of the source, from 0, which is the reference scale.
    n_sources : int
    slope : (N, L)
        dx / dlabel; 0 where a label is missing.
    """

    x: Array
    error: Array
    star: NDArray[np.intp]
    source: NDArray[np.intp]
    n_sources: int
    slope: Array


def given_labels(
    chosen: TrainingSet, rows: NDArray[np.bool_], sources: Sequence[str], transforms: Sequence[str],
    low: Array, high: Array,
) -> Given:  # fmt: skip
    """Return the labels of some rows (N,) of a training set; `low` and `high` (L,) become -0.5 and 0.5."""
    labels = chosen.labels[rows]
    log = np.array([transform == "log10" for transform in transforms])
    low, high = transformed(low, transforms), transformed(high, transforms)
    slope = 1.0 / (high - low) * np.where(log, 1.0 / (np.log(10.0) * labels), 1.0)
    slope[np.isnan(labels)] = 0.0
    return Given(
        x=(transformed(labels, transforms) - low) / (high - low) - 0.5,
        error=slope * chosen.label_error[rows],
        star=np.unique(chosen.star_id[rows], return_inverse=True)[1],
        source=np.array([list(sources).index(name) for name in chosen.source[rows]], dtype=np.intp),
        n_sources=len(sources),
        slope=slope,
    )


def error_columns(label_errors: Mapping[str, ArrayLike] | None, names: Sequence[str], n: int) -> Array:
    """Errors of the labels (n, L), 0 where unknown.

    Raises
    ------
    ValueError
        If an error has the wrong shape.
    """
    errors = np.zeros((n, len(names)))
    for j, name in enumerate(names):
        if label_errors is None or name not in label_errors:
            continue
        told = np.asarray(label_errors[name], dtype=np.float64)
        if told.shape != (n,):
            raise ValueError(
                f"label_errors[{name!r}]: expected shape ({n},), one per spectrum, got {told.shape}"
            )
        errors[:, j] = np.where(np.isfinite(told) & (told > 0), told, 0.0)
    return errors


def sources_of(chosen: TrainingSet, reference_scale: str | None) -> tuple[str, ...]:
    """Names of the sources, that of the reference scale first; by default the one with the most spectra."""
    names, count = np.unique(chosen.source, return_counts=True)
    ordered = [str(name) for name in names[np.argsort(-count, kind="stable")]]
    first = ordered[0] if reference_scale is None else reference_scale
    return (first, *(name for name in ordered if name != first))


def checked_scale(chosen: TrainingSet, reference_scale: str | None) -> str | None:
    """Return the source of the reference scale, None for a single source; check that stars suffice.

    Raises
    ------
    ValueError
        If the reference scale is not one of the sources, or a source, or a label that some stars lack, has
        fewer than `MIN_STARS` spectra.
    """
    known = np.isfinite(chosen.labels).sum(axis=0)
    for label, count in zip(chosen.names, known, strict=True):
        if count < min(MIN_STARS, len(chosen.labels)):
            raise ValueError(
                f"labels: {label} is known for {count} of {len(chosen.labels)} spectra, too few to learn it; "
                f"{MIN_STARS} are required. Omit it from labels, or leave out the spectra that lack it"
            )
    names, counts = np.unique(chosen.source, return_counts=True)
    if reference_scale is not None and reference_scale not in names:
        raise ValueError(
            f"reference_scale: expected one of the sources {', '.join(names)}, got {reference_scale!r}"
        )
    if len(names) < 2:
        return reference_scale
    if counts.min() < MIN_STARS:
        raise ValueError(
            f"source: {names[counts.argmin()]!r} has {counts.min()} spectra, too few for its zero point; "
            f"{MIN_STARS} are required. Give them the name of a source on the same scale, or leave them out"
        )
    return sources_of(chosen, reference_scale)[0]


def on_reference_scale(labels: Array, source: Names, names: Sequence[str], meta: Mapping[str, Any]) -> Array:
    """Labels (N, L) minus the zero points of their sources (N,), as the meta data of an emulator has them."""
    found = np.array(labels, dtype=np.float64)
    for name, told in meta.get(ZERO_POINTS, {}).get("sources", {}).items():
        rows = source == name
        for j, label in enumerate(names):
            if label in told:
                found[rows, j] -= told[label][0]
    return found


def zero_point_table(
    chosen: TrainingSet, rows: NDArray[np.bool_], sources: Sequence[str], offset: Array, fitted: Array
) -> dict[str, Any]:
    """Zero points of the sources with their errors: the entry `ZERO_POINTS` of the meta data.

    The error is that of the mean difference of given and fitted labels of the stars of a source, from their
    median absolute deviation, with that of the reference scale added in quadrature.

    Parameters
    ----------
    chosen : TrainingSet
    rows : (N,) bool
        R rows that were used.
    sources : sequence of str, S
        That of the reference scale first.
    offset : (S, L)
        Given minus true labels.
    fitted : (R, L)
        Labels of the spectra, measured with the emulator.
    """
    given, source, star_id = chosen.labels[rows], chosen.source[rows], chosen.star_id[rows]

    def error(name: str, j: int) -> float:
        mine = (source == name) & np.isfinite(given[:, j] - fitted[:, j])
        stars = len(np.unique(star_id[mine]))
        if stars < 2:
            return np.nan
        difference = (given - fitted)[mine, j]
        return float(1.4826 * np.median(np.abs(difference - np.median(difference))) / np.sqrt(stars))

    told: dict[str, Any] = {"reference_scale": sources[0], "sources": {}}
    for s, name in enumerate(sources[1:], 1):
        entry: dict[str, Any] = {"stars": len(np.unique(star_id[source == name]))}
        for j, label in enumerate(chosen.names):
            total = float(np.hypot(error(name, j), error(sources[0], j)))
            if np.isfinite(total):
                entry[label] = [float(f"{value:.4g}") for value in (offset[s, j], total)]
        told["sources"][name] = entry
    return told
