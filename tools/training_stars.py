"""Stars that the built-in emulators are trained on: where they are from, and which are not used.

LAMOST is a folder with spectra of LAMOST DR10; lamost_dr10.csv lists them by obsid, with the labels of the
LAMOST pipeline (LASP, DR10 v0). Get them from https://www.lamost.org/dr10 (FITS of low resolution, v2.9.8);
files may have any name. Spectra with unseen = 1, a random fifth of the stars, are not used: figures in the
documentation are of these, and of those in withheld.csv. (The emulator of LAMOST, of which no figure is of
MILES, learns from all stars of MILES.)

TEMPLATES has, in any subfolder, spEigenStar-55734.fits (idlspec2d/templates of SDSS) and
star_templates_v2.0-lite.fits.gz (desihub/desisim-testdata).
"""

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

import maury
from maury.catalog.columns import column_values
from maury.spectra import assumed_ivar

LABELS = ("teff", "logg", "fe_h")
LAMOST_LIST = Table.read(Path(__file__).with_name("lamost_dr10.csv"))
WITHHELD = Table.read(Path(__file__).with_name("withheld.csv"))
MODELS_ABOVE = 9000.0  # K
MODEL_WAVELENGTH = (3500.0, 9397.0)  # A
BLUE = (3600.0, 7400.0)  # A; all stars of MILES have it
N_STARS = 117  # templates of SDSS before those of white dwarfs and carbon stars
COOL = 7500.0  # K; hotter templates of SDSS are not measured well enough


def withheld(source):
    """Return the names of stars of a source that are not used."""
    return np.asarray(WITHHELD["star_id"][WITHHELD["source"] == source], dtype=str)


def of_source(spectra, source):
    """Return the spectra of a source without those that are withheld."""
    spectra = spectra[np.flatnonzero(~np.isin(spectra.star_id, withheld(source)))]
    spectra.source = np.full(len(spectra), source)
    return spectra


def one_file(folder, name):
    """Return the path of a file in a folder or its subfolders."""
    found = sorted(folder.rglob(name))
    if not found:
        raise SystemExit(f"TEMPLATES: {folder} has no {name}; training_stars.py says where it is from")
    return found[0]


def models_of_hot_stars(folder):
    """Return models of stars above `MODELS_ABOVE`, to be used like stars of MILES."""
    with fits.open(one_file(folder, "star_templates_v2.0-lite.fits*")) as hdus:
        flux, table, wavelength = hdus[0].data.astype(float), hdus[1].data, hdus[2].data.astype(float)
    hot = np.flatnonzero(table["TEFF"] >= MODELS_ABOVE)
    inside = (wavelength > MODEL_WAVELENGTH[0]) & (wavelength < MODEL_WAVELENGTH[1])
    flux, wavelength = flux[np.ix_(hot, inside)], wavelength[inside]
    sigma = np.gradient(wavelength) / np.sqrt(12)  # that of a pixel
    models = maury.Spectra(
        wavelength,
        flux,
        assumed_ivar(flux, snr=50.0),
        lsf=np.broadcast_to(sigma, flux.shape),
        rv=0.0,
        star_id=[f"model {i}" for i in hot],
    )
    columns = zip(LABELS, ("TEFF", "LOGG", "FEH"), strict=True)
    models.labels = {name: table[column][hot].astype(float) for name, column in columns}
    return of_source(models, "MILES")


def templates_of_sdss(folder, miles):
    """Return cool templates of SDSS, with the labels that an emulator of MILES measures."""
    blue = maury.train(miles, wavelength=BLUE, folds=0, modes=0, validation_fraction=0.0, progress=True)
    templates = maury.read_spectra(one_file(folder, "spEigenStar-55734.fits"))[:N_STARS]
    templates = of_source(templates, "SDSS")
    catalog = maury.fit(templates, blue)
    known = np.asarray(catalog["valid"]) & (column_values(catalog, "teff") < COOL)
    templates.labels = {name: column_values(catalog, name) for name in LABELS}
    return templates[np.flatnonzero(known)]


def listed_spectra(folder, below=np.inf):
    """Return the spectra in a folder that the list has for training, below a Teff [K], with their labels."""
    files = [path for path in sorted(folder.rglob("*.fits*")) if path.is_file()]
    spectra = maury.read_spectra(files, format="lamost")
    row_of = {str(obsid): row for row, obsid in enumerate(LAMOST_LIST["obsid"])}
    rows = np.array([row_of.get(name, -1) for name in spectra.visit_id])
    known = (np.asarray(LAMOST_LIST["unseen"]) == 0) & (np.asarray(LAMOST_LIST["teff"]) < below)
    chosen = np.flatnonzero((rows >= 0) & known[rows])
    listed = LAMOST_LIST[rows[chosen]]
    spectra = spectra[chosen]
    spectra.labels = {name: np.asarray(listed[name], dtype=float) for name in LABELS}
    spectra.star_id = np.asarray(listed["star"], dtype=str)
    spectra.snr = np.asarray(listed["snrg"], dtype=float)
    spectra.source = np.full(len(spectra), "LASP")
    return spectra
