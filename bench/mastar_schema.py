"""MaStar, APOGEE and Gaia tables in the layout of SDSS DR17: HDUs, columns, types, units, fill values, gzip.

Columns are those of the SDSS schema (CAS MastarTables.sql, the datamodel of allStar); of allStar, those
used here and a few others.
"""

import gzip
from contextlib import contextmanager

import numpy as np
from astropy.io import fits

FLUX_UNIT = "1E-17 erg/s/cm^2/Ang"

VISITS = (
    ("DRPVER", "8A", None), ("MPROCVER", "8A", None), ("MANGAID", "25A", None), ("PLATE", "J", None),
    ("IFUDESIGN", "6A", None), ("MJD", "J", None), ("IFURA", "D", "deg"), ("IFUDEC", "D", "deg"),
    ("RA", "D", "deg"), ("DEC", "D", "deg"), ("EPOCH", "E", "yr"), ("PSFMAG", "5E", "mag"),
    ("MNGTARG2", "J", None), ("EXPTIME", "E", "s"), ("NEXP_VISIT", "I", None), ("NVELGOOD", "I", None),
    ("HELIOV", "E", "km/s"), ("VERR", "E", "km/s"), ("V_ERRCODE", "I", None), ("HELIOV_VISIT", "E", "km/s"),
    ("VERR_VISIT", "E", "km/s"), ("V_ERRCODE_VISIT", "I", None), ("VELVARFLAG", "I", None),
    ("DV_MAXSIG", "E", None), ("MJDQUAL", "J", None), ("BPRPERR_SP", "E", "mag"), ("NEXP_USED", "I", None),
    ("S2N", "E", None), ("S2N10", "E", None), ("BADPIXFRAC", "E", None), ("COORD_SOURCE", "10A", None),
    ("PHOTOCAT", "10A", None),
)  # fmt: skip
STARS = (
    ("DRPVER", "8A", None), ("MPROCVER", "8A", None), ("MANGAID", "25A", None), ("MINMJD", "J", None),
    ("MAXMJD", "J", None), ("NVISITS", "I", None), ("NPLATES", "I", None), ("RA", "D", "deg"),
    ("DEC", "D", "deg"), ("EPOCH", "E", "yr"), ("PSFMAG", "5E", "mag"), ("MNGTARG2", "J", None),
    ("INPUT_LOGG", "E", None), ("INPUT_TEFF", "E", "K"), ("INPUT_FE_H", "E", None),
    ("INPUT_ALPHA_M", "E", None), ("INPUT_SOURCE", "16A", None), ("PHOTOCAT", "10A", None),
)  # fmt: skip
GAIA = (
    ("MANGAID", "25A", None), ("SOURCE_ID", "K", None), ("RA", "D", "deg"), ("DEC", "D", "deg"),
    ("PARALLAX", "D", "mas"), ("PARALLAX_ERROR", "E", "mas"), ("PMRA", "D", "mas/yr"),
    ("PMDEC", "D", "mas/yr"), ("PHOT_G_MEAN_MAG", "E", "mag"), ("PHOT_BP_MEAN_MAG", "E", "mag"),
    ("PHOT_RP_MEAN_MAG", "E", "mag"), ("BP_RP", "E", "mag"), ("R_EST", "E", "pc"), ("R_LO", "E", "pc"),
    ("R_HI", "E", "pc"), ("GAIA_CLEANMATCH", "I", None), ("EBV", "E", "mag"), ("M_G", "E", "mag"),
    ("BPRPC", "E", "mag"), ("DUSTCLEAN", "I", None),
)  # fmt: skip
ALLSTAR = (
    ("FILE", "64A", None), ("APOGEE_ID", "30A", None), ("TELESCOPE", "6A", None), ("FIELD", "20A", None),
    ("RA", "D", "deg"), ("DEC", "D", "deg"), ("J", "E", "mag"), ("H", "E", "mag"), ("K", "E", "mag"),
    ("SNR", "E", None), ("NVISITS", "J", None), ("STARFLAG", "K", None), ("ANDFLAG", "K", None),
    ("EXTRATARG", "J", None), ("VHELIO_AVG", "E", "km/s"), ("VSCATTER", "E", "km/s"), ("VERR", "E", "km/s"),
    ("N_COMPONENTS", "J", None), ("GAIAEDR3_SOURCE_ID", "K", None), ("GAIAEDR3_PARALLAX", "E", "mas"),
    ("GAIAEDR3_PMRA", "E", "mas/yr"), ("GAIAEDR3_PMDEC", "E", "mas/yr"),
    ("GAIAEDR3_PHOT_G_MEAN_MAG", "E", "mag"), ("ASPCAPFLAG", "K", None), ("PARAMFLAG", "9K", None),
    ("FPARAM", "9E", None), ("FPARAM_COV", "81E", None), ("PARAM", "9E", None), ("PARAM_COV", "81E", None),
    ("TEFF", "E", "K"), ("TEFF_ERR", "E", "K"), ("LOGG", "E", None), ("LOGG_ERR", "E", None),
    ("M_H", "E", None), ("M_H_ERR", "E", None), ("ALPHA_M", "E", None), ("ALPHA_M_ERR", "E", None),
    ("VMICRO", "E", "(cgs)"), ("VMACRO", "E", "(cgs)"), ("VSINI", "E", "km/s"), ("TEFF_SPEC", "E", "K"),
    ("LOGG_SPEC", "E", None), ("FE_H", "E", None), ("FE_H_SPEC", "E", None), ("FE_H_ERR", "E", None),
    ("FE_H_FLAG", "J", None),
)  # fmt: skip
PARAMETERS = (
    *VISITS[:6], ("MJDQUAL", "J", None), ("TEFF_MED", "E", "K"), ("LOGG_MED", "E", None),
    ("FEH_MED", "E", None), ("FEH_CAL_MED", "E", None), ("ALPHA_MED", "E", None),
    ("TEFF_MED_ERR", "E", "K"), ("LOGG_MED_ERR", "E", None), ("FEH_MED_ERR", "E", None),
    ("ALPHA_MED_ERR", "E", None), ("NGROUPS", "I", None), ("TEFF_JI", "E", "K"), ("LOGG_JI", "E", None),
    ("FEH_JI", "E", None), ("ALPHA_JI", "E", None), ("VMICRO_JI", "E", "log(km/s)"),
    ("TEFF_ERR_JI", "E", "K"), ("LOGG_ERR_JI", "E", None), ("FEH_ERR_JI", "E", None),
    ("ALPHA_ERR_JI", "E", None), ("VMICRO_ERR_JI", "E", None), ("CHISQ_JI", "E", None),
    ("VALID_JI", "I", None),
)  # fmt: skip
_VECTORS = (
    ("WAVE", "D", "Angstrom"), ("FLUX", "E", FLUX_UNIT), ("IVAR", "E", None), ("MASK", "J", None),
    ("DISP", "E", "Angstrom"), ("PREDISP", "E", "Angstrom"),
)  # fmt: skip


