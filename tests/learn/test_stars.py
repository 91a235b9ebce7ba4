"""What became of every spectrum of a reference set: reasons, the table, the words."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable

import made_up_stars
from maury.learn.doubt import doubts
from maury.learn.select import select
from maury.learn.stars import star_table, stars_path, write_stars
from maury.show.tables import doubt_words
from maury.spectra import Spectra

NAMES = ("teff", "logg", "fe_h")
QUICK = {"hidden": (32, 32), "coefficients": 10, "steps": 300}


def reference(n=160):
    """Spectra with labels: 0 and 1 lack one, 2 has a wrong one, 3 shows little, 4 is hot, 5 was not read."""
    rng = np.random.default_rng(5)
    labels = np.column_stack(
        [rng.uniform(4200, 6500, n), rng.uniform(1.5, 4.8, n), rng.uniform(-1.8, 0.4, n)]
    )
    labels[2, 0], labels[4, 0] = 4500.0, 6900.0
    made = made_up_stars.spectra(made_up_stars.emulator(), labels, rv=0.0)
    labels[0, 1:] = labels[1, 0] = np.nan
    labels[2, 0] = 6400.0
    mask = np.zeros(made.flux.shape, dtype=bool)
    mask[3, 300:] = True
    problem = np.full(n, "")
    problem = problem.astype("U40")
    problem[5] = "spec-5.fits: cut short"
    return Spectra(
        made.wavelength, made.flux, made.ivar, mask, star_id=made.star_id, rv=0.0, problem=problem,
        labels=dict(zip(NAMES, labels.T, strict=True)),
    )  # fmt: skip


def chosen():
    return select(reference(), None, None, 400, teff_max=6800.0)


def test_every_spectrum_that_is_left_out_has_a_reason():
    found = chosen()
    assert found.reasons[[0, 1, 2, 4, 5]].tolist() == [
        "a label missing: logg, fe_h",
        "a label missing: teff",
        "",
        "teff above 6800 K",
        "unreadable: spec-5.fits: cut short",
    ]
    assert found.reasons[3] == "too few pixels: 20 % of the grid; 50 % are required"
    assert found.rows.tolist() == [2, *range(6, 160)]
    assert (found.reasons[found.rows] == "").all()
    np.testing.assert_array_equal(found.star_id, reference().star_id[found.rows])
    assert found.left_out == {
        "unreadable": 1,
        "a label missing": 2,
        "teff above 6800 K": 1,
        "too few pixels": 1,
    }


def test_stars_without_all_labels_are_kept_if_they_are_many():
    spectra = reference()
    spectra.labels["fe_h"][50:66] = np.nan
    found = select(spectra, None, None, 400)
    assert found.reasons[[0, 1, 60]].tolist() == ["", "a label missing: teff", ""]
    assert np.isnan(found.labels[found.rows == 60, 2])
    found = select(spectra, ["logg", "fe_h"], None, 400)
    assert found.reasons[[0, 1, 60]].tolist() == ["a label missing: logg, fe_h", "", ""]


def test_a_spectrum_is_left_out_for_one_reason_only():
    spectra = reference()
    spectra.labels["teff"][5] = np.nan
    found = select(spectra, None, None, 400)
    assert found.reasons[5] == "unreadable: spec-5.fits: cut short"
    assert found.left_out["a label missing"] == 2
    assert sum(found.left_out.values()) == (found.reasons != "").sum()


def test_doubts_name_the_label_that_disagrees_most():
    """Normal disagreement is 100 K, 0.1 and 0.1; four times that is allowed, and eight times above 6500 K."""
    rng = np.random.default_rng(1)
    n = 400
    given = np.column_stack([np.linspace(4000, 9000, n), np.full(n, 4.0), np.zeros(n)])
    fitted = given + rng.choice([-1, 1], (n, 3)) * [100, 0.1, 0.1]
    fitted[10] = given[10] + [2000, 0.5, 0.0]
    fitted[20] = given[20] + [0, 0.1, -1.0]
    fitted[30] = np.nan
    given[40, 2] = np.nan  # a missing label is not doubtful
    fitted[50] = given[50] + [2000, 0.1, 0.1]
    error = np.zeros(given.shape)
    error[50, 0] = 600.0  # it may differ by four times its error
    fitted[300:302, 1] = given[300:302, 1] + [0.7, 1.5]  # of stars above 6500 K
    chosen = SimpleNamespace(labels=given, label_error=error, names=NAMES)
    found = doubts(chosen, np.ones(n, dtype=bool), fitted, ("linear",) * 3, 4.0)
    there, here = (f"{values[10, 0]:.0f} K" for values in (given, fitted))
    assert {int(i): str(found[i]) for i in np.flatnonzero(found != "")} == {
        10: f"label doubtful: given teff = {there}, the spectrum gives {here}",
        20: "label doubtful: given fe_h = 0.00 dex, the spectrum gives -1.00 dex",
        30: "label doubtful: its spectrum could not be fitted",
        301: "label doubtful: given logg = 4.00 dex, the spectrum gives 5.50 dex",
    }


def small_table(**changes):
    spectra = reference(8)[:4]
    use = np.array(["training", "stopping", "withheld for validation", "label doubtful: because"])
    return star_table(spectra, use, **changes)


def test_the_table(tmp_path):
    table = small_table(origin=np.array(["empirical"] * 3 + ["theoretical"]))
    assert table.colnames == ["star_id", "origin", *NAMES, "used", "reason"]
    path = stars_path(tmp_path / "F.onnx")
    assert path == tmp_path / "F.stars.ecsv"
    write_stars(table, path)
    back = QTable.read(path)
    assert back["used"].tolist() == [True, True, False, False]
    assert back["reason"].tolist() == table["reason"].tolist()
    assert back["origin"].tolist() == ["empirical"] * 3 + ["theoretical"]
    assert back["teff"].unit == u.K and back["logg"].unit == u.dex
    assert np.isnan(back["teff"][1]) and back["teff"][2] == 6400 * u.K
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(
        FileExistsError, match=r"F\.stars\.ecsv exists; choose another name, or pass overwrite"
    ):
        write_stars(table, path)
    write_stars(table[:2], path, overwrite=True)
    assert len(QTable.read(path)) == 2
    assert "origin" not in small_table().colnames


def test_words_name_twenty_doubtful_stars():
    assert doubt_words(small_table()) == "Doubtful labels:\n  star 3: because"
    assert doubt_words(small_table()[:3]) == ""
    many = QTable({"star_id": [f"s{i}" for i in range(25)], "reason": ["label doubtful: x"] * 25})
    lines = doubt_words(many).splitlines()
    assert lines[20:] == ["  s19: x", "  ... and 5 more; see the table of stars"]


def test_trained_tells_what_became_of_each():
    pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")
    from maury.learn.recipe import Recipe
    from maury.learn.train import train_recipe

    done = train_recipe(reference(), Recipe(**QUICK), wavelength=(4500.0, 5900.0), teff_max=6800.0, folds=0)
    meta, use = done.emulator.meta, done.use
    assert len(use) == 160 and (use != "").all()
    assert use[0] == "a label missing: logg, fe_h" and use[5] == "unreadable: spec-5.fits: cut short"
    assert use[2].startswith("label doubtful: given teff = 6400 K, the spectrum gives 4")
    for name in ("training", "stopping"):
        assert (use == name).sum() == meta["stars"][name]
    held = reference().star_id[use == "withheld for validation"]
    assert sorted(held) == meta["validation_stars"]
    doubtful = np.char.startswith(use, "label doubtful: ")
    assert doubtful.sum() == meta["left_out"]["label doubtful"]
    assert sorted(reference().star_id[doubtful]) == meta["doubtful_stars"]
    assert "star 2" in meta["doubtful_stars"]
