"""The command line: what it prints, writes and returns, through click and once as a real process."""

import json
import os
import subprocess
import sys
import types

import numpy as np
import pytest
from astropy.table import QTable

import made_up_stars as made_up
import maury
from command_line import fit, run
from maury import _core
from maury.catalog.flags import Flag
from maury.cli.check import stored_answers
from maury.learn.build import Trained
from maury.learn.flux_errors import flux_errors
from maury.learn.recipe import Recipe
from maury.learn.validate import Validation
from maury.readers.mastar_bits import PAPER_BITS
from maury.reference.load import Labelled
from maury.spectra import Spectra

DOUBT = "label doubtful: given teff = 6500 K, the spectrum gives 4711 K"


def in_process(*words, **environment):
    """A process of its own, in which the core is not loaded yet."""
    command = [sys.executable, "-W", "ignore", "-m", "maury", *words]
    return subprocess.run(command, capture_output=True, text=True, env=os.environ | environment)


@pytest.fixture(scope="module")
def emulator():
    return made_up.emulator()


@pytest.fixture
def stars(tmp_path, emulator, monkeypatch):
    """A folder, now the working one, with an emulator, four star files and a broken one."""
    emulator.save(tmp_path / "small.onnx")
    for i, labels in enumerate(made_up.LABELS):
        made_up.write_sdss(tmp_path / f"spec-{i}.fits", emulator, labels, seed=i)
    (tmp_path / "broken.fits").write_bytes((tmp_path / "spec-0.fits").read_bytes()[:9000])
    monkeypatch.chdir(tmp_path)
    return tmp_path


FILES = [f"spec-{i}.fits" for i in range(4)]


def test_fit_measures_and_writes(stars):
    outcome = fit(*FILES)
    catalog = maury.read_catalog("maury_catalog.fits")
    assert catalog["file"].tolist() == FILES
    # Not within the formal errors: the running median sees the lines too.
    for j, (name, tolerance) in enumerate({"teff": 60, "logg": 0.15, "fe_h": 0.1}.items()):
        np.testing.assert_allclose(catalog[name].value, made_up.LABELS[:, j], rtol=0, atol=tolerance)
    assert catalog["converged"].all()
    assert (catalog["flags"] == 0).all()
    assert (np.abs(catalog["rv"].value - 29.98) < 4 * catalog["rv_err"].value).all()
    assert (catalog["rv_err"].value < 1).all()
    assert "4 spectra: 4 converged, 0 flagged. Written to maury_catalog.fits." in outcome.stdout
    row = next(line for line in outcome.stdout.splitlines() if line.startswith("J1000"))
    assert f"{catalog['teff'][0].value:.0f} +- {catalog['teff_err'][0].value:.0f}" in row
    assert outcome.stderr == ""


def test_a_broken_file_is_a_flagged_row_and_harms_no_other(stars):
    outcome = fit(FILES[0], "broken.fits", FILES[1], "gone.fits", "-o", "cat.ecsv")
    warnings = outcome.stderr.splitlines()
    assert len(warnings) == 2
    assert warnings[0].startswith("Warning: broken.fits: ")
    assert warnings[1].startswith("Warning: gone.fits: no such file")
    catalog = maury.read_catalog("cat.ecsv")
    unreadable = int(Flag.UNREADABLE | Flag.NOT_CONVERGED)
    assert catalog["flags"].tolist() == [0, unreadable, 0, unreadable]
    assert catalog["problem"][1].startswith("broken.fits: ")
    assert "4 spectra: 2 converged, 2 flagged" in outcome.stdout
    assert "not converged, unreadable" in outcome.stdout
    fit(FILES[0], FILES[1], "-o", "alone.ecsv")
    alone = maury.read_catalog("alone.ecsv")
    np.testing.assert_array_equal(catalog["covariance"][[0, 2]], alone["covariance"])


