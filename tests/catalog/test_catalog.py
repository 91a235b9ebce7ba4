"""The catalogue: what is in it, that three formats give it back, and what a wrong file or name is told."""

import json
from dataclasses import fields

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import QTable, Table

import made_up_stars as made_up
import maury
from maury.catalog.columns import join_columns
from maury.catalog.flags import Flag
from maury.catalog.table import check_output, read_catalog, write_catalog
from maury.catalog.text import describe_catalog
from maury.measure.options import Options

ENDINGS = [".fits", ".fits.gz", ".fit", ".ecsv", ".parquet", ".FITS"]


@pytest.fixture
def catalog():
    """Four stars: one failed, one from a file that could not be read, one name with accents."""
    emulator = made_up.emulator()
    spectra = made_up.spectra(
        emulator,
        star_id=["Étoile ß", "star 1", "star 2", "star 3"],
        problem=["", "", "cut short", ""],
        rv=[10.0, np.nan, 0.0, 3.0],
        ra=[150.0, np.nan, 359.9, 0.0],
        dec=[-30.0, np.nan, 89.0, 0.0],
    )
    return made_up.build_catalog(
        made_up.failed_result(), spectra, emulator, Options(bounds=[[4000, 8000], [1, 5], [-2, 0.5]])
    )


def without_accents(catalog):
    """Return what a FITS file can hold of it."""
    star_id = [name.encode("ascii", "backslashreplace").decode() for name in catalog["star_id"]]
    catalog.replace_column("star_id", np.array(star_id))
    return catalog


@pytest.mark.parametrize("ending", ENDINGS)
def test_round_trip(catalog, tmp_path, ending):
    path = tmp_path / f"cat{ending}"
    write_catalog(catalog, path)
    back = read_catalog(path)
    if "fit" in ending.lower():
        catalog = without_accents(catalog)
    assert back.colnames == catalog.colnames
    for name in catalog.colnames:
        new, old = back[name], catalog[name]
        assert new.unit == old.unit, name
        assert new.dtype.kind == old.dtype.kind, name
        assert new.shape == old.shape, name
        assert not hasattr(new, "mask"), name
        if name not in ("star_id", "covariance"):
            assert new.info.description == old.info.description, name
        np.testing.assert_array_equal(np.asarray(new), np.asarray(old), err_msg=name)
    assert dict(back.meta) == dict(catalog.meta)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", [".fits", ".ecsv", ".parquet"])
def test_the_file_reads_with_astropy_alone(catalog, tmp_path, ending):
    path = tmp_path / f"cat{ending}"
    write_catalog(catalog, path)
    plain = QTable.read(path)
    assert plain["teff"].unit == u.K
    assert plain["logg"].unit == u.dex
    assert plain["rv"].unit == u.km / u.s
    assert plain.meta["LABELS"] == "teff,logg,fe_h"


def test_one_row_and_no_row(tmp_path):
    emulator = made_up.emulator()
    one = made_up.build_catalog(made_up.result(made_up.LABELS[:1]), made_up.spectra(emulator)[:1], emulator)
    for ending in (".fits", ".ecsv", ".parquet"):
        write_catalog(one, tmp_path / f"one{ending}")
        back = read_catalog(tmp_path / f"one{ending}")
        np.testing.assert_array_equal(back["covariance"], one["covariance"])


def test_columns_and_their_numbers(catalog):
    assert catalog.colnames == [
        "star_id", "visit_id",
        "teff", "teff_err", "teff_err_formal", "teff_err_model",
        "logg", "logg_err", "logg_err_formal", "logg_err_model",
        "fe_h", "fe_h_err", "fe_h_err_formal", "fe_h_err_model",
        "chi2", "rchi2", "rchi2_noise", "n_pixels", "n_clipped", "snr", "mjdqual",
        "rv", "rv_err", "rv_err_formal",
        "converged", "status", "flags", "valid", "training_distance", "start",
        "n_starts", "n_agree", "file", "format", "ra", "dec", "problem", "covariance", "covariance_formal",
    ]  # fmt: skip
    assert all(catalog[name].info.description for name in catalog.colnames)
    np.testing.assert_array_equal(catalog["dec"].to_value(u.deg), [-30, np.nan, 89, 0])
    row = catalog[0]
    assert row["ra"] == 150 * u.deg
    assert row["teff"] == 5000 * u.K
    assert row["teff_err_formal"].to_value(u.K) == pytest.approx(50)
    assert row["teff_err"].to_value(u.K) == pytest.approx(50 * np.sqrt(2))
    assert row["logg_err_formal"].value == pytest.approx(0.1)
    assert (row["rchi2"], row["rchi2_noise"]) == pytest.approx((2, 3))
    assert row["covariance"].shape == (3, 3)
    assert row["covariance"][0, 1] == pytest.approx(2 * 0.4 * 50 * 0.1)
    assert row["covariance_formal"][0, 1] == pytest.approx(0.4 * 50 * 0.1)
    assert np.isnan(row["teff_err_model"].value)
    assert (row["status"], row["start"], row["converged"]) == ("cost", "search", True)


def test_a_failed_row_is_nan_and_flagged(catalog):
    row = catalog[1]
    assert np.isnan([row["teff"].value, row["teff_err"].value, row["rchi2"], row["covariance"][0, 0]]).all()
    assert row["flags"] == Flag.NOT_CONVERGED | Flag.TOO_FEW_PIXELS | Flag.RV_UNKNOWN
    assert row["status"] == "too few pixels"
    assert not row["converged"]
    assert catalog["problem"][2] == "cut short"


