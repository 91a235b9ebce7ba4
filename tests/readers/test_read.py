"""Finding the reader of a file, lists, folders, bad files: what `read_spectra` does whatever the format."""

import gzip
import sys
import types
import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from desi_files import write_desi
from mastar_small import write_goodspec, write_mastarhc
from maury.readers import FORMATS, ReadError, ReadWarning, read_spectra
from maury.readers._fits import designation, number, velocity
from plain_files import write_plain
from survey_files import (
    star,
    write_lamost_image,
    write_lamost_table,
    write_miles,
    write_miles_labels,
    write_sdss,
    write_stelib,
)


def test_every_format_is_found_and_can_be_named(tmp_path):
    files = {
        "miles": write_miles(tmp_path),
        "stelib": write_stelib(tmp_path),
        "sdss": write_sdss(tmp_path / "spec-1.fits"),
        "lamost": write_lamost_image(tmp_path / "spec-2.fits"),
        "mastar": write_goodspec(tmp_path / "mastar-goodspec.fits"),
        "mastarhc": write_mastarhc(tmp_path / "MaStarHC_09.fits"),
        "desi": tmp_path / "coadd-0.fits",
    }
    write_desi(files["desi"], n=1, step=8.0)
    files |= {name: write_plain(tmp_path, name) for name in ("maury", "image", "table", "text")}
    assert set(files) | {"generic"} == set(FORMATS)
    for name, file in files.items():
        found, named = read_spectra(file), read_spectra(str(file), format=name)
        np.testing.assert_array_equal(found.flux, named.flux)
        assert set(found.file) == {str(file)}
        assert set(found.problem) == {""}
        for field in ("wavelength", "flux", "ivar"):
            assert getattr(found, field).dtype.isnative


def test_one_file_alone_and_as_a_list(tmp_path):
    file = write_sdss(tmp_path / "spec-1.fits")
    for path in (file, str(file), [file], (str(file),), iter([file])):
        assert len(read_spectra(path)) == 1


def test_compressed_files(tmp_path):
    plain = [write_sdss(tmp_path / "spec-0001.fits"), write_miles(tmp_path), write_stelib(tmp_path)]
    for file in plain:
        packed = file.with_name(file.name + ".gz")
        packed.write_bytes(gzip.compress(file.read_bytes()))
        one, other = read_spectra(file), read_spectra(packed)
        np.testing.assert_array_equal(one.flux, other.flux)
        assert one.star_id.tolist() == other.star_id.tolist()
        assert one.visit_id.tolist() == other.visit_id.tolist()


def test_formats_may_be_mixed_and_keep_their_order(tmp_path):
    files = [
        write_sdss(tmp_path / "spec-1.fits"),
        write_lamost_table(tmp_path / "spec-2.fits"),
        write_miles(tmp_path),
    ]
    spectra = read_spectra(files)
    assert spectra.file.tolist() == [str(f) for f in files]
    assert spectra.wavelength.shape == (3, 4600)
    assert set(spectra.labels) == {"teff", "logg", "fe_h"}
    for row, file in zip(spectra, files, strict=True):
        alone = read_spectra(file)
        p = alone.flux.shape[1]
        np.testing.assert_array_equal(row.flux[:, :p], alone.flux)
        np.testing.assert_array_equal(row.ivar[:, :p], alone.ivar)
        assert row.mask[:, p:].all()


def test_an_unknown_format_is_named(tmp_path):
    with pytest.raises(
        ValueError, match=r"stelib, sdss, .*desi, maury, image, table, text, generic or None, got 'lamots'"
    ):
        read_spectra(tmp_path, format="lamots")


# Bad files: one alone raises, one of a list is a row with a reason.


def truncated(path, to):
    path.write_bytes(path.read_bytes()[:to])
    return path


def truncated_gzip(path):
    packed = path.with_suffix(".fits.gz")
    packed.write_bytes(gzip.compress(path.read_bytes())[:-3000])
    return packed


def text(path):
    path.write_text("<!DOCTYPE html><html>404 not found</html>")
    return path


