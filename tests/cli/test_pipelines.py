"""The command line for pipelines: lists, folders, exit codes, models, figures of a catalogue, messages."""

import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

import made_up_stars as made_up
import maury
from command_line import fit, run
from maury.catalog.match import match_files

FILES = [f"spec-{i}.fits" for i in range(4)]


@pytest.fixture
def stars(tmp_path, monkeypatch):
    """A folder, now the working one, with an emulator beside a folder of four star files."""
    emulator = made_up.emulator()
    emulator.save(tmp_path / "small.onnx")
    (tmp_path / "night").mkdir()
    for i, labels in enumerate(made_up.LABELS):
        made_up.write_sdss(tmp_path / "night" / FILES[i], emulator, labels, seed=i)
    (tmp_path / "night" / "log.txt").write_text("clear")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_folders_and_lists(stars):
    (stars / "some.txt").write_text("# the best\nnight/spec-1.fits\n\nnight/spec-0.fits\n")
    fit("night", "@some.txt", "-o", "all.fits")
    expected = [*FILES, FILES[1], FILES[0]]
    assert maury.read_catalog("all.fits")["file"].tolist() == [f"night/{name}" for name in expected]
    (stars / "empty.txt").write_text("# nothing\n")
    assert "the list has no paths" in fit("@empty.txt", code=2).stderr
    assert "@gone.txt: expected a text file" in fit("@gone.txt", code=2).stderr


def test_strict(stars):
    assert fit("night", "--strict", "-o", "good.fits").exit_code == 0
    (stars / "bad.fits").write_bytes(b"SIMPLE  =")
    outcome = fit("night", "bad.fits", "--strict", "-o", "bad-cat.fits", code=3)
    assert outcome.stderr.splitlines()[-1] == "Error: 1 of 5 rows are not valid"
    assert len(maury.read_catalog("bad-cat.fits")) == 5


def test_quiet_and_verbose(stars):
    (stars / "bad.fits").write_bytes(b"SIMPLE  =")
    quiet = fit("night", "bad.fits", "-q", "--plot", "plots", "-o", "q.fits")
    told = [line for line in quiet.stderr.splitlines() if "deprecated" not in line]  # by old libraries
    assert quiet.stdout == "" and len(told) == 1 and "bad.fits" in told[0]
    assert (stars / "plots" / "kiel.png").exists()
    many = [f"night/{FILES[0]}"] * 25
    assert "... and 5 more" in fit(*many, "-o", "m.fits").stdout
    verbose = fit(*many, "-v", "-o", "v.fits").stdout
    assert "more" not in verbose and verbose.count("J1000") == 25
    assert "--quiet and --verbose" in fit("night", "-q", "-v", code=2).stderr


def test_models_are_those_of_best_fit(stars):
    (stars / "bad.fits").write_bytes(b"SIMPLE  =")
    fit("night", "bad.fits", "--models", "models.fits")
    catalog = maury.read_catalog("maury_catalog.fits")
    with fits.open("models.fits") as hdus:
        models = Table(hdus["MODELS"].data)
    assert models["file"].tolist() == catalog["file"].tolist()
    spectra = maury.read_spectra([f"night/{name}" for name in FILES])
    expected = maury.best_fit(catalog[:4], spectra, "small.onnx")
    np.testing.assert_allclose(models["model"][:4], expected, rtol=1e-6)
    np.testing.assert_allclose(models["flux"][:4], spectra.flux, rtol=1e-6)
    np.testing.assert_array_equal(models["wavelength"][:4], np.broadcast_to(spectra.wavelength, (4, 1500)))
    assert np.isnan(models["model"][4]).all()
    wrong = {"m.ecsv": "must be .fits", "models.fits": "exists", "no/m.fits": "no such folder"}
    for name, words in wrong.items():
        assert words in fit("night", "-o", "new.fits", "--models", name, code=1).stderr
    assert not (stars / "new.fits").exists()
    assert "Error" not in fit("night", "--models", "models.fits", "--overwrite").stderr


