"""Made-up files in the layouts of the surveys, with their keywords, columns and traps; line positions."""

import numpy as np
from astropy.io import fits

from maury.spectra import SPEED_OF_LIGHT

MILES_NAME = "MILES_res2.50_star_m{number:04d}V.fits"
STELIB_NAME = "STELIB_v3.2_{star}.fits"


def star(wavelength, lines=(4862.683, 5174.125, 6564.61), depth=0.5, sigma=3.0):
    """Flux of a made-up star at rest in vacuum: a slope with Gaussian lines at Hbeta, Mg b and Halpha."""
    flux = 1.0 + (wavelength - 5500.0) / 1e4
    for line in lines:
        flux = flux * (1.0 - depth * np.exp(-0.5 * ((wavelength - line) / sigma) ** 2))
    return flux


def line_velocity(wavelength, flux, line, rv=0.0):
    """Velocity [km/s] of the deepest point within 10 A of a line, once `rv` is taken out."""
    rest = wavelength / (1 + rv / SPEED_OF_LIGHT)
    near = np.flatnonzero(np.abs(rest - line) < 10)
    deepest = near[np.argmin(flux[near])]
    a, b, c = flux[deepest - 1 : deepest + 2]
    at = rest[deepest] + 0.5 * (a - c) / (a - 2 * b + c) * (rest[deepest + 1] - rest[deepest])
    return SPEED_OF_LIGHT * (at / line - 1)


def write_miles(folder, number=1, flux=None, name=MILES_NAME):
    """One MILES star: a 1-D float64 image, linear in air."""
    hdu = fits.PrimaryHDU(star(3540.5 + 0.9 * np.arange(4300)) if flux is None else flux)
    hdu.header.update(TPLLIB="MILES", FWHM=2.5, CRPIX1=1, CRVAL1=3540.5, CDELT1=0.9)
    path = folder / name.format(number=number)
    hdu.writeto(path)
    return path


def write_miles_labels(folder):
    """Write the head, and lines with the traps: no [Fe/H], a misprinted number, a cluster star, spaces."""
    (folder / "paramsMILES_v9.1.txt").write_text(
        """\
Name                  MILES   CaT   SpT            Teff   log g   [Fe/H]  Refs   Libraries
                      s????   
 - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - - --
BD+002058A             0001         sd:F            6024   4.50    -1.44   131                
HD027819               0002         A7V             7957   4.32      --    36                 
HD044691A              022.         A3m             7950   3.95     0.35   333                
HD 020902         Cl   0003         F5 Ib          16527   0.26    -0.05   1                  
M71 KC-147        Cl   0004   108                     --     --    -0.84   1     L            
"""
    )


def write_stelib(folder, star_name="HD009138", teff=4061, logg=1.9, fe_h="-", flux=None):
    """One STELIB star: a 1-D float32 image, linear in air, zeros at the ends, a card that is not FITS."""
    if flux is None:
        flux = star(3200.875 + 0.999786874443827 * np.arange(6700))
        flux[:260] = flux[6416:] = 0.0
    hdu = fits.PrimaryHDU(np.asarray(flux, dtype=">f4"))
    hdu.header.update(
        OBJECT="HR1544", STARIDEN=star_name, CTYPE1="LINEAR", CRVAL1=3200.875, CRPIX1=1.0,
        CDELT1=0.999786874443827, CD1_1=0.999786874443827, BUNIT="erg /s /cm2 /angstroms ",
        RADVEL=34.0, TEFF=teff, LOG_G=logg, FE_H=fe_h,
    )  # fmt: skip
    hdu.header["APNUM1"] = "XXXX"
    path = folder / STELIB_NAME.format(star=star_name)
    hdu.writeto(path)
    raw = path.read_bytes()
    path.write_bytes(raw.replace(b"APNUM1  = 'XXXX    '", b"APNUM1  = 1 0       "))
    return path


def lamost_header(**changes):
    """Primary header cards of a LAMOST file."""
    return {
        "TELESCOP": "LAMOST", "DESIG": "LAMOST J063750.21+271351.1", "Z": 1e-4, "CLASS": "STAR", **changes
    }  # fmt: skip


