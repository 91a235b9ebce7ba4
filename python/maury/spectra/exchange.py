"""Spectra from and to specutils, which is an optional dependency."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from maury.spectra.arrays import NO_NOISE
from maury.spectra.convert import air_to_vacuum, assumed_ivar
from maury.spectra.units import Floats

AIR_OR_VACUUM = (
    "air or vacuum wavelengths are not specified: vacuum is assumed. If air, pass air=True to "
    "maury.Spectra.from_specutils or from_arrays"
)


def is_specutils(value: Any) -> bool:
    """Whether this is one spectrum of specutils, with any number of rows of flux."""
    return hasattr(value, "spectral_axis") and hasattr(value, "flux")


def parts(value: Any, air: bool | None) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Arguments of `Spectra` for each spectrum of specutils, and what was assumed."""
    for spectrum in [value] if is_specutils(value) else value:
        if not is_specutils(spectrum):
            raise ValueError(
                "expected a Spectrum of specutils, or a list of them, got one of type "
                f"{type(spectrum).__name__}"
            )
        if np.ndim(spectrum.spectral_axis) > 1:  # SpectrumCollection: a grid for each
            yield from parts([spectrum[i] for i in range(len(spectrum.flux))], air)
        else:
            yield _arguments(spectrum, air)


def _arguments(spectrum: Any, air: bool | None) -> tuple[dict[str, Any], list[str]]:
    from astropy import units as u
    from astropy.nddata import InverseVariance

    notes = []
    wavelength = np.asarray(spectrum.spectral_axis.to_value(u.AA, equivalencies=u.spectral()))
    unit = spectrum.flux.unit
    flux = _rows(spectrum.flux.value)
    mask = ~np.isfinite(flux) if spectrum.mask is None else _rows(spectrum.mask) != 0
    order = np.argsort(wavelength)  # frequencies and energies are in reverse order
    order = order[: np.isfinite(wavelength).sum()]
    wavelength, flux, mask = wavelength[order], flux[:, order], mask[:, order]
    if spectrum.uncertainty is None:
        ivar = assumed_ivar(flux, mask)
        notes.append(NO_NOISE)
    else:
        with np.errstate(divide="ignore", invalid="ignore"):  # variance infinite where ivar is 0
            inverse = spectrum.uncertainty.represent_as(InverseVariance).quantity
        ivar = _rows(inverse.to_value(unit**-2))[:, order]
    if air is None:
        air = _says_air(spectrum.meta)
        if air is None:
            notes.append(AIR_OR_VACUUM)
    known = {name: spectrum.meta[name] for name in ("star_id", "visit_id", "rv") if name in spectrum.meta}
    return {
        "wavelength": (air_to_vacuum(wavelength) if air else wavelength) * u.AA,
        "flux": flux * unit,
        "ivar": ivar,
        "mask": mask,
        **known,
    }, notes


def _rows(values: Any) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return array.reshape(-1, array.shape[-1])


def _says_air(meta: Any) -> bool | None:
    """Whether a header says that its wavelengths are in air; None if it does not say."""
    header = meta.get("header", {})
    ctype = str(header.get("CTYPE1", "")).upper()
    if ctype.startswith("AWAV"):  # FITS standard, paper III: wavelength in air
        return True
    vacuum = ctype.startswith(("WAVE", "FREQ", "ENER", "WAVN")) or header.get("VACUUM") or "star_id" in meta
    return False if vacuum else None


def to_list(spectra: Any) -> Any:
    """Return a SpectrumList, one Spectrum for each arm of each spectrum; see `Spectra.to_specutils`."""
    try:
        import specutils
    except ImportError:
        raise ImportError("specutils is not installed: pip install 'maury[specutils]'") from None
    from astropy import units as u
    from astropy.nddata import InverseVariance

    new = getattr(specutils, "Spectrum", None) or specutils.Spectrum1D
    made = specutils.SpectrumList()
    for one in spectra:
        wavelength = np.atleast_2d(one.wavelength)[0]
        arm = np.zeros(len(wavelength), int) if one.arm is None else np.atleast_2d(one.arm)[0]
        for number in dict.fromkeys(arm.tolist()):
            own = np.isfinite(wavelength) & (arm == number)
            if not own.any():
                continue
            unit = u.Unit(str(one.unit[0]))
            meta = {name: str(getattr(one, name)[0]) for name in ("star_id", "visit_id", "file")}
            made.append(
                new(
                    spectral_axis=wavelength[own] * u.AA,
                    flux=one.flux[0, own] * unit,
                    uncertainty=InverseVariance(one.ivar[0, own] * unit**-2),
                    mask=one.mask[0, own],
                    meta={**meta, "rv": float(one.rv[0]), "arm": number},
                )
            )
    return made
