"""All other formats, through specutils, which is an optional dependency."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from maury.readers._fits import ReadError, ReadWarning, stem
from maury.readers._row_blocks import RowBlock
from maury.spectra import Floats, Spectra, air_to_vacuum, assumed_ivar

_ELSEWHERE = "or build maury.Spectra(wavelength, flux, ivar) from your arrays"


def blocks(path: Path, formats: Sequence[str]) -> Iterator[RowBlock]:
    """Return one block with all spectra of a file that specutils can read.

    Parameters
    ----------
    path : Path
    formats : sequence of str
        Formats that maury reads itself, for the message if specutils cannot read the file either.
    """
    spectra = _read(path, f"its format is not one that maury reads ({', '.join(formats)})")
    yield RowBlock(0, len(spectra), len(spectra), lambda: spectra)


def _read(path: Path, not_ours: str) -> Spectra:
    """All spectra, on their common grid or padded."""
    try:
        from specutils import SpectrumList
    except ImportError:
        raise ReadError(
            f"{not_ours}, and specutils, which reads many more, is not installed; "
            f"pip install 'maury[specutils]', {_ELSEWHERE}"
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units and headers that specutils corrects itself
        try:
            spectra = SpectrumList.read(str(path))
        except Exception as error:
            # specutils appends the table of all its formats to some messages.
            reason = str(error).split("The available formats are")[0].strip()
            raise ReadError(
                f"{not_ours}, and specutils cannot read it ({reason}); pass another file, {_ELSEWHERE}"
            ) from error
    parts = [_spectrum(s, path) for s in spectra]
    if not parts:
        raise ReadError(f"specutils finds no spectrum in it; pass another file, {_ELSEWHERE}")
    return Spectra.concatenate(parts)


def _spectrum(spectrum: Any, path: Path) -> Spectra:
    """Spectra of one specutils object: one grid, one or more rows of flux."""
    from astropy import units as u
    from astropy.nddata import InverseVariance

    wavelength = spectrum.spectral_axis.to_value(u.AA, equivalencies=u.spectral())
    flux = _rows(spectrum.flux.value)
    uncertainty = spectrum.uncertainty
    ivar = None if uncertainty is None else _rows(uncertainty.represent_as(InverseVariance).array)
    mask = ~np.isfinite(flux) if spectrum.mask is None else _rows(spectrum.mask) != 0
    order = np.argsort(wavelength)  # frequencies and energies are in reverse order
    order = order[: np.isfinite(wavelength).sum()]
    wavelength, flux, mask = wavelength[order], flux[:, order], mask[:, order]
    if ivar is None:
        warnings.warn(
            "a file gives no noise: a signal-to-noise ratio of 100 per pixel is assumed, "
            "which only sets the scale of formal errors",
            ReadWarning,
            stacklevel=2,
        )
    return Spectra(
        _vacuum(wavelength, spectrum.meta),
        flux,
        assumed_ivar(flux, mask) if ivar is None else ivar[:, order],
        mask=mask,
        star_id=[stem(path) if len(flux) == 1 else f"{stem(path)}-{i}" for i in range(len(flux))],
        file=str(path),
    )


def _rows(values: Any) -> Floats:
    array = np.asarray(values, dtype=np.float64)
    return array.reshape(-1, array.shape[-1])


def _vacuum(wavelength: Floats, meta: Any) -> Floats:
    header = meta.get("header", {})
    ctype = str(header.get("CTYPE1", "")).upper()
    if ctype.startswith("AWAV"):  # FITS standard, paper III: wavelength in air
        return air_to_vacuum(wavelength)
    if not ctype.startswith(("WAVE", "FREQ", "ENER", "WAVN")) and not header.get("VACUUM"):
        warnings.warn(
            "a file does not specify air or vacuum wavelengths: vacuum is assumed. "
            "If air, build maury.Spectra(maury.spectra.air_to_vacuum(wavelength), flux, ivar) yourself",
            ReadWarning,
            stacklevel=2,
        )
    return wavelength
