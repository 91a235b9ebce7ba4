"""Real spectra with known labels (teff, logg, fe_h) in the folder MAURY_TEST_DATA."""

import importlib.util
import os
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

import maury
from maury.catalog.columns import column_values
from maury.reference.load import load_reference
from maury.spectra import FWHM_PER_SIGMA, air_to_vacuum, assumed_ivar

LABELS = ("teff", "logg", "fe_h")
# FWHM [A] of the templates of SDSS: those of the same stars in MILES, broadened until they agree, by window.
SDSS_FWHM = ([3850, 4150, 5600, 6000, 6350, 6800, 7175], [3.28, 3.13, 3.13, 3.43, 3.43, 4.14, 3.43])
SDSS_TEFF = (4000, 7000)  # K
# Gaia FGK benchmark stars (Heiter et al. 2015; Jofre et al. 2014; Hawkins et al. 2016), R = 47,000.
BENCHMARK = {
    "ATLAS.Sun_47000": ("Sun", 5771, 4.438, 0.03),
    "iraf_UVES_HD201891_47000": ("HD 201891", 5948, 4.30, -0.97),
    "iraf_UVES.POP_delEri_47000": ("delta Eri", 4954, 3.76, 0.06),
    "iraf_NARVAL_61CygB_47000": ("61 Cyg B", 4044, 4.67, -0.38),
    "iraf_NARVAL_alfCet_47000": ("alpha Cet", 3796, 0.68, -0.45),
}
BIN = 20  # pixels of 0.01 A that are averaged; the lines are 0.1 A wide


def folder():
    return Path(os.environ.get("MAURY_TEST_DATA", "."))


def labels_of(catalog):
    """Return the labels (N, 3) of a catalogue."""
    return np.column_stack([column_values(catalog, name) for name in LABELS])


def lamost(name, file_column):
    """Return spectra, listed labels and S/N in g of a folder of LAMOST."""
    known = Table.read(folder() / name / "labels.csv")
    spectra = maury.read_spectra([folder() / name / str(file) for file in known[file_column]])
    labels = np.column_stack([known["teff"], known["logg"], known["feh"]]).astype(float)
    return spectra, labels, np.asarray(known["snrg"], dtype=float)


def unseen_by_lamost(spectra):
    """Whether each spectrum (N,) of LAMOST DR10 is of the fifth that its emulator was not trained on."""
    known = Table.read(Path(__file__).parents[1] / "tools" / "lamost_dr10.csv")
    unseen = {str(obsid) for obsid in known["obsid"][known["unseen"] == 1]}
    return np.array([name in unseen for name in spectra.visit_id])


def lamost_repeats():
    """Return spectra of stars of LAMOST that were seen more than once."""
    parts = []
    for name, listed in (("lamost_dr8_repeats", "groups.csv"), ("lamost_dr10", "labels.csv")):
        table = Table.read(folder() / name / listed)
        star = np.array([f"{name} {value}" for value in table["star"]])
        _, which, count = np.unique(star, return_inverse=True, return_counts=True)
        again = count[which] > 1
        part = maury.read_spectra([folder() / name / str(file) for file in table["file"][again]])
        part.star_id = star[again]
        parts.append(part)
    return maury.Spectra.concatenate(parts)


def sdss():
    """Return templates of SDSS that are stars with known labels, and these labels."""
    listed = Table.read(folder() / "stars" / "spEigenStar_labels.csv", format="csv").filled(np.nan)
    listed = listed[(listed["teff"] > SDSS_TEFF[0]) & (listed["teff"] < SDSS_TEFF[1])]
    with fits.open(folder() / "stars" / "spEigenStar-55734.fits") as hdus:
        header, flux = hdus[0].header, hdus[0].data[listed["row"]].astype(float)
    wavelength = 10.0 ** (header["COEFF0"] + header["COEFF1"] * np.arange(flux.shape[1]))
    lsf = np.interp(wavelength, *SDSS_FWHM) / FWHM_PER_SIGMA
    spectra = maury.Spectra(wavelength, flux, assumed_ivar(flux, snr=100.0), lsf=lsf, rv=0.0)
    return spectra, np.column_stack([listed["teff"], listed["logg"], listed["feh"]]).astype(float)


def mastar():
    """Return visits of MaStar cooler than 29,000 K, their published labels, and names."""
    path = folder() / "mastar_dr17" / "goodspec.fits"
    table = Table.read(path, hdu=1)
    labels = np.column_stack([table["TEFF_MED"], table["LOGG_MED"], table["FEH_CAL_MED"]]).astype(float)
    names = [f"MaStar {str(name).strip()}" for name in table["sp_type"]]
    rows = np.flatnonzero(labels[:, 0] < 29_000)  # 30,000 K is the limit of the catalogue
    return maury.read_spectra([path])[rows], labels[rows], [names[row] for row in rows]


def benchmark():
    """Return Gaia benchmark stars, 4800-6800 A, their labels, and names with these labels."""
    parts, labels, names = [], [], []
    for file, (name, *known) in BENCHMARK.items():
        with fits.open(folder() / "gaia_benchmark" / f"{file}.fits.gz") as hdus:
            header, flux = hdus[0].header, hdus[0].data.astype(float)
        air = 10.0 * (header["CRVAL1"] + header["CDELT1"] * np.arange(len(flux)))
        flux[flux <= 0] = np.nan  # gaps
        wavelength = air_to_vacuum(air).reshape(-1, BIN).mean(axis=1)
        flux = flux.reshape(-1, BIN).mean(axis=1)
        lsf = wavelength / 47_000 / FWHM_PER_SIGMA
        ivar = assumed_ivar(flux, snr=200.0)
        parts.append(maury.Spectra(wavelength, flux, ivar, lsf=lsf, snr=200.0))
        labels.append(known)
        names.append(name)
    return maury.Spectra.concatenate(parts), np.array(labels), names


def miles_is_installed():
    return importlib.util.find_spec("mangadap") is not None or "MAURY_TEST_MILES" in os.environ


def withheld(name):
    """Return the names of stars of a library that no emulator was trained on."""
    listed = Table.read(Path(__file__).parents[1] / "tools" / "withheld.csv")
    return listed["star_id"][listed["source"] == name.upper()]


def library(name):
    """Return stars of MILES or STELIB with all labels, and these labels."""
    stars = load_reference(name)
    labels = np.column_stack([stars.labels[label] for label in LABELS])
    known = np.flatnonzero(np.isfinite(labels).all(axis=1))
    return stars[known], labels[known]