def test_plot_of_a_catalogue(stars):
    fit("night")
    name = str(maury.read_catalog("maury_catalog.fits")["star_id"][2])
    all_of = run("plot", "maury_catalog.fits", "--emulator", "small.onnx")
    assert "5 figures in plots." in all_of.stdout
    assert len(list((stars / "plots").iterdir())) == 5
    some = run("plot", "maury_catalog.fits", "--emulator", "small.onnx", "-o", "two", "--max-spectra", 2)
    assert "3 figures in two." in some.stdout and "2 of 4 spectra drawn" in some.stdout
    one = run("plot", "maury_catalog.fits", "--emulator", "small.onnx", "-o", "one", "--star", name)
    assert "2 figures in one." in one.stdout
    (stars / "night").rename(stars / "moved")
    none = run("plot", "maury_catalog.fits", "--emulator", "small.onnx", "-o", "none")
    assert "1 figure in none." in none.stdout and "pass them with --spectra" in none.stderr
    moved = run("plot", "maury_catalog.fits", "--emulator", "small.onnx", "-o", "m", "--spectra", "moved")
    assert "5 figures in m." in moved.stdout
    unknown = run("plot", "maury_catalog.fits", "--emulator", "small.onnx", "--star", "Vega", code=1)
    assert unknown.stderr.startswith("Error: --star: the catalogue has no Vega")
    assert "--emulator: the catalogue was made with" in run("plot", "maury_catalog.fits", code=1).stderr


def test_compare_by_file(stars):
    fit("night")
    with fits.open("maury_catalog.fits") as hdus:
        files = [f"elsewhere/{name.split('/')[1]}" for name in hdus[1].data["file"]]
    Table({"FILE": files[::-1], "Teff": made_up.LABELS[::-1, 0]}).write(stars / "lasp.csv")
    words = ["compare", "maury_catalog.fits", "lasp.csv", "--by", "file", "--columns", "file=FILE,teff=Teff"]
    assert "4 rows in common with lasp.csv by file" in run(*words).stdout
    assert "got --by file" in run(*words, "--radius", 2, code=2).stderr


def test_names_of_files_that_occur_twice_are_left_out():
    ours = Table({"file": ["a/x", "a/y", "b/y", "a/z", ""]})
    theirs = Table({"file": ["z", "x", "y", ""]})
    assert [rows.tolist() for rows in match_files(ours, theirs)] == [[0, 3], [1, 0]]
    assert [len(rows) for rows in match_files(ours[:0], theirs)] == [0, 0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--max-rv", "-5"], "Error: --max-rv: expected km/s above 0, got -5.0"),
        (["--leave-out", "sky"], "Error: --leave-out: "),
        (["--fwhm", "2", "--resolution", "1800"], "Error: --resolution, --fwhm: pass one of them"),
        (["--format", "lamots"], "Error: --format: expected one of"),
        (["--emulator", "gone.onnx"], "Error: gone.onnx: No such file or directory"),
    ],
)
def test_messages_name_options_as_typed(stars, words, message):
    emulator = [] if "--emulator" in words else ["--emulator", "small.onnx"]
    outcome = run("fit", "night", *words, *emulator, code=1)
    assert outcome.stderr.startswith(message), outcome.stderr


def test_fwhm_comes_before_resolution():
    text = run("fit", "--help").stdout
    assert 0 < text.index("--fwhm") < text.index("--resolution")


def test_torch_is_asked_for_before_the_data(tmp_path):
    code = (
        "import importlib.util as u, sys; find = u.find_spec\n"
        "u.find_spec = lambda name, *a: None if name == 'torch' else find(name, *a)\n"
        "from maury.cli.main import main; main(sys.argv[1:])"
    )
    for words in (["train", "miles", "-o", "new.onnx"], ["validate", "miles"]):
        command = [sys.executable, "-c", code, *words]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("Error: training requires torch"), done.stderr
        assert "mangadap" not in done.stderr
