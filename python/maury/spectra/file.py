"""`Spectra` as one FITS table, a row per spectrum, which `maury.readers.own` reads."""

from __future__ import annotations

from os import PathLike
from typing import Any

import numpy as np

from maury._version import __version__
from maury.labels import find_label
from maury.output import check_new_file, new_file

#: Name of the extension with the table.
TABLE = "MAURYSPECTRA"
TEXT = ("star_id", "visit_id", "format", "problem", "source", "unit")
NUMBERS = {"rv": "km/s", "snr": "", "ra": "deg", "dec": "deg", "quality": ""}
PIXELS = ("wavelength", "flux", "ivar", "mask", "lsf", "arm", "resolution")


def write_spectra(spectra: Any, path: str | PathLike[str], overwrite: bool = False) -> None:
    """Write spectra; see `Spectra.write`."""
    from astropy import units as u
    from astropy.io import fits
    from astropy.table import Table

    path = check_new_file(path, overwrite)
    ending = next((e for e in (".fits", ".fits.gz") if path.name.lower().endswith(e)), None)
    if ending is None:
        raise ValueError(f"{path}: spectra are written as FITS; the extension must be .fits or .fits.gz")
    table = Table(meta={"MAURYVER": __version__, "LABELS": ",".join(spectra.labels)})
    for name in TEXT:
        words = np.char.encode(getattr(spectra, name), "ascii", "backslashreplace")  # FITS has no others
        table[name] = np.where(words == b"", b" ", words)
    for name, unit in NUMBERS.items():
        table[name] = getattr(spectra, name)
        table[name].unit = unit or None
    for name, values in spectra.labels.items():
        table[f"label_{name}"] = values
        unit = find_label(name).unit
        table[f"label_{name}"].unit = None if unit == "dex" else unit or None  # FITS has no unit dex
    for name in PIXELS:
        values = getattr(spectra, name)
        if values is not None:
            shape = spectra.flux.shape
            table[name] = np.broadcast_to(values, shape) if values.ndim == 1 else values
            table[name].unit = "Angstrom" if name in ("wavelength", "lsf") else None
    units = set(spectra.unit)
    if len(units) == 1 and units != {""}:
        table["flux"].unit = u.Unit(str(spectra.unit[0]))
        table["ivar"].unit = table["flux"].unit ** -2
    hdu = fits.table_to_hdu(table)
    hdu.name = TABLE
    with new_file(path, f"spectra{ending}", overwrite) as draft:
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(draft)
