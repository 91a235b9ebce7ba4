"""Reference sets from several sources: their indicators, and emulators on the scale of one of them."""

from dataclasses import replace

import numpy as np
import pytest

import made_up_stars
import maury
from maury.learn.assemble import scatter_of
from maury.learn.instruments import variances
from maury.learn.sources import indicators, layers_of_source, sources_of, taught_pixels, told_apart
from maury.reference.broaden import broadening
from maury.spectra import Spectra

NAMES = ("teff", "logg", "fe_h")
SHIFT = np.array([80.0, 0.1, 0.15])
QUICK = {"hidden": (32, 32), "coefficients": 10, "steps": 400, "folds": 0, "reference_scale": "ours"}


def test_the_source_of_the_emulator_is_the_first():
    source = np.array(["b", "a", "b", "c"])
    assert sources_of(source, None) == ["b", "a", "c"]
    assert sources_of(source, "c") == ["c", "a", "b"]
    assert sources_of(np.array(["", ""]), None) == [""]
    with pytest.raises(ValueError, match="reference_scale: expected one of the sources a, b, c, got 'd'"):
        sources_of(source, "d")


def test_sources_are_not_told_apart_where_the_first_has_no_data():
    source, used = np.array(["a", "a", "b"]), np.ones(3, dtype=bool)
    ivar = np.ones((3, 100))
    assert told_apart(source, ivar, used, None) == ["a", "b"]
    assert taught_pixels(source, ivar, used, ["a", "b"]).all()
    ivar[:2, 90:] = 0.0
    assert told_apart(source, ivar, used, None) == ["a"]
    assert told_apart(source, ivar, used, "b") == ["b", "a"]
    taught = taught_pixels(source, ivar, used, ["a"])
    assert taught[:2].all() and taught[2, 90:].all() and not taught[2, :90].any()


def test_scatter_of_pixels_that_the_first_source_lacks_is_the_largest_of_the_others():
    rng = np.random.default_rng(2)
    source = np.repeat(["ours", "theirs", "others", "few"], [400, 400, 400, 5])
    size = np.select([source == "ours", source == "theirs", source == "others"], [0.01, 0.02, 0.04], 1.0)
    residual = size[:, None] * rng.normal(size=(len(source), 60))
    ivar = np.full(residual.shape, 1e8)
    ivar[source == "ours", 40:] = 0.0  # lacks them
    ivar[source == "others", 50:] = 0.0
    ivar[source == "few", 3:] = 0.0
    found = scatter_of("ours", residual, ivar, source)
    for pixels, expected in (((0, 40), 0.01), ((40, 50), 0.04), ((50, 60), 0.02)):
        np.testing.assert_allclose(np.median(found[slice(*pixels)]), expected, rtol=0.05)


def test_the_layers_of_a_source_are_the_network_with_its_indicators():
    rng = np.random.default_rng(0)
    sources = ["a", "b", "c"]
    weights = [rng.normal(size=(7, 5)).astype(np.float32), rng.normal(size=(4, 7)).astype(np.float32)]
    biases = [rng.normal(size=7).astype(np.float32), rng.normal(size=4).astype(np.float32)]
    x = rng.normal(size=(3, 3))
    for i, name in enumerate(sources):
        inputs = np.column_stack([x, indicators(np.full(3, name), sources)])
        assert (inputs[:, 3:] > 0).tolist() == [(np.eye(3)[i, 1:] > 0).tolist()] * 3
        own, bias = layers_of_source(weights, biases, sources, name)
        np.testing.assert_allclose(x @ own[0].T + bias[0], inputs @ weights[0].T + biases[0], rtol=1e-5)
        assert own[1] is weights[1] and bias[1] is biases[1]


def stars(labels, source, sigma=made_up_stars.LSF):
    """Stars of one source: its scale of labels, and its line-spread function (sigma, Angstrom)."""
    made = made_up_stars.spectra(made_up_stars.emulator(), labels, rv=0.0, lsf=sigma)
    wide, sharp = np.full(made.flux.shape[1], sigma), np.full(made.flux.shape[1], made_up_stars.LSF)
    operator = broadening(variances(wide, sharp, made.wavelength))
    return replace(
        made,
        flux=(operator @ made.flux.T).T,
        labels=dict(zip(NAMES, (labels + (SHIFT if source == "theirs" else 0.0)).T, strict=True)),
        star_id=np.array([f"{source} {i}" for i in range(len(labels))]),
        source=np.full(len(labels), source),
    )


def draw(rng, n, low, high):
    """Draw labels (n, 3), Teff from low to high."""
    columns = [rng.uniform(low, high, n), rng.uniform(1.5, 4.8, n), rng.uniform(-1.8, 0.4, n)]
    return np.column_stack(columns)


def test_an_emulator_of_two_sources_has_the_scale_and_resolution_of_one():
    """Hot stars are known from the other source alone, at lower resolution and on another scale."""
    pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")
    rng = np.random.default_rng(5)
    ours, theirs = stars(draw(rng, 120, 4200, 5800), "ours"), stars(draw(rng, 160, 4200, 6800), "theirs", 2.0)
    trained = maury.train(Spectra.concatenate([ours, theirs]), **QUICK, wavelength=(4500.0, 5100.0))
    assert set(trained.meta["sources"]) == {"ours", "theirs"}
    assert len(trained.labels) == 3
    np.testing.assert_allclose(trained.lsf, made_up_stars.LSF, rtol=1e-3)
    for low, high, scale in ((4400, 5600, 1.0), (6000, 6600, 2.0)):
        truth = draw(rng, 60, low, high)
        catalog = maury.fit(stars(truth, "ours"), trained)
        found = np.column_stack([catalog[name].value for name in NAMES])
        offset = np.abs(np.median(found - truth, axis=0))
        assert (offset < scale * np.array([25.0, 0.05, 0.05])).all(), offset


def test_other_sources_teach_only_the_pixels_that_the_first_lacks():
    """What their flux calibration does elsewhere, here waves of 5 %, is not learnt."""
    pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")
    rng = np.random.default_rng(6)
    truth = draw(rng, 240, 4300, 6500)
    ours, theirs = stars(truth[:120], "ours"), stars(truth[120:], "theirs")
    end, wave = 5100.0, 1 + 0.05 * np.sin(theirs.wavelength / 5)
    ours = replace(ours, mask=ours.mask | (ours.wavelength > end))
    short = np.zeros(120, dtype=bool)
    short[:3] = True
    theirs = replace(theirs, mask=theirs.mask | (short[:, None] & (theirs.wavelength > end)))
    theirs = replace(theirs, flux=theirs.flux * np.where(theirs.wavelength < end, wave, 1.0))
    both = Spectra.concatenate([ours, theirs])
    trained = maury.train(both, **QUICK, doubt=None, wavelength=(4600.0, 5500.0))
    assert trained.meta["left_out"]["too few pixels"] == 3  # they have none that they could teach
    unseen = stars(truth[:60] + rng.normal(size=(60, 3)) * [50.0, 0.1, 0.1], "ours")
    model = maury.best_fit(maury.fit(unseen, trained), unseen, trained)
    for low, high in ((4700, end - 10), (end + 10, 5400)):
        inside = (unseen.wavelength > low) & (unseen.wavelength < high)
        assert np.std(np.median((unseen.flux / model)[:, inside], axis=0)) < 0.008
