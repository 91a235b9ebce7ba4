"""The line-spread function of pixels for which no file gives one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from maury.spectra import FWHM_PER_SIGMA, Spectra

if TYPE_CHECKING:
    from maury.measure.options import Options


def with_lsf(spectra: Spectra, options: Options) -> Spectra:
    """Assign the `resolution` or `fwhm` of the options to the pixels without a line-spread function."""
    if options.resolution is not None:
        width = spectra.wavelength / options.resolution
    elif options.fwhm is not None:
        width = np.full_like(spectra.wavelength, options.fwhm)
    else:
        return spectra
    known = np.full(spectra.flux.shape, np.nan) if spectra.lsf is None else spectra.lsf
    return replace(spectra, lsf=np.where(np.isfinite(known), known, width / FWHM_PER_SIGMA))
