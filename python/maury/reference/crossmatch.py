"""Cross-match of two surveys by Gaia source id, else by position and proper motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

Array = NDArray[np.float64]
Index = NDArray[np.int64]

NONE = -1


@dataclass(frozen=True)
class Sky:
    """Positions of stars and their epoch.

    Attributes
    ----------
    ra, dec : (N,)
        [degree], ICRS.
    epoch : (N,) or float
        Of the positions [Julian year]; NaN = unknown, then no proper motion is applied.
    pm_ra, pm_dec : (N,), optional
        Proper motion [mas/yr], that in right ascension times cos(dec); None or NaN = unknown, taken as 0.
    gaia_id : (N,) int64, optional
        Source ids of one Gaia release; 0 or less = unknown.
    """

    ra: Array
    dec: Array
    epoch: Array | float
    pm_ra: Array | None = None
    pm_dec: Array | None = None
    gaia_id: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Match:
    """Partners of N stars.

    Attributes
    ----------
    index : (N,) int
        Row of the other survey, -1 = none.
    separation : (N,) float
        [arcsec] at the epoch of the star; NaN = no partner, or matched by id without a position.
    counts : dict of str to int
        Number of stars by how they were matched, or why not.
    """

    index: Index
    separation: Array
    counts: dict[str, int]


def cross_match(stars: Sky, others: Sky, radius: float = 3.0) -> Match:
    """Find for every star its partner in another survey.

    Stars are matched by Gaia id where both surveys have it. The others are matched to the nearest star within
    `radius`, after the other survey has been moved to the epoch of the star; if both have a Gaia id and the
    ids differ, the match is rejected. Each star of the other survey is matched to one star only, the nearest.

    Parameters
    ----------
    stars, others : Sky
        Only the proper motions of the others are used; their epoch is one number.
    radius : float
        [arcsec]

    Raises
    ------
    ValueError
        If `radius` is not positive, or an id is in more than one row of the others.
    """
    if not radius > 0:
        raise ValueError(f"radius: expected arcseconds above 0, got {radius}")
    n = len(stars.ra)
    index, separation = _nearest(stars, others, radius)
    near = index != NONE
    by_id = np.zeros(n, dtype=bool)
    wrong = np.zeros(n, dtype=bool)
    if stars.gaia_id is not None and others.gaia_id is not None:
        partner = _same_id(stars.gaia_id, others.gaia_id)
        by_id = partner != NONE
        wrong[near] = ~by_id[near] & (stars.gaia_id[near] > 0) & (others.gaia_id[index[near]] > 0)
        separation[(by_id & (index != partner)) | wrong] = np.nan
        index = np.where(by_id, partner, np.where(wrong, NONE, index))
    second = _not_first(index, np.where(by_id, -1.0, separation))
    index[second], separation[second] = NONE, np.nan
    kept = index != NONE
    return Match(
        index,
        separation,
        {
            "stars": n,
            f"no partner within {radius:g} arcsec": int((~near & ~by_id).sum()),
            "Gaia ids differ": int(wrong.sum()),
            "partner of a nearer star": int(second.sum()),
            "matched by Gaia id": int((kept & by_id).sum()),
            "matched by position": int((kept & ~by_id).sum()),
        },
    )


def _same_id(ids: NDArray[np.int64], others: NDArray[np.int64]) -> Index:
    real = np.flatnonzero(others > 0)
    order = real[np.argsort(others[real], kind="stable")]
    ordered = others[order]
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    if twice.size:
        raise ValueError(
            f"others: {twice.size + 1} or more rows have one Gaia id, {twice[0]}; keep one row per star"
        )
    if not ordered.size:
        return np.full(len(ids), NONE)
    at = np.clip(np.searchsorted(ordered, ids), 0, ordered.size - 1)
    return np.where((ids > 0) & (ordered[at] == ids), order[at], NONE)


def _nearest(stars: Sky, others: Sky, radius: float) -> tuple[Index, Array]:
    """Nearest star of the other survey within `radius` at the epoch of each star; index, separation (N,)."""
    from astropy import units as u
    from astropy.coordinates import search_around_sky

    n = len(stars.ra)
    index, separation = np.full(n, NONE), np.full(n, np.nan)
    some, other_rows = _placed(stars), _placed(others)
    if not (len(some) and len(other_rows)):
        return index, separation
    years = np.broadcast_to(stars.epoch, n) - float(others.epoch)
    years = np.where(np.isfinite(years), years, 0.0)
    pm_ra, pm_dec = (_motion(pm, len(others.ra)) for pm in (others.pm_ra, others.pm_dec))
    speed = np.hypot(pm_ra, pm_dec)[other_rows]  # mas/yr
    # Candidates within the largest possible motion; slow and fast stars separately, since few are fast.
    for fast in (False, True):
        rows = other_rows[(speed > 100.0) == fast]
        if not len(rows):
            continue
        reach = radius + 1e-3 * np.abs(years).max() * np.hypot(pm_ra, pm_dec)[rows].max()
        a, b, _, _ = search_around_sky(
            _coordinates(stars, some), _coordinates(others, rows), (reach + 0.01) * u.arcsec
        )
        a, b = some[a], rows[b]
        if not len(a):
            continue
        moved = _moved(others, b, pm_ra, pm_dec, years[a])
        distance = _coordinates(stars, a).separation(moved).to_value(u.arcsec)
        order = np.argsort(distance)
        order = order[distance[order] <= radius][::-1]  # so that the nearest is written last
        closer = ~(separation[a[order]] <= distance[order])
        index[a[order[closer]]], separation[a[order[closer]]] = b[order[closer]], distance[order[closer]]
    return index, separation


def _placed(sky: Sky) -> Index:
    return np.flatnonzero(np.isfinite(sky.ra) & np.isfinite(sky.dec))


def _motion(pm: Array | None, n: int) -> Array:
    return np.zeros(n) if pm is None else np.where(np.isfinite(pm), pm, 0.0)


def _coordinates(sky: Sky, rows: ArrayLike) -> SkyCoord:
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    return SkyCoord(sky.ra[rows] * u.deg, sky.dec[rows] * u.deg)  # type: ignore[index]


def _moved(sky: Sky, rows: Index, pm_ra: Array, pm_dec: Array, years: Array) -> Any:
    """Positions of rows after a number of years for each."""
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    # A distance is required, but irrelevant without a radial velocity; at 10 pc no star is too fast.
    then = SkyCoord(
        sky.ra[rows] * u.deg,
        sky.dec[rows] * u.deg,
        distance=10 * u.pc,
        pm_ra_cosdec=pm_ra[rows] * u.mas / u.yr,
        pm_dec=pm_dec[rows] * u.mas / u.yr,
        radial_velocity=0 * u.km / u.s,
    )
    now = then.apply_space_motion(dt=years * u.yr)
    return SkyCoord(now.ra, now.dec)


def _not_first(index: Index, separation: Array) -> NDArray[np.bool_]:
    """Stars whose partner has a nearer star, or an earlier one at the same distance."""
    second = np.zeros(len(index), dtype=bool)
    rows = np.flatnonzero(index != NONE)
    rows = rows[np.lexsort((rows, separation[rows], index[rows]))]
    second[rows[1:]] = index[rows[1:]] == index[rows[:-1]]
    return second
