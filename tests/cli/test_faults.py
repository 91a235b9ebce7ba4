"""What a user sees when something is wrong: one line of text that can be printed, and no more."""

import os
import signal
import sys

import numpy as np
import pytest
from click.testing import CliRunner

import made_up_stars
import maury
from maury.cli.main import main
from maury.measure.options import Options
from maury.readers import blocks
from maury.show.plots import picture_names
from survey_run import start_command, start_run, write_visits


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a process")
@pytest.mark.parametrize("phase", ["start", "read", "catalogue", "write", "draw"])
def test_ctrl_c_in_any_phase_prints_one_line(tmp_path, phase):
    file = write_visits(tmp_path, 20)
    process = start_command(tmp_path, phase, file.name, "--plot", "p")
    process.send_signal(signal.SIGINT)
    message = process.communicate()[1]
    assert process.returncode == 130
    lines = [line for line in message.replace("\r", "\n").splitlines() if line.strip() and "|" not in line]
    assert [line for line in lines if "Warning" not in line] == [
        "Interrupted."
        if phase == "draw"
        else "Interrupted. Finished blocks are kept: the same command resumes the run."
    ]
    assert (tmp_path / "maury_catalog.fits").exists() == (phase == "draw")


def test_escapes_are_not_printed(tmp_path):
    name = "no\x1b[31m\u2028\x07such.fits"
    done = CliRunner().invoke(main, ["fit", name, "-o", str(tmp_path / "c.fits")])
    assert done.exit_code == 1
    assert done.output.replace("\n", "").isprintable()
    assert "no\\x1b[31m\\x07such.fits" in done.output.replace("\\u2028", "").replace(" ", "")


def test_messages_are_cut(tmp_path):
    done = CliRunner().invoke(
        main, ["fit", *[f"{'x' * 200}-{i}.fits" for i in range(3)], "--leave-out", "y" * 10**5]
    )
    assert done.exit_code != 0 and len(done.output) < 3000


WRONG = {
    "n_starts": [0, -1, "six", None, 2.5, "x" * 1000],
    "max_rv": [0, "fast", None, float("nan"), [1]],
    "clip": [-1, "4s", None],
    "resolution": [0, "R", float("inf"), 10**400],
    "fwhm": [-2.5, "A"],
    "broadening": ["yes", 2, None],
    "use_scatter": ["no", None],
    "arm_rv": ["no", 3],
    "leave_out": [3, None],
    "reject": [3, None],
    "velocity": [3, None, ["fit"]],
    "bounds": ["x", 3, [[1, 2, 3]]],
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_of_options_name_the_option(name):
    for value in WRONG[name]:
        with pytest.raises(ValueError, match=f"^{name}") as caught:
            Options(**{name: value})
        assert len(str(caught.value)) < 400


def test_more_starts_than_candidates_take_no_more_memory():
    emulator = made_up_stars.emulator()
    spectra = made_up_stars.spectra(emulator)[:1]
    many, most = (maury.fit(spectra, emulator, n_starts=n) for n in (10**12, 2048))
    assert many["teff"] == most["teff"] and many["n_starts"] == most["n_starts"]


def test_names_of_pictures_are_names_of_files(tmp_path):
    emulator = made_up_stars.emulator()
    names = ["a" * 400, "a" * 401, "é" * 300, "../" * 100]
    catalog = made_up_stars.build_catalog(
        made_up_stars.result(), made_up_stars.spectra(emulator, star_id=names), emulator
    )
    pictures = picture_names(catalog)
    assert len(set(pictures)) == 4
    for picture in pictures:
        (tmp_path / picture).touch()
    assert len(os.listdir(tmp_path)) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of that kind")
def test_a_disk_that_is_full_when_the_catalogue_is_written(tmp_path, monkeypatch):
    """Of a real limit, not of a mock: astropy writes the file."""
    file = write_visits(tmp_path, 100)
    process = start_run(tmp_path, file, "full.fits", limit=40_000)  # bytes a file
    message = process.communicate()[1]
    assert process.returncode == 1
    assert (
        "No space left on device for the catalogue" in message
        and "finished blocks are kept in full.fits.parts" in message
    )
    assert len(list(tmp_path.glob("full.fits.parts/0*.npz"))) == 13
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".maury")]
    monkeypatch.setattr(blocks, "ROWS", 8)  # as there
    monkeypatch.setattr(blocks, "LARGE", 1000)
    for name in ("full.fits", "quiet.fits"):
        maury.fit_files(file, tmp_path / name, tmp_path / "small.onnx")
    assert (tmp_path / "full.fits").read_bytes() == (tmp_path / "quiet.fits").read_bytes()
    assert np.isfinite(maury.read_catalog(tmp_path / "full.fits")["teff"]).all()
