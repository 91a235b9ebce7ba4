"""Small MaStar files, in the layouts of DR17, from the writers of the benchmarks."""

import mastar_schema as schema
import numpy as np
from astropy.io import fits

WAVE = 10 ** (3.5589 + 1e-4 * np.arange(300))


def visits(n=6):
    """Metadata of n visits of stars of two visits each; rows 1 and 2 have a bad bit, row 3 a low S/N."""
    quality, snr = np.zeros(n, dtype=int), np.full(n, 80.0)
    quality[1:2], quality[2:3], snr[3:4] = 1 << 1, 1 << 8, 12.0
    return {
        "DRPVER": ["v3_1_1"] * n, "MANGAID": [f"7-{i // 2:08d}" for i in range(n)], "PLATE": np.full(n, 8312),
        "IFUDESIGN": ["12701"] * n, "MJD": 57400 + np.arange(n), "RA": 120.0 + np.arange(n) // 2,
        "DEC": np.full(n, 30.0), "EPOCH": np.full(n, 2015.5), "MJDQUAL": quality, "S2N": snr,
    }  # fmt: skip


def stars(n=3):
    """Metadata of the n stars of `visits`."""
    return {
        "MANGAID": [f"7-{i:08d}" for i in range(n)], "NVISITS": np.full(n, 2), "RA": 120.0 + np.arange(n),
        "DEC": np.full(n, 30.0), "EPOCH": np.full(n, 2015.5),
    }  # fmt: skip


def vectors(n=6, n_pixels=300):
    """Spectra that tell themselves apart: flux is 100 (1 + row), DISP grows with row; a mask, a fill."""
    flux = np.full((n, n_pixels), 100.0) * (1 + np.arange(n))[:, None]
    ivar, mask = np.full((n, n_pixels), 0.25), np.zeros((n, n_pixels), dtype=int)
    disp = 1.0 + 0.01 * np.arange(n)[:, None] + np.zeros((n, n_pixels))
    mask[:, 5], ivar[:, 7], flux[:, 9], disp[:, 11] = 4, 0.0, -999.0, -999.0
    wave = np.tile(10 ** (3.5589 + 1e-4 * np.arange(n_pixels)), (n, 1))
    return {"WAVE": wave, "FLUX": flux, "IVAR": ivar, "MASK": mask, "DISP": disp, "PREDISP": disp}


def write_goodspec(path, n=6, n_pixels=300, layout=schema.VISITS):
    """Write a goodspec file of n visits."""
    with schema.goodspec(path, n, n_pixels, layout) as append:
        append(**visits(n), **vectors(n, n_pixels))
    return path


def write_mastarhc(path, n_stars=1):
    """Write a MaStarHC spectrum, the mean of n stars: images of flux, IVAR, STACK_SIGMA and R (SRES)."""
    primary = fits.PrimaryHDU(np.ones(300, dtype=">f8"))
    primary.header.update(CTYPE1="WAVE-LOG", CRPIX1=1, CRVAL1=3.5595, CDELT1=1e-4, CD1_1=1e-4, NSPEC=n_stars)
    hdus = [primary]
    for name, value in (("IVAR", 1e4), ("STACK_SIGMA", 0.0), ("SRES", 1800.0)):
        hdus.append(fits.ImageHDU(np.full(300, value, dtype=">f8"), name=name))
    fits.HDUList(hdus).writeto(path)
    return path
