"""The bits of the column ``flags``, their meaning and their thresholds (Imig et al. 2021, sec. 4.2).

They are set in `maury.measure.quality`.
"""

from __future__ import annotations

from enum import IntFlag

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.caution import CAUTION

MAX_RCHI2_NOISE = 100.0  # such fits are rejected in the paper, sec. 4.2
MAX_RCHI2 = 10.0  # with the scatter; exceeded by 1.4 % of the MILES stars without another flag
MIN_SNR = 15.0  # limit of the "good visits" of the paper, sec. 2.2
MIN_PIXEL_FRACTION = 0.25  # of the emulator's pixels
MAX_BAD_FRACTION = 0.2  # of the spectrum's pixels within the emulator's range
MAX_OUTLIERS = 0.015  # of the pixels; exceeded by 2.0 % of the MILES stars without another flag
MIN_AGREEMENT = 0.5  # of the starts that were followed
MAX_UNEXPLAINED = 0.7  # of the rms of the features; of 1,679 LAMOST DR10 stars 0.4 % have more
MAX_UNEXPLAINED_AND = 0.4  # the same with another flag: EMISSION, or one of `EXTRAPOLATED`


class Flag(IntFlag):
    """Bits of the catalogue column ``flags``; 0 means that no flag is set. The meaning of a bit is fixed.

    Examples
    --------
    >>> import maury
    >>> maury.Flag.OUTSIDE_TRAINING in maury.Flag(34)
    False
    >>> maury.Flag.OUTSIDE_TRAINING.meaning
    'the labels are extrapolated: few or no training stars have such labels'
    """

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
    HIGH_RCHI2 = 1 << 10
    BAD_PIXELS = 1 << 11
    OUTLIERS = 1 << 12
    STARTS_DISAGREE = 1 << 13
    EMISSION = 1 << 14
    CAUTION_GAP = 1 << 15
    CAUTION_COOL_DWARF = 1 << 16
    CAUTION_HOT = 1 << 17
    CAUTION_TIP = 1 << 18
    VISITS_DISAGREE = 1 << 19
    MISFIT = 1 << 20
    RESOLUTION_UNKNOWN = 1 << 21
    UNLIKE_STARS = 1 << 22
    REJECTED = 1 << 23

    @property
    def meaning(self) -> str:
        """One line of text."""
        return "; ".join(_MEANING[bit] for bit in type(self) if bit in self)


_MEANING = {
    Flag.NOT_CONVERGED: "the fit found no minimum; do not use the labels",
    Flag.AT_BOUND: "a label is at the edge of its allowed range",
    Flag.OUTSIDE_TRAINING: "the labels are extrapolated: few or no training stars have such labels",
    Flag.TOO_FEW_PIXELS: f"fewer than {MIN_PIXEL_FRACTION:.0%} of the emulator's pixels could be used",
    Flag.BAD_CHI2: f"reduced chi2 from the noise alone is above {MAX_RCHI2_NOISE:g}",
    Flag.LOW_SNR: f"signal-to-noise ratio below {MIN_SNR:g}",
    Flag.UNREADABLE: "the file could not be read; see the column problem",
    Flag.RV_UNKNOWN: "velocity unknown: the spectrum was assumed to be at rest",
    Flag.RV_AT_LIMIT: "the velocity is at the limit of the search range",
    Flag.SHARPER: "part of the spectrum has a higher resolution than the emulator; it was convolved to match",
    Flag.HIGH_RCHI2: f"reduced chi2 with the scatter of the emulator is above {MAX_RCHI2:g}",
    Flag.BAD_PIXELS: f"more than {MAX_BAD_FRACTION:.0%} of the spectrum's pixels are masked",
    Flag.OUTLIERS: f"more than {MAX_OUTLIERS:.1%} of the pixels were rejected as outliers",
    Flag.STARTS_DISAGREE: f"fewer than {MIN_AGREEMENT:.0%} of the starts led to the adopted minimum",
    Flag.EMISSION: "emission lines of hydrogen or ionised calcium in the residual",
    Flag.VISITS_DISAGREE: "visits of the star differ by more than their errors",
    Flag.MISFIT: "the residual is smooth over tens of pixels, and larger than the emulator's errors",
    Flag.RESOLUTION_UNKNOWN: "resolution unknown: that of the emulator was assumed",
    Flag.UNLIKE_STARS: f"unlike a star: {MAX_UNEXPLAINED:.0%} of the features are not explained; "
    f"{MAX_UNEXPLAINED_AND:.0%} with EMISSION, AT_BOUND or OUTSIDE_TRAINING; any with EMISSION and another",
    Flag.REJECTED: "rejected by the survey; see the column mjdqual",
} | {Flag[region.flag]: region.meaning for region in CAUTION}


#: Cautions that follow from the labels alone; the fit itself may be perfect.
CAUTION_FLAGS = Flag(sum(Flag[region.flag] for region in CAUTION))


#: Rows that should not be used: failed fits, and spectra of objects that the emulator does not describe.
DO_NOT_USE = (
    Flag.NOT_CONVERGED
    | Flag.BAD_CHI2
    | Flag.UNREADABLE
    | Flag.RV_AT_LIMIT
    | Flag.HIGH_RCHI2
    | Flag.UNLIKE_STARS
    | Flag.REJECTED
)

#: Rows that can be used with the limitation that the bit describes: all other bits.
KNOW_THIS = Flag(sum(Flag)) & ~DO_NOT_USE

#: Labels outside the training set. This is possible for normal stars, but not with
#: other signs of another class.
EXTRAPOLATED = Flag.AT_BOUND | Flag.OUTSIDE_TRAINING


def is_valid(flags: ArrayLike) -> NDArray[np.bool_]:
    """Whether rows with these flags (N,) may be published: none of `DO_NOT_USE`."""
    valid: NDArray[np.bool_] = (np.asarray(flags) & int(DO_NOT_USE)) == 0
    return valid


def flag_names(flags: int) -> list[str]:
    """Names of the bits set in `flags`, in lower case: ``flag_names(34) == ["at bound", "low snr"]``.

    Examples
    --------
    >>> flag_names(34)
    ['at bound', 'low snr']
    """
    return [bit.name.lower().replace("_", " ") for bit in Flag if bit.name and flags & bit]
