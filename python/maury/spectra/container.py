"""Spectra: the container shared by all stages of maury."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.spectra import arrays, exchange
from maury.spectra.display import html_of_spectra, plot_spectra
from maury.spectra.file import write_spectra
from maury.spectra.join import joined
from maury.spectra.pixels import checked_arm, checked_resolution, checked_wavelength, pixels
from maury.spectra.units import (
    SPEED_OF_LIGHT,
    Floats,
    float_copy,
    flux_in_one_unit,
    label_numbers,
    numbers,
    sigma_in_angstrom,
    text,
)

if TYPE_CHECKING:
    from maury.figure import Figure


@dataclass(eq=False, repr=False, init=False)
class Spectra:
    """N spectra of P pixels, as observed: wavelengths in vacuum, not shifted to rest.

    Only `wavelength`, `flux` and `ivar` are required. One spectrum may be given as 1-D arrays. Input arrays
    are copied and never modified. A pixel without information (flux not finite, ivar 0, wavelength NaN) is
    always masked, so that ``~mask`` is the set of usable pixels. A Quantity is converted, or refused if its
    unit does not fit; plain numbers are in the units given here.

    Parameters
    ----------
    wavelength
        Vacuum Angstrom, increasing, (P,) shared by all or (N, P). NaN pads the end of a row. Convert air
        wavelengths with `air_to_vacuum` first, or use `from_arrays`.
    flux, ivar
        Flux and its inverse variance, (N, P) or (P,). Negative or non-finite ivar becomes 0 (no information).
        If flux has a unit, plain numbers of ivar are in 1/unit^2.
    mask
        (N, P) or (P,), True = bad. Default: only the pixels without information are masked.
    lsf
        Instrumental line-spread function: Gaussian sigma [Angstrom, or a Quantity in km/s], (N, P), (P,) or
        a number; None = unknown. Values that are not positive become NaN (unknown).
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
        (N,) or a number: radial velocity to be removed, c*z [km/s]. 0 = at rest, NaN (default) = unknown;
        values of the speed of light or more become NaN.
    snr
        (N,) or a number: signal-to-noise ratio given by the file, NaN = unknown.
    labels
        Known labels by name, each (N,) or a number; NaN = missing.
    problem
        (N,) text: why there is no spectrum, "" = no problem. A row of (N, P) wavelengths or arms that is not
        valid also has one, and is masked, unless no row is valid.
    ra, dec
        (N,) or a number: position [degree, ICRS]; NaN = unknown; invalid positions become NaN.
    format
        (N,) text: format of the file, a name of `maury.readers.FORMATS`; "" without file.
    quality
        (N,) or a number: quality bits of the survey (MJDQUAL of MaStar); 0 = none.
    source
        (N,) text: where the labels come from; those of one source are on one scale. "" = not specified.
    unit
        (N,) text: unit of the flux, "" = unknown; taken from `flux` if that is a Quantity.

    Raises
    ------
    ValueError
        An argument has the wrong shape or unit, the wavelengths look like nm or micron, or in no spectrum
        they increase within an arm and the pixels of an arm are contiguous; the message names the argument.
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
    unit: NDArray[np.str_]

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
        unit: ArrayLike = "",
    ) -> None:
        flux, ivar, own_unit = flux_in_one_unit(flux, ivar)
        self.flux = float_copy("flux", flux)
        if self.flux.ndim == 1:
            self.flux = self.flux[np.newaxis]
        if self.flux.ndim != 2:
            raise ValueError(f"flux: expected (P,) or (N, P), got shape {self.flux.shape}")
        n, _ = shape = self.flux.shape

        self.arm, arm_faults = (None, "") if arm is None else checked_arm(arm, shape)
        self.wavelength, faults = checked_wavelength(wavelength, shape, self.arm)
        faults = np.broadcast_to(np.where(arm_faults != "", arm_faults, faults), n)
        self.ivar = pixels("ivar", ivar, shape, broadcast=False)
        self.ivar[~(np.isfinite(self.ivar) & (self.ivar > 0))] = 0.0
        self.mask = ~np.isfinite(self.flux) | (self.ivar == 0) | np.isnan(self.wavelength)
        if mask is not None:
            self.mask |= pixels("mask", mask, shape, broadcast=True) != 0
        self.mask[faults != ""] = True
        self.lsf = None
        if lsf is not None:
            self.lsf = pixels("lsf", sigma_in_angstrom("lsf", lsf, self.wavelength), shape, broadcast=True)
            self.lsf[~(np.isfinite(self.lsf) & (self.lsf > 0))] = np.nan
        self.resolution = None if resolution is None else checked_resolution(resolution, shape)

        self.star_id = text("star_id", np.arange(n) if star_id is None else star_id, n)
        self.visit_id = text("visit_id", visit_id, n)
        self.file = text("file", file, n)
        self.rv = numbers("rv", rv, n, "km/s")
        self.rv[~(np.abs(self.rv) < SPEED_OF_LIGHT)] = np.nan  # fill values
        self.snr = numbers("snr", snr, n)
        self.labels = {
            name: numbers(f"labels[{name!r}]", label_numbers(name, values), n)
            for name, values in (labels or {}).items()
        }
        self.problem = text("problem", problem, n)
        self.problem = np.where(self.problem == "", faults, self.problem)
        self.ra, self.dec = numbers("ra", ra, n, "deg"), numbers("dec", dec, n, "deg")
        nowhere = ~((np.abs(self.dec) <= 90) & (np.abs(self.ra) <= 360))  # fill values such as -999
        self.ra[nowhere] = self.dec[nowhere] = np.nan
        self.format = text("format", format, n)
        bits = numbers("quality", quality, n)
        self.quality = np.where((bits >= 0) & (bits < 2**53), bits, 0).astype(np.int64)
        self.source = text("source", source, n)
        self.unit = text("unit", own_unit or unit, n)

    @staticmethod
    def from_arrays(
        wavelength: Any,
        flux: Any,
        ivar: Any = None,
        *,
        error: Any = None,
        snr: Any = None,
        mask: Any = None,
        air: bool = False,
        resolution: Any = None,
        fwhm: Any = None,
        sigma: Any = None,
        **more: Any,
    ) -> Spectra:
        """Spectra from arrays in other forms than those of maury.

        Parameters
        ----------
        wavelength
            (P,) or (N, P), increasing or decreasing, Angstrom or a Quantity.
        flux
            (P,), (N, P), or a list of N arrays of different lengths; the arguments with pixels are then lists
            too, or are shared by all.
        ivar, error
            Inverse variance of the flux, or its standard error; a number, or as `flux`. Without them the
            noise is that of `snr`.
        snr
            Signal-to-noise ratio per pixel, a number or (N,).
        mask
            As `flux`, True = bad.
        air
            Whether the wavelengths are in air; they are converted to vacuum.
        resolution, fwhm, sigma
            Of the instrument, one of them: R = wavelength / FWHM; or the FWHM, or Gaussian sigma, of its
            line-spread function [Angstrom, or a Quantity, also in km/s]. A number or as `flux`.
        **more
            Other arguments of `Spectra`: star_id, rv, labels, ...

        Raises
        ------
        ValueError
            As `Spectra`.

        Examples
        --------
        >>> import numpy as np
        >>> from astropy import units as u
        >>> import maury
        >>> wavelength = np.linspace(500, 510, 6) * u.nm
        >>> maury.Spectra.from_arrays(wavelength, np.ones(6), snr=50, fwhm=2.5, star_id="mine")
        <Spectra: 1 x 6 pixels, 5000-5100 A, 1 star>

        Two of different lengths, in air:

        >>> maury.Spectra.from_arrays(
        ...     [wavelength, wavelength[:4]], [np.ones(6), np.ones(4)], snr=[50, 20], air=True
        ... )
        <Spectra: 2 x 6 pixels, 5001-5101 A, 2 stars>
        """
        if ivar is None and error is None and snr is None:
            warnings.warn(arrays.NO_NOISE, stacklevel=2)
        given = {"wavelength": wavelength, "ivar": ivar, "error": error, "mask": mask}
        given |= {"air": air, "resolution": resolution, "fwhm": fwhm, "sigma": sigma}
        rows = list(arrays.parts(flux, given))
        noise = [snr] * len(rows)
        if len(rows) > 1 and np.ndim(snr) == 1:
            noise = list(numbers("snr", snr, len(rows)))
        parts = [Spectra(**arrays.pixels(**row, snr=own)) for row, own in zip(rows, noise, strict=True)]
        spectra = parts[0] if len(parts) == 1 else Spectra.concatenate(parts)
        one_each: dict[str, Any] = {"star_id": np.arange(len(spectra)), "snr": np.nan if snr is None else snr}
        return replace(spectra, **(one_each | more))

    @staticmethod
    def from_specutils(spectra: Any, air: bool | None = None) -> Spectra:
        """Spectra from a Spectrum, SpectrumList or SpectrumCollection of specutils.

        Parameters
        ----------
        spectra
            A Spectrum (Spectrum1D in older releases) with one or more rows of flux, or an iterable of them.
            If an uncertainty is missing, a signal-to-noise ratio of 100 is assumed.
        air
            Whether wavelengths are in air; by default as the header in ``meta`` says, else vacuum.

        Raises
        ------
        ValueError
            If `spectra` contains anything else, or nothing.
        """
        found = list(exchange.parts(spectra, air))
        for note in dict.fromkeys(note for _, notes in found for note in notes):
            warnings.warn(note, stacklevel=2)
        joint = Spectra.concatenate([Spectra(**arguments) for arguments, _ in found])
        unnamed = not any("star_id" in arguments for arguments, _ in found)
        return replace(joint, star_id=np.arange(len(joint)).astype(str)) if unnamed else joint

    def to_specutils(self) -> Any:
        """Return a SpectrumList of specutils: one Spectrum per spectrum, and per arm if there are several."""
        return exchange.to_list(self)

    def write(self, path: str | PathLike[str], overwrite: bool = False) -> None:
        """Write all of this as one FITS table, which `maury.read_spectra` reads; complete or not at all.

        Raises
        ------
        ValueError, FileExistsError, FileNotFoundError
            If the extension is not .fits or .fits.gz; the file exists; its folder does not.
        """
        write_spectra(self, path, overwrite)

    def plot(self, n: int = 4) -> Figure:
        """Draw the first n spectra, with gaps where pixels are masked."""
        return plot_spectra(self, n)

    def _repr_html_(self) -> str:
        return html_of_spectra(self)

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
        stars = len(set(self.star_id.tolist()))
        text += f", {stars} {'star' if stars == 1 else 'stars'}"
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
        return Spectra(**joined(parts))
