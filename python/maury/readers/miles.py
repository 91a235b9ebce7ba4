"""MILES library stars, version 9.1 (Falcon-Barroso et al. 2011), as distributed in sdss-mangadap.

One star per file: flux on a linear grid of air wavelengths, at rest, no noise. Labels (Cenarro et al. 2007)
come from the table `paramsMILES_v9.1.txt` if it is in the same folder.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from maury.readers._fits import ReadError, linear_grid, stem
from maury.readers._fits_file import FitsFile
from maury.readers._row_blocks import one_block
from maury.spectra import FWHM_PER_SIGMA, Spectra, air_to_vacuum, assumed_ivar

FWHM = 2.5  # A; Falcon-Barroso et al. 2011
USABLE = (3575.0, 7400.0)  # A in air; outside, the flux of many stars is extrapolated or ill-calibrated
# The noise is not given. Between the lines, good fits have residuals of 0.006 of the flux, an upper limit.
SNR = 200.0
LABELS = "paramsMILES_v9.1.txt"

_FILE = re.compile(r"MILES_res2\.50_star_m(\d{4})V\.fits(\.gz)?$")
# Star 0970 covers part of the range and ends in an artefact; the distributors exclude it.
_UNUSABLE = {"0970"}
# One entry of the table lost its last digit.
MISPRINTS = {"022.": "0221"}


def matches(file: FitsFile) -> bool:
    """Whether this is one MILES star."""
    return _FILE.search(file.path.name) is not None and file.primary.header.get("TPLLIB") == "MILES"


def library_files(folder: Path) -> list[Path]:
    """Return the stars in a folder, in the order of their numbers."""
    return sorted(p for p in folder.iterdir() if _FILE.search(p.name))


def _read(file: FitsFile) -> Spectra:
    """One star, with its labels if the table of labels is in the same folder."""
    path = file.path
    found = _FILE.search(path.name)
    star = found.group(1) if found else ""
    if star in _UNUSABLE:
        raise ReadError(
            f"star {star} of MILES is unusable: it covers part of the range, with an artefact at its end"
        )
    flux = np.asarray(file.primary.image(), dtype=np.float64).reshape(-1)
    air = linear_grid(file.primary.header, flux.size)
    mask = (air < USABLE[0]) | (air > USABLE[1]) | (flux == 0)
    table = path.parent / LABELS
    name, labels = "", [np.nan] * 3
    if table.exists():
        name, labels = _label_table(table, table.stat().st_mtime_ns).get(star, (name, labels))
    return Spectra(
        air_to_vacuum(air),
        flux,
        assumed_ivar(flux, mask, SNR),
        mask=mask,
        lsf=FWHM / FWHM_PER_SIGMA,
        star_id=name or stem(path),
        visit_id=star,
        file=str(path),
        rv=0.0,
        labels=dict(zip(("teff", "logg", "fe_h"), labels, strict=True)),
    )


blocks = one_block(_read)


@lru_cache(maxsize=4)
def _label_table(path: Path, changed: int) -> dict[str, tuple[str, list[float]]]:
    """Name and labels (Teff, log g, [Fe/H]; NaN = missing) of every star number."""
    from astropy.io import ascii

    rows = ascii.read(
        path,
        format="fixed_width_no_header",
        data_start=3,
        col_starts=(0, 23, 51, 58, 66),
        col_ends=(17, 26, 55, 62, 71),
        names=("name", "star", "teff", "logg", "fe_h"),
        converters={"star": [ascii.convert_numpy(str)]},
        fill_values=[("--", "nan")],
    )
    numbers = [np.ma.filled(rows[c].astype(float), np.nan).tolist() for c in ("teff", "logg", "fe_h")]
    return {
        MISPRINTS.get(star, star): (str(name).replace("HD ", "HD"), labels)
        for name, star, *labels in zip(rows["name"], rows["star"], *numbers, strict=True)
    }
