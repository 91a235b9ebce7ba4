"""Quality flags: what a user should know before trusting a row (Imig et al. 2021, sec. 4.2)."""

from __future__ import annotations

from enum import IntFlag
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.labels import transformed
from maury.spectra import SPEED_OF_LIGHT

if TYPE_CHECKING:
    from maury.emulator import Emulator
    from maury.measure.fit import FitResult
    from maury.spectra import Spectra

MAX_RCHI2_NOISE = 100.0  # the paper leaves such fits out, sec. 4.2
MIN_SNR = 15.0  # the paper's "good visits" stop here, sec. 2.2
MIN_PIXEL_FRACTION = 0.25  # of the emulator's pixels

# A star is outside the training set when its third nearest training star is farther away than that of 97.5 %
# of the training stars themselves. The third, so that one mislabelled star does not open a region. With the
# MILES labels this flags 2.4 % of stars drawn around the training stars with errors of 1.4 %, 0.2 dex and
# 0.1 dex, and 70 % of labels drawn at random from the box.
NEIGHBOUR = 3
_LIMIT = 0.999
TRAINING_PERCENTILE = 97.5


class Flag(IntFlag):
    """Bits of the catalogue column ``flags``; 0 means no complaint. A bit never changes its meaning."""

    NOT_CONVERGED = 1 << 0
    AT_BOUND = 1 << 1
    OUTSIDE_TRAINING = 1 << 2
    TOO_FEW_PIXELS = 1 << 3
    BAD_CHI2 = 1 << 4
    LOW_SNR = 1 << 5
    UNREADABLE = 1 << 6
    RV_UNKNOWN = 1 << 7
    RV_AT_LIMIT = 1 << 8
    SHARPER = 1 << 9

    @property
    def meaning(self) -> str:
        """One line of text."""
        return "; ".join(_MEANING[bit] for bit in type(self) if bit in self)


_MEANING = {
    Flag.NOT_CONVERGED: "the fit found no minimum; the labels are not to be used",
    Flag.AT_BOUND: "a label sits on the edge of its allowed range",
    Flag.OUTSIDE_TRAINING: "few or no training stars have such labels: extrapolated",
    Flag.TOO_FEW_PIXELS: f"less than {MIN_PIXEL_FRACTION:.0%} of the emulator's pixels could be used",
    Flag.BAD_CHI2: f"reduced chi2 from the noise alone is above {MAX_RCHI2_NOISE:g}",
    Flag.LOW_SNR: f"signal-to-noise ratio below {MIN_SNR:g}",
    Flag.UNREADABLE: "the file could not be read; the column problem says why",
    Flag.RV_UNKNOWN: "no velocity known: the spectrum was taken to be at rest",
    Flag.RV_AT_LIMIT: "the velocity found is the largest that was searched",
    Flag.SHARPER: "part of the spectrum is sharper than the emulator, which is not sharpened",
}


def flag_names(flags: int) -> list[str]:
    """Names of the bits set in `flags`, in words: ``flag_names(34) == ["at bound", "low snr"]``."""
    return [bit.name.lower().replace("_", " ") for bit in Flag if bit.name and flags & bit]


def set_flags(
    result: FitResult,
    spectra: Spectra,
    emulator: Emulator,
    sharper: NDArray[np.bool_] | bool = False,
    max_rv: float = np.inf,
) -> NDArray[np.int32]:
    """Judge N fitted spectra: the bits of `Flag`.

    A spectrum that could not be read gets ``UNREADABLE`` and ``NOT_CONVERGED`` alone: the rest would follow
    from that.

    Parameters
    ----------
    result : FitResult
        Of the N spectra.
    spectra : Spectra
        The N spectra as read.
    emulator : Emulator
        The one that was fitted.
    sharper : (N,) bool
        Whether a spectrum is sharper than the emulator.
    max_rv : float
        How far velocities were searched [km/s].

    Returns
    -------
    (N,) int32
    """
    n_pixels = np.asarray(result.n_pixels)
    nothing = np.full(len(n_pixels), np.nan)
    rv, rv_err = (nothing if v is None else v for v in (result.rv, result.rv_err))
    fitted = np.isfinite(rv_err)
    conditions = {
        Flag.NOT_CONVERGED: ~np.asarray(result.converged, dtype=bool),
        Flag.AT_BOUND: np.asarray(result.at_bound, dtype=bool).any(axis=1),
        Flag.OUTSIDE_TRAINING: outside_training(result.labels, emulator),
        Flag.TOO_FEW_PIXELS: n_pixels < MIN_PIXEL_FRACTION * len(emulator.wavelength),
        Flag.BAD_CHI2: reduced(result.chi2_noise, n_pixels, len(emulator.labels)) > MAX_RCHI2_NOISE,
        Flag.LOW_SNR: np.asarray(spectra.snr) < MIN_SNR,
        Flag.RV_UNKNOWN: np.isnan(spectra.rv) & ~fitted,
        # Shifts end as far to the blue as to the red; in velocity that is less.
        Flag.RV_AT_LIMIT: fitted
        & (np.abs(np.log1p(rv / SPEED_OF_LIGHT)) >= _LIMIT * np.log1p(max_rv / SPEED_OF_LIGHT)),
        Flag.SHARPER: np.broadcast_to(sharper, n_pixels.shape),
    }
    flags = np.zeros(len(n_pixels), dtype=np.int32)
    for bit, condition in conditions.items():
        flags[condition] |= bit
    flags[np.asarray(spectra.problem) != ""] = Flag.UNREADABLE | Flag.NOT_CONVERGED
    return flags


def reduced(chi2: ArrayLike, n_pixels: ArrayLike, n_labels: int) -> NDArray[np.float64]:
    """Chi2 over its degrees of freedom, ``n_pixels - n_labels``; NaN where there are none."""
    freedom = np.asarray(n_pixels, dtype=float) - n_labels
    return np.asarray(chi2, dtype=float) / np.where(freedom > 0, freedom, np.nan)


def outside_training(labels: ArrayLike, emulator: Emulator) -> NDArray[np.bool_]:
    """Whether labels (N, L) lie where the emulator was not trained; False for NaN labels.

    True outside the range of a label in the training set and, where the emulator carries its training labels,
    also in holes and corners within that range (see `NEIGHBOUR`).
    """
    labels = np.asarray(labels, dtype=float)
    low, high = np.asarray(emulator.training_range, dtype=float).T
    outside: NDArray[np.bool_] = ((labels < low) | (labels > high)).any(axis=1)
    training = np.asarray(emulator.training_labels, dtype=float)
    known = np.isfinite(labels).all(axis=1)
    if training.ndim == 2 and known.any():
        training = np.unique(training[np.isfinite(training).all(axis=1)], axis=0)
        if len(training) > NEIGHBOUR:
            from scipy.spatial import cKDTree

            tree = cKDTree(_scaled(training, emulator))
            # The nearest neighbour of a training star is itself.
            own = tree.query(tree.data, k=[NEIGHBOUR + 1])[0]
            far = np.percentile(own, TRAINING_PERCENTILE)
            outside[known] |= tree.query(_scaled(labels[known], emulator), k=[NEIGHBOUR])[0][:, 0] > far
    return outside


def _scaled(labels: NDArray[np.float64], emulator: Emulator) -> NDArray[np.float64]:
    """Labels as fractions of the emulator's range, in log10 where the emulator takes log10."""
    low, high = (transformed(end, emulator.transforms) for end in (emulator.label_min, emulator.label_max))
    return (transformed(labels, emulator.transforms) - low) / (high - low)
