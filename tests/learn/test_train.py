"""Training and validation, on stars made from a known emulator; needs torch."""

import json

import numpy as np
import pytest

import made_up_stars
import maury
from maury.spectra import Spectra

pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")

N_STARS = 160
QUICK = {"hidden": (32, 32), "coefficients": 10, "steps": 300, "folds": 0, "wavelength": (4500.0, 5900.0)}


def reference(n=N_STARS, seed=5):
    """Return noisy spectra with labels; stars 0 and 1 lack one, star 2 is hotter than most by mistake."""
    rng = np.random.default_rng(seed)
    labels = np.column_stack(
        [rng.uniform(4200, 6800, n), rng.uniform(1.5, 4.8, n), rng.uniform(-1.8, 0.4, n)]
    )
    spectra = made_up_stars.spectra(made_up_stars.emulator(), labels, rv=0.0)
    known = labels.copy()
    known[0, 2] = known[1, 0] = np.nan
    known[2, 0] = 6700.0 if labels[2, 0] < 5500 else 4300.0
    mask = rng.uniform(size=spectra.flux.shape) < 0.03
    mask[3] = True
    return Spectra(
        spectra.wavelength,
        spectra.flux,
        spectra.ivar,
        mask,
        lsf=1.1,
        star_id=spectra.star_id,
        rv=0.0,
        labels=dict(zip(("teff", "logg", "fe_h"), known.T, strict=True)),
    )


@pytest.fixture(scope="module")
def trained():
    return maury.train(reference(), **QUICK)


def test_stars_never_seen_are_measured(trained):
    truth = np.column_stack(
        [np.linspace(4500, 6500, 30), np.linspace(4.5, 2.0, 30), np.tile([-1.0, -0.5, 0.0], 10)]
    )
    made = made_up_stars.spectra(made_up_stars.emulator(), truth, rv=0.0)
    catalog = maury.fit(made, trained)
    assert catalog["converged"].all()
    assert np.median(np.abs(catalog["teff"].value - truth[:, 0])) < 60
    assert np.median(np.abs(catalog["logg"].value - truth[:, 1])) < 0.1
    assert np.median(np.abs(catalog["fe_h"].value - truth[:, 2])) < 0.1


def test_what_was_left_out_is_counted(trained):
    left_out = trained.meta["left_out"]
    assert left_out["a label missing"] == 2
    assert left_out["too few pixels"] == 1
    assert left_out["label doubtful"] >= 1
    stars = trained.meta["stars"]
    held = len(trained.meta["validation_stars"])
    assert held == round(0.1 * (N_STARS - 3))
    assert stars["training"] + stars["stopping"] + held + left_out["label doubtful"] == N_STARS - 3
    assert len(trained.training_labels) == stars["training"] + stars["stopping"]


def test_doubtful_labels_are_found(trained):
    given = reference().labels["teff"][2]
    assert not np.any(np.isclose(trained.training_labels[:, 0], given))
    kept = maury.train(reference(), **QUICK, doubt=None)
    assert kept.meta["left_out"]["label doubtful"] == 0


def test_emulator_says_how_it_was_made_and_survives_its_file(trained, tmp_path):
    assert trained.rank == 10
    assert trained.transforms == ("log10", "linear", "linear")
    assert trained.activations == ("silu", "silu", "identity")
    assert trained.wavelength[0] == pytest.approx(4500, abs=1.1)
    np.testing.assert_allclose(trained.lsf, 1.1)
    assert ((trained.scatter > 0) & (trained.scatter < 0.05)).all()
    trained.save(tmp_path / "e.onnx")
    again = maury.Emulator.load(tmp_path / "e.onnx")
    assert json.dumps(dict(again.meta)) == json.dumps(dict(trained.meta))
    at = trained.training_labels[:3]
    np.testing.assert_array_equal(again.predict(at), trained.predict(at))


def test_same_seed_same_emulator_and_the_callers_generator_is_left_alone(trained):
    import torch

    torch.manual_seed(11)
    before, threads = torch.random.get_rng_state(), torch.get_num_threads()
    again = maury.train(reference(), **QUICK)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(again.weights[-1], trained.weights[-1])
    other = maury.train(reference(), **QUICK, seed=1)
    assert other.meta["validation_stars"] != trained.meta["validation_stars"]


def test_visits_of_a_star_stay_in_one_part():
    spectra = reference()
    spectra.star_id = np.array([f"star {i // 4}" for i in range(N_STARS)])
    emulator = maury.train(spectra, **QUICK)
    # 39 or 40 stars of four visits: a tenth is four stars, whole ones.
    assert len(emulator.meta["validation_stars"]) == 4
    assert len(emulator.training_labels) <= N_STARS - 3 - 4 * 4 + 3


def test_scatter_is_what_the_network_leaves_beyond_the_noise():
    spectra = reference(400)
    rng = np.random.default_rng(8)
    wild = (spectra.wavelength > 5000) & (spectra.wavelength < 5100)
    spectra.flux[:, wild] += rng.normal(0, 0.1, (400, wild.sum()))
    emulator = maury.train(spectra, **QUICK)
    inside = (emulator.wavelength > 5005) & (emulator.wavelength < 5095)
    assert np.median(emulator.scatter[inside]) == pytest.approx(0.1, rel=0.15)
    assert np.median(emulator.scatter[~inside]) < 0.02


def test_without_a_bottleneck():
    emulator = maury.train(reference(), **{**QUICK, "coefficients": None, "hidden": (20,)}, doubt=None)
    assert emulator.rank == 20
    assert emulator.activations == ("silu",)


def test_cross_validation_measures_every_star_once():
    from maury.learn.recipe import Recipe
    from maury.learn.validate import cross_validate

    recipe = Recipe(hidden=(32, 32), coefficients=10, steps=200)
    found = cross_validate(reference(), recipe, folds=3, wavelength=(4500.0, 5900.0))
    assert len(set(found.star_id)) == N_STARS - 3
    assert sorted(set(found.fold)) == [0, 1, 2]
    good = found.star_id != "star 2"
    assert np.median(np.abs(found.fitted - found.known)[good, 0]) < 100
    summary = found.summary()
    row = summary[0]  # 4000-6500 K
    inside = (found.known[:, 0] >= 4000) & (found.known[:, 0] < 6500)
    assert row["n"] == inside.sum()
    difference = (found.fitted - found.known)[inside, 0]
    assert row["teff_offset"].value == pytest.approx(np.median(difference))
    assert row["teff_mad"].value == pytest.approx(np.median(np.abs(difference - np.median(difference))))
    assert len(found.table()) == N_STARS - 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": ["teff", "alpha_fe"]}, "labels: the reference set has teff, logg, fe_h"),
        ({"wavelength": [5000.0, 4000.0]}, "wavelength: expected two or more finite, increasing"),
        ({"activation": "swish"}, "activation: expected one of"),
        (
            {"teff_max": 4250.0},
            r"\d spectra for training and \d for stopping are too few for 3 labels, which require 8 and 1\. "
            "Left out: "
            r"2 a label missing, 15\d teff above 4250 K.*\. Pass a larger reference set, fewer labels, or",
        ),
    ],
)
def test_wrong_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        maury.train(reference(), **(QUICK | change))


def test_a_label_that_never_varies_is_refused():
    spectra = reference()
    spectra.labels["logg"][:] = 4.0
    with pytest.raises(ValueError, match="logg is the same for all stars"):
        maury.train(spectra, **QUICK)