@pytest.mark.parametrize("files", [["broken.fits"], ["broken.fits", "gone.fits"]])
def test_nothing_readable_is_an_error(stars, files):
    outcome = fit(*files, code=1)
    assert outcome.stderr.startswith("Error: ")
    assert "broken.fits" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert not (stars / "maury_catalog.fits").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "cat.csv"], "use one of .fits"),
        (["-o", "new/cat.fits"], "no such folder"),
        (["--emulator", "gone.onnx"], "gone.onnx"),
        (["--emulator", "spec-0.fits"], "spec-0.fits"),
        (["--format", "nonsense"], "expected one of"),
    ],
)
def test_what_a_user_can_mend_is_one_line(stars, words, message):
    outcome = run("fit", FILES[0], "--emulator", "small.onnx", *words, code=1)
    assert message in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1
    assert outcome.stdout == ""


def test_an_existing_catalogue_is_kept_unless_told(stars):
    (stars / "maury_catalog.fits").write_text("precious")
    assert "exists" in fit(*FILES, code=1).stderr
    assert (stars / "maury_catalog.fits").read_text() == "precious"
    fit(*FILES, "--overwrite")
    assert len(maury.read_catalog("maury_catalog.fits")) == 4


@pytest.mark.parametrize(
    "words", [["fit"], ["fit", "a.fits", "--threads", "0"], ["nonsense"], ["fit", "--nonsense"]]
)
def test_wrong_usage_is_exit_code_2(words):
    assert "Error" in run(*words, code=2).stderr


def test_pictures_one_a_spectrum_and_the_kiel_diagram(stars):
    outcome = fit(FILES[0], FILES[1], "broken.fits", "--plot", "deep/plots")
    pictures = sorted((stars / "deep" / "plots").iterdir())
    assert [path.name for path in pictures] == [
        "broken-fits.png",
        "j100000-00p020000-0-0.png",
        "j100400-00p020000-0-1.png",
        "kiel.png",
    ]
    assert all(path.stat().st_size > 10_000 for path in pictures)
    assert "4 figures in deep/plots." in outcome.stdout


def test_threads_do_not_change_the_result(stars):
    fit(*FILES, "-o", "one.fits", "--threads", 1)
    fit(*FILES, "-o", "two.fits", "--threads", 2)
    one, two = maury.read_catalog("one.fits"), maury.read_catalog("two.fits")
    for name in one.colnames:
        np.testing.assert_array_equal(np.asarray(one[name]), np.asarray(two[name]))


def test_a_long_list_is_cut(stars, emulator):
    spectra = made_up.spectra(emulator, np.tile(made_up.LABELS, (6, 1)))
    from maury.show.tables import summary_table

    catalog = maury.fit(spectra, emulator)
    lines = summary_table(catalog).splitlines()
    assert len(lines) == 1 + 20 + 1
    assert lines[-1] == "... and 4 more"


def test_info_on_an_emulator_and_a_catalogue(stars):
    assert "made up" in run("info", "small.onnx").stdout
    fit(*FILES)
    words = run("info", "maury_catalog.fits").stdout
    assert "4 spectra" in words
    assert "4 of these have no flag at all" in words


@pytest.mark.parametrize("file", ["spec-0.fits", "gone.fits", "gone.onnx", "broken.fits", "notes.txt"])
def test_info_on_other_files(stars, file):
    outcome = run("info", file, code=1)
    assert file in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1


def test_demo_compares_with_known_labels(stars, emulator, monkeypatch):
    known = dict(zip(emulator.labels, made_up.LABELS.T, strict=True)) | {"alpha_fe": np.zeros(4)}
    known["logg"] = [np.nan, 4.4, 2.0, 4.1]
    monkeypatch.setattr("maury.cli.fit._demo_stars", lambda: made_up.spectra(emulator, rv=0.0, labels=known))
    outcome = run("demo", "--emulator", "small.onnx", "--plot", "plots")
    lines = outcome.stdout.splitlines()
    head = next(line for line in lines if line.startswith("star"))
    assert head.split() == ["star", "teff", "known", "logg", "known", "fe_h", "known"]
    first = next(line for line in lines if line.startswith("star 0"))
    assert first.split()[-3:] == ["-", first.split()[-2], "-0.50"]
    medians = next(line for line in lines if line.startswith("median"))
    assert float(medians.split()[2]) < 60
    assert "MILES" in outcome.stdout
    assert len(list((stars / "plots").iterdir())) == 5


