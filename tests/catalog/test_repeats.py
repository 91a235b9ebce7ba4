"""Errors from repeat visits: the paper's bias, pulls of width 1 against the truth, and what is refused."""

from itertools import pairwise

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from maury.catalog.error_file import apply_errors, read_errors, write_errors
from maury.catalog.errors import HOT, quadratic_terms, term_names
from maury.catalog.flags import Flag
from maury.catalog.likelihood import pull_width
from maury.catalog.ln_sigma import (
    BIAS_OF_LOGARITHM,
    find_pairs,
    fit_ln_sigma,
    pair_sigma,
    pulls_left_out,
)
from maury.catalog.repeats import METHODS, calibrate_errors
from repeat_visits import LABELS, make_visits

TEFF_BINS = (3000, 5000, 8000, 12000, 20000, 35000)  # of table 3
SNR_BINS = (0, 60, 90, 130, 1000)


def columns(catalog, end=""):
    return np.column_stack([catalog[name + end].value for name in LABELS])


def widths(visits, catalog):
    """Width of (x - truth)/error of the visits without a planted fault, (bins, L), by Teff and by S/N."""
    pulls = (columns(catalog) - visits.truth) / columns(catalog, "_err")
    rows = []
    for by, bins in ((visits.truth[:, 0], TEFF_BINS), (catalog["snr"], SNR_BINS)):
        for low, high in pairwise(bins):
            here = visits.clean & (by >= low) & (by < high)
            assert here.sum() > 300
            rows.append(pulls[here].std(axis=0))
    return np.array(rows)


@pytest.fixture(scope="module")
def visits():
    return make_visits()


@pytest.fixture(scope="module")
def model(visits):
    return calibrate_errors(visits.catalog)


def test_pulls_have_width_one_in_each_bin(visits, model):
    """Against the truth, for 5 labels in 9 bins, with 10 % of the pairs spoilt by outliers and variables."""
    found = widths(visits, apply_errors(visits.catalog, model))
    assert np.abs(found - 1).max() < 0.1
    assert abs(found.mean() - 1) < 0.03
    assert widths(visits, visits.catalog).mean() > 1.35  # the formal errors were made 0.7 times the true ones
    np.testing.assert_allclose(model.pull_width, 1, atol=0.03)
    assert ((model.outliers > 0.05) & (model.outliers < 0.2)).all()


@pytest.mark.slow
def test_errors_follow_the_fit_and_the_resolution():
    """Visits differ by what no label tells: noise that the fit knows, and sharper spectra."""
    visits = make_visits(outliers=0.01, variables=0, seed=5)
    rng = np.random.default_rng(5)
    noise = rng.lognormal(0, 0.4, len(visits.catalog))
    sharper = rng.random(len(noise)) < 0.3
    grow = noise * np.where(sharper, 2.0, 1.0)
    visits.catalog["flags"][sharper] |= int(Flag.SHARPER)
    for j, name in enumerate(LABELS):
        value = visits.truth[:, j] + grow * (visits.catalog[name].value - visits.truth[:, j])
        visits.catalog[name] = value * visits.catalog[name].unit
        visits.catalog[f"{name}_err_formal"] *= noise
    errors = {m: apply_errors(visits.catalog, calibrate_errors(visits.catalog, m)) for m in METHODS}
    assert np.abs(widths(visits, errors["likelihood"]) - 1).max() < 0.12
    pulls = (columns(errors["likelihood"]) - visits.truth) / columns(errors["likelihood"], "_err")
    for there in (sharper, ~sharper, noise > 1.5, noise < 0.7):
        np.testing.assert_allclose(pulls[visits.clean & there].std(axis=0), 1, atol=0.1)
    assert widths(visits, errors["paper"]).mean() > 1.3


