"""Images whose header gives the wavelengths, in steps of wavelength or of its log10; a row is a spectrum.

Of the first kind are those that iSpec and many pipelines write, with their errors in an extension; of the
second, stacks such as spEigenStar and kurucz_stds of SDSS, with names and labels in a table.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from maury.readers._fits import linear_grid, number
from maury.readers._fits_file import FitsFile
from maury.readers._plain import assumptions, numbered, unit_of
from maury.readers._row_blocks import one_block
from maury.spectra import Floats, Spectra
from maury.spectra.exchange import AIR_OR_VACUUM
from maury.spectra.units import as_text

_NOISE = {"IVAR": "ivar", **dict.fromkeys(("SIGMA", "ERROR", "ERR", "STD", "STDEV"), "error")}
_LABELS = {"teff": ("TEFF",), "logg": ("LOGG", "LOG_G", "G"), "fe_h": ("FEH", "FE_H")}
_TITLES = ("MODEL", "NAME", "STAR", "OBJECT")


def matches(file: FitsFile) -> bool:
    """Whether the first HDU is such an image; those of single SDSS plates have other rows as well."""
    header, shape = file.primary.header, file.primary.head.shape
    return len(shape) in (1, 2) and "PLATEID" not in header and (_is_log(header) or _is_wavelength(header))


def _is_log(header: Any) -> bool:
    """COEFF0 is the convention of SDSS, DC-FLAG that of IRAF."""
    sdss = np.isfinite([number(header, "COEFF0"), number(header, "COEFF1")]).all()
    return bool(sdss) or number(header, "DC-FLAG") == 1


def _is_wavelength(header: Any) -> bool:
    return str(header.get("CTYPE1", "")).upper().startswith(("WAVE", "AWAV"))


def _read(file: FitsFile) -> Spectra:
    header = file.primary.header
    flux = np.atleast_2d(np.asarray(file.primary.image(), dtype=np.float64))
    n, n_pixels = flux.shape
    table = _table(file, n)
    with assumptions():
        air = str(header.get("CTYPE1", "")).upper().startswith("AWAV")
        if not (air or _is_wavelength(header) or "COEFF0" in header or header.get("VACUUM")):
            warnings.warn(AIR_OR_VACUUM, stacklevel=2)
        return Spectra.from_arrays(
            _wavelength(header, n_pixels),
            flux,
            mask=flux == 0,
            air=air,
            **_noise(file, flux.shape),
            star_id=_titles(header, table, n) or numbered(file.path, n),
            file=str(file.path),
            labels={
                label: table[name] for label, names in _LABELS.items() for name in names if name in table
            },
        )


def _wavelength(header: Any, n_pixels: int) -> Any:
    if "COEFF0" in header:
        return 10 ** (number(header, "COEFF0") + number(header, "COEFF1") * np.arange(n_pixels))
    grid = linear_grid(header, n_pixels)
    if _is_log(header):
        return 10**grid
    unit = unit_of(header.get("CUNIT1"))
    return grid if unit is None else grid * unit


def _noise(file: FitsFile, shape: tuple[int, ...]) -> dict[str, Floats]:
    for name, kind in _NOISE.items():
        hdu = file.find(name)
        if hdu is not None and not hdu.head.is_table:
            values = np.atleast_2d(np.asarray(hdu.image(), dtype=np.float64))
            if values.shape == shape:
                return {kind: values}
    return {}


def _table(file: FitsFile, n: int) -> dict[str, Any]:
    """Columns of the second HDU, if it has a row for each of the n spectra."""
    hdu = file.at(1)
    if hdu is None or not hdu.head.is_table or hdu.head.n_rows != n:
        return {}
    table = hdu.whole().table()
    return {name: table[name] for name in table}


def _titles(header: Any, table: dict[str, Any], n: int) -> list[str]:
    if "NAME0" in header:
        return [str(header.get(f"NAME{i}", i)).strip() for i in range(n)]
    column = next((table[name] for name in _TITLES if name in table), None)
    return [] if column is None else as_text(column).tolist()


blocks = one_block(_read)