def test_train_writes_an_emulator_and_says_what_it_did(stars, emulator, monkeypatch):
    meta = {
        "name": "new",
        "stars": {"training": 30, "stopping": 4},
        "left_out": {"a label missing": 2, "unreadable": 0},
        "validation_stars": ["star 1", "star 2"],
    }
    asked = {}

    def train(reference, recipe, **options):
        asked.update(options, n=len(reference), recipe=recipe)
        use = ["training", "withheld for validation", "withheld for validation", DOUBT]
        return Trained(made_up.emulator(meta=meta), (), np.array(use))

    labels = dict(zip(emulator.labels, made_up.LABELS.T, strict=True))
    monkeypatch.setattr("maury.learn.train.train_recipe", train)
    monkeypatch.setattr("maury.learn.need_torch", lambda: None)
    reference = made_up.spectra(emulator, rv=0.0, labels=labels)
    errors = {"teff": np.full(len(reference), 50.0)}
    labelled = Labelled(reference, label_errors=errors)
    monkeypatch.setattr("maury.reference.load._read_labelled_table", lambda _: labelled)
    words = ["train", "mine.ecsv", "-o", "new.onnx"]
    options = ["--hidden", "32,16", "--seed", 3, "--labels", "teff, logg,fe_h", "--wavelength", 4500, 5500]
    outcome = run(*words, *options)
    assert asked == {
        "n": 4,
        "recipe": Recipe(hidden=(32, 16), seed=3),
        "labels": ["teff", "logg", "fe_h"],
        "teff_max": None,
        "wavelength": (4500.0, 5500.0),
        "folds": 5,
        "label_errors": errors,
        "meta": {"name": "new", "training_data": "mine.ecsv"},
        "progress": True,
    }
    assert "30 for training, 4 for stopping, 2 for validation" in outcome.stdout
    assert "2 a label missing" in outcome.stdout
    assert "unreadable" not in outcome.stdout
    assert "Stars withheld from training (2 spectra), measured against their labels:" in outcome.stdout
    assert "Doubtful labels:\n  star 3: given teff = 6500 K, the spectrum gives 4711 K\n" in outcome.stdout
    assert "Written to new.onnx; use of each spectrum in new.stars.ecsv.\n" in outcome.stdout
    table = QTable.read("new.stars.ecsv")
    assert table["star_id"].tolist() == ["star 0", "star 1", "star 2", "star 3"]
    assert table["used"].tolist() == [True, False, False, False]
    assert table["reason"][3] == DOUBT
    assert maury.Emulator.load("new.onnx").name == "new"
    again = run(*words, code=1).stderr
    assert again == "Error: new.onnx exists; choose another name, or pass --overwrite\n"
    (stars / "new.onnx").unlink()
    again = run(*words, code=1).stderr
    assert again == "Error: new.stars.ecsv exists; choose another name, or pass --overwrite\n"
    assert "Written to new.onnx" in run(*words, "--overwrite").stdout
    nowhere = run("train", "mine.ecsv", "-o", "nowhere/new.onnx", code=1).stderr
    assert "nowhere: no such folder to write new.onnx into; create it first" in nowhere
    assert "expected whole numbers" in run("train", "x", "-o", "a.onnx", "--hidden", "a", code=2).stderr
    assert ".onnx" in run("train", "x", "-o", "a.pt", code=2).stderr


