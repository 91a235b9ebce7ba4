"""Training with folds: model error of the emulator; requires torch."""

import numpy as np
import pytest

import made_up_stars
import maury
from maury.learn.folds import _closest
from maury.learn.recipe import Recipe
from maury.learn.train import train_recipe

pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")

FAST = {
    "hidden": (32, 32), "coefficients": 10, "steps": 150, "cycles": 1, "doubt": None,
    "wavelength": (4500.0, 5900.0),
}  # fmt: skip
OF_RECIPE = {name: FAST[name] for name in ("hidden", "coefficients", "steps", "cycles", "doubt")}
QUICK = {"recipe": Recipe(**OF_RECIPE), "wavelength": FAST["wavelength"]}
N_STARS = 160


def reference(n=N_STARS):
    """Return noisy spectra with labels, at rest."""
    rng = np.random.default_rng(5)
    labels = np.column_stack(
        [rng.uniform(4200, 6800, n), rng.uniform(1.5, 4.8, n), rng.uniform(-1.8, 0.4, n)]
    )
    spectra = made_up_stars.spectra(made_up_stars.emulator(), labels, rv=0.0)
    spectra.labels = dict(zip(("teff", "logg", "fe_h"), labels.T.copy(), strict=True))
    return spectra


def reference_with_a_mode():
    """Return the same with something that no label explains, which differs from star to star."""
    spectra = reference()
    shape = 0.02 * np.sin(np.arange(made_up_stars.N_PIXELS) / 5)
    spectra.flux = spectra.flux + np.random.default_rng(1).normal(size=(N_STARS, 1)) * shape
    return spectra


def test_a_trained_emulator_knows_its_error():
    emulator = maury.train(reference(), **(FAST | {"folds": 2}))
    known = emulator.error_on_unseen
    held = len(emulator.meta["validation_stars"])
    assert known.folds == 2
    assert N_STARS - held - 30 < known.n_stars <= N_STARS - held  # without the stars held back
    sigma = emulator.model_error([[5500.0, 3.5, -0.5]])[0]
    assert 1 < sigma[0] < 300 and 0.001 < sigma[1] < 0.5
    bare = maury.train(reference(), **(FAST | {"folds": 0}))
    assert bare.error_on_unseen is None
    np.testing.assert_array_equal(bare.weights[0], emulator.weights[0])  # the network is the same


def test_errors_of_given_labels_are_taken_off():
    n = 300
    rng = np.random.default_rng(2)
    spectra = reference(n)
    spectra.labels["teff"] = spectra.labels["teff"] + rng.normal(0, 150, n)
    error = np.full(n, 150.0)
    error[:5] = np.nan
    options, place = FAST | {"folds": 2, "steps": 400}, [[5500.0, 3.5, -0.5]]
    blind = maury.train(spectra, **options).model_error(place)[0, 0]
    told = maury.train(spectra, **options, label_errors={"teff": error}).model_error(place)[0, 0]
    assert blind > 110
    assert told < 0.5 * blind


@pytest.mark.parametrize(
    ("folds", "n", "message"),
    [
        (1, N_STARS, "folds: expected 2 or more, or 0 for none, got 1"),
        (5, 30, r"folds: 2\d stars with all labels are too few .* requires 30; .*folds=0"),
        (200, N_STARS, r"folds: 1\d\d stars .* requires 200;"),
    ],
)
def test_folds_that_cannot_tell_are_refused_before_the_training(folds, n, message):
    with pytest.raises(ValueError, match=message):
        maury.train(reference(n), **(FAST | {"folds": folds}))


def test_modes_are_those_that_bring_labels_closest():
    rng = np.random.default_rng(0)
    size = np.array([1.5, 2.0, 1.0])[:, None, None]
    found = rng.normal(size=(3, 50, 3)) * size
    assert _closest(found) == 2 and _closest(found[::-1]) == 0
    assert _closest(np.repeat(found[:1], 3, axis=0)) == 0  # none rather than some that bring nothing
    found[1, :, 0] = found[2, :, 0] / 10  # one label against two
    assert _closest(found) == 1
    found[1, :45] = np.nan  # stars without a fit take no part
    found[2, 45:] = found[0, 45:] / 100
    assert _closest(found) == 2


@pytest.mark.parametrize("rule", [0, 1, 2])
def test_modes_are_those_of_the_folds(monkeypatch, rule):
    spectra = reference_with_a_mode()
    monkeypatch.setattr("maury.learn.folds._closest", lambda _: rule)
    trained = train_recipe(spectra, **(QUICK | {"folds": 2}))
    expected = trained.modes[rule]
    assert (expected.shape[1] > 0) == (rule > 0)
    np.testing.assert_allclose(trained.emulator.modes, expected, rtol=1e-3, atol=1e-7)  # float16
    none = maury.train(spectra, **(FAST | {"folds": 0, "modes": 0}))
    assert none.modes.shape[1] == 0
    np.testing.assert_array_equal(none.scatter, trained.emulator.scatter)  # modes are a part of it


@pytest.mark.parametrize(("modes_at", "rule"), [("fitted", 1), ("given", 2)])
@pytest.mark.parametrize("folds", [0, 2])
def test_modes_are_those_that_the_recipe_names(monkeypatch, modes_at, rule, folds):
    monkeypatch.setattr("maury.learn.folds._closest", lambda _: 0)
    spectra = reference_with_a_mode()
    recipe = Recipe(**OF_RECIPE, modes_at=modes_at)
    trained = train_recipe(spectra, recipe, wavelength=FAST["wavelength"], folds=folds)
    assert trained.modes[rule].shape[1] > 0
    np.testing.assert_allclose(trained.emulator.modes, trained.modes[rule], rtol=1e-3, atol=1e-7)  # float16


def test_an_unknown_rule_of_modes_is_refused():
    recipe = Recipe(**OF_RECIPE, modes_at="best")
    with pytest.raises(ValueError, match="modes_at: expected fitted or given, or None, got 'best'"):
        train_recipe(reference(), recipe, wavelength=FAST["wavelength"], folds=0)


def test_a_wrong_number_of_modes_is_refused():
    with pytest.raises(ValueError, match="modes: expected 0 to 64, got 65"):
        maury.train(reference(), **(FAST | {"modes": 65}))
