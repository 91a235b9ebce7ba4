"""The resolution of spectra whose files give none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from maury.spectra import FWHM_PER_SIGMA, Spectra


def with_resolution(spectra: Spectra, resolution: float | None = None, fwhm: float | None = None) -> Spectra:
    """Assign a line-spread function to the pixels that have none.

    Parameters
    ----------
    spectra : Spectra
    resolution : float, optional
        R = wavelength / FWHM.
    fwhm : float, optional
        [Angstrom], as an alternative.

    Raises
    ------
    ValueError
        If both are given, or one is not above 0.
    """
    if resolution is None and fwhm is None:
        return spectra
    if resolution is not None and fwhm is not None:
        raise ValueError("resolution, fwhm: pass one of them, got both")
    for name, value in (("resolution", resolution), ("fwhm", fwhm)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise ValueError(f"{name}: expected a number above 0, got {value}")
    width = (
        spectra.wavelength / resolution if resolution is not None else np.full_like(spectra.wavelength, fwhm)
    )
    known = np.full(spectra.flux.shape, np.nan) if spectra.lsf is None else spectra.lsf
    return replace(spectra, lsf=np.where(np.isfinite(known), known, width / FWHM_PER_SIGMA))
