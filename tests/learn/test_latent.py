"""Labels that are fitted along with the network, against the truth of made-up stars; needs torch."""

import numpy as np
import pytest

import made_up_stars
import maury

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")

from maury.learn.latent import Given, LatentLabels  # noqa: E402

NAMES = ("teff", "logg", "fe_h")
QUICK = {
    "hidden": (32, 32), "coefficients": 10, "steps": 600, "cycles": 2, "folds": 0, "doubt": None,
    "validation_fraction": 0.0, "wavelength": (4500.0, 5900.0),
}  # fmt: skip


def stars(n, seed):
    """Return spectra at rest with their true labels, and these (n, 3)."""
    rng = np.random.default_rng(seed)
    truth = np.column_stack([rng.uniform(4200, 6800, n), rng.uniform(1.5, 4.8, n), rng.uniform(-1.8, 0.4, n)])
    spectra = made_up_stars.spectra(made_up_stars.emulator(), truth, rv=0.0, lsf=None)
    spectra.labels = dict(zip(NAMES, truth.T.copy(), strict=True))
    return spectra, truth


def rms(emulator, spectra, truth):
    chosen = maury.learn.select.select(spectra, emulator.labels, emulator.wavelength, emulator.window)
    found = maury.fit_normalized(emulator, chosen.flux, chosen.ivar).labels
    return np.sqrt(np.mean((found - truth) ** 2, axis=0))


def test_labels_with_errors_are_fitted_within_them():
    rng = np.random.default_rng(3)
    spectra, truth = stars(200, seed=1)
    size = 200.0 * 10 ** rng.uniform(-1, 0.5, 200)
    spectra.labels["teff"] += size * rng.normal(size=200)
    told = maury.train(spectra, **QUICK, label_errors={"teff": size})
    blind = maury.train(spectra, **QUICK)
    unseen = stars(150, seed=2)
    # Of four seeds the ratios are 0.52-0.67, 0.90-1.03 and 0.78-1.00.
    assert (rms(told, *unseen) < [0.8, 1.1, 1.1] * rms(blind, *unseen)).all()
    error = told.training_labels - truth
    assert error[:, 0].std() < 0.5 * (spectra.labels["teff"] - truth[:, 0]).std()
    np.testing.assert_allclose(error[:, 1:], 0, atol=1e-6)  # exact labels stay
    np.testing.assert_allclose(blind.training_labels[:, 0], spectra.labels["teff"])


def test_a_star_that_lacks_a_label_teaches_the_others():
    spectra, truth = stars(160, seed=1)
    lack = np.random.default_rng(4).random(160) < 0.7
    left_out = maury.train(spectra[~lack], **QUICK)
    spectra.labels["fe_h"][lack] = np.nan
    kept = maury.train(spectra, **QUICK)
    assert len(kept.training_labels) == 160
    unseen = stars(150, seed=2)
    assert (rms(kept, *unseen) < [0.8, 0.8, 1.3] * rms(left_out, *unseen)).all()
    guessed = np.sqrt(np.mean((kept.training_labels - truth)[lack, 2] ** 2))
    assert guessed < 0.1 < truth[:, 2].std() / 3


def test_doubt_and_folds_with_missing_labels():
    spectra, truth = stars(200, seed=1)
    spectra.labels["fe_h"][np.random.default_rng(4).random(200) < 0.5] = np.nan
    spectra.labels["teff"][7] = 6700.0 if truth[7, 0] < 5500 else 4300.0
    emulator = maury.train(spectra, **(QUICK | {"folds": 2, "doubt": 4.0}))
    assert "star 7" in emulator.meta["doubtful_stars"]
    assert len(emulator.meta["doubtful_stars"]) < 15
    sigma = emulator.model_error([[5500.0, 3.5, -0.5]])[0]
    assert np.isfinite(sigma).all() and sigma[2] < 0.1


def test_a_label_that_few_stars_have_is_refused():
    spectra, _ = stars(160, seed=1)
    spectra.labels["fe_h"][20:] = np.nan
    with pytest.raises(ValueError, match="fe_h is known for 20 of 160 spectra, too few"):
        maury.train(spectra, **QUICK)


def test_errors_of_another_number_of_spectra_are_refused():
    spectra, _ = stars(40, seed=1)
    with pytest.raises(ValueError, match=r"label_errors\['teff'\]: expected 40 values"):
        maury.train(spectra, **QUICK, label_errors={"teff": [10.0]})


def latent():
    """Five spectra of four stars: rows 0 and 1 are one star; it lacks the second label."""
    x = np.array([[0.1, np.nan], [0.1, np.nan], [0.2, 0.3], [0.3, 0.5], [0.4, -0.4]])
    error = np.array([[0.02, 0.0], [0.02, 0.0], [0.0, 0.0], [0.0, 0.05], [0.0, 0.0]])
    places = np.array([[0.0], [0.2], [0.1], [0.3], [9.0]])
    given = Given(x, error, np.array([0, 0, 1, 2, 3]))
    return LatentLabels(given, places, np.array([True, True, True, True, False]))


def test_visits_share_their_label_and_neighbours_give_the_start():
    labels = latent()
    rows = torch.arange(5)
    start = labels(rows).detach().numpy()
    np.testing.assert_allclose(start[:2, 1], 0.4, atol=1e-6)  # mean of 0.3 and 0.5, not of the last star
    with torch.no_grad():
        labels.u[:] = torch.tensor([1.0, 2.0])
    moved = labels(rows).detach().numpy() - start
    expected = [[0.02, 0.2], [0.02, 0.2], [0, 0], [0, 0.1], [0, 0]]  # 0.1: standard deviation of the two
    np.testing.assert_allclose(moved, expected, atol=1e-6)


def test_the_prior_counts_once_per_star():
    labels = latent()
    with torch.no_grad():
        labels.u[0] = torch.tensor([1.0, 2.0])
    cost = labels.objective(torch.full((5,), 0.3), torch.arange(5)).detach().numpy() - 0.3
    assert cost[2:].max() == 0
    assert cost[0] == pytest.approx(cost[1])
    assert cost[:2].sum() == pytest.approx(0.3 / 30 * 2.5, rel=1e-4)
