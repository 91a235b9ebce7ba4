"""An error file belongs to one emulator: another one, or other labels, is refused before any work."""

from dataclasses import replace

import pytest
from click.testing import CliRunner

import made_up_stars as made_up
import maury
from maury.catalog.error_file import apply_errors, errors_for, read_errors, write_errors
from maury.catalog.errors import NO_MODEL_WORDS
from maury.catalog.repeats import calibrate_errors
from maury.catalog.table import write_catalog
from maury.cli.main import main
from repeat_visits import LABELS, make_visits

MEND = (
    "errors are valid for one emulator only: calibrate them on a catalogue of this emulator (maury "
    "errors CATALOGUE -o F.ecsv), or fit with the emulator that they belong to"
)
OTHER = (
    "these errors were calibrated with the emulator whose file hash begins with 000000000000, but that of "
    f"this emulator begins with ffffffffffff; {MEND}"
)


@pytest.fixture(scope="module")
def visits():
    return make_visits(n_stars=500, n_visits=1250)


@pytest.fixture(scope="module")
def model(visits):
    return calibrate_errors(visits.catalog)


@pytest.fixture(scope="module")
def three(visits):
    """Errors of the three labels of the made-up emulator."""
    catalog = visits.catalog.copy()
    catalog.meta["LABELS"] = "teff,logg,fe_h"
    return calibrate_errors(catalog)


@pytest.fixture
def untouched(monkeypatch):
    """Make any measurement fail, so that a refusal that comes first is one before the work."""

    def measure(*_, **__):
        raise AssertionError("a spectrum was measured")

    monkeypatch.setattr(
        "maury.survey.recipe.measure", measure
    )  # first: its import takes that of the pipeline
    monkeypatch.setattr("maury.measure.pipeline.measure", measure)


def test_the_hash_comes_from_the_header_and_stays_in_the_file(model, tmp_path):
    assert model.emulator_hash == "0" * 64
    write_errors(model, tmp_path / "e.ecsv")
    assert read_errors(tmp_path / "e.ecsv").emulator_hash == "0" * 64
    assert errors_for(tmp_path / "e.ecsv", LABELS, "0" * 64).labels == LABELS
    assert errors_for(model, LABELS, "0" * 64) is model
    assert errors_for(None, LABELS, "0" * 64) is None


def test_another_emulator_is_refused(visits, model, tmp_path):
    write_errors(model, tmp_path / "e.ecsv")
    with pytest.raises(ValueError, match="belong to") as caught:
        errors_for(tmp_path / "e.ecsv", LABELS, "f" * 64)
    assert str(caught.value) == f"errors: {tmp_path / 'e.ecsv'}: {OTHER}"
    other = visits.catalog.copy()
    other.meta["EMUHASH"] = "f" * 64
    with pytest.raises(ValueError, match="belong to") as caught:
        apply_errors(other, model)
    assert str(caught.value) == f"errors: {OTHER}"


@pytest.mark.parametrize("labels", [("teff", "logg", "fe_h"), (*LABELS, "c_fe")])
def test_other_labels_are_refused(model, labels):
    with pytest.raises(ValueError, match="belong to") as caught:
        errors_for(replace(model, emulator_hash=""), labels, "f" * 64)
    assert str(caught.value) == (
        f"errors: these are errors of {', '.join(LABELS)}, but the emulator has the labels "
        f"{', '.join(labels)}; {MEND}"
    )


def test_a_file_that_does_not_tell_its_emulator_is_taken_with_a_warning(visits, model, tmp_path):
    """Such files were written before; the labels are all that can be compared."""
    path = tmp_path / "e.ecsv"
    write_errors(model, path)
    path.write_text(path.read_text().replace(f"# - {{emulator: '{64 * '0'}'}}\n", ""))
    with pytest.warns(UserWarning, match="emulator") as caught:
        old = errors_for(path, LABELS, "f" * 64)
    assert [str(warning.message) for warning in caught] == [
        f"{path}: this file of errors has no hash of its emulator, so only its labels are checked; "
        "make it again with maury errors"
    ]
    apply_errors(visits.catalog, old)
    with pytest.warns(UserWarning, match="emulator"), pytest.raises(ValueError, match="these are errors of"):
        errors_for(path, LABELS[:2], "f" * 64)


def test_fit_refuses_before_it_measures(three, untouched):
    emulator = made_up.emulator()
    with pytest.raises(
        ValueError, match="errors: these errors were calibrated with the emulator whose file hash"
    ):
        maury.fit(made_up.spectra(emulator), emulator, errors=three)


def test_the_command_fit_refuses_before_the_first_block(
    visits, model, three, untouched, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    emulator = made_up.emulator()
    emulator.save("small.onnx")
    made_up.write_sdss(tmp_path / "spec-0.fits", emulator, made_up.LABELS[0], seed=0)
    for given, text in (
        (
            three,
            "errors: e.ecsv: these errors were calibrated with the emulator whose file hash begins with 0000",
        ),
        (
            model,
            "errors: e.ecsv: these are errors of teff, logg, fe_h, alpha_fe, log_vmicro, but the emulator",
        ),
    ):
        write_errors(given, "e.ecsv", overwrite=True)
        done = CliRunner().invoke(
            main, ["fit", "spec-0.fits", "--emulator", "small.onnx", "--errors", "e.ecsv"]
        )
        assert done.exit_code == 1
        assert text in done.output
        assert "maury errors CATALOGUE -o F.ecsv" in done.output
    assert not (tmp_path / "maury_catalog.fits.parts").exists()


def test_errors_of_another_format_are_refused_before_the_first_block(three, tmp_path, monkeypatch):
    emulator = made_up.emulator()
    own = replace(three, emulator_hash=emulator.file_hash, formats=("lamost",))
    made_up.write_sdss(tmp_path / "spec-0.fits", emulator, made_up.LABELS[0], seed=0)
    monkeypatch.setattr("maury.survey.run.spectra_blocks", lambda *_: pytest.fail("files were read"))
    with pytest.raises(ValueError, match="calibrated on files of format lamost, got files of format sdss"):
        maury.fit_files(tmp_path / "spec-0.fits", tmp_path / "out.fits", emulator, errors=own)


def test_the_command_errors_writes_the_hash_that_fit_wants(visits, three, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    emulator = made_up.emulator()
    catalog = visits.catalog.copy()
    catalog.meta["EMUHASH"] = emulator.file_hash
    catalog.meta["LABELS"] = "teff,logg,fe_h"
    del catalog["covariance"]
    catalog["covariance"] = visits.catalog["covariance"][:, :3, :3]
    write_catalog(catalog, "visits.fits")
    done = CliRunner().invoke(main, ["errors", "visits.fits", "-o", "own.ecsv"])
    assert done.exit_code == 0, done.output
    fitted = maury.fit(made_up.spectra(emulator), emulator, errors="own.ecsv")
    assert fitted.meta["ERRORS"] == f"{three.words}; {NO_MODEL_WORDS}"
