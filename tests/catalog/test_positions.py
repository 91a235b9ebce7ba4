"""Positions: from the files of surveys through a catalogue and its stars into a comparison."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

import made_up_stars as made_up
import mastar_small as small
import maury
from desi_files import write_desi
from maury.catalog.compare import match_tables, read_table
from maury.catalog.stars import combine_visits
from maury.catalog.table import write_catalog
from maury.readers import read_spectra
from maury.spectra import Spectra
from repeat_visits import make_visits
from survey_files import write_lamost_image, write_lamost_table, write_miles, write_sdss


def spectra(n, **changes):
    return Spectra(np.linspace(4000, 5000, 4), np.ones((n, 4)), np.ones((n, 4)), **changes)


def test_spectra_hold_degrees():
    """A fill value, or half a position, is nowhere; positions are chosen and joined with their spectra."""
    some = spectra(4, ra=[10.0, -999.0, 359.5, np.nan], dec=[-90.0, -999.0, 91.0, 4.0])
    np.testing.assert_array_equal(some.ra, [10, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(some.dec, [-90, np.nan, np.nan, np.nan])
    assert np.isnan([spectra(2).ra, spectra(2, ra=3.0).ra, spectra(2, dec=3.0).dec]).all()
    assert spectra(2, ra=2 * u.hourangle, dec=60 * u.arcmin).ra == pytest.approx([30, 30])
    joined = Spectra.concatenate([spectra(1), some])[[1, 0]]
    np.testing.assert_array_equal(joined.ra, [10, np.nan])
    with pytest.raises(ValueError, match="dec: expected one value or 2"):
        spectra(2, ra=1.0, dec=[1.0, 2.0, 3.0])


def places(path):
    read = read_spectra(path)
    return list(zip(read.ra.tolist(), read.dec.tolist(), strict=True))


def test_readers_tell_the_position_of_the_star_not_of_the_telescope(tmp_path):
    cards = {"RA": 99.45922, "DEC": 27.230888, "SPRA": 99.7, "SPDEC": 27.6}
    assert places(write_lamost_image(tmp_path / "a.fits", **cards)) == [(99.45922, 27.230888)]
    assert places(write_lamost_table(tmp_path / "b.fits", **cards)) == [(99.45922, 27.230888)]
    held = write_desi(tmp_path / "coadd-1.fits", step=8.0)
    assert places(tmp_path / "coadd-1.fits") == list(zip(held["ra"], held["dec"], strict=True))
    assert places(small.write_goodspec(tmp_path / "goodspec.fits")) == [(120 + i // 2, 30) for i in range(6)]


def test_sdss_positions_are_of_the_fibre(tmp_path):
    from astropy.io import fits

    file = write_sdss(tmp_path / "spec-1.fits")
    fits.setval(file, "RA", value=145.89)
    fits.setval(file, "DEC", value=0.06)
    assert places(file) == [(147.32107, -0.0065757249)]
    later = write_sdss(tmp_path / "spec-2.fits", FIBER_RA=("D", 12.5), FIBER_DEC=("D", -3.5))
    for key in ("PLUG_RA", "PLUG_DEC"):
        fits.delval(later, key)
    assert places(later) == [(12.5, -3.5)]
    assert read_spectra(later).star_id.tolist() == ["J005000.00-033000.0"]


def test_a_file_without_a_position(tmp_path):
    assert np.isnan(read_spectra(write_miles(tmp_path)).ra).all()
    assert np.isnan(read_spectra(write_lamost_image(tmp_path / "a.fits")).dec).all()


def test_real_lamost_and_sdss_positions(data_folder):
    names = [p.name for p in sorted((data_folder / "lamost_dr1").glob("*.fits"))]
    labels = {row["filename"]: row for row in Table.read(data_folder / "lamost_dr1" / "labels.csv")}
    read = read_spectra([data_folder / "lamost_dr1" / name for name in names])
    for values, column in ((read.ra, "ra"), (read.dec, "dec")):
        np.testing.assert_allclose(values, [labels[name][column] for name in names], atol=1e-5)
    sdss = read_spectra(sorted((data_folder / "sdss").glob("*.fits")))
    np.testing.assert_allclose(sdss.ra, [147.32107, 236.97794, 240.88155], atol=1e-6)


@pytest.mark.parametrize("ending", [".fits", ".ecsv", ".parquet"])
def test_stars_have_the_position_of_their_first_visit_that_has_one(tmp_path, ending):
    visits = make_visits(n_stars=20, n_visits=60, seed=3).catalog
    number = np.unique(visits["star_id"], return_inverse=True)[1]
    lost = (np.arange(60) % 3 == 0) | (number == 7)
    visits["ra"] = np.where(lost, np.nan, number + 0.01 * np.arange(60)) * u.deg
    visits["dec"] = np.where(lost, np.nan, -number) * u.deg
    stars = combine_visits(visits)
    for star in stars:
        known = (visits["star_id"] == star["star_id"]) & ~lost
        expected = visits["ra"].value[known][0] if known.any() else np.nan
        np.testing.assert_equal(star["ra"].value, expected)
    assert stars["dec"].unit == u.deg
    write_catalog(stars, tmp_path / f"s{ending}")
    np.testing.assert_array_equal(maury.read_catalog(tmp_path / f"s{ending}")["ra"], stars["ra"])
    visits.remove_column("ra")  # a catalogue of an earlier version
    assert "dec" not in combine_visits(visits).colnames


def written(folder, name, ra, dec):
    emulator = made_up.emulator()
    stars = made_up.spectra(emulator, star_id=[f"s{i}" for i in range(4)], ra=ra, dec=dec)
    write_catalog(made_up.build_catalog(made_up.result(made_up.LABELS[:4]), stars, emulator), folder / name)
    return read_table(folder / name)[0]


def test_shared_names_match_before_positions_and_these_before_nothing(tmp_path):
    """The visits of a star have one position, so where names are shared only they tell which is which."""
    ours = written(tmp_path, "a.fits", np.full(4, 10.0), np.full(4, 5.0))
    labels = {"teff": ours["teff"] - 100.0, "ra": np.full(4, 10.0), "dec": np.full(4, 5.0)}
    shared = Table(labels | {"star_id": ours["star_id"]})[::-1]
    matched = match_tables(ours, shared, "x")
    assert matched.by == "id"
    np.testing.assert_allclose((matched.ours - matched.theirs)[:, 0], 100)
    for other in (Table(labels | {"star_id": list("abcd")}), Table(labels)):
        assert match_tables(ours, other, "x").by == "position"
    assert match_tables(ours, shared, "x", by="position").by == "position"
    nowhere = written(tmp_path, "b.fits", np.nan, np.nan)
    assert "ra" not in nowhere.colnames
    assert match_tables(nowhere, shared, "x").by == "id"
    with pytest.raises(ValueError, match="the catalogue has no ra and dec to match by position"):
        match_tables(nowhere, Table(labels), "x")
