"""The commands ``maury reference``: what they print, write and refuse, on the made-up MaStar."""

import numpy as np
import pytest

import command_line
import mastar_made
from maury.reference.file import read_reference


def run(*words, code=0):
    return command_line.run("reference", *words, code=code)


@pytest.fixture(scope="module")
def stars(tmp_path_factory):
    """The file of stars, what the command said, and the folder."""
    files, _ = mastar_made.made()
    folder = tmp_path_factory.mktemp("reference")
    words = [files[name] for name in ("goodspec", "mastarall", "allstar")]
    outcome = run(
        "mastar-apogee", *words, "--gaia", files["gaia"], "-o", folder / "stars.fits", "--plot", folder
    )
    return folder / "stars.fits", outcome.stdout


def theory(*words, code=0):
    files, _ = mastar_made.made()
    return run("theory", files["theory"], *words, code=code)


def isochrones():
    return "--isochrones", mastar_made.made()[0]["isochrones"]


def test_stars_are_those_of_the_truth_and_are_counted(stars):
    path, said = stars
    _, truth = mastar_made.made()
    wanted = truth["star_id"][np.asarray(truth["in_reference"], dtype=bool)]
    assert sorted(read_reference(path).spectra.star_id) == sorted(wanted)
    assert f"{len(wanted)} stars written to {path}." in said
    assert f"{np.sum(truth['kind'] == 'flagged: STAR_BAD')} ASPCAPFLAG STAR_BAD" in said
    assert "NO_ASPCAP_RESULT" not in said  # none is lost to it
    assert "cool dwarfs" in said
    assert {picture.name for picture in path.parent.glob("*.png")} == {"reference.png", "label_errors.png"}


def test_an_option_changes_the_selection(tmp_path):
    files, truth = mastar_made.made()
    words = [files[name] for name in ("goodspec", "mastarall", "allstar")]
    more = ["--gaia", files["gaia"], "--vscatter-max", 1000, "-o", tmp_path / "a.fits"]
    run("mastar-apogee", *words, *more)
    spared = np.sum(np.isin(truth["kind"], ["binary: VSCATTER"]))
    assert len(read_reference(tmp_path / "a.fits").spectra) == truth["in_reference"].sum() + spared


def test_models_join_the_stars_in_equal_number(stars, tmp_path):
    path, _ = stars
    theory(*isochrones(), "--join", path, "-o", tmp_path / "both.fits")
    both, alone = read_reference(tmp_path / "both.fits"), read_reference(path)
    n = len(alone.spectra)
    assert both.origin.tolist() == ["empirical"] * n + ["theoretical"] * n
    np.testing.assert_array_equal(both.spectra.flux[:n], alone.spectra.flux)
    assert both.spectra.labels["teff"][n:].min() > 6000
    assert np.isnan(both.label_errors["teff"][n:]).all()
    # One resolution: an emulator that learns from both has one.
    inside = ~both.spectra.mask[n] & np.isfinite(both.spectra.lsf[:n]).any(axis=0)
    wanted = np.nanmedian(both.spectra.lsf[:n, inside], axis=0)
    assert np.median(both.spectra.lsf[n, inside] / wanted) == pytest.approx(1, abs=2e-3)


def test_theory_is_drawn(tmp_path):
    said = theory(*isochrones(), "--n", 20, "-o", tmp_path / "a.fits", "--plot", tmp_path / "plots").stdout
    assert "1 figure in" in said  # models have no errors of labels
    assert [path.name for path in (tmp_path / "plots").iterdir()] == ["reference.png"]


def test_options_of_theory_reach_it(tmp_path):
    words = ["--n", 7, "--lsf", 1.9, "--wavelength", 5000, 6000, "--teff-min", 6500, "--method", "linear"]
    outcome = theory(*isochrones(), *words, "--seed", 4, "--snr", 50, "-o", tmp_path / "a.fits")
    made = read_reference(tmp_path / "a.fits")
    assert "7 theoretical spectra written" in outcome.stdout
    assert len(made.spectra) == 7 and made.spectra.labels["teff"].min() > 6500
    assert made.spectra.wavelength[0] >= 5000 and made.spectra.wavelength[-1] <= 6000
    np.testing.assert_allclose(made.spectra.lsf, 1.9, rtol=1e-6)
    assert made.provenance["options"]["seed"] == 4
    ratio = made.spectra.flux * np.sqrt(made.spectra.ivar)
    assert np.median(ratio) == pytest.approx(50, rel=0.02)


def test_a_twin_has_models_at_the_labels_of_the_stars(tmp_path):
    theory(*isochrones(), "--n", 9, "-o", tmp_path / "a.fits")
    outcome = theory("--at", tmp_path / "a.fits", "-o", tmp_path / "twin.fits")
    first, twin = read_reference(tmp_path / "a.fits").spectra, read_reference(tmp_path / "twin.fits").spectra
    assert outcome.stdout.startswith("0 spectra")
    assert twin.star_id.tolist() == first.star_id.tolist()
    np.testing.assert_allclose(twin.flux, first.flux, rtol=1e-6)


def test_a_twin_leaves_out_what_the_grid_cannot_give(stars, tmp_path):
    """The grid begins at 4000 K; some of the stars are cooler."""
    path, _ = stars
    theory("--at", path, "-o", tmp_path / "twin.fits")
    all_stars, twin = read_reference(path).spectra, read_reference(tmp_path / "twin.fits").spectra
    warm = all_stars.star_id[all_stars.labels["teff"] >= 4000]
    assert len(warm) < len(all_stars)
    assert 0.9 * len(warm) < len(twin) <= len(warm)
    assert set(twin.star_id) <= set(warm)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "--isochrones FILE, or --at REFERENCE"),
        (["--at", "a.fits", "--n", 3], "--n applies to models drawn from isochrones"),
        (["--at", "a.fits", "--join", "b.fits"], "--join applies to models drawn from isochrones"),
    ],
)
def test_models_come_from_one_place(words, message):
    assert message in theory(*words, "-o", "x.fits", code=2).stderr


def test_output_is_checked_before_the_work(stars, tmp_path):
    path, _ = stars
    assert "exists" in theory(*isochrones(), "-o", path, code=1).stderr
    assert ".fits" in run("mastar-apogee", "a", "b", "c", "-o", "x.csv", code=1).stderr
    assert "no such file" in theory("--at", tmp_path / "none.fits", "-o", tmp_path / "x.fits", code=1).stderr
