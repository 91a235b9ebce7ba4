"""Prepare spectra for an emulator: rest frame, one grid, running-median normalisation.

Imig et al. 2021, sec. 2.2: every spectrum is divided by its median in a window of 400 pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

import maury._core as _core
from maury.spectra import SPEED_OF_LIGHT, Spectra

# A grid pixel is masked when more than this fraction of it falls on bad or missing data.
_MAX_BAD_FRACTION = 0.01

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Prepared:
    """Normalised spectra on one grid; a pixel without information has `ivar` 0 and `flux` 1.

    Attributes
    ----------
    flux, ivar : (N, P) float64
        Flux divided by its running median, and the inverse variance of that ratio.
    lsf : (N, P) float64 or None
        Line-spread function at rest, Gaussian sigma [Angstrom]; NaN = unknown, None = unknown for all.
    """

    flux: Array
    ivar: Array
    lsf: Array | None


def running_median(flux: ArrayLike, window: int = 400, mask: ArrayLike | None = None) -> NDArray[np.floating]:
    """Median of the good pixels around every pixel (Imig et al. 2021, sec. 2.2).

    Parameters
    ----------
    flux : (P,) or (N, P) float32 or float64
        NaN and infinite pixels count as masked. Other dtypes are converted to float64.
    window : int
        Width in pixels: ``window // 2`` pixels on each side of the centre, so 400 means 401. Near
        edges and gaps the window holds fewer pixels.
    mask : same shape as `flux`, bool, optional
        True = bad: the pixel is used in no window.

    Returns
    -------
    same shape and dtype as `flux`
        NaN where the window contains no good pixel. A masked pixel gets the median of its neighbours.

    Raises
    ------
    ValueError
        If a shape is wrong or `window` is below 1.

    Examples
    --------
    >>> import maury
    >>> maury.running_median([1.0, 2.0, 9.0, 4.0, 5.0], window=3)
    array([1.5, 2. , 4. , 5. , 4.5])
    """
    values = np.asarray(flux)
    if values.dtype not in (np.float32, np.float64):
        values = values.astype(np.float64)
    if values.ndim not in (1, 2):
        raise ValueError(f"flux: expected shape (P,) or (N, P), got {values.shape}")
    if isinstance(window, bool) or int(window) != window or window < 1:
        raise ValueError(f"window: expected a whole number of pixels, at least 1, got {window!r}")
    bad = None
    if mask is not None:
        bad = np.asarray(mask, dtype=bool)
        if bad.shape != values.shape:
            raise ValueError(f"mask: expected the shape of flux {values.shape}, got {bad.shape}")
        bad = np.ascontiguousarray(np.atleast_2d(bad))
    rows = np.ascontiguousarray(np.atleast_2d(values))
    return _core.running_median(rows, bad, int(window) // 2).reshape(values.shape)


def prepare(spectra: Spectra, wavelength: ArrayLike, window: int = 400) -> Prepared:
    """Shift spectra to rest, rebin them to the grid of an emulator and divide by the running median.

    Each spectrum is shifted by its `rv` (unknown counts as 0), rebinned with flux conserved, cut to
    the grid and normalised last, so that the window ends at the same pixels as in training.

    Parameters
    ----------
    spectra : Spectra
    wavelength : (P,) float64
        Vacuum Angstrom, rest frame, increasing: `Emulator.wavelength`.
    window : int
        Width of the running median in pixels of the grid: `Emulator.window`.
    """
    gridded = to_grid(spectra, wavelength)
    flux, ivar = gridded.flux, gridded.ivar
    bad = ~(ivar > 0)
    continuum = running_median(flux, window, bad)
    bad |= ~(continuum > 0)
    continuum[bad] = 1.0
    flux /= continuum
    ivar *= continuum**2
    bad |= ~(np.isfinite(flux) & np.isfinite(ivar))
    flux[bad], ivar[bad] = 1.0, 0.0
    return Prepared(flux, ivar, gridded.lsf)


def to_grid(spectra: Spectra, wavelength: ArrayLike) -> Prepared:
    """Shift spectra to rest and rebin them to the grid of an emulator, without normalisation.

    The arms of a spectrograph are rebinned one by one; where they overlap, their weighted mean is taken.
    Arguments as for `prepare`.
    """
    grid = np.asarray(wavelength, dtype=np.float64)
    shape = (len(spectra), grid.size)
    flux, ivar = np.ones(shape), np.zeros(shape)
    lsf = None if spectra.lsf is None else np.full(shape, np.nan)
    rv = np.where(np.isfinite(spectra.rv), spectra.rv, 0.0)
    for i in range(len(spectra)):
        observed = spectra.wavelength if spectra.wavelength.ndim == 1 else spectra.wavelength[i]
        shift = 1.0 + rv[i] / SPEED_OF_LIGHT
        rest = observed / shift
        for own in _arms(spectra, i):
            data, noise, bad = (values[i][own] for values in (spectra.flux, spectra.ivar, spectra.mask))
            new, weight = _rebin(rest[own], data, noise, bad, grid)
            here, both = weight > 0, (weight > 0) & (ivar[i] > 0)
            new[both] += ((flux[i] - new) * ivar[i])[both] / (ivar[i] + weight)[both]
            flux[i][here] = new[here]
            ivar[i] += weight
            if lsf is not None and spectra.lsf is not None:
                known = own & np.isfinite(rest) & np.isfinite(spectra.lsf[i])
                if known.any():
                    at = rest[known]
                    sigma = np.interp(grid, at, spectra.lsf[i][known] / shift)
                    covered = (grid >= at[0]) & (grid <= at[-1])
                    lsf[i] = np.where(covered | np.isnan(lsf[i]), sigma, lsf[i])
    return Prepared(flux, ivar, lsf)


def _arms(spectra: Spectra, i: int) -> list[NDArray[np.bool_]]:
    """Pixels (P,) of each arm of a spectrum."""
    if spectra.arm is None:
        return [np.ones(spectra.flux.shape[1], dtype=bool)]
    arm = spectra.arm if spectra.arm.ndim == 1 else spectra.arm[i]
    return [arm == number for number in np.unique(arm)]


def pixel_edges(centre: Array) -> Array:
    """Edges (P + 1,) of the pixels of a grid (P,): midway between the centres."""
    middle = 0.5 * (centre[1:] + centre[:-1])
    return np.concatenate([[2 * centre[0] - middle[0]], middle, [2 * centre[-1] - middle[-1]]])


def _rebin(
    wavelength: Array, flux: Array, ivar: Array, mask: NDArray[np.bool_], grid: Array
) -> tuple[Array, Array]:
    """Flux density and inverse variance of one spectrum in the pixels of `grid`.

    The integral of the flux is interpolated by a cubic spline at the edges of the new pixels, which
    conserves flux and resolution; the cumulative ivar is interpolated linearly, which conserves the total
    information. Pixels that overlap bad data get ivar 0.
    """
    from scipy.interpolate import CubicSpline

    empty = np.ones(grid.size), np.zeros(grid.size)
    real = np.isfinite(wavelength)
    wavelength, flux, ivar, mask = wavelength[real], flux[real], ivar[real], mask[real]
    good = ~mask & np.isfinite(flux) & np.isfinite(ivar) & (ivar > 0)
    if good.sum() < 2:
        return empty
    edges, grid_edges = pixel_edges(wavelength), pixel_edges(grid)
    inside = (edges[1:] > grid_edges[0]) & (edges[:-1] < grid_edges[-1])
    if not (inside & good).any():
        return empty
    # Bad pixels need a value for the integral; the pixels that overlap them are dropped below.
    scale = np.median(np.abs(flux[good])) or 1.0
    filled = np.interp(wavelength, wavelength[good], flux[good] / scale)
    width = np.diff(edges)

    def at_grid_edges(per_pixel: Array) -> Array:
        return np.asarray(np.interp(grid_edges, edges, np.concatenate([[0.0], np.cumsum(per_pixel)])))

    integral = CubicSpline(edges, np.concatenate([[0.0], np.cumsum(filled * width)]))
    grid_width = np.diff(grid_edges)
    new_flux = scale * np.diff(integral(np.clip(grid_edges, edges[0], edges[-1]))) / grid_width
    new_ivar = np.diff(at_grid_edges(np.where(good, ivar, 0.0)))
    covered = np.diff(at_grid_edges(np.where(good, width, 0.0))) / grid_width
    lost = covered < 1.0 - _MAX_BAD_FRACTION
    new_flux[lost], new_ivar[lost] = 1.0, 0.0
    return new_flux, new_ivar