@pytest.mark.slow
def test_hot_stars_have_errors_of_their_own_where_there_are_enough(model):
    """Errors of hot stars that follow S/N and outliers in their own way."""
    visits = make_visits(n_stars=2500, n_visits=6500, outliers=0.0, variables=0.0, seed=9)
    hot = visits.truth[:, 0] > HOT
    rng = np.random.default_rng(9)
    steady = np.where(hot, 3.0 * (visits.catalog["snr"] / 90) ** 0.5, 1.0)
    grow = steady * np.where(hot & (rng.random(len(hot)) < 0.1), 6.0, 1.0)
    for j, name in enumerate(LABELS):
        value = visits.truth[:, j] + grow * (visits.catalog[name].value - visits.truth[:, j])
        visits.catalog[name] = np.maximum(value, 3000 if name == "teff" else -9) * visits.catalog[name].unit
    own = calibrate_errors(visits.catalog)
    assert own.hot_coefficients.shape == own.coefficients.shape
    assert not len(model.hot_coefficients)
    sigma = own.predict(visits.catalog) / visits.sigma
    for there in (hot, ~hot):
        ratio = np.log(sigma[there & visits.clean] / steady[there & visits.clean, None])
        np.testing.assert_allclose(np.nanmedian(ratio, axis=0), 0, atol=0.12)


def test_the_bias_of_the_paper_and_its_size():
    """One error for all: the mean of sigma_X is right, that of its logarithm is not."""
    rng = np.random.default_rng(1)
    sigma = pair_sigma(*rng.normal(0, 3.0, (2, 200_000)))
    assert sigma.mean() == pytest.approx(3.0, rel=0.01)
    assert np.log(sigma).mean() - np.log(3) == pytest.approx(BIAS_OF_LOGARITHM, abs=0.01)
    assert round(BIAS_OF_LOGARITHM, 2) == -0.41


@pytest.mark.slow
def test_the_paper_beside_the_likelihood():
    """Equal S/N in a pair, no outliers: the paper's errors are too small by exp(-0.41), the others right."""
    clean = make_visits(outliers=0, variables=0, seed=3)
    _, first = np.unique(clean.catalog["star_id"], return_index=True)
    snr = dict(zip(clean.catalog["star_id"][first], clean.catalog["snr"][first], strict=True))
    old = clean.catalog["snr"].copy()
    clean.catalog["snr"] = [snr[name] for name in clean.catalog["star_id"]]
    ratio = np.sqrt((0.5**2 + (87 / clean.catalog["snr"]) ** 2) / (0.5**2 + (87 / old) ** 2))
    for j, name in enumerate(LABELS):
        residual = (clean.catalog[name].value - clean.truth[:, j]) * ratio
        clean.catalog[name] = (clean.truth[:, j] + residual) * clean.catalog[name].unit
        clean.catalog[f"{name}_err_formal"] *= ratio
    sigma = clean.sigma * ratio[:, None]
    found = {}
    for method in ("paper", "likelihood"):
        errors = columns(apply_errors(clean.catalog, calibrate_errors(clean.catalog, method)), "_err")
        found[method] = np.nanmean(np.log(errors / sigma), axis=0)
    np.testing.assert_allclose(found["paper"], -0.41, atol=0.08)
    np.testing.assert_allclose(found["likelihood"], 0, atol=0.05)
    paper = calibrate_errors(clean.catalog, "paper")
    assert paper.pull_width == pytest.approx(np.exp(0.41), rel=0.07)
    assert np.isnan(paper.outliers).all()


def test_one_in_ten_spoilt_pairs_moves_the_likelihood_little(model):
    clean = make_visits(outliers=0, variables=0)
    ratio = model.predict(clean.catalog) / clean.sigma
    assert np.abs(np.nanmedian(np.log(ratio), axis=0)).max() < 0.06


def test_the_maximum_is_that_of_a_slow_search(visits):
    """Slow twin: SciPy, without a gradient's help from us, on the likelihood as it is written down."""
    rng = np.random.default_rng(0)
    n = 400
    z = rng.normal(size=(2 * n, 1))
    terms = quadratic_terms(z)
    pairs = find_pairs(np.repeat(np.arange(n), 2).astype(str))
    x = np.exp(0.3 + 0.5 * z[:, 0]) * rng.normal(size=2 * n)
    x[:: 2 * 15] += 30
    d = x[pairs.first] - x[pairs.second]
    found = fit_ln_sigma(d, terms, pairs, "likelihood")

    def cost(p):
        c, f, k = p[:3], 1 / (1 + np.exp(-p[3])), np.exp(p[4])
        v = np.exp(2 * terms[pairs.first] @ c) + np.exp(2 * terms[pairs.second] @ c)
        normal = [np.exp(-0.5 * d**2 / s) / np.sqrt(s) for s in (v, k**2 * v)]
        both = (1 - f) * normal[0] + f * normal[1]
        return -np.sum(pairs.weight * np.log(both)) + 0.5 * np.sum(c[1:] ** 2)

    start = [0, 0, 0, -2, 2]
    slow = minimize(
        cost, start, method="Nelder-Mead", options={"maxiter": 8000, "maxfev": 8000, "xatol": 1e-7}
    )
    np.testing.assert_allclose(found.coefficients, slow.x[:3], atol=2e-4)
    assert found.outliers == pytest.approx(1 / (1 + np.exp(-slow.x[3])), abs=2e-4)
    assert found.wider == pytest.approx(np.exp(slow.x[4]), rel=2e-3)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=25))