def empty(path):
    path.write_bytes(b"")
    return path


def without_spectrum(path):
    fits.PrimaryHDU().writeto(path)
    return path


def other_table(path):
    Table({"ra": [1.0], "dec": [2.0]}).write(path)
    return path


def cut_at_header(path):
    write_sdss(path)
    return truncated(path, 2000)


BAD = {
    "missing": (lambda p: p, "no such file"),
    "empty": (empty, "empty"),
    "text named fits": (text, "not a FITS file"),
    "no spectrum": (without_spectrum, "its format is not one that maury reads"),
    "another table": (other_table, "its format is not one that maury reads"),
    "header only": (cut_at_header, "cut short|cannot be read"),
    "sdss cut": (lambda p: truncated(write_sdss(p), 100_000), "cut short"),
    "lamost image cut": (lambda p: truncated(write_lamost_image(p), 60_000), "cut short"),
    "lamost table cut": (lambda p: truncated(write_lamost_table(p), 30_000), "cut short"),
    "gzip cut": (lambda p: truncated_gzip(write_sdss(p)), "cut short"),
    "flux NaN": (lambda p: write_sdss(p, flux=np.full(4600, np.nan)), "NaN in every pixel"),
    "flux zero": (lambda p: write_sdss(p, flux=np.zeros(4600)), "0 in every pixel"),
    "all masked": (lambda p: write_sdss(p, and_mask=np.full(4600, 1 << 24)), "every pixel is masked"),
    "no noise": (lambda p: write_lamost_image(p, ivar=0.0), "every pixel is masked"),
    "lamost arms": (lambda p: write_lamost_table(p, n_rows=3), "several exposures or arms"),
    "lamost no scale": (lambda p: write_lamost_image(p, coefficients=False), "no wavelengths"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_file(tmp_path, kind):
    make, reason = BAD[kind]
    bad = make(tmp_path / "spec-0.fits")
    good = write_sdss(tmp_path / "spec-1.fits")
    with pytest.raises(ReadError, match=reason) as caught:
        read_spectra(bad)
    assert str(bad) in str(caught.value)
    assert len(str(caught.value)) < 500
    with pytest.raises(ReadError, match=reason):
        read_spectra([bad])
    with pytest.raises(ReadError, match="none of the 2 files"):
        read_spectra([bad, bad])

    with pytest.warns(ReadWarning, match=f"(?s)1 of 3 files cannot be read.*({reason})"):
        spectra = read_spectra([good, bad, good])
    assert spectra.wavelength.shape == (4600,)  # the grid of the good ones
    assert spectra.mask[1].all() and not spectra.ivar[1].any()
    assert not spectra.mask[0].any()
    assert str(bad) in spectra.problem[1]
    assert spectra.problem[[0, 2]].tolist() == ["", ""]
    assert spectra.file[1] == str(bad)


def test_a_damaged_file_never_ends_a_batch(tmp_path):
    rng = np.random.default_rng(1)
    whole = write_sdss(tmp_path / "spec-whole.fits")
    content = np.frombuffer(whole.read_bytes(), dtype=np.uint8)
    files = [whole]
    for i in range(30):
        damaged = content.copy()
        where = rng.integers(0, 12_000, 40)  # headers mostly
        damaged[where] = rng.integers(32, 127, 40)
        files.append(tmp_path / f"spec-{i}.fits")
        files[-1].write_bytes(damaged.tobytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spectra = read_spectra(files)
    assert len(spectra) == 31
    assert spectra.problem[0] == ""
    assert (spectra.problem != "").any()


def test_files_are_closed_and_not_mapped(tmp_path):
    file = write_sdss(tmp_path / "spec-1.fits")
    spectra = read_spectra(file)
    before = spectra.flux.copy()
    file.write_bytes(b"x" * file.stat().st_size)
    np.testing.assert_array_equal(spectra.flux, before)


def test_an_empty_list():
    with pytest.raises(ReadError, match="no files given"):
        read_spectra([])


# Folders and installed libraries.


def test_a_folder_of_a_library_is_read_as_a_whole(tmp_path):
    miles, stelib = tmp_path / "miles", tmp_path / "stelib"
    for folder in (miles, stelib):
        folder.mkdir()
        (folder / "README").write_text("not a spectrum")
    for n in (3, 1, 221):
        write_miles(miles, n)
    write_miles_labels(miles)
    write_stelib(stelib, "HD009138")
    write_stelib(stelib, "BD+002058A")
    library = read_spectra(miles)
    assert library.visit_id.tolist() == ["0001", "0003", "0221"]
    assert library.star_id.tolist() == ["BD+002058A", "HD020902", "HD044691A"]
    assert library.wavelength.shape == (4300,)
    assert read_spectra(stelib).star_id.tolist() == ["BD+002058A", "HD009138"]
    both = read_spectra([miles, stelib])
    assert len(both) == 5


def test_another_folder_means_its_fits_files(tmp_path):
    for path in (tmp_path, [tmp_path]):
        with pytest.raises(ReadError, match="pass the spectra themselves, as a list of files"):
            read_spectra(path)
    files = [write_sdss(tmp_path / f"spec-{i}.fits") for i in range(2)]
    (tmp_path / "notes.txt").write_text("not a spectrum")
    for path in (tmp_path, [tmp_path]):
        assert read_spectra(path).file.tolist() == [str(file) for file in files]


def test_the_name_of_a_library_means_the_installed_package(tmp_path, monkeypatch):
    folder = tmp_path / "mangadap" / "data" / "spectral_templates" / "miles"
    folder.mkdir(parents=True)
    (tmp_path / "mangadap" / "__init__.py").write_text("raise RuntimeError('imported')")
    write_miles(folder, 1)
    monkeypatch.syspath_prepend(tmp_path)
    assert read_spectra("miles").visit_id.tolist() == ["0001"]
    assert read_spectra(["miles"]).visit_id.tolist() == ["0001"]
    assert "mangadap" not in sys.modules
    with pytest.raises(ReadError, match=r"stelib: .*pip install --no-deps sdss-mangadap"):
        read_spectra("stelib")  # this copy of the package has none


def test_without_the_package_its_name_gives_the_command(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ReadError, match="pip install --no-deps sdss-mangadap"):
        read_spectra("miles")


# Other formats, through specutils.


@pytest.fixture
def specutils():
    return pytest.importorskip("specutils", reason="specutils is not installed")


def write_table(path, unit="Angstrom", noise=True, **options):
    wavelength = np.linspace(4000.0, 7000.0, 3001)
    columns = {"wavelength": wavelength if unit == "Angstrom" else wavelength / 10, "flux": star(wavelength)}
    if noise:
        columns["uncertainty"] = np.full(3001, 0.05)
    Table(columns, units={"wavelength": unit, "flux": "Jy", "uncertainty": "Jy"} if noise else None).write(
        path, **options
    )
    return path


@pytest.mark.usefixtures("specutils")
@pytest.mark.parametrize("ending", ["fits", "ecsv"])
def test_a_table_of_ones_own(tmp_path, ending):
    file = write_table(tmp_path / f"mine.{ending}", unit="nm")
    with pytest.warns(ReadWarning, match="air or vacuum"):
        spectra = read_spectra(file)
    np.testing.assert_allclose(spectra.wavelength, np.linspace(4000.0, 7000.0, 3001))
    np.testing.assert_allclose(spectra.flux[0], star(spectra.wavelength))
    np.testing.assert_allclose(spectra.ivar, 400.0)
    assert spectra.star_id.tolist() == [f"mine.{ending}" if ending == "ecsv" else "mine"]
    assert np.isnan(spectra.rv).all() and spectra.lsf is None


@pytest.mark.usefixtures("specutils")
def test_warnings_are_given_once_for_many_files(tmp_path):
    files = [write_table(tmp_path / f"{i}.fits") for i in range(5)]
    with pytest.warns(ReadWarning) as caught:
        read_spectra(files)
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.usefixtures("specutils")
@pytest.mark.parametrize(("ctype", "shift"), [("AWAV", 1.49), ("WAVE", 0.0)])
def test_a_linear_image_says_air_or_vacuum(tmp_path, ctype, shift):
    hdu = fits.PrimaryHDU(np.tile(star(np.linspace(4000.0, 7000.0, 3001)), 1))
    hdu.header.update(CTYPE1=ctype, CUNIT1="Angstrom", CRVAL1=4000.0, CDELT1=1.0, CRPIX1=1.0, BUNIT="Jy")
    hdu.writeto(tmp_path / "mine.fits")
    with pytest.warns(ReadWarning, match="no noise") as caught:
        spectra = read_spectra(tmp_path / "mine.fits")
    assert not any("air or vacuum" in str(w.message) for w in caught)
    halfway = np.argmin(np.abs(spectra.wavelength - 5350))
    expected = 4000.0 + halfway
    assert abs(spectra.wavelength[halfway] - expected - shift) < 0.01
    np.testing.assert_allclose(np.median(spectra.flux * np.sqrt(spectra.ivar)), 100, rtol=0.02)


@pytest.mark.usefixtures("specutils")
def test_what_specutils_cannot_read(tmp_path):
    (tmp_path / "notes.txt").write_text("dear diary")
    with pytest.raises(ReadError, match="specutils cannot read it") as caught:
        read_spectra(tmp_path / "notes.txt")
    assert "Auto-identify" not in str(caught.value)  # the table of all its formats


def test_without_specutils_the_error_gives_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "specutils", None)
    with pytest.raises(ReadError, match=r"pip install 'maury\[specutils\]'"):
        read_spectra(other_table(tmp_path / "mine.fits"))


def test_reading_survey_files_does_not_load_specutils(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "specutils", types.ModuleType("specutils"))
    assert len(read_spectra(write_sdss(tmp_path / "spec-1.fits"))) == 1


# Small parts.


@pytest.mark.parametrize(
    ("ra", "dec", "name"),
    [
        (99.45922, 27.230888, "J063750.21+271351.1"),  # as in the header of a LAMOST file
        (147.32107, -0.0065757249, "J094917.05-000023.6"),
        (0.0, 0.0, "J000000.00+000000.0"),
        (359.9999999, 89.9999999, "J235959.99+895959.9"),  # cut, never rounded up to 24 h
        (180.0, -45.5, "J120000.00-453000.0"),
        (np.nan, 1.0, ""),
    ],
)
def test_designation(ra, dec, name):
    assert designation(ra, dec) == name


def test_velocity_of_what_cannot_be_a_star_is_unknown():
    assert velocity(1e-4) == pytest.approx(29.9792458)
    assert np.isnan(velocity(-9999.0)) and np.isnan(velocity(0.3)) and np.isnan(velocity(np.nan))


def test_number_takes_the_first_that_is_one():
    source = {"A": "-", "B": np.nan, "C": " 3.5 ", "D": 4, "E": np.array([5.0, 6.0]), "F": np.array([])}
    assert number(source, "A", "B", "C", "D") == 3.5
    assert number(source, "E") == 5.0
    assert np.isnan(number(source, "A", "F", "absent"))


def test_lamost_notches_around_strong_lines_are_mended(tmp_path):
    from maury.readers.lamost import NOTCHES

    wavelength = 10 ** (3.5682 + 1e-4 * np.arange(3904))
    notched = np.any([(wavelength > low) & (wavelength < high) for low, high in NOTCHES], axis=0)
    even = np.full(3904, 4.0)
    dented = read_spectra(write_lamost_image(tmp_path / "dr1.fits", ivar=np.where(notched, even / 9, even)))
    sound = read_spectra(write_lamost_image(tmp_path / "later.fits", ivar=even))
    np.testing.assert_allclose(dented.ivar, sound.ivar, rtol=1e-6)
    np.testing.assert_allclose(sound.ivar[~sound.mask], 4.0)
