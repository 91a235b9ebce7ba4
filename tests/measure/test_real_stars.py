"""The main job on real stars: those that ship with maury, and survey spectra where the machine has them."""

from dataclasses import replace

import numpy as np
import pytest
import real_stars
from astropy.table import Table
from click.testing import CliRunner

import maury
from maury.catalog.flags import Flag
from maury.cli.main import main


@pytest.fixture(scope="module")
def emulator():
    return maury.Emulator.load("default")


def column(catalog, name):
    return np.asarray(getattr(catalog[name], "value", catalog[name]), dtype=float)


def mad(difference):
    return np.median(np.abs(difference - np.median(difference)))


def listed(folder, file_column):
    """Return the labels listed for the spectra of a folder, and a function that reads rows of them."""
    known = Table.read(folder / "labels.csv")
    return known, lambda rows: maury.read_spectra([folder / name for name in rows[file_column]])


def test_the_built_in_emulator_is_what_the_documentation_says(emulator):
    assert emulator.labels == ("teff", "logg", "fe_h")
    assert emulator.wavelength[0] == pytest.approx(3600, abs=1)
    assert emulator.wavelength[-1] == pytest.approx(9095, abs=1)
    np.testing.assert_allclose(np.diff(np.log10(emulator.wavelength)), 1e-4, rtol=1e-6)
    blue = emulator.wavelength < 7390  # beyond, of STELIB
    np.testing.assert_allclose(emulator.lsf[blue], 2.5 / 2.3548, rtol=1e-3)
    np.testing.assert_allclose(emulator.lsf[~blue & (emulator.wavelength > 7420)], 3.4 / 2.3548, rtol=1e-3)
    assert emulator.window == 400
    assert emulator.rank == 64
    assert len(emulator.training_labels) > 750
    assert "MILES" in emulator.meta["training_data"]
    assert "Sanchez-Blazquez" in emulator.meta["citation"]
    from importlib.resources import files

    assert files("maury").joinpath("data/default.onnx").stat().st_size < 3e6


def test_demo_stars_were_never_seen_and_are_measured_well(emulator):
    from maury.cli.fit import _demo_stars

    stars = _demo_stars()
    assert len(stars) == 12
    assert set(stars.star_id) <= set(emulator.meta["validation_stars"])
    catalog = maury.fit(stars, emulator)
    assert catalog["converged"].all()
    teff = np.abs(column(catalog, "teff") / stars.labels["teff"] - 1)
    assert np.median(teff) < 0.025
    assert np.median(np.abs(column(catalog, "logg") - stars.labels["logg"])) < 0.3
    assert np.median(np.abs(column(catalog, "fe_h") - stars.labels["fe_h"])) < 0.2


def test_the_demo_command():
    outcome = CliRunner().invoke(main, ["demo"])
    assert outcome.exit_code == 0, outcome.output
    assert "12 spectra: 12 converged" in outcome.output


def test_labels_of_unlabelled_noise_are_not_believed(emulator):
    rng = np.random.default_rng(0)
    shape = (3, len(emulator.wavelength))
    noise = maury.Spectra(emulator.wavelength, 1 + rng.normal(0, 0.5, shape), np.full(shape, 4.0), rv=0.0)
    assert all(Flag.LOW_SNR in Flag(int(flags)) for flags in maury.fit(noise, emulator)["flags"])


def test_lamost_agrees_with_its_catalogue(data_folder, emulator):
    """FGK stars with S/N_g above 20; the goals are 60 K, 0.18 dex and 0.07 dex."""
    known, read = listed(data_folder / "lamost_dr1", "filename")
    catalog = maury.fit(read(known), emulator)
    assert catalog["converged"].all()
    inside = (known["snrg"] > 20) & (known["teff"] > 4000) & (known["teff"] < 6500)
    assert inside.sum() == 18
    difference = {
        "teff": column(catalog, "teff") - known["teff"],
        "logg": column(catalog, "logg") - known["logg"],
        "fe_h": column(catalog, "fe_h") - known["feh"],
    }
    assert mad(np.asarray(difference["teff"])[inside]) <= 60
    assert mad(np.asarray(difference["logg"])[inside]) <= 0.18
    assert mad(np.asarray(difference["fe_h"])[inside]) <= 0.07


