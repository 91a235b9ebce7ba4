"""The bits of the column ``flags`` and their meaning (Imig et al. 2021, sec. 4.2), as the core has them.

They are set in `maury.measure.quality`; the thresholds are in ``cpp/src/quality.cpp``.
"""

from __future__ import annotations

from enum import IntFlag

import numpy as np
from numpy.typing import ArrayLike, NDArray

import maury._core as _core


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


_MEANING = {Flag[name]: meaning for name, (_, meaning) in _core.FLAGS.items()}


#: Cautions that follow from the labels alone; the fit itself may be perfect.
CAUTION_FLAGS = Flag.CAUTION_GAP | Flag.CAUTION_COOL_DWARF | Flag.CAUTION_HOT | Flag.CAUTION_TIP


#: Rows that should not be used: failed fits, and spectra of objects that the emulator does not describe.
DO_NOT_USE = Flag(_core.DO_NOT_USE)

#: Rows that can be used with the limitation that the bit describes: all other bits.
KNOW_THIS = Flag(sum(Flag)) & ~DO_NOT_USE


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
