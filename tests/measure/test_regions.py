"""Regions to leave out by name: some stay with the telescope, some move with the star."""

import numpy as np
import pytest

import made_up_stars
import maury
from maury.measure.regions import REGIONS, check_regions
from maury.spectra import SPEED_OF_LIGHT
from regions_twin import in_regions

WAVELENGTH = np.arange(3500.0, 10500.0, 0.5)
RV = np.array([0.0, 300.0, np.nan])


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_moves_with_the_star_or_not(name):
    moves, ranges = REGIONS[name]
    inside = in_regions([name], WAVELENGTH, RV)
    assert inside.shape == (3, len(WAVELENGTH))
    for row, rv in zip(inside, RV, strict=True):
        wanted = np.zeros(len(WAVELENGTH), dtype=bool)
        for low, high in ranges:
            z = rv / SPEED_OF_LIGHT if moves else 0.0
            wanted |= (WAVELENGTH / (1 + z) > low) & (WAVELENGTH / (1 + z) < high)
        np.testing.assert_array_equal(row, wanted)
    assert inside[0].any()


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("telluric", [6280, 6870, 7605, 9350]),
        ("balmer", [4102.9, 4341.7, 4862.7, 6564.6]),
        ("sodium", [5891.6, 5897.6]),
        ("interstellar", [3934.8, 3969.6, 5782.0, 5891.6, 5897.6]),
    ],
)
def test_the_lines_are_inside(name, lines):
    assert in_regions([name], np.array(lines, dtype=float), np.zeros(1)).all()
    assert not in_regions([name], np.array([4500.0, 5500.0, 6700.0]), np.zeros(1)).any()


def test_names_add_up_and_grids_may_differ():
    both = in_regions(["balmer", "sodium"], WAVELENGTH, RV)
    one_by_one = [in_regions([name], WAVELENGTH, RV) for name in ("balmer", "sodium")]
    np.testing.assert_array_equal(both, one_by_one[0] | one_by_one[1])
    grids = np.tile(WAVELENGTH, (3, 1))
    grids[2, -100:] = np.nan  # padding
    own = in_regions(["telluric"], grids, RV)
    np.testing.assert_array_equal(own[:2], in_regions(["telluric"], WAVELENGTH, RV)[:2])
    assert not own[2, -100:].any()
    assert not in_regions([], WAVELENGTH, RV).any()


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match=r"leave_out: unknown region moon, sun; known are telluric, ba"):
        check_regions(["sun", "balmer", "moon"])


def test_what_is_left_out_has_no_say():
    emulator = made_up_stars.emulator()
    spectra = made_up_stars.spectra(emulator, rv=0.0)
    inside = in_regions(["sodium"], spectra.wavelength, np.zeros(len(spectra)))
    want = maury.fit(spectra, emulator, leave_out=["sodium"])
    everything = maury.fit(spectra, emulator)
    assert (want["n_pixels"] + want["n_clipped"] == inside.shape[1] - inside.sum(axis=1)).all()
    assert (everything["n_pixels"] > want["n_pixels"]).all()
    spectra.flux[inside] += 0.3 * (-1.0) ** np.arange(inside.sum())  # the median hardly moves
    got = maury.fit(spectra, emulator, leave_out=["sodium"])
    for name in emulator.labels:
        sigma = np.asarray(getattr(want[f"{name}_err"], "value", want[f"{name}_err"]))
        off = np.asarray(getattr(got[name] - want[name], "value", got[name] - want[name]))
        assert (np.abs(off) < 0.5 * sigma).all()
