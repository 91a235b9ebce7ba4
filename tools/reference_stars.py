"""The stars on which the emulator of LAMOST is trained, each with the source of its labels.

MILES comes with sdss-mangadap (pip install --no-deps sdss-mangadap==4.5.0). Spectra of LAMOST DR10 are listed
by obsid in tools/lamost_dr10.csv, with the labels of the LAMOST pipeline (LASP, DR10 v0): get them from
https://www.lamost.org/dr10 (FITS of low resolution, v2.9.8); files may have any name. Spectra with
unseen = 1, a random fifth of the stars, are used nowhere: figures in the documentation are of these.
"""

from pathlib import Path

import numpy as np
from astropy.table import Table

import maury

LIST = Path(__file__).with_name("lamost_dr10.csv")
LABELS = ("teff", "logg", "fe_h")
MILES, LASP = "MILES", "LASP"
LASP_UP_TO = 9000.0  # K; its labels of hotter stars are poor
CITATIONS = {
    "MILES": "Sanchez-Blazquez et al. 2006, MNRAS 371, 703; Cenarro et al. 2007, MNRAS 374, 664; "
    "Falcon-Barroso et al. 2011, A&A 532, A95",
    "LAMOST": "Cui et al. 2012, RAA 12, 1197; Luo et al. 2015, RAA 15, 1095",
}


def miles():
    """Return all stars of MILES."""
    return _from(MILES, maury.read_spectra("miles"))


def lamost(folder, unseen=0):
    """Return the listed spectra in a folder, used or unseen, with their labels."""
    files = [path for path in sorted(folder.rglob("*.fits*")) if path.is_file()]
    spectra = maury.read_spectra(files, format="lamost")
    table = Table.read(LIST)
    row_of = {str(obsid): row for row, obsid in enumerate(table["obsid"])}
    rows = np.array([row_of.get(name, -1) for name in spectra.visit_id])
    known = (np.asarray(table["unseen"]) == unseen) & (np.asarray(table["teff"]) < LASP_UP_TO)
    chosen = np.flatnonzero((rows >= 0) & known[rows])
    listed = table[rows[chosen]]
    spectra = spectra[chosen]
    spectra.labels = {name: np.asarray(listed[name], dtype=float) for name in LABELS}
    spectra.star_id = np.asarray(listed["star"], dtype=str)
    spectra.snr = np.asarray(listed["snrg"], dtype=float)
    return _from(LASP, spectra)


def _from(source, spectra):
    spectra.source = np.full(len(spectra), source)
    return spectra