def test_pairs_are_all_pairs_of_usable_rows_of_a_star(rows):
    names = ["" if star == 6 else f"s{star}" for star, _ in rows]
    usable = np.array([good for _, good in rows], dtype=bool)
    pairs = find_pairs(np.array(names, dtype=str), usable)
    expected = {
        (i, j)
        for j in range(len(rows))
        for i in range(j)
        if usable[i] and usable[j] and names[i] == names[j] != ""
    }
    assert {tuple(sorted(pair)) for pair in zip(pairs.first, pairs.second, strict=True)} == expected
    assert len(pairs) == len(expected)
    independent = sum(
        max(0, sum(u and n == name for n, u in zip(names, usable, strict=True)) - 1)
        for name in set(names) - {""}
    )
    assert pairs.weight.sum() == pytest.approx(independent)


@settings(max_examples=30)
@given(st.floats(0.05, 20), st.integers(0, 1000))
def test_a_width_is_found_at_any_scale(width, seed):
    pulls = width * np.random.default_rng(seed).normal(size=400)
    assert pull_width(pulls) == pytest.approx(width, rel=0.2)


def test_a_width_wants_thirty_pulls():
    assert np.isnan(pull_width(np.ones(29)))


def test_pulls_left_out_do_not_see_their_own_star():
    """With as many terms as stars, errors calibrated on a star itself would fit its difference."""
    rng = np.random.default_rng(2)
    pairs = find_pairs(np.repeat(np.arange(60), 2).astype(str))
    terms = quadratic_terms(rng.normal(size=(120, 2)))
    d = rng.normal(size=60)
    d[7] = 1e3
    fitted = fit_ln_sigma(d, terms, pairs, "paper")
    pulls = pulls_left_out(d, terms, pairs, "paper", fitted)
    assert abs(pulls[7]) > 100


@pytest.mark.slow
def test_rows_that_tell_nothing_are_left_out(visits):
    catalog = visits.catalog.copy()
    at_bound = np.arange(0, len(catalog), 7)
    for name in LABELS:
        catalog[name][at_bound] = catalog[name][0]
    catalog["flags"][at_bound] |= int(Flag.AT_BOUND)
    catalog["teff_err_formal"][3:90:7] = np.nan
    twice = np.concatenate([np.arange(len(catalog)), np.arange(200)])
    once, doubled = calibrate_errors(catalog), calibrate_errors(catalog[twice])
    ratio = doubled.predict(catalog) / once.predict(catalog)
    np.testing.assert_allclose(np.nanmedian(ratio, axis=0), 1, atol=0.03)
    others = np.arange(len(catalog)) % 7 > 0
    assert np.nanmean(np.abs(np.log(once.predict(catalog) / visits.sigma))[others]) < 0.1


def test_too_few_pairs_are_refused_with_the_reason():
    few = make_visits(n_stars=20, n_visits=45)
    with pytest.raises(
        ValueError, match=r"stars with repeat visits give 2\d independent differences.*requires 30"
    ):
        calibrate_errors(few.catalog)
    some = make_visits(n_stars=100, n_visits=250)
    with pytest.raises(
        ValueError, match=r"stars with repeat visits give \d+ independent differences; 15 coeff.* require 188"
    ):
        calibrate_errors(some.catalog, "paper")
    alone = make_visits(n_stars=500, n_visits=500)
    with pytest.raises(ValueError, match="0 stars with repeat visits give 0 independent"):
        calibrate_errors(alone.catalog)