def test_validate_prints_writes_and_draws(stars, emulator, monkeypatch):
    measured = made_up.LABELS + np.array([30, 0.1, -0.1])
    asked = {}

    def cross_validate(reference, *, recipe, **options):
        asked.update(options, seed=recipe.seed)
        names, n = emulator.labels, len(measured)
        star_id = np.array([f"star {i}" for i in range(n)])
        flux = np.ones((n, 50))
        errors = flux_errors(flux, flux, flux + 0.0051, made_up.LABELS[:, 0])
        one = np.ones((n, 3))
        return Validation(names, star_id, made_up.LABELS, measured, one, one[:, 0], np.arange(n) % 2, errors)

    miles = types.SimpleNamespace(labels={"teff": None})
    monkeypatch.setattr("maury.reference.load.read_spectra", lambda _: miles)
    monkeypatch.setattr("maury.learn.validate.cross_validate", cross_validate)
    monkeypatch.setattr("maury.learn.need_torch", lambda: None)
    outcome = run("validate", "miles", "--folds", 3, "--seed", 7, "-o", "table.ecsv", "--plot", "plots")
    assert asked == {
        "folds": 3,
        "labels": None,
        "teff_max": 32000.0,  # what maury knows of MILES
        "wavelength": (3600.0, 7400.0),
        "label_errors": {},
        "progress": True,
        "seed": 7,
    }
    line = next(line for line in outcome.stdout.splitlines() if line.startswith("4000-6500 K"))
    assert line.split()[2:] == ["3", "30", "0", "0.10", "0.00", "-0.10", "0.00"]
    assert (stars / "table.ecsv").stat().st_size > 300
    assert "0.0052 0.0052 0.0052" in outcome.stdout
    for name in ("validation", "flux_errors"):
        assert (stars / "plots" / f"{name}.png").stat().st_size > 10_000
    assert (
        "--folds applies to training, and --emulator skips training"
        in run("validate", "a", "--emulator", "b", "--folds", 3, code=2).stderr
    )
    assert "exists" in run("validate", "miles", "-o", "table.ecsv", code=1).stderr


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["fit"],
        ["demo"],
        ["info"],
        ["train"],
        ["validate"],
        ["twins"],
        ["reference"],
        ["reference", "theory"],
    ],
)
def test_help(words):
    assert "Usage:" in run(*words, "--help").stdout


def test_help_shows_examples_line_by_line():
    lines = [line.strip() for line in run("--help").stdout.splitlines()]
    assert [line.split()[1] for line in lines if line.startswith("maury ")] == ["demo", "fit", "info"]
    assert not any(line.endswith("...") for line in lines[1:])


def test_version():
    assert run("--version").stdout == f"maury {maury.__version__} (SIMD level {_core.SIMD_LEVEL})\n"
    other = in_process("--version", MAURY_SIMD="pentium")
    assert other.returncode == 1
    assert other.stderr.startswith("Error: MAURY_SIMD: expected one of")


@pytest.mark.skipif(_core.SIMD_LEVEL == "baseline", reason="this machine has no other level")
def test_simd(stars):
    """Chosen before the core is loaded; afterwards only the level in use is accepted."""
    told = in_process("fit", "spec-0.fits", "--emulator", "small.onnx", "--simd", "baseline")
    assert told.returncode == 0, told.stderr
    assert maury.read_catalog("maury_catalog.fits").meta["SIMD"] == "baseline"
    outcome = fit("spec-0.fits", "--simd", "baseline", code=1)
    assert f"Error: --simd: expected {_core.SIMD_LEVEL}, with which the core" in outcome.stderr
    missing = "neon" if "neon" not in _core.SIMD_LEVELS else "avx2"
    told = in_process("fit", "spec-0.fits", "--emulator", "small.onnx", "--simd", missing)
    assert told.returncode == 1
    assert told.stderr.startswith(f"Error: --simd: expected one of {', '.join(_core.SIMD_LEVELS)}")