def test_the_header_says_where_it_came_from(catalog):
    meta = catalog.meta
    assert all(len(key) <= 8 for key in meta)
    assert meta["MAURYVER"] == maury.__version__
    assert meta["EMULATOR"] == "made up"
    assert meta["EMUHASH"] == made_up.emulator().file_hash
    told = json.loads(meta["OPTIONS"])
    assert told.pop("start") == "search"
    assert told.pop("photometry") is False
    assert told.pop("prior") == "none"
    assert set(told) == {field.name for field in fields(Options)}
    assert told["bounds"] == [[4000, 8000], [1, 5], [-2, 0.5]]
    for bit in Flag:
        assert meta[f"FLAG{int(bit).bit_length() - 1}"].startswith(f"{bit.name}: ")


def test_fits_headers_serve_readers_other_than_astropy(catalog, tmp_path):
    write_catalog(catalog, tmp_path / "cat.fits")
    header = fits.getheader(tmp_path / "cat.fits", 1)
    column = {header[f"TTYPE{i}"]: i for i in range(1, header["TFIELDS"] + 1)}
    assert header[f"TUNIT{column['teff']}"] == "K"
    assert header[f"TCOMM{column['logg']}"].endswith("[dex]")
    assert header[f"TCOMM{column['rv']}"].endswith("[km / s]")


def test_writing_does_not_change_the_table(catalog, tmp_path):
    names, meta = catalog.colnames, dict(catalog.meta)
    write_catalog(catalog, tmp_path / "cat.fits")
    assert (catalog.colnames, dict(catalog.meta)) == (names, meta)
    assert catalog["star_id"][0] == "Étoile ß"


def test_an_unknown_ending_is_refused_before_the_work(catalog, tmp_path):
    for name in ("cat.csv", "cat", "cat.fits.txt"):
        with pytest.raises(ValueError, match=r"use one of \.fits"):
            check_output(tmp_path / name)
        with pytest.raises(ValueError, match=r"unknown file extension '.*' of a catalogue"):
            write_catalog(catalog, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("ending", [".fits", ".ecsv", ".parquet"])
def test_an_existing_file_is_kept_unless_told(catalog, tmp_path, ending):
    path = tmp_path / f"cat{ending}"
    path.write_text("precious")
    with pytest.raises(FileExistsError, match="exists"):
        write_catalog(catalog, path)
    assert path.read_text() == "precious"
    write_catalog(catalog, path, overwrite=True)
    assert len(read_catalog(path)) == 4


def test_a_write_that_fails_leaves_the_old_file(catalog, tmp_path, monkeypatch):
    path = tmp_path / "cat.ecsv"
    write_catalog(catalog, path)
    before = path.read_bytes()
    monkeypatch.setattr(QTable, "write", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_catalog(catalog, path, overwrite=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_folders_are_told_apart(catalog, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        write_catalog(catalog, tmp_path / "new" / "cat.fits")
    (tmp_path / "cat.fits").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        write_catalog(catalog, tmp_path / "cat.fits", overwrite=True)


def test_parquet_without_pyarrow_says_how_to_install_it(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(ValueError, match=r"maury\[parquet\]"):
        check_output(tmp_path / "cat.parquet")


def test_files_that_are_no_catalogue(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_catalog(tmp_path / "none.fits")
    (tmp_path / "text.fits").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.fits: the catalogue cannot be read"):
        read_catalog(tmp_path / "text.fits")
    Table({"flags": [1, 2]}).write(tmp_path / "other.ecsv")
    with pytest.raises(ValueError, match="not a catalogue written by maury"):
        read_catalog(tmp_path / "other.ecsv")


def test_description_in_words(catalog):
    text = describe_catalog(catalog)
    assert "4 spectra, 4 star names, 3 converged" in text
    assert f"by maury {maury.__version__}" in text
    assert "made up" in text
    assert "1 unreadable: the file could not be read" in text
    assert "2 of these have no flag at all" in text
    teff = next(line for line in text.splitlines() if line.strip().startswith("teff"))
    assert teff.split() == ["teff", "K", "4500", "5000", "6500", "71"]


def test_description_of_a_catalogue_without_any_fit():
    emulator = made_up.emulator()
    spectra = made_up.spectra(emulator, problem="gone")
    fit = made_up.failed_result()
    for array in (fit.labels, fit.covariance, fit.chi2, fit.chi2_noise):
        array[:] = np.nan
    fit.converged[:] = False
    text = describe_catalog(made_up.build_catalog(fit, spectra, emulator))
    assert "no value" in text
    assert "0 of these have no flag at all" in text


def test_rows_with_other_arms_and_columns_are_joined():
    two = {
        "star_id": np.array(["a"]),
        "rv": np.array([1.0]),
        "arm_rv": np.array([[2.0]]),
        "flags": np.array([1]),
    }
    three = two | {"arm_rv": np.array([[3.0, 4.0]])}
    none = {
        "star_id": np.array(["c"]),
        "rv": np.array([5.0]),
        "broadening": np.array([6.0]),
        "flags": np.array([2]),
    }
    joined = join_columns([two, three, none])
    assert list(joined) == ["star_id", "rv", "broadening", "arm_rv", "flags"]
    np.testing.assert_array_equal(joined["arm_rv"], [[2, np.nan], [3, 4], [np.nan, np.nan]])
    np.testing.assert_array_equal(joined["broadening"], [np.nan, np.nan, 6])
    assert joined["flags"].tolist() == [1, 1, 2]
    assert joined["flags"].dtype == two["flags"].dtype
