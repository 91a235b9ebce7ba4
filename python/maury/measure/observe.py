"""Spectra as observed: normalised on their own pixels, and where those lie on the grid of an emulator.

The data are never resampled. A pixel that carries no information has `ivar` 0 and `flux` 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

import maury._core as _core
from maury.emulator.grid import pixel_width, position, to_shift
from maury.measure.options import AT_REST, Options
from maury.spectra import SPEED_OF_LIGHT, Spectra

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Where the line-spread function of a spectrum is narrower than this part of the emulator's, it is sharper.
_SHARPER = 0.95
# Half a pixel ends no farther off than this times the other half: at a gap the next pixel is no neighbour.
_GAP = 1.5
_EVEN = 1e-4  # of a step


@dataclass(frozen=True)
class Observed:
    """N spectra of P pixels. Positions are in pixels of the emulator, whose pixel i is i - 1/2 to i + 1/2.

    Attributes
    ----------
    flux, ivar : (N, P) float64
        Flux over its running median, and the inverse variance of that ratio.
    continuum : (N, P) float64
        The running median.
    inside, good : (N, P) bool
        Pixels that lie on the emulator; those of them that took part in the running median.
    first : int
        Pixels that were cut off in front, since no spectrum has them on the emulator.
    low, high : (N, P) or (1, P) float64
        Edges of the pixels.
    variance : (N, P) or (1, P) float64
        Broadening that the emulator lacks, squared pixels; 0 where the spectrum is as sharp or sharper.
    arm : (N, P) or (1, P) int32
    resolution, narrowing : (N, P, D), (N, P) float64, or None
        Instead of `variance`: see ``cpp/include/maury/instrument.hpp``.
    shift : (N,) float64
        The velocity, as a shift on the grid.
    sharper : (N,) bool
        Whether a tenth or more of the pixels in use are sharper than the emulator.
    """

    flux: Array
    ivar: Array
    continuum: Array
    inside: Mask
    good: Mask
    first: int
    low: Array
    high: Array
    variance: Array
    arm: NDArray[np.int32]
    resolution: Array | None
    narrowing: Array | None
    shift: Array
    sharper: Mask

    def core(
        self,
        options: Options = AT_REST,
        shift: Array | None = None,
        *,
        most_shift: float = 0.0,
        native: bool = False,
    ) -> _core.Observed:
        """Give the pixels to the C++ core; `native` at the resolution of the emulator."""
        matrix = self.resolution is not None and not native
        return _core.Observed(
            self.low,
            self.high,
            None if matrix or native else self.variance,
            self.arm,
            self.resolution if matrix else None,
            self.narrowing if matrix else None,
            np.ascontiguousarray(self.shift if shift is None else shift),
            options.velocity == "fit",
            bool(options.arm_rv),
            options.broadening,
            most_shift,
        )


def observe(
    spectra: Spectra, emulator: Emulator, rv: Array, margin: float = 0.0, leave_out: Mask | None = None
) -> Observed:
    """Normalise spectra on their own pixels as the training spectra were.

    The running median spans the wavelengths that it spans on the grid of the emulator, whatever the sampling,
    and ends where the emulator ends. Arms that overlap share it.

    Parameters
    ----------
    spectra : Spectra
    emulator : Emulator
    rv : (N,) float64
        Velocity to see the emulator at, c*z [km/s].
    margin : float
        Velocity by which `rv` may be off [km/s]: pixels in doubt are left in.
    leave_out : (N, P) bool, optional
        Pixels that take no part in the fit, though they do in the running median.
    """
    wavelength = np.atleast_2d(spectra.wavelength)
    arm: NDArray[np.int32] = np.zeros(wavelength.shape, dtype=np.int32)
    if spectra.arm is not None:
        arm = np.atleast_2d(spectra.arm).astype(np.int32)
    if not len(wavelength) == len(arm) == 1:
        wavelength = np.broadcast_to(wavelength, spectra.flux.shape)
        arm = np.broadcast_to(arm, spectra.flux.shape)
    doppler = (1.0 + rv / SPEED_OF_LIGHT)[:, None]
    even = emulator.log10_grid is not None
    if not even:  # the velocity is no shift there: taken out of the wavelengths
        wavelength = wavelength / doppler
        arm = np.broadcast_to(arm, wavelength.shape)
    shift = to_shift(rv, emulator) if even else np.zeros(len(spectra))
    slack = to_shift(margin, emulator) if even else 0.0
    low, high = _edges(wavelength, arm)
    low, high = position(low, emulator), position(high, emulator)
    # What spectra of one grid and one velocity share is computed once.
    moved = shift[:1, None] if (shift == shift[:1]).all() else shift[:, None]
    inside = (high - moved > -0.5 - slack) & (low - moved < len(emulator.wavelength) - 0.5 + slack)
    good: Mask = ~spectra.mask & inside
    columns = _span(inside)
    low, high = np.ascontiguousarray(low[:, columns]), np.ascontiguousarray(high[:, columns])
    arm = np.ascontiguousarray(arm[:, columns])
    good, inside = good[:, columns], np.broadcast_to(inside[:, columns], good[:, columns].shape)
    continuum = _median(spectra.flux[:, columns], ~good, low, high, emulator.window)
    usable = good & np.isfinite(continuum) & (continuum > 0)
    if leave_out is not None:
        usable &= ~leave_out[:, columns]
    flux, ivar = np.ones_like(continuum), np.zeros_like(continuum)
    np.divide(spectra.flux[:, columns], continuum, out=flux, where=usable)
    np.multiply(spectra.ivar[:, columns], continuum**2, out=ivar, where=usable)
    sigma = np.full(flux.shape, np.nan)
    if spectra.lsf is not None:
        rest = 1.0 if even else doppler  # what the wavelengths are in
        sigma = spectra.lsf[:, columns] / rest / pixel_width(wavelength[:, columns], emulator)
    own = _own_sigma(emulator, 0.5 * (low + high) - moved)
    resolution = narrowing = None
    if spectra.resolution is not None:
        rows = spectra.resolution[:, columns]
        place = np.broadcast_to(0.5 * (low + high), flux.shape)
        resolution, narrowing, sigma = _matrix(rows, place, arm, own)
        # NaN, or of neighbours that are not there: the model would see too little.
        blind = ~(np.abs(rows.sum(axis=2) - resolution.sum(axis=2)) < 1e-3)
        flux[blind], ivar[blind] = 1.0, 0.0
    variance = np.fmax(sigma**2 - own**2, 0.0)
    variance[~np.isfinite(variance)] = 0.0
    if len(variance) > 1 and (variance[1] == variance[0]).all() and (variance == variance[0]).all():
        variance = variance[:1]
    sharper = _sharper(sigma, own, ivar > 0)
    return Observed(
        flux=flux,
        ivar=ivar,
        continuum=continuum,
        inside=inside,
        good=good,
        first=columns.start,
        low=low,
        high=high,
        variance=np.ascontiguousarray(variance),
        arm=arm,
        resolution=resolution,
        narrowing=narrowing,
        shift=shift,
        sharper=sharper,
    )


def _sharper(sigma: Array, own: Array, used: Mask) -> Mask:
    """Whether a tenth or more of the pixels in use, and one at least, are sharper than the emulator."""
    with np.errstate(invalid="ignore"):
        sharper = np.isfinite(sigma) & (sigma < _SHARPER * np.where(np.isfinite(own), own, 0.0)) & used
    if not sharper.any():
        return np.zeros(len(used), dtype=bool)
    return np.asarray(sharper.sum(axis=1) >= np.fmax(0.1 * used.sum(axis=1), 1))


def on_grid(flux: Array, ivar: Array, lsf: Array | None, emulator: Emulator) -> Observed:
    """Take normalised spectra (N, P) on the grid of the emulator, at rest; lsf (N or 1, P) [Angstrom]."""
    place = np.arange(flux.shape[1], dtype=np.float64)[None]
    variance = np.zeros_like(place)
    if lsf is not None:
        if emulator.lsf is None:
            raise ValueError("lsf: the emulator does not know its own, so the difference to it is not known")
        width = pixel_width(emulator.wavelength, emulator)
        variance = np.fmax((lsf**2 - emulator.lsf**2) / width**2, 0.0)
    n = len(flux)
    return Observed(
        flux=flux,
        ivar=ivar,
        continuum=np.ones_like(flux),
        inside=np.ones(flux.shape, dtype=bool),
        good=ivar > 0,
        first=0,
        low=place - 0.5,
        high=place + 0.5,
        variance=np.ascontiguousarray(variance),
        arm=np.zeros(place.shape, dtype=np.int32),
        resolution=None,
        narrowing=None,
        shift=np.zeros(n),
        sharper=np.zeros(n, dtype=bool),
    )


def rest_wavelength(spectra: Spectra, observed: Observed, rv: Array) -> Array:
    """Wavelengths (N, P) of the pixels of `observed`, at rest [Angstrom]; rv (N,) as for `observe`."""
    columns = slice(observed.first, observed.first + observed.flux.shape[1])
    wavelength = np.atleast_2d(spectra.wavelength)[:, columns]
    return np.asarray(wavelength / (1.0 + rv / SPEED_OF_LIGHT)[:, None])


def _span(inside: Mask) -> slice:
    """Columns from the first to the last that any row has on the emulator; all where none does."""
    needed = np.flatnonzero(inside.any(axis=0))
    return slice(int(needed[0]), int(needed[-1]) + 1) if len(needed) else slice(0, inside.shape[1])


def _edges(wavelength: Array, arm: NDArray[np.integer]) -> tuple[Array, Array]:
    """Edges of the pixels (M, P): half-way to the neighbours of the arm; padding lies beyond everything."""
    n_pixels = wavelength.shape[1]
    low, high = np.empty_like(wavelength), np.empty_like(wavelength)
    for i, (centre, number) in enumerate(zip(wavelength, arm, strict=True)):
        step = np.diff(centre)
        step[np.diff(number) != 0] = np.nan
        left, right = np.append(np.nan, step), np.append(step, np.nan)
        far_left, far_right = left > _GAP * right, right > _GAP * left
        left[far_left], right[far_right] = np.nan, np.nan
        middle = 0.5 * (centre[:-1] + centre[1:])  # one number for both neighbours, so that they share it
        half_left = np.where(np.isfinite(left), left, np.where(np.isfinite(right), right, 1.0)) / 2
        half_right = np.where(np.isfinite(right), right, np.where(np.isfinite(left), left, 1.0)) / 2
        low[i] = np.where(np.isfinite(left), np.append(np.nan, middle), centre - half_left)
        high[i] = np.where(np.isfinite(right), np.append(middle, np.nan), centre + half_right)
        padding = ~np.isfinite(centre)
        if padding.any():
            low[i, padding] = 1e7 + np.arange(n_pixels)[padding]
            high[i, padding] = low[i, padding] + 1.0
    return low, high


def running_median(flux: Array, bad: Mask, observed: Observed, emulator: Emulator) -> Array:
    """Take the running median (N, P) of flux on the pixels of `observed`, as `observe` does."""
    return _median(flux, bad, observed.low, observed.high, emulator.window)


def same_sampling(wavelength: Array, emulator: Emulator) -> Mask:
    """Whether rows of wavelengths (M, P) have the even steps of the emulator from end to end: (M,) bool."""
    if emulator.log10_grid is None:
        return np.zeros(len(wavelength), dtype=bool)
    steps = np.diff(np.log10(wavelength), axis=1) / emulator.log10_grid[1]
    return np.asarray((np.abs(steps - 1.0) < _EVEN).all(axis=1))


def on_sampling_of_emulator(observed: Observed) -> bool:
    """Whether the pixels of all spectra lie as far from each other as those of the emulator."""
    return _own_sampling(0.5 * (observed.low + observed.high))


def _own_sampling(place: Array) -> bool:
    return bool((np.abs(np.diff(place, axis=1) - 1.0) < _EVEN).all())


def _median(flux: Array, bad: Mask, low: Array, high: Array, window: int) -> Array:
    """Median over window // 2 pixels of the emulator on each side; NaN where there is none."""
    place = 0.5 * (low + high)
    flux, bad = np.ascontiguousarray(flux), np.ascontiguousarray(bad)
    if _own_sampling(place):
        return _core.running_median(flux, bad, window // 2)
    out = np.empty_like(flux)
    reach = window // 2 + 1e-3  # centres are half-way in wavelength, not in its logarithm
    groups = [slice(None)] if len(place) == 1 else [slice(i, i + 1) for i in range(len(flux))]
    for rows, own_place in zip(groups, place, strict=True):
        order = np.argsort(own_place, kind="stable")  # arms may overlap
        in_order = own_place[order]
        first = np.searchsorted(in_order, in_order - reach, side="left").astype(np.uintp)
        end = np.searchsorted(in_order, in_order + reach, side="right").astype(np.uintp)
        median = _core.windowed_median(
            np.ascontiguousarray(flux[rows][:, order]),
            np.ascontiguousarray(bad[rows][:, order]),
            first[None],
            end[None],
        )
        out[rows, order] = median
    return out


def _own_sigma(emulator: Emulator, place: Array) -> Array:
    """Sigma of the emulator in its own pixels, at places (N, P) on its grid."""
    if emulator.lsf is None:
        return np.full(place.shape, np.inf)  # not known: nothing is broadened
    own = emulator.lsf / pixel_width(emulator.wavelength, emulator)
    return np.asarray(np.interp(place, np.arange(len(own)), own))


def _matrix(
    resolution: Array, place: Array, arm: NDArray[np.integer], own: Array
) -> tuple[Array, Array, Array]:
    """Rows of a resolution matrix fit to use, how far to narrow them, and their sigma in pixels.

    The emulator has been through an instrument of its own. What takes it to the matrix is not known, so the
    profile of a row is kept, and made narrower until the variances add up.
    """
    n, n_pixels, width = resolution.shape
    rows = np.where(np.isfinite(resolution), resolution, 0.0)
    arms = np.broadcast_to(arm, (n, n_pixels))
    offset = np.arange(width) - width // 2
    neighbour = np.arange(n_pixels)[:, None] + offset
    inside = (neighbour >= 0) & (neighbour < n_pixels)
    neighbour = np.clip(neighbour, 0, n_pixels - 1)
    rows[~(inside & (arms[:, neighbour] == arms[:, :, None]))] = 0.0
    distance = place[:, neighbour] - place[:, :, None]
    total = np.where(rows.sum(axis=2) > 0, rows.sum(axis=2), np.nan)
    mean = (rows * distance).sum(axis=2) / total
    sigma = np.sqrt(np.fmax((rows * distance**2).sum(axis=2) / total - mean**2, 0.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        narrowing = np.sqrt(np.clip(1.0 - (own / sigma) ** 2, 0.0, 1.0))
    narrowing[~np.isfinite(narrowing)] = 0.0
    return np.ascontiguousarray(rows), np.ascontiguousarray(narrowing), sigma
