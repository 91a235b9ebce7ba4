"""How the flags of visits reach the row of their star, as one table."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from maury.catalog.flags import Flag

#: "any": a single visit tells it of the star, also a visit that is not in the mean. "all": it holds for the
#: star only if it holds for each visit in the mean, since one better visit mends it.
STAR_FLAGS = {
    Flag.NOT_CONVERGED: "all",
    Flag.AT_BOUND: "any",
    Flag.OUTSIDE_TRAINING: "any",
    Flag.TOO_FEW_PIXELS: "all",
    Flag.BAD_CHI2: "all",
    Flag.LOW_SNR: "all",
    Flag.UNREADABLE: "all",
    Flag.RV_UNKNOWN: "any",
    Flag.RV_AT_LIMIT: "all",
    Flag.SHARPER: "any",
    Flag.HIGH_RCHI2: "all",
    Flag.BAD_PIXELS: "all",
    Flag.OUTLIERS: "all",
    Flag.STARTS_DISAGREE: "any",
    Flag.EMISSION: "any",
    Flag.CAUTION_GAP: "any",
    Flag.CAUTION_COOL_DWARF: "any",
    Flag.CAUTION_HOT: "any",
    Flag.CAUTION_TIP: "any",
    Flag.VISITS_DISAGREE: "any",
    Flag.MISFIT: "any",
    Flag.RESOLUTION_UNKNOWN: "any",
    Flag.UNLIKE_STARS: "all",
    Flag.REJECTED: "all",
}


def star_flags(
    flags: NDArray[np.int32], star: NDArray[np.intp], used: NDArray[np.bool_], n_stars: int
) -> NDArray[np.int32]:
    """Return the flags (n_stars,) of stars from those of their visits, by `STAR_FLAGS`.

    A star without a visit in its mean has all bits of its visits.

    Parameters
    ----------
    flags : (N,) int32
        Of the visits.
    star : (N,) int
        Number of the star of each visit, from 0.
    used : (N,) bool
        Whether a visit is in the mean of its star.
    n_stars : int
    """
    by_any = np.int32(sum(bit for bit, rule in STAR_FLAGS.items() if rule == "any"))
    shared = np.full(n_stars, -1, dtype=np.int32)
    np.bitwise_and.at(shared, star[used], flags[used])
    either = np.zeros(n_stars, dtype=np.int32)
    np.bitwise_or.at(either, star, flags)
    has_mean = np.bincount(star[used], minlength=n_stars) > 0
    return np.where(has_mean, (shared & ~by_any) | (either & by_any), either).astype(np.int32)
