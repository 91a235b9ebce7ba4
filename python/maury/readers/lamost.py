"""LAMOST low-resolution spectra: images (DR1 to about DR7) and one-row tables (from DR8 on).

Vacuum wavelengths, heliocentric, in steps of 1e-4 in log10; relative flux. Row 2 of the image is the
wavelength in most releases, but the continuum-normalised flux in DR1, so wavelengths come from the header.
"""

from __future__ import annotations

import numpy as np

from maury.readers._fits import ReadError, number, positive, stem, velocity, wavelength_of
from maury.readers._fits_file import FitsFile, Hdu
from maury.readers._row_blocks import one_block
from maury.spectra import FWHM_PER_SIGMA, Floats, Spectra

# Around strong lines (Ca H and K, H I, the G band, Mg b, Ca II) the DR1 pipeline divides ivar by 9, for its
# own continuum fit: 10 A on each side, vacuum as observed. The noise there is like that of the neighbours.
NOTCHES = (
    (3925.1, 3945.0),
    (3961.4, 3981.5),
    (4093.1, 4112.9),
    (4295.9, 4315.7),
    (4331.6, 4351.6),
    (4852.3, 4872.5),
    (5167.1, 5186.2),
    (6554.7, 6574.3),
    (8490.8, 8510.4),
    (8533.9, 8553.6),
    (8654.7, 8674.6),
)
NOTCH_FACTOR = 9.0

# Width of the line-spread function in the two arms. Nominal is R = 1800; the chi2 of 18 DR1 stars against the
# built-in emulator broadened window by window is lowest at 2.55-2.8 A from 4100 to 5600 A (3.1 A below), and
# at 4.9-5.4 A from 6200 to 7100 A. There the median offset of the red arm is +55 km/s.
FWHM_BLUE, FWHM_RED = 2.7, 5.0  # A
ARMS_MEET = 5800.0  # A

_TABLE = ("WAVELENGTH", "FLUX", "IVAR", "ANDMASK")


def matches(file: FitsFile) -> bool:
    """Whether this is a LAMOST file."""
    return str(file.primary.header.get("TELESCOP", "")).strip().upper() == "LAMOST"


def _read(file: FitsFile) -> Spectra:
    """One spectrum; its velocity is that of the LAMOST pipeline, its S/N that of the g band."""
    path, header = file.path, file.primary.header
    wavelength, flux, ivar, bad = _image(file.primary) if len(file.primary.head.shape) == 2 else _table(file)
    return Spectra(
        wavelength,
        flux,
        _without_notches(wavelength, ivar),
        # Every bit of the and-mask is a reason to reject a pixel: bad CCD, bad profile, no sky,
        # bright sky, off-centre trace, no data.
        mask=bad != 0,
        lsf=np.where(wavelength < ARMS_MEET, FWHM_BLUE, FWHM_RED) / FWHM_PER_SIGMA,
        arm=(wavelength >= ARMS_MEET).astype(int),
        star_id=str(header.get("DESIG", "")).removeprefix("LAMOST ").strip() or stem(path),
        visit_id=str(header.get("OBSID", "")).strip() or stem(path).removeprefix("spec-"),
        file=str(path),
        rv=velocity(number(header, "Z")),
        snr=positive(number(header, "SNRG", "SN_G")),
        ra=number(header, "RA"),
        dec=number(header, "DEC"),
    )


blocks = one_block(_read)


def _without_notches(wavelength: Floats, ivar: Floats) -> Floats:
    """Restore ivar in the windows of `NOTCHES` where it was divided: well below both neighbours."""
    mended: Floats = ivar.copy()
    low, high = np.array(NOTCHES).T
    # Pixels within a window, and within its width on each side; wavelengths increase.
    first, left = (np.searchsorted(wavelength, edge, "right").tolist() for edge in (low, 2 * low - high))
    last, right = (np.searchsorted(wavelength, edge, "left").tolist() for edge in (high, 2 * high - low))
    for a, b, c, d in zip(left, first, last, right, strict=True):
        inside, around = _median(ivar[b:c]), _median(np.concatenate([ivar[a:b], ivar[c:d]]))
        if inside < 2.0 / NOTCH_FACTOR * around:
            mended[b:c] *= NOTCH_FACTOR
    return mended


def _median(ivar: Floats) -> float:
    """Median of the known values, NaN if there are none; for few values faster than `np.median`."""
    known = np.sort(ivar[ivar > 0])
    return float(known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2.0 if len(known) else np.nan


def _image(hdu: Hdu) -> tuple[Floats, Floats, Floats, Floats]:
    rows = np.asarray(hdu.image(), dtype=np.float64)
    if len(rows) < 4:
        raise ReadError(f"expected an image of flux, ivar, a third row and mask, got {len(rows)} rows")
    start, step = number(hdu.header, "COEFF0", "CRVAL1"), number(hdu.header, "COEFF1", "CD1_1")
    if np.isfinite(start) and np.isfinite(step):
        wavelength = wavelength_of(start + step * np.arange(rows.shape[1], dtype=np.float64))
    elif "WAVE" in str(hdu.header.get("EXTEN0", "")).upper():
        wavelength = rows[2]
    else:
        raise ReadError(
            "its header has no wavelengths (COEFF0, COEFF1), and does not place them in row 2 (EXTEN0)"
        )
    return wavelength, rows[0], rows[1], rows[3]


def _table(file: FitsFile) -> tuple[Floats, Floats, Floats, Floats]:
    hdu = file.at(1)
    if hdu is None or not hdu.head.has_columns(*_TABLE):
        raise ReadError(f"it has neither an image nor a table with the columns {', '.join(_TABLE)}")
    table = hdu.whole().table()
    if len(table["FLUX"]) != 1 or table["FLUX"].ndim != 2:
        raise ReadError(
            "it holds several exposures or arms, as medium-resolution files do; "
            "maury reads the low-resolution survey, one table with one row per file"
        )
    wavelength, flux, ivar, bad = (np.asarray(table[name][0], dtype=np.float64) for name in _TABLE)
    return wavelength, flux, ivar, bad
