"""Training stars with doubtful labels: those that differ too much from the labels fitted to the spectra."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maury.labels import find_label, transformed
from maury.learn.stars import DOUBTFUL
from maury.prepare import running_median

if TYPE_CHECKING:
    from maury.learn.select import TrainingSet

# Number of stars on each side, in order of the first label, that define the typical disagreement.
_NEIGHBOURS = 75
# Hot stars are few and their labels scatter widely: a common threshold would reject too many of them.
_HOT = 6500.0  # K
_HOT_PATIENCE = 2.0


def doubts(
    chosen: TrainingSet,
    used: NDArray[np.bool_],
    fitted: NDArray[np.float64],
    transforms: Sequence[str],
    limit: float,
) -> NDArray[np.str_]:
    """Find stars whose fitted and given labels disagree much more than is typical for similar stars.

    Parameters
    ----------
    chosen : TrainingSet
        A label that is missing is not doubtful; one that has a large error may differ by more.
    used : (N,) bool
        Stars to check, U of them.
    fitted : (U, L)
        Labels fitted to their spectra by an emulator trained on them; NaN = the fit failed.
    transforms : sequence of str, L
        Of the labels, as in the emulator.
    limit : float
        Threshold, in units of the typical disagreement.

    Returns
    -------
    (U,) str
        "" = not doubtful; else `DOUBTFUL`, and the most discrepant label, as given and as fitted.
    """
    given, names = chosen.labels[used], chosen.names
    difference = np.abs(transformed(fitted, transforms) - transformed(given, transforms))
    order = np.argsort(given[:, 0], kind="stable")
    normal = np.empty_like(difference)
    normal[order] = 1.4826 * running_median(difference[order].T, 2 * _NEIGHBOURS).T
    error = transformed(given + chosen.label_error[used], transforms) - transformed(given, transforms)
    normal = np.maximum(normal, error)
    limits = np.full(len(given), float(limit))
    if "teff" in names:
        limits[given[:, names.index("teff")] > _HOT] *= _HOT_PATIENCE
    allowed = limits[:, None] * normal
    doubtful = np.asarray(
        ~((difference <= allowed) | np.isnan(given)).all(axis=1) | ~np.isfinite(fitted).all(axis=1)
    )
    return np.array(
        [
            _words(names, given[i], fitted[i], difference[i], allowed[i]) if doubtful[i] else ""
            for i in range(len(given))
        ],
        dtype=np.str_,
    )


def _words(
    names: tuple[str, ...],
    given: NDArray[np.float64],
    fitted: NDArray[np.float64],
    difference: NDArray[np.float64],
    allowed: NDArray[np.float64],
) -> str:
    if not np.isfinite(fitted).all():
        return f"{DOUBTFUL}: its spectrum could not be fitted"
    excess = difference / np.maximum(allowed, np.finfo(float).tiny)
    excess[~(difference > allowed)] = 0.0
    j = int(np.argmax(excess))
    unit = find_label(names[j]).unit
    digits = 0 if unit == "K" else 2
    there, here = (f"{values[j]:.{digits}f} {unit}" for values in (given, fitted))
    return f"{DOUBTFUL}: given {names[j]} = {there}, the spectrum gives {here}"
