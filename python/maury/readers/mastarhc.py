"""MaStarHC: mean MaStar spectra of groups of similar stars, as distributed in the package sdss-mangadap.

The version without interstellar lines (mastarhc_v2_noism) gives the number of stars in each mean. Of its
57 spectra, seven are of a single star: real MaStar spectra, of one resolution curve (99.5 %), corrected for
extinction. Vacuum wavelengths in steps of 1e-4 in log10, at rest, with IVAR and the resolution R of each
pixel (SRES). Means of several stars are not read, since they are not spectra of a star.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from astropy.io import fits

from maury.readers._fits import ReadError, linear_grid, stem
from maury.readers._fits_file import FitsFile
from maury.readers._row_blocks import one_block
from maury.spectra import FWHM_PER_SIGMA, Floats, Spectra

FOLDER = "mastarhc_v2_noism"
_FILE = re.compile(r"MaStarHC_\d+_lsfpercent[\d.]+_extcorr_ismcorrimpl\.fits(\.gz)?$")


def matches(file: FitsFile) -> bool:
    """Whether this is a MaStarHC spectrum with the number of its stars."""
    header = file.primary.header
    return header.get("CTYPE1") == "WAVE-LOG" and "NSPEC" in header


def library_files(folder: Path) -> list[Path]:
    """Return the files of single stars in a folder, by name."""
    files = sorted(p for p in folder.iterdir() if _FILE.search(p.name))
    return [p for p in files if fits.getval(p, "NSPEC") == 1]


def _read(file: FitsFile) -> Spectra:
    """One star; its labels are unknown."""
    header = file.primary.header
    n_stars = header.get("NSPEC")
    if n_stars != 1:
        raise ReadError(
            f"it is the mean of {n_stars} stars, not one star; of this library, pass files with NSPEC = 1"
        )
    flux = np.asarray(file.primary.image(), dtype=np.float64)
    wavelength = 10 ** linear_grid(header, flux.size)
    return Spectra(
        wavelength,
        flux,
        _image(file, "IVAR"),
        mask=flux == 0,
        lsf=wavelength / (_image(file, "SRES") * FWHM_PER_SIGMA),
        star_id=stem(file.path).split("_lsfpercent")[0],
        file=str(file.path),
        rv=0.0,
    )


def _image(file: FitsFile, name: str) -> Floats:
    hdu = file.find(name)
    if hdu is None:
        raise ReadError(f"it has no image {name}; get the file again")
    return np.asarray(hdu.image(), dtype=np.float64)


blocks = one_block(_read)