def test_few_pairs_give_one_factor():
    """The formal errors were made 0.7 times the true ones: a factor of 1.43, from 40 pairs."""
    found = []
    for seed in range(8):
        few = make_visits(n_stars=60, n_visits=100, outliers=0.0, variables=0.0, seed=seed)
        model = calibrate_errors(few.catalog)
        assert not model.coefficients[1:].any()
        found.append(np.exp(model.coefficients[0]))
        known = np.isfinite(few.catalog["teff"].value)
        ratio = model.predict(few.catalog)[known] / few.sigma[known]
        np.testing.assert_allclose(ratio, 0.7 * found[-1] * np.ones_like(ratio), rtol=0.02)
    # 40 differences tell a factor to 11 %, 8 times as many, of 5 labels, to 2 %
    assert np.mean(found) == pytest.approx(1 / 0.7, rel=0.05)
    assert np.std(found, axis=0).max() < 0.35


def test_the_error_of_the_velocity_is_one_factor(tmp_path):
    visits = make_visits(n_stars=400, n_visits=800, outliers=0.0, variables=0.0, seed=6)
    rng = np.random.default_rng(6)
    formal = rng.uniform(1, 3, len(visits.catalog))
    star = {name: rng.normal(0, 50) for name in set(visits.catalog["star_id"].tolist())}
    true = np.array([star[name] for name in visits.catalog["star_id"]])
    assert calibrate_errors(visits.catalog).rv is None
    visits.catalog["rv"] = (true + 2.5 * formal * rng.normal(size=len(true))) * u.km / u.s
    visits.catalog["rv_err"] = visits.catalog["rv_err_formal"] = formal * u.km / u.s
    model = calibrate_errors(visits.catalog)
    factor, width = model.rv
    assert factor == pytest.approx(2.5, rel=0.12)
    assert width == pytest.approx(1, abs=0.1)
    write_errors(model, tmp_path / "e.ecsv")
    assert read_errors(tmp_path / "e.ecsv").rv == model.rv
    after = apply_errors(apply_errors(visits.catalog, model), model)  # twice is once
    np.testing.assert_allclose(after["rv_err"].to_value(u.km / u.s), factor * formal)


def test_more_pairs_give_more_terms_where_they_help(visits, model):
    """Errors that follow S/N by more than the formal ones say want a slope; others are given none."""
    plain = make_visits(n_stars=200, n_visits=340, outliers=0.0, variables=0.0, seed=2)
    used = (calibrate_errors(plain.catalog).coefficients != 0).sum(axis=0)
    assert (used <= 5).all()
    assert (used == 1).sum() >= 3
    tilted = plain.catalog.copy()
    slope = (tilted["snr"] / 90) ** 1.5
    for name in LABELS:
        tilted[f"{name}_err_formal"] = tilted[f"{name}_err_formal"] * slope
    assert ((calibrate_errors(tilted).coefficients != 0).sum(axis=0) == 5).all()


def test_an_unknown_method_is_refused(visits):
    with pytest.raises(ValueError, match="likelihood or paper, got 'mean'"):
        calibrate_errors(visits.catalog, "mean")


def test_a_catalogue_of_fewer_labels_has_fewer_variables():
    visits = make_visits()
    visits.catalog.meta["LABELS"] = "teff,fe_h"
    model = calibrate_errors(visits.catalog)
    assert model.variables == ("teff", "fe_h", "snr")
    assert model.coefficients.shape == (10 + len(model.extra), 2)
    visits.catalog.meta["LABELS"] = "logg,fe_h"
    assert calibrate_errors(visits.catalog).extra == ()


def test_terms_are_named_as_they_are_computed():
    z = np.array([[2.0, 3.0, 5.0]])
    value = {"teff": 2.0, "logg": 3.0, "snr": 5.0, "1": 1.0}
    names = term_names(("teff", "logg", "snr"))
    expected = [np.prod([value[part] for part in name.split("*")]) for name in names]
    np.testing.assert_array_equal(quadratic_terms(z)[0], expected)


def test_errors_do_not_run_away_outside_the_visits_that_were_learnt_from(visits, model):
    table = visits.catalog[:2].copy()
    table["teff"] = [50.0, 1e7] * table["teff"].unit
    table["snr"] = [0.01, 1e6]
    sigma = model.predict(table)
    inside = model.predict(visits.catalog)
    assert (sigma >= np.nanmin(inside, axis=0) * 0.999).all()
    assert (sigma <= np.nanmax(inside, axis=0) * 1.001).all()
    table["snr"] = np.nan
    assert np.isnan(model.predict(table)).all()
