"""Commands that work for long show lines of progress where the output is a log."""

import numpy as np
import pytest

import made_up_stars as made_up
import maury.output
from command_line import run
from maury.catalog.table import write_catalog
from maury.reference.file import Reference, write_reference
from repeat_visits import make_visits

QUICK = ["--hidden", "16,16", "--steps", 50, "--cycles", 1, "--coefficients", 8, "--wavelength", 4500, 5900]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """No time between lines; in a log as of a job there is half a minute."""
    monkeypatch.setattr(maury.output, "INTERVAL", 0.0)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def lines(*words):
    done = run(*words)
    assert "\r" not in done.stderr
    return done.stderr.splitlines()


def write_stars(name="stars.fits", **changes):
    rng = np.random.default_rng(5)
    labels = np.column_stack(
        [rng.uniform(4200, 6800, 120), rng.uniform(1.5, 4.8, 120), rng.uniform(-1.8, 0.4, 120)]
    )
    spectra = made_up.spectra(made_up.emulator(), labels, rv=0.0)
    spectra.labels = dict(zip(("teff", "logg", "fe_h"), labels.T, strict=True))
    made = Reference.of_theory(spectra)
    write_reference(Reference(spectra, {}, np.full(120, "empirical"), made.label_id), name)


def test_errors():
    write_catalog(make_visits(n_stars=500, n_visits=1250).catalog, "visits.fits")
    found = lines("errors", "visits.fits", "-o", "e.ecsv")
    assert any(line.startswith("errors by likelihood:") and "120/120 [" in line for line in found)
    assert len(found) > 20


def test_train_and_validate():
    pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")
    write_stars()
    found = lines("train", "stars.fits", "-o", "F.onnx", *QUICK)
    for what in ("first training: 100%", "training: 100%"):
        assert any(line.startswith(what) and "held_out_rms=" in line for line in found), found
    found = lines("validate", "stars.fits", "--folds", 2, *QUICK)
    for what in ("fold 1 of 2, first training: ", "fold 2 of 2, training: 100%"):
        assert any(line.startswith(what) for line in found), found


def test_twins():
    pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")
    write_stars()
    found = lines("twins", "stars.fits", "stars.fits", "-o", "twins", *QUICK)
    for what in ("semi-empirical, training: 100%", "synthetic, training: 100%"):
        assert any(line.startswith(what) for line in found), found


def test_fit():
    emulator = made_up.emulator()
    emulator.save("small.onnx")
    for i, labels in enumerate(made_up.LABELS):
        made_up.write_sdss(f"spec-{i}.fits", emulator, labels, seed=i)
    files = [f"spec-{i}.fits" for i in range(4)]
    found = lines("fit", *files, "--emulator", "small.onnx", "--plot", "plots")
    assert any(line.startswith("fitting: 100%") and "4/4 [" in line for line in found), found
    assert any(line.startswith("drawing: 100%") and "4/4 [" in line for line in found), found