def test_demo_check(monkeypatch):
    """The stored results are found; one label or flag off is found too."""
    told = run("demo", "--check").stdout.splitlines()[-1]
    assert told.startswith(f"SIMD level {_core.SIMD_LEVEL}: labels within ")
    run("demo", "--check", "--emulator", "small.onnx", code=2)
    real = stored_answers()
    for name, change in (("teff", 0.1), ("flags", 1)):
        other = real.copy()
        other[name][3] += change
        monkeypatch.setattr("maury.cli.check.stored_answers", lambda other=other: other)
        assert "expected 0.001 formal errors at most" in run("demo", "--check", code=1).stderr


def test_many_problems_are_not_all_printed(stars):
    for i in range(30):
        (stars / f"bad-{i:02d}.fits").write_bytes(b"SIMPLE  =")
    outcome = fit("spec-0.fits", *(f"bad-{i:02d}.fits" for i in range(30)))
    assert outcome.stderr.count("Warning: bad-") == 20
    assert "Warning: ... and 10 more; see the column problem" in outcome.stderr


def test_a_fault_of_ours_keeps_its_traceback(stars, monkeypatch):
    monkeypatch.setattr("maury.survey.fit_files", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fit(*FILES)


def test_as_a_process(stars):
    command = [
        sys.executable,
        "-m",
        "maury",
        "fit",
        *FILES,
        "broken.fits",
        "-o",
        "cat.fits",
        "--emulator",
        "small.onnx",
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=stars)
    assert done.returncode == 0, done.stderr
    assert "5 spectra: 4 converged, 1 flagged" in done.stdout
    first, second = done.stderr.splitlines()  # the warnings; no progress bar outside a terminal
    assert first.startswith("Warning: the model error of the emulator is unknown, so that")
    assert second.startswith("Warning: broken.fits: ")
    again = subprocess.run(command, capture_output=True, text=True, cwd=stars)
    assert again.returncode == 1
    assert again.stdout == ""
    assert again.stderr.startswith("Error: cat.fits exists")


def test_one_pixel_and_no_light_do_not_stop_a_batch(emulator):
    """Odd spectra between good ones become flagged rows."""
    good = made_up.spectra(emulator)[:1]
    odd = [
        Spectra([5000.0], [1.0], [1.0], rv=0.0),
        Spectra(emulator.wavelength, np.zeros(made_up.N_PIXELS), np.ones(made_up.N_PIXELS), rv=0.0),
        Spectra(emulator.wavelength * 3, np.ones(made_up.N_PIXELS), np.ones(made_up.N_PIXELS), rv=0.0),
        Spectra(emulator.wavelength, -np.ones(made_up.N_PIXELS), np.ones(made_up.N_PIXELS), rv=0.0),
    ]
    catalog = maury.fit(Spectra.concatenate([good, *odd, good]), emulator)
    assert catalog["flags"][[0, 5]].tolist() == [0, 0]
    assert ((catalog["flags"][1:5] & Flag.TOO_FEW_PIXELS) != 0).all()
    assert not catalog["converged"][1:5].any()
    np.testing.assert_array_equal(catalog["covariance"][0], catalog["covariance"][5])


def test_what_to_reject_is_chosen_by_name(stars):
    def rejected(*more):
        fit(FILES[0], "-o", "rejects.fits", "--overwrite", *more)
        return json.loads(maury.read_catalog("rejects.fits").meta["OPTIONS"])["reject"]

    shown = run("fit", "--help").stdout
    assert f"[default: {', '.join(PAPER_BITS)}]" in " ".join(shown.split())
    assert rejected() == list(PAPER_BITS)
    assert rejected("--reject", "MANUAL", "--reject", "LOWCOV") == ["MANUAL", "LOWCOV"]
    assert rejected("--keep-all") == []
    both = fit(FILES[0], "--keep-all", "--reject", "MANUAL", code=2)
    assert "--reject and --keep-all: give one of them" in both.stderr
    unknown = fit(FILES[0], "-o", "no.fits", "--reject", "BLURRED", code=1)
    assert "got BLURRED" in unknown.stderr
