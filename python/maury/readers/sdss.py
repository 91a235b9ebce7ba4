"""SDSS and BOSS `spec` files: SDSS-I/II reprocessed, SEGUE, BOSS, eBOSS and SDSS-V; the coadded spectrum.

Vacuum wavelengths, heliocentric, in steps of 1e-4 in log10, not at rest: `Spectra.rv` is the pipeline's c*z.
Column names are lower case up to DR17 and upper case in SDSS-V.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from maury.readers._fits import (
    ReadError,
    designation,
    exact_log_grid,
    number,
    positive,
    stem,
    velocity,
    wavelength_of,
)
from maury.readers._fits_file import FitsFile
from maury.readers._row_blocks import one_block
from maury.spectra import Spectra

# Bits of the and-mask (SPPIXMASK: set in all exposures) that make a pixel unusable.
BAD_BITS = {
    17: "LOWFLAT",
    18: "FULLREJECT",
    22: "NOSKY",
    23: "BRIGHTSKY",
    24: "NODATA",
    25: "COMBINEREJ",
    26: "BADFLUXFACTOR",
    27: "BADSKYCHI",
    28: "REDMONSTER",
}
_BAD = sum(1 << bit for bit in BAD_BITS)

_COADD = ("LOGLAM", "FLUX", "IVAR", "WDISP", "AND_MASK")
_SUMMARY = ("Z", "SN_MEDIAN_ALL", "SDSS_ID", "PLUG_RA", "PLUG_DEC", "FIBER_RA", "FIBER_DEC")


def matches(file: FitsFile) -> bool:
    """Whether the second HDU is a coadded SDSS spectrum."""
    hdu = file.at(1)
    return hdu is not None and hdu.head.has_columns("LOGLAM", "FLUX", "IVAR")


def _read(file: FitsFile) -> Spectra:
    """Return the coadded spectrum, with the velocity and S/N of the pipeline's summary (third HDU)."""
    table = _table(file, 1)
    if len(table.get("FLUX", ())) == 0:
        raise ReadError("its coadded spectrum has no pixels; get the file again")
    path = file.path
    wavelength = wavelength_of(exact_log_grid(table["LOGLAM"], 1e-6))  # stored in single precision
    lsf = None
    if "WDISP" in table:  # Gaussian sigma in pixels of 1e-4 in log10
        lsf = np.asarray(table["WDISP"], dtype=np.float64) * 1e-4 * np.log(10.0) * wavelength
    summary = {name: values[0] for name, values in _table(file, 2, _SUMMARY).items() if len(values)}
    ra, dec = _position(file.primary.header, summary)
    return Spectra(
        wavelength,
        table["FLUX"],
        table["IVAR"],
        mask=np.asarray(table.get("AND_MASK", np.zeros(len(wavelength))), dtype=np.int64) & _BAD != 0,
        lsf=lsf,
        star_id=_star(summary) or designation(ra, dec) or stem(path),
        visit_id=stem(path).removeprefix("spec-"),
        file=str(path),
        rv=velocity(number(summary, "Z")),
        snr=positive(number(summary, "SN_MEDIAN_ALL")),
        ra=ra,
        dec=dec,
    )


blocks = one_block(_read)


def _table(file: FitsFile, position: int, names: tuple[str, ...] = _COADD) -> dict[str, NDArray[Any]]:
    """Return those of the named columns that exist; none if there is no table at this position."""
    hdu = file.at(position)
    if hdu is None or not hdu.head.is_table:
        return {}
    table = hdu.whole().table()
    return {name: table[name] for name in names if name in table}


def _star(summary: dict[str, Any]) -> str:
    sdss_id = number(summary, "SDSS_ID")  # SDSS-V: the same number for a star in all catalogues
    return f"SDSS {int(summary['SDSS_ID'])}" if sdss_id > 0 else ""


def _position(header: Any, summary: dict[str, Any]) -> tuple[float, float]:
    """RA and Dec of the fibre [degree]; RA and DEC in the header are those of the telescope."""
    for source in (header, summary):
        ra, dec = number(source, "PLUG_RA", "FIBER_RA"), number(source, "PLUG_DEC", "FIBER_DEC")
        if np.isfinite([ra, dec]).all():
            return ra, dec
    return np.nan, np.nan
