"""From the files of surveys to an emulator of five labels, by the commands of the documentation; small."""

import numpy as np
import pytest

import command_line
import mastar_made
import maury
import maury.reference.file as reference_file
from maury.learn.recipe import PAPER_BOUNDS
from maury.learn.twins import train_twins
from maury.reference.file import Reference, read_reference, write_reference

pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")

QUICK = ["--hidden", "40,40", "--steps", 400, "--cycles", 2, "--wavelength", 4800, 6000]


def run(*words, code=0):
    outcome = command_line.run(*words, code=code)
    return outcome.stdout if code == 0 else outcome.output


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the set of stars, the one with models too, and the emulator trained on it."""
    files, _ = mastar_made.made()
    folder = tmp_path_factory.mktemp("five")
    words = [files[name] for name in ("goodspec", "mastarall", "allstar")]
    run("reference", "mastar-apogee", *words, "--gaia", files["gaia"], "-o", folder / "stars.fits")
    theory = ["reference", "theory", files["theory"]]
    run(
        *theory,
        "--isochrones",
        files["isochrones"],
        "--join",
        folder / "stars.fits",
        "-o",
        folder / "both.fits",
    )
    run(*theory, "--at", folder / "stars.fits", "-o", folder / "twin.fits")
    more = ["--ensemble", 2, "--folds", 2]
    said = run("train", folder / "both.fits", "-o", folder / "five.onnx", *QUICK, *more)
    (folder / "said.txt").write_text(said)
    return folder


def test_trained_on_five_labels_within_the_bounds_of_the_paper(folder):
    emulator = maury.Emulator.load(folder / "five.onnx")
    assert emulator.labels == tuple(PAPER_BOUNDS)
    np.testing.assert_allclose(emulator.bounds, list(PAPER_BOUNDS.values()))
    assert "empirical and" in emulator.meta["training_data"] and "Imig" in emulator.meta["citation"]
    said = (folder / "said.txt").read_text()
    assert "converged" in said and "between 2 networks" in said
    assert "measured against their labels" in said
    assert emulator.lsf is not None  # so that spectra can be fitted at their own


def test_labels_of_stars_never_seen_come_back(folder):
    """Few stars, few steps: temperature and metallicity to a few times what a full set gives."""
    words = ["validate", folder / "both.fits", "--emulator", folder / "five.onnx"]
    said = run(*words, "-o", folder / "unseen.ecsv", "--plot", folder / "pictures")
    assert "Flux at the known labels" in said
    from astropy.table import QTable

    table = QTable.read(folder / "unseen.ecsv")
    emulator = maury.Emulator.load(folder / "five.onnx")
    assert set(table["star_id"]) == set(emulator.meta["validation_stars"])
    cool = table["teff_known"].value < 6000
    assert np.median(np.abs(table["teff"] - table["teff_known"])[cool].value) < 200
    assert np.median(np.abs(table["fe_h"] - table["fe_h_known"])[cool].value) < 0.3
    assert {path.name for path in (folder / "pictures").iterdir()} == {"validation.png", "flux_errors.png"}


def test_the_table_of_stars_is_written_beside_the_emulator(folder):
    from astropy.table import QTable

    table = QTable.read(folder / "five.stars.ecsv")
    stars = read_reference(folder / "both.fits")
    emulator = maury.Emulator.load(folder / "five.onnx")
    assert table["star_id"].tolist() == stars.spectra.star_id.tolist()
    assert table["origin"].tolist() == stars.origin.tolist()
    np.testing.assert_array_equal(table["teff"].value, stars.spectra.labels["teff"])
    assert table["used"].sum() == sum(emulator.meta["stars"].values())
    assert (table["reason"][~table["used"]] != "").all()
    said = (folder / "said.txt").read_text()
    for row in table[np.char.startswith(table["reason"], "label doubtful")][:20]:
        assert f"  {row['star_id']}: {row['reason'].partition(': ')[2]}\n" in said


def test_train_and_validate_tell_the_same_of_stars_never_seen(folder):
    said = (folder / "said.txt").read_text()
    again = run("validate", folder / "both.fits", "--emulator", folder / "five.onnx")
    lines = again.splitlines()
    table = lines[1 : lines.index("")]
    assert len(table) > 1 and "teff offset" in table[0]
    assert "\n".join(table) in said


def test_a_reference_file_is_read_once(folder, monkeypatch):
    count = []
    real = reference_file._unpacked

    def end(*_, **__):
        raise ValueError("far enough")

    monkeypatch.setattr(reference_file, "_unpacked", lambda hdus: count.append(1) or real(hdus))
    monkeypatch.setattr("maury.learn.train.train_recipe", end)
    monkeypatch.setattr("maury.learn.validate.cross_validate", end)
    monkeypatch.setattr("maury.learn.twins.train_twins", end)
    both, twin = folder / "both.fits", folder / "twin.fits"
    for words in (["train", both, "-o", folder / "x.onnx"], ["validate", both]):
        assert "far enough" in run(*words, code=1)
        assert len(count) == 1
        count.clear()
    assert "far enough" in run("twins", both, twin, "-o", folder / "x", code=1)
    assert len(count) == 2  # one for each of the two sets


def test_validation_wants_the_set_of_the_emulator(folder):
    other = read_reference(folder / "both.fits").spectra[:3]
    other.star_id = np.array(["x", "y", "z"])
    write_reference(Reference.of_theory(other), folder / "other.fits", overwrite=True)
    said = run("validate", folder / "other.fits", "--emulator", folder / "five.onnx", code=1)
    assert "use the set it was trained on" in said


def test_twins_differ_in_their_spectra_only(folder):
    """Models without the stars' noise, from a coarse grid: the stars are fitted worse by them."""
    words = ["twins", folder / "stars.fits", folder / "twin.fits", "-o", folder / "twins", *QUICK]
    said = run(*words, "--coefficients", 20)
    lines = said.splitlines()
    first, second = (
        next(line.split() for line in lines if kind in line) for kind in ("semi-empirical", "synthetic")
    )
    place = first.index("semi-empirical")
    assert float(first[place + 2]) < float(second[place + 2])  # reduced chi-square
    assert {path.name for path in (folder / "twins").iterdir()} == {
        "semi-empirical.onnx", "synthetic.onnx", "twins.ecsv", "labels.png", "fits.png",
    }  # fmt: skip
    pair = [
        maury.Emulator.load(folder / "twins" / f"{kind}.onnx") for kind in ("semi-empirical", "synthetic")
    ]
    np.testing.assert_array_equal(pair[0].wavelength, pair[1].wavelength)
    np.testing.assert_allclose(pair[0].training_labels, pair[1].training_labels, rtol=1e-6)
    assert pair[0].meta["validation_stars"] == pair[1].meta["validation_stars"]


def test_wrong_twins_are_named(folder):
    stars, twin = read_reference(folder / "stars.fits"), read_reference(folder / "twin.fits")
    twin.spectra.star_id = np.char.add("other ", twin.spectra.star_id)
    with pytest.raises(ValueError, match="maury reference theory GRID --at REFERENCE"):
        train_twins(stars, twin)
    stars.spectra.star_id[:] = "one"
    stars.spectra.visit_id[:] = "one"
    with pytest.raises(ValueError, match="reference: some spectra share star_id and visit_id"):
        train_twins(stars, twin)
