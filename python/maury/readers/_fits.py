"""Helpers for the readers of FITS files: errors, checked opening with astropy, header values, velocities."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any, cast

import numpy as np
from isal import igzip, isal_zlib
from numpy.typing import NDArray

from maury.spectra import SPEED_OF_LIGHT, Floats

# No star is bound to the Galaxy at this speed; a larger c*z is a fill value, a galaxy or a failed fit.
FASTEST_STAR = 2000.0  # km/s


class ReadError(ValueError):
    """A file cannot be read as spectra; the message names the file, the problem and the remedy."""


class ReadWarning(UserWarning):
    """A problem with a file that leaves its other spectra, or other pixels, usable."""


#: Errors raised by reading from `open_stream` if a file is cut short or damaged.
DAMAGED: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    zlib.error,
    cast("type[Exception]", isal_zlib.error),
)


GZIP = b"\x1f\x8b"  # first bytes of a compressed file


def open_stream(path: Path) -> Any:
    """Open a file as bytes, decompressed if it is gzip-compressed (by ISA-L, twice as fast as zlib)."""
    with path.open("rb") as plain:
        packed = plain.read(len(GZIP)) == GZIP
    return igzip.IGzipFile(path) if packed else path.open("rb")


def is_fits(path: Path) -> bool:
    """Whether the file starts like a FITS file, gzip-compressed or not."""
    with open_stream(path) as stream:
        return bool(stream.read(9) == b"SIMPLE  =")


def has_columns(table: Any, *names: str) -> bool:
    """Whether a table has these columns, in any case."""
    return table is not None and set(names) <= {name.upper() for name in table.columns.names}


def columns(table: Any) -> dict[str, NDArray[Any]]:
    """Columns of a table HDU by upper-case name; the case differs between releases."""
    if table is None or table.data is None:
        return {}
    return {name.upper(): table.data.field(name) for name in table.columns.names}


def number(source: Any, *names: str) -> float:
    """Return the first finite number among these names of a header or table row; NaN if there is none."""
    for name in names:
        value = source.get(name)
        try:
            found = float(np.asarray(value).reshape(-1)[0]) if value is not None else np.nan
        except (IndexError, TypeError, ValueError):  # '-' and similar
            continue
        if np.isfinite(found):
            return found
    return np.nan


def velocity(redshift: float) -> float:
    """c*z [km/s]; NaN if unphysical for a star."""
    speed = SPEED_OF_LIGHT * redshift
    return speed if abs(speed) < FASTEST_STAR else np.nan


def positive(value: float) -> float:
    """Return the value, NaN in place of 0, negative numbers and fill values."""
    return value if value > 0 else np.nan


def designation(ra: float, dec: float) -> str:
    """IAU name of a position [degree], as SDSS and LAMOST write it: JHHMMSS.ss+DDMMSS.s, cut, not rounded."""
    if not (abs(ra) <= 360 and abs(dec) <= 90):
        return ""
    # 1e-6 of the last digit keeps 12.34 from becoming 12.33 in binary arithmetic.
    hundredths = int((ra % 360.0) / 15.0 * 360000.0 + 1e-6)
    tenths = int(abs(dec) * 36000.0 + 1e-6)
    hours, rest = divmod(hundredths, 360000)
    degrees, rest_dec = divmod(tenths, 36000)
    return (
        f"J{hours:02d}{rest // 6000:02d}{rest % 6000 / 100:05.2f}"
        f"{'-' if dec < 0 else '+'}{degrees:02d}{rest_dec // 600:02d}{rest_dec % 600 / 10:04.1f}"
    )


def stem(path: Path) -> str:
    """File name without its endings: spec-1.fits.gz -> spec-1."""
    name = path.name
    for ending in (".gz", ".fits", ".fit", ".fts"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
    return name


def exact_log_grid(log_wavelength: Any, tolerance: float) -> Floats:
    """log10 of wavelengths (..., P); rows on the grid of 1e-4, but for rounding, are made exact."""
    given = np.asarray(log_wavelength, dtype=np.float64)
    rounded = np.round(given, 4)
    with np.errstate(invalid="ignore"):
        off = np.abs(given - rounded).max(axis=-1, initial=0.0, keepdims=True)
    return np.where(off < tolerance, rounded, given)


def wavelength_of(log_wavelength: Any) -> Floats:
    """Return 10**log_wavelength; infinite where it exceeds the range of float64."""
    with np.errstate(over="ignore"):
        return np.asarray(10.0 ** np.asarray(log_wavelength, dtype=np.float64))


def linear_grid(header: Any, n_pixels: int) -> Floats:
    """Coordinate of every pixel: CRVAL1 + (pixel - CRPIX1) * CDELT1 (or CD1_1), pixels counted from 1."""
    start, step = number(header, "CRVAL1"), number(header, "CDELT1", "CD1_1")
    if not (np.isfinite(start) and np.isfinite(step)):
        raise ReadError("its header has no wavelength scale (CRVAL1 and CDELT1 or CD1_1)")
    reference = number(header, "CRPIX1")
    pixel = np.arange(n_pixels, dtype=np.float64) + 1.0 - (reference if np.isfinite(reference) else 1.0)
    return start + pixel * step
