"""Files in no survey's format, with one spectrum of a known star each."""

import numpy as np
from astropy.io import fits
from astropy.table import Table

from maury.spectra import Spectra
from survey_files import star

WAVELENGTH = 10 ** (3.6 + 1e-4 * np.arange(2000))
ERROR = 0.05


def write_plain(folder, kind, **names):
    """Write the file of a kind: maury, image, table or text; return its path."""
    flux, error = star(WAVELENGTH), np.full(WAVELENGTH.shape, ERROR)
    path = folder / f"plain-{kind}.{'txt' if kind == 'text' else 'fits'}"
    if kind == "maury":
        Spectra(WAVELENGTH, flux, error**-2.0, star_id="plain").write(path)
    elif kind == "image":
        hdus = [fits.PrimaryHDU(flux), fits.ImageHDU(error, name="SIGMA")]
        hdus[0].header.update(COEFF0=3.6, COEFF1=1e-4)
        fits.HDUList(hdus).writeto(path)
    elif kind == "table":
        Table({"wave_vac": WAVELENGTH, "Flux": flux, "err": error}).write(path)
    else:
        head = "wave_vac flux error\n"
        rows = (f"{w:.8f} {f:.9f} {e}\n" for w, f, e in zip(WAVELENGTH, flux, error, strict=True))
        path.write_text(head + "".join(rows))
    return path
