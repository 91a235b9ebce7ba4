"""Which built-in emulator measures the spectra of a format, and how it is found again."""

import numpy as np
import pytest
from click.testing import CliRunner

import maury
from maury.cli.main import main
from maury.emulator.builtin import BUILT_IN, emulator_of_formats, emulator_with_hash
from maury.readers.read import FORMATS, file_format
from maury.survey.run import emulator_of_files
from survey_files import write_lamost_image, write_lamost_table, write_sdss


@pytest.mark.parametrize(
    ("formats", "name"),
    [
        (["lamost", "lamost"], "lamost"),
        (["", "lamost", ""], "lamost"),
        (["lamost", "sdss"], "default"),
        (["sdss", "lamost"], "default"),
        (["miles"], "default"),
        ([""], "default"),
        ([], "default"),
    ],
)
def test_the_emulator_of_formats(formats, name):
    assert emulator_of_formats(formats) == name


def test_the_formats_of_the_emulators_exist():
    assert set().union(*BUILT_IN.values()) <= set(FORMATS)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_built_in_emulator_is_found_by_name_and_by_hash(name):
    emulator = maury.Emulator.load(name)
    assert emulator_with_hash(emulator.file_hash) == name
    assert emulator.error_on_unseen is not None
    assert len(emulator.to_bytes()) < 5e6
    assert CliRunner().invoke(main, ["info", name]).exit_code == 0


def test_the_hash_of_another_file_stands_for_the_default():
    assert emulator_with_hash("f" * 64) == "default"


def test_files_are_not_read_beyond_the_one_that_decides(tmp_path):
    files = [write_sdss(tmp_path / "spec-1.fits"), tmp_path / "absent.fits"]
    assert emulator_of_files(files) == "default"
    assert file_format(files[0]) == "sdss"
    assert file_format(files[1]) == ""
    assert emulator_of_files([files[1]]) == "default"
    with pytest.raises(ValueError, match="format: expected one of"):
        emulator_of_files(files, "lamots")


def test_lamost_files_are_measured_by_the_emulator_of_lamost(tmp_path):
    files = [write_lamost_table(tmp_path / "spec-1.fits"), write_lamost_image(tmp_path / "spec-2.fits")]
    own = maury.Emulator.load("lamost")
    output = tmp_path / "cat.fits"
    done = CliRunner().invoke(main, ["fit", *map(str, files), "-o", str(output)])
    assert done.exit_code == 0, done.output
    assert "Emulator: lamost, by the format of the files" in done.output
    catalog = maury.read_catalog(output)
    assert catalog.meta["EMUHASH"] == own.file_hash
    spectra = maury.read_spectra(files)
    again = maury.fit(spectra)
    assert again.meta["EMUHASH"] == own.file_hash
    np.testing.assert_array_equal(maury.best_fit(catalog, spectra), maury.best_fit(again, spectra, "lamost"))


def test_the_user_decides_otherwise(tmp_path):
    file = str(write_lamost_table(tmp_path / "spec-1.fits"))
    output = tmp_path / "cat.fits"
    done = CliRunner().invoke(main, ["fit", file, "-o", str(output), "--emulator", "default"])
    assert done.exit_code == 0, done.output
    assert "Emulator:" not in done.output
    catalog = maury.read_catalog(output)
    assert catalog.meta["EMUHASH"] == maury.Emulator.load("default").file_hash
    assert np.isfinite(maury.best_fit(catalog, maury.read_spectra(file))).any()


def test_mixed_formats_and_arrays_are_measured_by_the_default(tmp_path):
    files = [write_lamost_table(tmp_path / "spec-1.fits"), write_sdss(tmp_path / "spec-2.fits")]
    default = maury.Emulator.load("default").file_hash
    assert maury.fit(maury.read_spectra(files)).meta["EMUHASH"] == default
    mixed = maury.fit_files(files, tmp_path / "mixed.fits")
    assert mixed.meta["EMUHASH"] == default
    spectra = maury.read_spectra(files[0])
    spectra.format[:] = ""
    assert maury.fit(spectra).meta["EMUHASH"] == default
