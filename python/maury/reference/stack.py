"""Visits of a star stacked into one spectrum: weighted by inverse variance, without outliers (paper, 2.3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from maury.prepare import running_median
from maury.spectra import Floats, Spectra

# Visits differ in resolution and calibration (4 %, Yan et al. 2019), so errors are at least this fraction of
# the continuum in the search for outliers.
_FLOOR = 0.02
WINDOW = 400  # pixels; as in the normalisation
_NEIGHBOURS = 10  # pixels


def stack_visits(visits: Spectra, sigma: float = 5.0) -> Spectra:
    """Stack V visits of one star, on one grid, into one spectrum.

    Each visit is first scaled to the continuum of the visit with the most signal,

        f_v -> f_v c / c_v,  w_v -> w_v (c_v / c)^2,

    with c_v its running median over 400 pixels: the fluxes of visits differ by slit losses and
    calibration, which the normalisation removes later anyway. Then, in each pixel,

        f = sum_v w_v f_v / sum_v w_v,  w = sum_v w_v,  lsf^2 = sum_v w_v lsf_v^2 / sum_v w_v

    over the visits that are good there and agree: within `sigma` errors of their median, or, of two visits
    that disagree, the one that is closer to the median of its neighbourhood.

    Parameters
    ----------
    visits : Spectra
        Of one star, with one shared grid.
    sigma : float
        Limit for outliers, in errors of the pixel (each at least 2 % of the continuum).

    Returns
    -------
    Spectra
        Of length 1. `visit_id` contains those of the visits, joined by "+"; `snr` is the root of their summed
        squares. A pixel without data in any visit has ivar 0 and is masked.

    Raises
    ------
    ValueError
        The visits are of several stars, or on several grids.
    """
    stars = np.unique(visits.star_id)
    if len(stars) != 1:
        raise ValueError(f"visits: expected those of one star, got {len(stars)}: {', '.join(stars[:3])} ...")
    if visits.wavelength.ndim != 1:
        raise ValueError("visits: expected one grid for all; rebin them first")
    flux, ivar = _on_one_continuum(visits)
    ivar = np.where(_outliers(flux, ivar, sigma), 0.0, ivar)
    total = ivar.sum(axis=0)
    weight = np.divide(ivar, total, out=np.zeros_like(ivar), where=total > 0)
    stacked = (weight * np.where(ivar > 0, flux, 0.0)).sum(axis=0)
    lsf = None
    if visits.lsf is not None:
        known = np.isfinite(visits.lsf)
        share = np.where(known, weight, 0.0)
        squares = (share * np.where(known, visits.lsf, 0.0) ** 2).sum(axis=0)
        lsf = np.sqrt(
            np.divide(squares, share.sum(axis=0), out=np.full_like(total, np.nan), where=squares > 0)
        )
    return Spectra(
        visits.wavelength,
        stacked,
        total,
        lsf=lsf,
        star_id=stars[0],
        visit_id="+".join(visits.visit_id),
        file=visits.file[0],
        rv=0.0 if (visits.rv == 0).all() else np.nan,
        snr=np.sqrt(np.nansum(visits.snr**2)) if np.isfinite(visits.snr).any() else np.nan,
    )


def stack_stars(blocks: Iterable[Spectra], n_visits: Mapping[str, int], sigma: float = 5.0) -> list[Spectra]:
    """Stack the visits of many stars from a stream of blocks; a star is stacked once its last visit is read.

    Parameters
    ----------
    blocks : iterable of Spectra
        Visits in any order.
    n_visits : mapping of str to int
        Number of visits expected for each star_id.
    sigma : float
        See `stack_visits`.

    Returns
    -------
    list of Spectra
        One per star, of length 1, in the order in which their visits became complete. A star with missing
        visits at the end is stacked from those available.
    """
    waiting: dict[str, list[Spectra]] = {}
    done = []
    for block in blocks:
        for visit in block:
            star = str(visit.star_id[0])
            waiting.setdefault(star, []).append(visit)
            if len(waiting[star]) == n_visits.get(star, 0):
                done.append(stack_visits(Spectra.concatenate(waiting.pop(star)), sigma))
    return done + [stack_visits(Spectra.concatenate(visits), sigma) for visits in waiting.values()]


def _on_one_continuum(visits: Spectra) -> tuple[Floats, Floats]:
    """Flux and ivar (V, P), scaled to the continuum of the visit with the most information."""
    good = ~visits.mask
    flux, ivar = np.where(good, visits.flux, 0.0), np.where(good, visits.ivar, 0.0)
    if len(visits) == 1:
        return flux, ivar
    continuum = running_median(flux, WINDOW, ~good)
    best = int(np.argmax((np.sqrt(ivar) * flux).sum(axis=1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = continuum[best] / continuum
    usable = np.isfinite(ratio) & (ratio > 0)
    ratio = np.where(usable, ratio, 1.0)
    return flux * ratio, np.where(usable, ivar / ratio**2, 0.0)


def _outliers(flux: Floats, ivar: Floats, sigma: float) -> NDArray[np.bool_]:
    """Pixels (V, P) of visits that disagree with the others."""
    good = ivar > 0
    count = good.sum(axis=0)
    middle = np.full(flux.shape[1], np.nan)
    several = count > 1
    middle[several] = np.nanmedian(np.where(good, flux, np.nan)[:, several], axis=0)
    floor = _FLOOR * running_median(middle, WINDOW)
    variance = np.divide(1.0, ivar, out=np.full_like(ivar, np.inf), where=good) + floor**2
    bad: NDArray[np.bool_] = good & (count > 2) & (np.abs(flux - middle) > sigma * np.sqrt(variance))

    # The median of two values is midway: their difference is tested, and the neighbourhood shows which one is
    # wrong.
    two = count == 2
    first, last = np.argmax(good, axis=0), len(good) - 1 - np.argmax(good[::-1], axis=0)
    pixel = np.arange(flux.shape[1])
    apart = np.abs(flux[first, pixel] - flux[last, pixel])
    differ = two & (apart > sigma * np.sqrt(variance[first, pixel] + variance[last, pixel]))
    around = running_median(middle, _NEIGHBOURS, differ)
    farther = np.abs(flux[first, pixel] - around) > np.abs(flux[last, pixel] - around)
    worse = np.where(farther, first, last)
    bad[worse[differ], pixel[differ]] = True
    return bad
