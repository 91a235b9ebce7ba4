"""One row a star: the mean of its visits, discrepant visits, flags; and the names of DR17."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maury.catalog.dr17 import add_dr17_names
from maury.catalog.flags import DO_NOT_USE, Flag, is_valid
from maury.catalog.star_flags import STAR_FLAGS
from maury.catalog.stars import combine_visits
from maury.catalog.table import read_catalog, write_catalog
from maury.catalog.text import describe_catalog
from maury.readers.mastar_tables import read_parameters
from repeat_visits import LABELS, make_visits


def catalogue(**options):
    visits = make_visits(**options)
    for j, name in enumerate(LABELS):
        visits.catalog[f"{name}_err"] = visits.sigma[:, j] * visits.catalog[name].unit
    visits.catalog["valid"] = is_valid(visits.catalog["flags"])
    return visits


def three_visits(offsets):
    """One star of as many visits as offsets, of teff 5000 plus these in units of its error."""
    visits = catalogue(n_stars=1, n_visits=len(offsets), outliers=0, variables=0, seed=4).catalog
    visits["flags"] = 0
    for name in LABELS:
        visits[name] = np.full(len(offsets), 4.0) * visits[name].unit
    visits["teff_err"] = np.full(len(offsets), 10.0) * visits["teff_err"].unit
    visits["teff"] = (5000 + 10 * np.array(offsets)) * visits["teff"].unit
    return visits


def test_the_mean_and_its_error_against_a_loop():
    visits = catalogue(n_stars=80, n_visits=300, outliers=0, variables=0).catalog
    stars = combine_visits(visits)
    assert list(stars["star_id"]) == list(dict.fromkeys(visits["star_id"]))
    for star in stars[stars["discrepant"] == ""]:
        mine = visits[(visits["star_id"] == star["star_id"]) & visits["converged"]]
        assert star["n_used"] == len(mine)
        for name in LABELS:
            weight = mine[f"{name}_err"].value ** -2.0
            assert star[name].value == pytest.approx(np.average(mine[name].value, weights=weight))
            assert star[f"{name}_err"].value == pytest.approx(weight.sum() ** -0.5)
        np.testing.assert_allclose(
            np.sqrt(np.diag(star["covariance"])), [star[f"{name}_err"].value for name in LABELS]
        )
        assert star["snr"] == pytest.approx(np.sqrt(np.sum(mine["snr"] ** 2)))


def test_pulls_of_the_stars_have_width_one():
    visits = catalogue(n_stars=1200, n_visits=3000, outliers=0.03, variables=0)
    stars = combine_visits(visits.catalog)
    truth = dict(zip(visits.catalog["star_id"], visits.truth, strict=True))
    known = np.array([truth[name] for name in stars["star_id"]])
    several = stars["n_used"] >= 3
    for j, name in enumerate(LABELS):
        pulls = (stars[name].value - known[:, j]) / stars[f"{name}_err"].value
        assert np.std(pulls[several]) == pytest.approx(1, abs=0.1)


def test_planted_outliers_are_named_and_left_out():
    visits = catalogue(n_stars=300, n_visits=1500, outliers=0.03, variables=0)
    stars = combine_visits(visits.catalog)
    planted = {
        (s, v) for s, v in visits.catalog["star_id", "visit_id"][~visits.clean & visits.catalog["converged"]]
    }
    named = {(s["star_id"], v) for s in stars[stars["n_visits"] > 3] for v in s["discrepant"].split()}
    of_many = {(s, v) for s, v in planted if (visits.catalog["star_id"] == s).sum() > 3}
    assert len(named & of_many) / len(of_many) > 0.95
    assert len(named - planted) < 0.005 * len(visits.catalog)


def test_the_discrepant_visit_of_three_goes():
    visits = three_visits([0.5, -0.5, 30])
    (star,) = combine_visits(visits)
    assert (star["teff"].value, star["n_used"], star["n_visits"]) == (5000, 2, 3)
    assert star["discrepant"] == visits["visit_id"][2]
    assert star["flags"] == Flag.VISITS_DISAGREE
    assert star["teff_err"].value == pytest.approx(10 / np.sqrt(2))


def test_of_two_that_disagree_both_stay_and_the_error_says_so():
    visits = three_visits([-5, 5])
    (star,) = combine_visits(visits)
    assert (star["teff"].value, star["n_used"]) == (5000, 2)
    assert star["discrepant"].split() == list(visits["visit_id"])
    assert star["teff_err"].value == pytest.approx(50)
    assert star["logg_err"].value == pytest.approx(np.sum(visits["logg_err"].value ** -2.0) ** -0.5)
    assert combine_visits(three_visits([-2, 2]))["discrepant"] == ""


def test_each_flag_reaches_its_star_by_its_rule():
    assert set(STAR_FLAGS) == set(Flag)
    assert set(STAR_FLAGS.values()) == {"all", "any"}
    for bit, rule in STAR_FLAGS.items():
        visits = three_visits([0, 0.1, 0.2])
        visits["flags"] = [int(bit), 0, 0]
        visits["valid"] = is_valid(visits["flags"])
        (star,) = combine_visits(visits)
        assert star["flags"] == (bit if rule == "any" else 0)
        visits["flags"] = [int(bit)] * 3
        assert combine_visits(visits)["flags"][0] == bit
    assert all(STAR_FLAGS[bit] == "all" for bit in Flag if bit & DO_NOT_USE)  # not in the mean


def test_a_star_with_a_visit_that_shows_emission_or_a_misfit_is_not_clean():
    for bit in (Flag.EMISSION, Flag.MISFIT):
        visits = three_visits([0, 0.1, 0.2])
        visits["flags"] = [0, int(bit | Flag.HIGH_RCHI2), 0]  # a visit that is left out tells it too
        (star,) = combine_visits(visits)
        assert star["flags"] == bit
        assert star["n_used"] == 2


def test_flags_of_a_star_without_a_visit_to_use():
    visits = three_visits([0, 0.1, 0.2])
    low, edge = int(Flag.LOW_SNR), int(Flag.AT_BOUND)
    visits["flags"] = [low | edge, edge, edge]
    assert combine_visits(visits)["flags"][0] == edge
    visits["flags"] = [int(Flag.NOT_CONVERGED), int(Flag.HIGH_RCHI2), int(Flag.UNREADABLE)]
    (star,) = combine_visits(visits)
    assert star["flags"] == Flag.NOT_CONVERGED | Flag.HIGH_RCHI2 | Flag.UNREADABLE
    assert (star["n_used"], star["valid"], star["n_visits"]) == (0, False, 3)
    assert np.isnan([star["teff"].value, star["teff_err"].value]).all()


def with_model_part(visits, sigma):
    """Add a model part to the errors: the noise stays what it was."""
    for name, size in zip(LABELS, sigma, strict=True):
        unit = visits[f"{name}_err"].unit
        visits[f"{name}_err_model"] = np.full(len(visits), size) * unit
        visits[f"{name}_err"] = np.hypot(visits[f"{name}_err"].value, size) * unit
    return visits


def test_the_model_part_does_not_average_out():
    """Against the truth: noise falls with the visits, what the emulator does wrong does not."""
    shared = np.array([60.0, 0.12, 0.08, 0.05, 0.1])
    visits = catalogue(n_stars=1200, n_visits=4800, outliers=0.0, variables=0)
    truth = dict(zip(visits.catalog["star_id"], visits.truth, strict=True))
    rng = np.random.default_rng(8)
    offset = {name: rng.normal(0, shared) for name in truth}
    for j, name in enumerate(LABELS):
        wrong = np.array([offset[star][j] for star in visits.catalog["star_id"]])
        visits.catalog[name] = visits.catalog[name] + wrong * visits.catalog[name].unit
    stars = combine_visits(with_model_part(visits.catalog, shared))
    known = np.array([truth[name] for name in stars["star_id"]])
    for j, name in enumerate(LABELS):
        pulls = (stars[name].value - known[:, j]) / stars[f"{name}_err"].value
        for several in (stars["n_used"] == 1, stars["n_used"] >= 5):
            assert several.sum() > 50
            assert np.std(pulls[several]) == pytest.approx(1, abs=0.25 if several.sum() < 100 else 0.12)
        has_mean = stars["n_used"] > 0
        assert (stars[f"{name}_err"].value[has_mean] >= shared[j]).all()
        np.testing.assert_allclose(stars[f"{name}_err_model"].value, np.where(has_mean, shared[j], np.nan))
    few = (stars["discrepant"] != "").mean()
    assert few < 0.01  # what visits share sets none of them apart


def test_the_error_of_a_star_is_that_of_the_equation():
    visits = with_model_part(three_visits([-1, 0, 1]), [30.0, 0.2, 0.1, 0.1, 0.1])
    visits["covariance_formal"] = visits["covariance"]
    visits["covariance"] = visits["covariance"] + model_covariance([30.0, 0.2, 0.1, 0.1, 0.1], 0.5)
    visits.meta["MODELCOR"] = json.dumps((np.full((5, 5), 0.5) + 0.5 * np.eye(5)).tolist())
    (star,) = combine_visits(visits)
    assert star["teff_err"].value == pytest.approx(np.hypot(10 / np.sqrt(3), 30.0))
    width = np.sqrt(np.diag(star["covariance"]))
    np.testing.assert_allclose(width, [star[f"{name}_err"].value for name in LABELS])
    assert star["covariance"][0, 1] == pytest.approx(0.5 * 30.0 * 0.2)


def model_covariance(sigma, correlation):
    """Covariance (L, L) of errors with one correlation between all of them."""
    matrix = np.full((len(sigma), len(sigma)), correlation)
    np.fill_diagonal(matrix, 1.0)
    return matrix * np.outer(sigma, sigma)


def test_rows_without_a_name_are_stars_of_their_own():
    visits = three_visits([0, 1, 2])
    visits["star_id"] = ["", "a", ""]
    stars = combine_visits(visits)
    assert list(stars["n_visits"]) == [1, 1, 1]
    np.testing.assert_array_equal(stars["teff"], visits["teff"])


@settings(max_examples=40)
@given(st.lists(st.integers(-40, 40), min_size=1, max_size=7, unique=True), st.randoms())
def test_the_order_of_the_visits_does_not_matter(numbers, random):
    visits = three_visits([x + 0.0031 * x**2 for x in numbers])  # no two equally far from a third
    order = list(range(len(numbers)))
    random.shuffle(order)
    (one,), (other,) = combine_visits(visits), combine_visits(visits[order])
    assert one["teff"].value == pytest.approx(other["teff"].value, rel=1e-12)
    assert set(one["discrepant"].split()) == set(other["discrepant"].split())
    assert one["n_used"] >= min(2, len(numbers))


def test_of_two_equally_far_from_a_third_one_goes():
    (star,) = combine_visits(three_visits([-30, 0, 30]))
    assert star["n_used"] == 2
    assert len(star["discrepant"].split()) == 3  # the two that are left disagree as well


@pytest.mark.parametrize("ending", [".fits", ".ecsv", ".parquet"])
def test_a_table_of_stars_is_a_catalogue(tmp_path, ending):
    stars = add_dr17_names(combine_visits(catalogue(n_stars=30, n_visits=80).catalog))
    write_catalog(stars, tmp_path / f"stars{ending}")
    back = read_catalog(tmp_path / f"stars{ending}")
    assert back.colnames == stars.colnames
    for name in stars.colnames:
        assert back[name].unit == stars[name].unit
        np.testing.assert_array_equal(np.asarray(back[name]), np.asarray(stars[name]), err_msg=name)
    assert "30 stars, 80 visits" in describe_catalog(back)
    assert all(stars[name].info.description for name in stars.colnames)


def test_dr17_names(tmp_path):
    visits = catalogue(n_stars=30, n_visits=80).catalog
    visits["flags"][3] = int(Flag.HIGH_RCHI2)
    visits["valid"][3] = False
    table = add_dr17_names(visits)
    theirs = [name for name in table.colnames if name not in visits.colnames]
    assert theirs == [
        "MANGAID", "TEFF_JI", "LOGG_JI", "FEH_JI", "ALPHA_JI", "VMICRO_JI",
        "TEFF_ERR_JI", "LOGG_ERR_JI", "FEH_ERR_JI", "ALPHA_ERR_JI", "VMICRO_ERR_JI", "CHISQ_JI", "VALID_JI",
    ]  # fmt: skip
    assert table["TEFF_JI"].dtype == np.float32
    assert table["TEFF_JI"].unit == table["teff"].unit
    assert table["VALID_JI"][3] == 0
    assert table["LOGG_JI"][3].value == -999
    assert np.isfinite(table["TEFF_JI"].value).all()
    assert table["VMICRO_JI"][0].value == pytest.approx(visits["log_vmicro"][0].value)
    stars = add_dr17_names(combine_visits(visits))
    assert "CHISQ_JI" not in stars.colnames
    write_catalog(stars, tmp_path / "stars.fits")
    read = read_parameters(tmp_path / "stars.fits", "JI")  # as the published table is
    assert read["star_id"].tolist() == stars["star_id"].tolist()
    np.testing.assert_allclose(read["teff"], np.where(stars["valid"], stars["teff"].value, np.nan), rtol=1e-6)