def write_lamost_image(path, row2="flux over continuum", coefficients=True, flux=None, ivar=None, **cards):
    """Image of flux, ivar, row 2, and-mask, or-mask; row 2 is what the release made of it."""
    wavelength = 10 ** (3.5682 + 1e-4 * np.arange(3904))
    rows = np.zeros((5, 3904), dtype=">f4")
    rows[0] = 500.0 * star(wavelength / (1 + 1e-4)) if flux is None else flux
    rows[1] = 0.01 if ivar is None else ivar
    rows[2] = wavelength if row2 == "wavelength" else 1.0
    rows[3, 7] = 1.0
    rows[4, 7:20] = 9.0
    hdu = fits.PrimaryHDU(rows)
    third = "Wavelength" if row2 == "wavelength" else "Subcontinuum"
    hdu.header.update(lamost_header(**{"SN_G": 29.39, "SN_R": 41.99, **cards}))
    hdu.header["EXTEN0"] = f"Flux Inverse {third} Andmask Ormask"
    if coefficients:
        hdu.header.update(COEFF0=3.5682, COEFF1=1e-4, CRVAL1=3.5682, CD1_1=1e-4, CRPIX1=1)
    hdu.writeto(path)
    return path


def write_lamost_table(path, n_rows=1, **cards):
    """Layout of DR8 and later: an empty primary HDU, then one row of vectors; here as DR10 v2."""
    wavelength = 10 ** (3.5682 + 1e-4 * np.arange(3909))
    and_mask = np.zeros(3909)
    and_mask[100:103] = 32
    vectors = {
        "FLUX": star(wavelength / (1 + 1e-4)), "IVAR": np.full(3909, 400.0), "WAVELENGTH": wavelength,
        "ANDMASK": and_mask, "ORMASK": and_mask, "NORMALIZATION": np.ones(3909),
    }  # fmt: skip
    table = fits.BinTableHDU.from_columns(
        [fits.Column(k, "3909E", array=np.tile(v, (n_rows, 1))) for k, v in vectors.items()], name="COADD"
    )
    primary = fits.PrimaryHDU()
    primary.header.update(lamost_header(**{"OBSID": 101008, "SNRG": 30.5, "SNRR": 50.0, **cards}))
    fits.HDUList([primary, table]).writeto(path)
    return path


def write_sdss(path, upper=False, z=-1e-4, flux=None, ivar=None, and_mask=None, extra=(), **summary):
    """A spec file: coadd table and one-row summary; `upper` as SDSS-V, with its columns."""
    loglam = np.round(3.5526 + 1e-4 * np.arange(4600), 4)
    wavelength = 10**loglam
    n = len(wavelength)
    columns = {
        "flux": ("E", star(wavelength / (1 + z)) if flux is None else flux),
        "loglam": ("E", loglam),
        "ivar": ("E", np.full(n, 400.0) if ivar is None else ivar),
        "and_mask": ("J", np.zeros(n) if and_mask is None else and_mask),
        "or_mask": ("J", np.full(n, 1 << 20)),
        "wdisp": ("E", np.full(n, 0.9)),
        "sky": ("E", np.zeros(n)),
        "model": ("E", np.zeros(n)),
    }
    row = {"CLASS": ("6A", "STAR"), "Z": ("E", z), "ZWARNING": ("J", 0), "SN_MEDIAN_ALL": ("E", 56.9)}
    if upper:
        columns["wresl"] = ("E", np.ones(n))
        columns = {name.upper(): column for name, column in columns.items()}
        row |= {"SDSS_ID": ("K", 54392544), "CATALOGID": ("K", 27021598150202075)}
    row |= summary
    primary = fits.PrimaryHDU()
    primary.header.update(TELESCOP="SDSS 2.5-M", VACUUM=True, PLUG_RA=147.32107, PLUG_DEC=-0.0065757249)
    tables = [
        fits.BinTableHDU.from_columns([fits.Column(k, f, array=v) for k, (f, v) in columns.items()]),
        fits.BinTableHDU.from_columns([fits.Column(k, f, array=[v]) for k, (f, v) in row.items()]),
    ]
    tables[0].name, tables[1].name = "COADD", "SPALL"
    fits.HDUList([primary, *tables, *extra]).writeto(path)
    return path
