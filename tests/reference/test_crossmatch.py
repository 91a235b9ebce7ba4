"""Partners on the sky: against a slow twin, with proper motions, ids, neighbours and wrong input."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from hypothesis import given, settings
from hypothesis import strategies as st

from maury.reference.crossmatch import NONE, Sky, cross_match

ARCSEC = 1 / 3600


def slow_twin(stars, others, radius):
    """One pair at a time: motion along the tangent, separation by astropy, one partner each."""
    pairs = []
    for i in range(len(stars.ra)):
        for j in range(len(others.ra)):
            years = stars.epoch[i] - others.epoch
            dec = others.dec[j] + others.pm_dec[j] * years / 3.6e6
            ra = others.ra[j] + others.pm_ra[j] * years / 3.6e6 / np.cos(np.radians(others.dec[j]))
            there, here = (
                SkyCoord(ra * u.deg, dec * u.deg),
                SkyCoord(stars.ra[i] * u.deg, stars.dec[i] * u.deg),
            )
            distance = here.separation(there).arcsec
            if distance <= radius:
                pairs.append((distance, i, j))
    partner = np.full(len(stars.ra), NONE)
    nearest = {}
    for distance, i, j in sorted(pairs):
        if i not in nearest:
            nearest[i] = (distance, j)
    taken = set()
    for i, (_, j) in sorted(nearest.items(), key=lambda item: item[1][0]):
        if j not in taken:
            partner[i] = j
            taken.add(j)
    return partner


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.floats(-85, 85))
def test_against_the_slow_twin(seed, dec):
    rng = np.random.default_rng(seed)
    spread = 8 * ARCSEC  # so dense that neighbours compete

    def place(n):
        return 359.999 + rng.uniform(0, spread, n) / np.cos(np.radians(dec)), dec + rng.uniform(0, spread, n)

    (ra, declination), (ra2, declination2) = place(6), place(7)
    stars = Sky(ra % 360, declination, rng.choice([2000.0, 2010.5, 2016.0], 6))
    others = Sky(ra2 % 360, declination2, 2000.0, rng.normal(0, 200, 7), rng.normal(0, 200, 7))
    match = cross_match(stars, others, 3.0)
    np.testing.assert_array_equal(match.index, slow_twin(stars, others, 3.0))
    assert (np.isfinite(match.separation) == (match.index != NONE)).all()
    assert np.nanmax(match.separation, initial=0) <= 3.0
    counts = match.counts
    assert counts["stars"] == 6
    assert sum(counts.values()) == 12
    assert counts["matched by position"] == (match.index != NONE).sum()


def one(pm=(0.0, 0.0), offset=0.0, epoch=2015.5, ids=(None, None)):
    stars = Sky(np.array([100.0]), np.array([30.0]), np.array([epoch]), gaia_id=ids[0] and np.array([ids[0]]))
    others = Sky(
        np.array([100.0]), np.array([30.0 + offset * ARCSEC]), 2000.0, np.array([pm[0]]), np.array([pm[1]]),
        ids[1] and np.array([ids[1]]),
    )  # fmt: skip
    return cross_match(stars, others)


@pytest.mark.parametrize(("offset", "found"), [(2.99, True), (3.01, False)])
def test_the_radius(offset, found):
    match = one(offset=offset)
    assert (match.index[0] == 0) == found
    assert match.counts["no partner within 3 arcsec"] == (not found)
    if found:
        assert match.separation[0] == pytest.approx(offset, abs=1e-6)


def test_a_fast_star_is_found_where_it_has_gone():
    assert one(pm=(0, 500), offset=-7.75).separation[0] == pytest.approx(0, abs=1e-3)
    assert one(pm=(0, 10300), offset=-10.3 * 15.5).separation[0] < 0.01  # as fast as Barnard's star


def test_a_passing_star_is_not_taken():
    assert one(pm=(0, 500)).index[0] == NONE


@pytest.mark.parametrize(("pm", "epoch"), [((0, 500), np.nan), ((np.nan, np.nan), 2015.5)])
def test_what_is_unknown_does_not_move(pm, epoch):
    assert one(pm=pm, epoch=epoch).separation[0] == pytest.approx(0, abs=1e-6)


def test_the_same_id_far_away():
    match = one(offset=20.0, ids=(7, 7))
    assert match.index.tolist() == [0]
    assert np.isnan(match.separation[0])
    assert match.counts["matched by Gaia id"] == 1


def test_ids_that_differ():
    match = one(ids=(7, 8))
    assert match.index.tolist() == [NONE]
    assert match.counts["Gaia ids differ"] == 1


@pytest.mark.parametrize("ids", [(7, -1), (-1, 7), (-999, -1), (7, None)])
def test_an_id_on_one_side_only(ids):
    assert one(ids=ids).counts["matched by position"] == 1


def test_ids_are_whole_numbers():
    """Two ids that one float64 stands for are not the same star."""
    assert one(ids=(3318774253473913984, 3318774253473913985)).index.tolist() == [NONE]


def test_the_nearer_of_two_stars_gets_the_partner():
    stars = Sky(np.full(2, 100.0), 30.0 + np.array([2.0, 1.0]) * ARCSEC, np.full(2, 2000.0))
    match = cross_match(stars, Sky(np.array([100.0]), np.array([30.0]), 2000.0))
    assert match.index.tolist() == [NONE, 0]
    assert match.counts["partner of a nearer star"] == 1


def test_nothing_there():
    nobody = Sky(np.empty(0), np.empty(0), 2000.0, gaia_id=np.empty(0, dtype=np.int64))
    stars = Sky(np.array([1.0, np.nan]), np.zeros(2), np.full(2, 2000.0), gaia_id=np.array([7, 8]))
    match = cross_match(stars, nobody)
    assert match.index.tolist() == [NONE, NONE]
    assert match.counts["no partner within 3 arcsec"] == 2


def test_an_id_in_two_rows():
    others = Sky(np.array([1.0, 2.0]), np.zeros(2), 2000.0, gaia_id=np.array([7, 7]))
    stars = Sky(np.array([1.0]), np.zeros(1), np.array([2000.0]), gaia_id=np.array([7]))
    with pytest.raises(ValueError, match="others: 2 or more rows have one Gaia id, 7;"):
        cross_match(stars, others)


@pytest.mark.parametrize("radius", [0.0, -1.0, np.nan])
def test_a_radius_that_is_none(radius):
    with pytest.raises(ValueError, match="radius: expected arcseconds above 0"):
        cross_match(Sky(np.zeros(1), np.zeros(1), np.zeros(1)), Sky(np.zeros(1), np.zeros(1), 2000.0), radius)
