"""The stellar parameters ("labels") that maury recognises by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

import maury._core as _core


@dataclass(frozen=True)
class Label:
    """One stellar parameter.

    Attributes
    ----------
    name : str
        The name used in emulators and catalogues.
    unit : str
        Unit as a string that astropy.units parses; empty if dimensionless.
    latex : str
        For axis titles, including the dollar signs.
    description : str
        One line of text.
    """

    name: str
    unit: str
    latex: str
    description: str


LABELS: dict[str, Label] = {
    label.name: label
    for label in (
        Label("teff", "K", r"$T_{\rm eff}$", "effective temperature"),
        Label("logg", "dex", r"$\log g$", "log10 of the surface gravity in cm/s2"),
        Label("fe_h", "dex", r"[Fe/H]", "iron abundance relative to the Sun"),
        Label("alpha_fe", "dex", r"[$\alpha$/Fe]", "alpha-element abundance over iron, relative to the Sun"),
        Label("log_vmicro", "dex", r"$\log v_{\rm micro}$", "log10 of the microturbulent velocity in km/s"),
    )
}


#: Names of columns of a catalogue, which no label may have; `maury.catalog.table` describes them.
COLUMNS = frozenset(_core.COLUMNS)

#: Ranges of Teff in table 3 of the paper [K].
TEFF_BINS = (3000.0, 5000.0, 8000.0, 12000.0, 20000.0, 35000.0)


def find_label(name: str) -> Label:
    """Return the entry of `LABELS`; for a name that is not in the table, a plain entry without unit."""
    return LABELS.get(name) or Label(name, "", name, name)


def transformed(labels: ArrayLike, transforms: Sequence[str]) -> NDArray[np.float64]:
    """Labels (..., L) as scaled by a network: log10 where `transforms` is "log10"."""
    values = np.array(labels, dtype=np.float64)
    log = np.array([transform == "log10" for transform in transforms])
    values[..., log] = np.log10(values[..., log])
    return values


def untransformed(values: ArrayLike, transforms: Sequence[str]) -> NDArray[np.float64]:
    """Inverse of `transformed`."""
    labels = np.array(values, dtype=np.float64)
    log = np.array([transform == "log10" for transform in transforms])
    labels[..., log] = 10.0 ** labels[..., log]
    return labels


def scaled(
    labels: ArrayLike, label_min: ArrayLike, label_max: ArrayLike, transforms: Sequence[str]
) -> NDArray[np.float64]:
    """Labels (..., L) as fractions of a range, in log10 where `transforms` is "log10"."""
    low, high = transformed(label_min, transforms), transformed(label_max, transforms)
    fraction: NDArray[np.float64] = (transformed(labels, transforms) - low) / (high - low)
    return fraction


def unscaled(
    fraction: NDArray[np.float64], label_min: ArrayLike, label_max: ArrayLike, transforms: Sequence[str]
) -> NDArray[np.float64]:
    """Inverse of `scaled`."""
    low, high = transformed(label_min, transforms), transformed(label_max, transforms)
    return untransformed(low + fraction * (high - low), transforms)


def offset_and_mad(difference: ArrayLike) -> tuple[float, float]:
    """Median of the differences, and the median absolute deviation from it; NaN is ignored."""
    from astropy.stats import median_absolute_deviation  # slow to import, and labels are needed everywhere

    values = np.asarray(difference, dtype=np.float64)
    return float(np.nanmedian(values)), float(median_absolute_deviation(values, ignore_nan=True))


def covariance_of(correlation: ArrayLike, sigma: ArrayLike) -> NDArray[np.float64]:
    """Covariance (N, L, L), correlation_jk sigma_j sigma_k, from (L, L) or (N, L, L) and (N, L)."""
    sigma = np.asarray(sigma, dtype=np.float64)
    covariance: NDArray[np.float64] = np.asarray(correlation) * sigma[:, :, None] * sigma[:, None, :]
    return covariance


def weighted_sum(terms: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return terms (N, T) @ weights (T,) or (T, L), with the same bits for a row whatever the other rows.

    A matrix product depends on N in its last bits.
    """
    total = np.zeros((len(terms), *weights.shape[1:]))
    for column, weight in zip(terms.T, weights, strict=True):
        total += column.reshape(-1, *[1] * (weights.ndim - 1)) * weight
    return total
