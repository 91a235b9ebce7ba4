"""STELIB library stars (Le Borgne et al. 2003), version 3.2, as distributed in sdss-mangadap.

One star per file: flux on a linear grid of air wavelengths, no noise, 0 where nothing was observed, labels
in the header. The files were shifted to rest, but their wavelength scale is distorted: against MILES, 85
stars from La Palma are shifted by -37, -2, +18, +9, -14 km/s (median) around 4200, 4650, 5150, 5700,
6400 A, and by 10-15 km/s from star to star; the few from Siding Spring by up to 90 km/s. No single velocity
corrects this, so `rv` is NaN (unknown).
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from maury.readers._fits import linear_grid, number, stem
from maury.readers._fits_file import FitsFile
from maury.readers._row_blocks import one_block
from maury.spectra import FWHM_PER_SIGMA, Spectra, air_to_vacuum, assumed_ivar

FWHM = 3.4  # A; as sdss-mangadap uses. Against MILES, 3.2 to 3.3 A near 5200 A.
_FILE = re.compile(r"STELIB_v3\.2_(.+)\.fits(\.gz)?$")
_LABELS = {"teff": "TEFF", "logg": "LOG_G", "fe_h": "FE_H"}


def matches(file: FitsFile) -> bool:
    """Whether this is one STELIB star."""
    return _FILE.search(file.path.name) is not None and "STARIDEN" in file.primary.header


def library_files(folder: Path) -> list[Path]:
    """Return the stars in a folder, by name."""
    return sorted(p for p in folder.iterdir() if _FILE.search(p.name))


def _read(file: FitsFile) -> Spectra:
    """One star, with the labels of its header ('-' = missing)."""
    path, header = file.path, file.primary.header
    flux = np.asarray(file.primary.image(), dtype=np.float64).reshape(-1)
    mask = flux == 0
    return Spectra(
        air_to_vacuum(linear_grid(header, flux.size)),
        flux,
        assumed_ivar(flux, mask),
        mask=mask,
        lsf=FWHM / FWHM_PER_SIGMA,
        star_id=stem(path).removeprefix("STELIB_v3.2_"),
        file=str(path),
        labels={label: number(header, key) for label, key in _LABELS.items()},
    )


blocks = one_block(_read)
