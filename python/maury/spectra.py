"""Spectra: the container shared by all stages of maury, and two conversions used by the readers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

SPEED_OF_LIGHT = 299792.458  # km/s
#: Arms that a spectrograph may have.
MOST_ARMS = 64
FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))

Floats = NDArray[np.float64]


@dataclass(eq=False, repr=False, init=False)
class Spectra:
    """N spectra of P pixels, as observed: wavelengths in vacuum, not shifted to rest.

    Only `wavelength`, `flux` and `ivar` are required. One spectrum may be given as 1-D arrays. Input arrays
    are copied and never modified. A pixel without information (flux not finite, ivar 0, wavelength NaN) is
    always masked, so that ``~mask`` is the set of usable pixels.

    Parameters
    ----------
    wavelength
        Vacuum Angstrom, increasing, (P,) shared by all or (N, P); a Quantity is converted. NaN pads the end
        of a row. Convert air wavelengths with `air_to_vacuum` first.
    flux, ivar
        Flux and its inverse variance, (N, P) or (P,). Negative or non-finite ivar becomes 0 (no information).
    mask
        (N, P) or (P,), True = bad. Default: only the pixels without information are masked.
    lsf
        Instrumental line-spread function: Gaussian sigma [Angstrom], (N, P), (P,) or a number; None =
        unknown. Values that are not positive become NaN (unknown).
    arm
        Number of the spectrograph arm of each pixel from 0, (N, P) or (P,), the same for a spectrum that
        lacks another arm. The pixels of an arm are contiguous, and wavelengths must increase only within an
        arm, so that arms may overlap. None = one arm.
    resolution
        Resolution matrix in place of a Gaussian, (N, P, D), D odd: the weights with which pixel p receives
        the flux of its neighbours p - D//2 to p + D//2 in the same arm. None = unknown.
    star_id, visit_id, file
        (N,) names. Visits of one star share its star_id; by default every spectrum is a separate star.
    rv
        (N,) or a number: radial velocity to be removed, c*z [km/s]. 0 = at rest, NaN (default) = unknown.
    snr
        (N,) or a number: signal-to-noise ratio given by the file, NaN = unknown.
    labels
        Known labels by name, each (N,) or a number; NaN = missing.
    problem
        (N,) text: why a file could not be read, "" = no problem.
    ra, dec
        (N,) or a number: position [degree, ICRS]; NaN = unknown; invalid positions become NaN.
    format
        (N,) text: format of the file, a name of `maury.readers.FORMATS`; "" without file.
    quality
        (N,) or a number: quality bits of the survey (MJDQUAL of MaStar); 0 = none.
    source
        (N,) text: where the labels come from; those of one source are on one scale. "" = not specified.

    Raises
    ------
    ValueError
        An argument has the wrong shape, the wavelengths do not increase within an arm, or the pixels of an
        arm are not contiguous; the message names the argument.
    """

    wavelength: Floats
    flux: Floats
    ivar: Floats
    mask: NDArray[np.bool_]
    lsf: Floats | None
    arm: NDArray[np.integer] | None
    resolution: Floats | None
    star_id: NDArray[np.str_]
    visit_id: NDArray[np.str_]
    file: NDArray[np.str_]
    rv: Floats
    snr: Floats
    labels: dict[str, Floats]
    problem: NDArray[np.str_]
    ra: Floats
    dec: Floats
    format: NDArray[np.str_]
    quality: NDArray[np.int64]
    source: NDArray[np.str_]

    def __init__(
        self,
        wavelength: ArrayLike,
        flux: ArrayLike,
        ivar: ArrayLike,
        mask: ArrayLike | None = None,
        lsf: ArrayLike | None = None,
        star_id: ArrayLike | None = None,
        visit_id: ArrayLike = "",
        file: ArrayLike = "",
        rv: ArrayLike = np.nan,
        snr: ArrayLike = np.nan,
        labels: Mapping[str, ArrayLike] | None = None,
        problem: ArrayLike = "",
        arm: ArrayLike | None = None,
        resolution: ArrayLike | None = None,
        ra: ArrayLike = np.nan,
        dec: ArrayLike = np.nan,
        format: ArrayLike = "",
        quality: ArrayLike = 0,
        source: ArrayLike = "",
    ) -> None:
        self.flux = _float_copy("flux", flux)
        if self.flux.ndim == 1:
            self.flux = self.flux[np.newaxis]
        if self.flux.ndim != 2:
            raise ValueError(f"flux: expected (P,) or (N, P), got shape {self.flux.shape}")
        n, _ = shape = self.flux.shape

        self.arm = None if arm is None else _checked_arm(arm, shape)
        self.wavelength = _checked_wavelength(wavelength, shape, self.arm)
        self.ivar = _pixels("ivar", ivar, shape, broadcast=False)
        self.ivar[~(np.isfinite(self.ivar) & (self.ivar > 0))] = 0.0
        self.mask = ~np.isfinite(self.flux) | (self.ivar == 0) | np.isnan(self.wavelength)
        if mask is not None:
            self.mask |= _pixels("mask", mask, shape, broadcast=True) != 0
        self.lsf = None
        if lsf is not None:
            self.lsf = _pixels("lsf", lsf, shape, broadcast=True)
            self.lsf[~(np.isfinite(self.lsf) & (self.lsf > 0))] = np.nan
        self.resolution = None if resolution is None else _checked_resolution(resolution, shape)

        self.star_id = _names("star_id", np.arange(n) if star_id is None else star_id, n)
        self.visit_id = _names("visit_id", visit_id, n)
        self.file = _names("file", file, n)
        self.rv = _numbers("rv", _in_unit(rv, "km/s"), n)
        self.snr = _numbers("snr", snr, n)
        self.labels = {name: _numbers(f"labels[{name!r}]", v, n) for name, v in (labels or {}).items()}
        self.problem = _names("problem", problem, n)
        self.ra, self.dec = (_numbers(k, _in_unit(v, "deg"), n) for k, v in (("ra", ra), ("dec", dec)))
        nowhere = ~((np.abs(self.dec) <= 90) & (np.abs(self.ra) <= 360))  # fill values such as -999
        self.ra[nowhere] = self.dec[nowhere] = np.nan
        self.format = _names("format", format, n)
        self.quality = np.maximum(np.nan_to_num(_numbers("quality", quality, n)), 0).astype(np.int64)
        self.source = _names("source", source, n)

    def __len__(self) -> int:
        """N, the number of spectra."""
        return int(self.flux.shape[0])

    def __getitem__(self, index: Any) -> Spectra:
        """Spectra selected by index (result of length 1), slice, list of indices or (N,) mask."""
        rows = np.atleast_1d(np.arange(len(self))[index])
        if rows.ndim != 1:
            raise IndexError(f"spectra are selected along one axis, got an index of shape {rows.shape}")
        chosen = copy(self)  # already checked
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if name == "labels":
                chosen.labels = {label: numbers[rows] for label, numbers in value.items()}
            elif value is not None:
                shared = name in ("wavelength", "arm") and value.ndim == 1
                setattr(chosen, name, value.copy() if shared else value[rows])
        return chosen

    def __iter__(self) -> Iterator[Spectra]:
        """Spectra of length 1, one after another."""
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        """One line: number of spectra, wavelengths and labels."""
        n, n_pixels = self.flux.shape
        text = f"<Spectra: {n} x {n_pixels} pixels"
        if np.isfinite(self.wavelength).any():
            text += f", {np.nanmin(self.wavelength):.0f}-{np.nanmax(self.wavelength):.0f} A"
        text += f", {len(set(self.star_id.tolist()))} stars"
        if self.labels:
            text += f", labels {' '.join(self.labels)}"
        unreadable = int(np.sum(self.problem != ""))
        return text + (f", {unreadable} with a problem>" if unreadable else ">")

    @staticmethod
    def concatenate(parts: Sequence[Spectra]) -> Spectra:
        """All spectra of the parts, in order.

        Where the grids differ, rows are padded at the end to the longest: wavelength, flux and lsf NaN, ivar
        0, masked. A label, lsf or resolution that is known only for some parts is NaN for the others.

        Raises
        ------
        ValueError
            `parts` is empty.
        """
        if not parts:
            raise ValueError("parts: expected at least one Spectra, got none")
        n_pixels = max(p.flux.shape[1] for p in parts)

        def stack(name: str, fill: Any) -> Any:
            return np.concatenate([_padded(_rows(p, name, fill), n_pixels, fill) for p in parts])

        grid = _common_grid(parts, n_pixels)
        return Spectra(
            wavelength=stack("wavelength", np.nan) if grid is None else grid,
            flux=stack("flux", np.nan),
            ivar=stack("ivar", 0.0),
            mask=stack("mask", True),
            lsf=None if all(p.lsf is None for p in parts) else stack("lsf", np.nan),
            arm=_stacked_arm(parts, n_pixels),
            resolution=_stacked_resolution(parts, n_pixels),
            labels={
                name: np.concatenate([p.labels.get(name, np.full(len(p), np.nan)) for p in parts])
                for name in dict.fromkeys(name for p in parts for name in p.labels)
            },
            **{
                name: np.concatenate([getattr(p, name) for p in parts])
                for name in (
                    "star_id",
                    "visit_id",
                    "file",
                    "rv",
                    "snr",
                    "problem",
                    "ra",
                    "dec",
                    "format",
                    "quality",
                    "source",
                )
            },
        )


def air_to_vacuum(wavelength: ArrayLike) -> Floats:
    """Vacuum wavelength of an air wavelength, both in Angstrom; below 2000 A they are equal by convention.

    The refraction of dry air is that of Morton (2000, ApJS 130, 403), eq. 8, the IAU standard, which is a
    function of the vacuum wavelength. The inverse used here was fitted by N. Piskunov for the line database
    VALD3.
    """
    air = np.asarray(wavelength, dtype=np.float64)
    with np.errstate(divide="ignore"):
        s2 = (1e4 / air) ** 2
    n = (
        1.0
        + 0.00008336624212083
        + 0.02408926869968 / (130.1065924522 - s2)
        + 0.0001599740894897 / (38.92568793293 - s2)
    )
    return np.where(air > 2000.0, air * n, air)


def assumed_ivar(flux: ArrayLike, mask: ArrayLike | None = None, snr: float = 100.0) -> Floats:
    """Inverse variance for a file without errors: (snr / running median of 400 pixels of flux)^2.

    The noise is derived from the running median and not from the pixel, so that the core of a line has the
    same weight as the continuum. `snr` is an assumption that only sets the scale of the formal errors, so
    `Spectra.snr` of such a file stays NaN. 0 where masked, and where the median is not positive.

    Parameters
    ----------
    flux, mask
        (P,) or (N, P); mask True = bad.
    snr
        Assumed signal-to-noise ratio per pixel.
    """
    import maury._core as _core

    flux = np.asarray(flux, dtype=np.float64)
    bad = ~np.isfinite(flux) if mask is None else (np.asarray(mask, dtype=bool) | ~np.isfinite(flux))
    median = _core.running_median(np.atleast_2d(flux), np.atleast_2d(bad), 200).reshape(flux.shape)
    ok = ~bad & (median > 0)
    ivar: Floats = np.divide(snr, median, out=np.zeros_like(median), where=ok) ** 2
    return ivar


def _float_copy(name: str, value: ArrayLike) -> Floats:
    try:
        if isinstance(value, np.ma.MaskedArray):
            value = np.ma.filled(value.astype(np.float64), np.nan)
        array: Floats = np.array(value, dtype=np.float64, order="C", subok=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected numbers, got {type(value).__name__} ({error})") from None
    return array


def _in_unit(value: ArrayLike, unit: str) -> ArrayLike:
    """Return the numbers of a Quantity in the given unit; anything without a unit unchanged."""
    if getattr(value, "unit", None) is None:
        return value
    from astropy import units as u

    return cast("Floats", u.Quantity(value).to_value(unit, u.spectral() if unit == "Angstrom" else []))


def _pixels(name: str, value: ArrayLike, shape: tuple[int, int], *, broadcast: bool) -> Floats:
    array = _float_copy(name, value)
    wanted = f"expected shape {shape} like flux"
    if array.shape == shape:
        return array
    if array.shape == shape[1:] and (broadcast or shape[0] == 1):
        return np.tile(array, (shape[0], 1))
    if broadcast and array.ndim == 0:
        return np.full(shape, array)
    hint = f"; use {name}.T" if array.shape == shape[::-1] else ""
    raise ValueError(f"{name}: {wanted}, got {array.shape}{hint}")


def _checked_wavelength(
    wavelength: ArrayLike, shape: tuple[int, int], arm: NDArray[np.integer] | None
) -> Floats:
    array = _float_copy("wavelength", _in_unit(wavelength, "Angstrom"))
    if array.shape not in (shape, shape[1:]):
        raise ValueError(f"wavelength: expected shape {shape[1:]} or {shape} like flux, got {array.shape}")
    finite = np.isfinite(array)
    array[~finite] = np.nan
    if (finite[..., 1:] & ~finite[..., :-1]).any():
        raise ValueError(
            "wavelength: NaN may only pad the end of a row; keep the pixels of a gap and mask them"
        )
    falls = np.diff(array, axis=-1) <= 0
    if arm is not None:  # the first pixel of the next arm may have any wavelength
        falls = falls & (np.diff(arm, axis=-1) == 0)
    if not (array[finite] > 0).all() or falls.any():
        raise ValueError(
            "wavelength: expected positive, increasing Angstrom; sort the pixels of a spectrum, "
            "or pass arm where spectrograph arms overlap"
        )
    if finite.any() and array[finite].max() < 100:
        raise ValueError(
            f"wavelength: expected Angstrom, got at most {array[finite].max():g}; "
            "pass 10**wavelength if this is log10, or a Quantity with its unit"
        )
    return array


def _checked_arm(arm: ArrayLike, shape: tuple[int, int]) -> NDArray[np.integer]:
    array = np.array(arm)
    if array.shape not in (shape, shape[1:]) or array.dtype.kind not in "iu":
        raise ValueError(
            f"arm: expected whole numbers of shape {shape[1:]} or {shape} like flux, got {array.dtype} of "
            f"shape {array.shape}"
        )
    if array.size and not (array.min() >= 0 and array.max() < MOST_ARMS):
        raise ValueError(
            f"arm: expected numbers from 0 to {MOST_ARMS - 1}, got {array.min()} to {array.max()}; "
            "number the arms of the spectrograph from 0"
        )
    for row in np.atleast_2d(array):
        runs = row[np.append(True, row[1:] != row[:-1])].tolist() if len(row) else []
        if len(runs) != len(set(runs)):
            raise ValueError("arm: the pixels of an arm must be contiguous; sort the pixels by arm")
    return array


def _checked_resolution(resolution: ArrayLike, shape: tuple[int, int]) -> Floats:
    array = _float_copy("resolution", resolution)
    if array.ndim == 2 and shape[0] == 1:
        array = array[np.newaxis]
    if array.ndim != 3 or array.shape[:2] != shape or array.shape[2] % 2 == 0:
        raise ValueError(
            f"resolution: expected shape {(*shape, 'D')}, D odd: D neighbours for every pixel; got "
            f"{array.shape}"
        )
    array[~np.isfinite(array).all(axis=2)] = np.nan
    return array


def _names(name: str, value: ArrayLike, n: int) -> NDArray[np.str_]:
    array: NDArray[Any] = np.asarray(value)
    texts = np.char.decode(array, "utf-8") if array.dtype.kind == "S" else array.astype(np.str_)
    return cast("NDArray[np.str_]", _one_each(name, texts, n))


def _numbers(name: str, value: ArrayLike, n: int) -> Floats:
    return cast("Floats", _one_each(name, _float_copy(name, value), n))


def _one_each(name: str, array: NDArray[Any], n: int) -> NDArray[Any]:
    if array.ndim and array.shape != (n,):
        raise ValueError(f"{name}: expected one value or {n}, one per spectrum, got shape {array.shape}")
    return np.full(n, array) if array.ndim == 0 else array.copy()


def _stacked_arm(parts: Sequence[Spectra], n_pixels: int) -> NDArray[np.integer] | None:
    """Arm numbers of all parts, (P,) where they are shared; padding belongs to the last arm."""
    if all(part.arm is None for part in parts):
        return None
    rows: NDArray[np.integer] = np.concatenate(
        [
            row
            if row.shape[1] == n_pixels
            else np.pad(row, ((0, 0), (0, n_pixels - row.shape[1])), mode="edge")
            for row in (_rows(part, "arm", 0) for part in parts)
        ]
    )
    return rows[0] if (rows == rows[0]).all() else rows


def _stacked_resolution(parts: Sequence[Spectra], n_pixels: int) -> Floats | None:
    widths = {part.resolution.shape[2] for part in parts if part.resolution is not None}
    if not widths:
        return None
    rows = np.full((sum(len(part) for part in parts), n_pixels, max(widths)), np.nan)
    first = 0
    for part in parts:
        if part.resolution is not None:
            n, n_own, width = part.resolution.shape
            side = (max(widths) - width) // 2
            rows[first : first + n, :n_own] = 0.0
            rows[first : first + n, :n_own, side : side + width] = part.resolution
        first += len(part)
    return rows


def _rows(part: Spectra, name: str, fill: Any) -> NDArray[Any]:
    value = getattr(part, name)
    return np.broadcast_to(np.asarray(fill if value is None else value), part.flux.shape)


def _padded(array: NDArray[Any], n_pixels: int, fill: Any) -> NDArray[Any]:
    missing = n_pixels - array.shape[1]
    return np.pad(array, ((0, 0), (0, missing)), constant_values=fill) if missing else array


def _common_grid(parts: Sequence[Spectra], n_pixels: int) -> Floats | None:
    """Return the one (P,) grid of all parts, or None; parts without wavelengths match any grid."""
    grid = None
    for part in parts:
        if np.isnan(part.wavelength).all():
            continue
        if part.wavelength.shape != (n_pixels,):
            return None
        if grid is None:
            grid = part.wavelength
        elif grid is not part.wavelength and not np.array_equal(grid, part.wavelength, equal_nan=True):
            return None
    return grid