def test_late_dwarfs_of_lamost_are_no_hotter_than_listed(data_folder):
    """Dwarfs below 4500 K, which the spectra of LAMOST for training do not have."""
    known, read = listed(data_folder / "lamost_dr1", "filename")
    known = known[(known["teff"] < 4500) & (known["logg"] > 4)]
    assert len(known) == 5
    catalog = maury.fit(read(known), "lamost")
    assert abs(np.median(column(catalog, "teff") - known["teff"])) < 250
    assert abs(np.median(column(catalog, "logg") - known["logg"])) < 0.4


@pytest.fixture(scope="module")
def unseen_of_lamost(data_folder):
    """FGK stars of DR10 that the emulator "lamost" was not trained on, and their listed labels."""
    spectra, labels, snr = real_stars.lamost("lamost_dr10", "file")
    cool = (labels[:, 0] > 4000) & (labels[:, 0] < 6500)
    rows = np.flatnonzero(real_stars.unseen_by_lamost(spectra) & (snr > 20) & cool)
    return spectra[rows], labels[rows]


def test_fgk_stars_of_lamost_agree_with_its_labels(unseen_of_lamost):
    spectra, labels = unseen_of_lamost
    assert len(spectra) == 188
    catalog = maury.fit(spectra, "lamost")
    difference = real_stars.labels_of(catalog) - labels
    assert (np.abs(np.median(difference, axis=0)) < [20, 0.04, 0.03]).all()
    assert (np.array([mad(values) for values in difference.T]) < [40, 0.09, 0.045]).all()
    error = np.column_stack([column(catalog, f"{name}_err") for name in ("teff", "logg", "fe_h")])
    pull = (difference - np.median(difference, axis=0)) / np.hypot(error, [35, 0.06, 0.035])  # of LASP
    width = np.diff(np.percentile(pull, [15.866, 84.134], axis=0), axis=0) / 2
    assert ((width > 0.7) & (width < 1.3)).all()


@pytest.mark.parametrize("power", [-3, 3])
def test_a_slope_of_the_continuum_does_not_move_labels(unseen_of_lamost, power):
    spectra = unseen_of_lamost[0][::2]
    factor = np.nan_to_num((spectra.wavelength / 5000.0) ** power, nan=1.0)
    tilted = replace(spectra, flux=spectra.flux * factor, ivar=spectra.ivar / factor**2)
    change = real_stars.labels_of(maury.fit(tilted, "lamost"))
    change -= real_stars.labels_of(maury.fit(spectra, "lamost"))
    assert (np.abs(np.median(change, axis=0)) < [5, 0.015, 0.005]).all()


def test_hot_stars_of_lamost_are_no_cool_ones(data_folder):
    """Stars above 10,500 K, whose Balmer lines are as strong as those of cooler ones."""
    known, read = listed(data_folder / "lamost_dr10", "file")
    known = known[(known["teff"] > 10500) & (known["snrg"] > 20)]
    assert len(known) == 73
    catalog = maury.fit(read(known), "lamost")
    difference = np.asarray(column(catalog, "teff") - known["teff"])
    assert abs(np.median(difference)) < 600
    assert np.mean(difference < -2000) < 0.2


def test_sdss_types_come_out_right(data_folder, emulator):
    stars = maury.read_spectra(sorted((data_folder / "sdss").glob("spec-*.fits")))
    catalog = maury.fit(stars, emulator)
    assert catalog["converged"].all()
    row = {visit: i for i, visit in enumerate(catalog["visit_id"])}
    m_dwarf, f_dwarf, white_dwarf = (
        catalog[row[visit]] for visit in ("0618-52049-0372", "4961-55719-0378", "0266-51602-0031")
    )
    assert 3300 < m_dwarf["teff"].value < 3900
    assert m_dwarf["logg"].value > 4.0
    assert 5700 < f_dwarf["teff"].value < 6900
    assert f_dwarf["logg"].value > 3.5
    # Nothing like it was in the training set.
    assert Flag.OUTSIDE_TRAINING in Flag(int(white_dwarf["flags"]))