def table(name, layout, values, n=None):
    """Table HDU with the columns of a layout; columns without values have the fill values of SDSS."""
    n = len(next(iter(values.values()))) if n is None else n
    built = []
    for column, code, unit in layout:
        array = values.get(column)
        if array is None:
            shape = (n, int(code[:-1])) if code[:-1] and code[-1] != "A" else n
            array = np.full(n, "") if code[-1] == "A" else np.full(shape, -999)
        built.append(fits.Column(column, code, unit=unit, array=array))
    return fits.BinTableHDU.from_columns(built, name=name)


def write_mastarall(path, visits, stars, swapped=False, names=True):
    """Write GOODSTARS, GOODVISITS and the two tables of all stars and visits, which have the same columns."""
    good = [table("GOODSTARS", STARS, stars), table("GOODVISITS", VISITS, visits)]
    hdus = [
        *(good[::-1] if swapped else good),
        table("ALLSTARS", STARS, stars),
        table("ALLVISITS", VISITS, visits),
    ]
    if not names:
        for hdu in hdus:
            del hdu.header["EXTNAME"]
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path)
    return path


def write_table(path, name, layout, values):
    """Write one table after an empty primary HDU."""
    fits.HDUList([fits.PrimaryHDU(), table(name, layout, values)]).writeto(path)
    return path


def write_allstar(path, values):
    """Write the table of stars, and the other HDUs of allStar."""
    symbols = fits.BinTableHDU.from_columns(
        [
            fits.Column(
                "PARAM_SYMBOL", "144A", array=["TEFF LOGG LOG10VDOP METALS C N O_MG_SI_S_CA_TI LGVSINI"]
            )
        ]
    )
    hdus = [fits.PrimaryHDU(), table("", ALLSTAR, values), fits.ImageHDU(np.zeros(1)), symbols]
    fits.HDUList(hdus).writeto(path)
    return path


@contextmanager
def goodspec(path, n_rows, n_pixels, layout=VISITS):
    """Return a function that appends rows: values of the layout's columns and of WAVE, FLUX, IVAR, ..."""
    vectors = [(name, f"{n_pixels}{code}", unit) for name, code, unit in _VECTORS]
    empty = table("", (*layout, *vectors), {}, n=1)
    dtype = empty.columns.dtype.newbyteorder(">")
    header = empty.header.copy()
    header["NAXIS2"] = n_rows
    packed = str(path).endswith(".gz")
    with gzip.open(path, "wb", compresslevel=1) if packed else open(path, "wb") as stream:
        stream.write(fits.PrimaryHDU().header.tostring().encode())
        stream.write(header.tostring().encode())

        def append(**values):
            rows = np.zeros(len(values["FLUX"]), dtype=dtype)
            for name in dtype.names:
                if name in values:
                    rows[name] = values[name]
                elif rows[name].dtype.kind in "fi":
                    rows[name] = -999
            stream.write(rows.tobytes())

        yield append
        stream.write(b"\0" * (-n_rows * dtype.itemsize % 2880))


def write_parameters(path, values):
    """Write a catalogue of published parameters, one row per visit."""
    return write_table(path, "PARAMS", PARAMETERS, values)
