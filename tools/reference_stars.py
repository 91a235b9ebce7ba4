"""The stars and models on which the built-in emulators are trained, each with the source of its labels.

MILES and STELIB come with sdss-mangadap (pip install --no-deps sdss-mangadap==4.5.0). Spectra of LAMOST DR10
are listed by obsid in tools/lamost_dr10.csv, with the labels of the LAMOST pipeline (LASP, DR10 v0): get
them from https://www.lamost.org/dr10 (FITS of low resolution, v2.9.8); files may have any name. Spectra with
unseen = 1, a random fifth of the stars, are used nowhere: figures in the documentation are of these. Models
of hot stars are those of DESI, star_templates_v2.0-lite.fits.gz of https://github.com/desihub/desisim-
testdata.
"""

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

import maury

LIST = Path(__file__).with_name("lamost_dr10.csv")
LABELS = ("teff", "logg", "fe_h")
MILES, LASP = "MILES", "LASP"
LASP_UP_TO = 9000.0  # K; its labels of hotter stars are poor
COOL_DWARF, HOT = (5000.0, 3.8), 10_000.0  # Teff [K] and log g of STELIB stars of which MILES has few
MODELS_FROM, MODEL_SNR = 9000.0, 50.0  # K; models have no noise, but errors
RANGE = (3400.0, 9400.0)  # A
CITATIONS = {
    "MILES": "Sanchez-Blazquez et al. 2006, MNRAS 371, 703; Cenarro et al. 2007, MNRAS 374, 664; "
    "Falcon-Barroso et al. 2011, A&A 532, A95",
    "STELIB": "Le Borgne et al. 2003, A&A 402, 433",
    "LAMOST": "Cui et al. 2012, RAA 12, 1197; Luo et al. 2015, RAA 15, 1095",
    "DESI": "DESI Collaboration, desisim star templates v2.0; Allende Prieto et al. 2018, A&A 618, A25",
}


def miles():
    """Return all stars of MILES."""
    return _from(MILES, maury.read_spectra("miles"))


def stelib():
    """Return stars of STELIB of kinds of which MILES has few; their labels are taken to be on its scale."""
    stars = maury.read_spectra("stelib")
    teff, logg = stars.labels["teff"], stars.labels["logg"]
    cool_dwarf = (teff < COOL_DWARF[0]) & (logg > COOL_DWARF[1])
    return _from(MILES, stars[np.flatnonzero((teff > HOT) | cool_dwarf)])


def models(path):
    """Return models of hot stars, sampled as in their file, which is their resolution."""
    with fits.open(path) as hdus:
        flux, table, wavelength = hdus[0].data.astype(float), hdus[1].data, hdus[2].data.astype(float)
    hot = np.flatnonzero(table["TEFF"] >= MODELS_FROM)
    inside = (wavelength > RANGE[0]) & (wavelength < RANGE[1])
    flux, wavelength = flux[np.ix_(hot, inside)], wavelength[inside]
    spectra = maury.Spectra(
        wavelength,
        flux,
        (MODEL_SNR / flux) ** 2,
        lsf=np.gradient(wavelength) / np.sqrt(12.0),  # a pixel is a mean over its width
        rv=0.0,
        star_id=[f"model {row}" for row in hot],
    )
    spectra.labels = {name: table[column][hot].astype(float)
                      for name, column in zip(LABELS, ("TEFF", "LOGG", "FEH"), strict=True)}  # fmt: skip
    return _from(MILES, spectra)


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
