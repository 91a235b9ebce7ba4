"""Reference sets from several sources: one network, which knows where a spectrum and its labels come from.

Surveys differ in the scales of their labels and in what their instruments do to a spectrum. One number for
each source but the first, small for its spectra and 0 for others, is a further input of the network, which
learns the differences as a smooth function of the labels, from kinds of stars that several sources have, and
everything else from all stars. The emulator is that of the first source: 0 in all these inputs, which are
then left out. If the first source does not have all pixels of the grid, there are no such inputs: a network
that could tell the sources apart would not learn these pixels for the first one. These pixels alone are then
learnt from the other sources.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from maury.learn.instruments import COVERED

# Small compared with the range of the labels, 1: the first weights, which are random, then make no difference
# between sources that training must undo, and cannot where a source has no stars.
_SIZE = 0.1
# Fraction of the pixels that the first source must have, if a network tells the sources apart.
_WHOLE = 0.98

Layers = list[NDArray[np.float32]]


def sources_of(source: NDArray[np.str_], reference: str | None) -> list[str]:
    """Return the names of the sources of spectra (N,), that of the emulator first.

    Parameters
    ----------
    source : (N,) str
    reference : str or None
        The source of the emulator; None = the one with the most spectra.

    Raises
    ------
    ValueError
        If no spectrum is of this source.
    """
    names, counts = np.unique(source, return_counts=True)
    if reference is None:
        reference = str(names[counts.argmax()]) if len(names) else ""
    if len(names) and reference not in names:
        raise ValueError(
            f"reference_scale: expected one of the sources {', '.join(names)}, got {reference!r}"
        )
    return [reference, *(str(name) for name in names if name != reference)]


def told_apart(
    source: NDArray[np.str_], ivar: NDArray[np.float64], used: NDArray[np.bool_], reference: str | None
) -> list[str]:
    """Return the sources that a network tells apart: the first alone if it lacks pixels of ivar (N, P)."""
    names = sources_of(source[used], reference)
    return names if _covered(source, ivar, used, names[0]).mean() >= _WHOLE else names[:1]


def taught_pixels(
    source: NDArray[np.str_], ivar: NDArray[np.float64], used: NDArray[np.bool_], sources: Sequence[str]
) -> NDArray[np.bool_]:
    """Return whether the network learns each pixel of ivar (N, P).

    If other spectra are seen as those of the first source, they teach only the pixels that it lacks.
    """
    own = (network_of(source, sources) == source)[:, None]
    return np.asarray(own | ~_covered(source, ivar, used, sources[0]))


def network_of(source: NDArray[np.str_], sources: Sequence[str]) -> NDArray[np.str_]:
    """Return the sources (N,) of `sources` as which the network sees spectra; others as the first."""
    return np.where(np.isin(source, sources), source, sources[0])


def _covered(
    source: NDArray[np.str_], ivar: NDArray[np.float64], used: NDArray[np.bool_], first: str
) -> NDArray[np.bool_]:
    """Return whether the source `first` has each pixel, (P,)."""
    return np.asarray((ivar[used & (source == first)] > 0).mean(axis=0) >= COVERED)


def indicators(source: NDArray[np.str_], sources: Sequence[str]) -> NDArray[np.float64]:
    """Return the inputs (N, S - 1) of the network for spectra (N,) of S sources."""
    return _SIZE * np.column_stack([np.empty((len(source), 0)), *(source == name for name in sources[1:])])


def layers_of_source(
    weights: Layers, biases: Layers, sources: Sequence[str], source: str
) -> tuple[Layers, Layers]:
    """Return the layers of the network of one source, without the inputs of `indicators`."""
    n_labels = weights[0].shape[1] - (len(sources) - 1)
    own = weights[0][:, n_labels:] @ indicators(np.array([source]), sources)[0].astype(np.float32)
    return [weights[0][:, :n_labels], *weights[1:]], [biases[0] + own, *biases[1:]]
