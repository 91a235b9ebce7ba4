"""The broadenings of a mixed training set, against dense sums and analytic Gaussians."""

import numpy as np

from maury.learn.instruments import broadened, instruments_of, same_instrument, sharpest, variances

WAVELENGTH = 10 ** (3.70 + 1e-4 * np.arange(600))


def line(sigma):
    """A line at the middle of the grid, Gaussian sigma in Angstrom."""
    away = WAVELENGTH - WAVELENGTH[300]
    return 1 - 0.5 / sigma * np.exp(-0.5 * (away / sigma) ** 2)


def test_the_emulator_is_as_sharp_as_one_star_in_twenty():
    lsf = np.concatenate([np.full((6, 600), 1.5), np.full((94, 600), 3.0)])
    ivar = np.ones((100, 600))
    every = np.ones(100, dtype=bool)
    assert (sharpest(lsf, ivar, every) == 1.5).all()
    ivar[:6, 400:] = 0  # beyond, all are wide
    np.testing.assert_array_equal(sharpest(lsf, ivar, every), np.where(np.arange(600) < 400, 1.5, 3.0))
    ivar[:, 590:] = 0
    assert (sharpest(lsf, ivar, every)[590:] == 3.0).all()
    assert sharpest(np.full((3, 600), np.nan), np.ones((3, 600)), every[:3]) is None


def test_the_emulator_is_as_sharp_as_its_own_instrument_where_that_has_data():
    lsf = np.concatenate([np.full((50, 600), 1.5), np.full((50, 600), 3.0)])
    ivar = np.ones((100, 600))
    ivar[50:, :100] = 0
    found = sharpest(lsf, ivar, np.arange(100) >= 50)
    np.testing.assert_array_equal(found, np.where(np.arange(600) < 100, 1.5, 3.0))
    ivar[52:, :200] = 0  # a few that are not like the others do not tell
    lsf[50:52, :200] = 0.5
    found = sharpest(lsf, ivar, np.arange(100) >= 50)
    np.testing.assert_array_equal(found, np.where(np.arange(600) < 200, 1.5, 3.0))


def test_stars_of_the_same_instrument_share_an_operator():
    rng = np.random.default_rng(1)
    widths = np.array([2.0, 3.0, 4.0])[np.arange(30) % 3] * (1 + 0.001 * rng.normal(size=30))
    lsf = np.repeat(widths[:, None], 600, axis=1)
    made = instruments_of(lsf, np.full(600, 2.0), WAVELENGTH)
    assert len(made.operators) == 3 and made.operators[made.group[0]] is None
    for k in range(3):
        assert (made.group[k::3] == made.group[k]).all()


def test_an_emulator_is_seen_as_broad_as_the_star():
    lsf = np.tile([2.0, 3.0, np.nan], (600, 1)).T
    made = instruments_of(lsf, np.full(600, 2.0), WAVELENGTH)
    seen = made.see(np.tile(line(2.0), (3, 1)))
    np.testing.assert_array_equal(seen[0], line(2.0))
    np.testing.assert_allclose(seen[1], line(3.0), atol=3e-4)
    np.testing.assert_array_equal(seen[2], line(2.0))  # unknown: that of the emulator


def test_many_instruments_are_put_together():
    lsf = np.linspace(2.0, 8.0, 300)[:, None] * np.ones(600)
    assert len(instruments_of(lsf, np.full(600, 2.0), WAVELENGTH).operators) <= 48
    assert same_instrument(4).see(lsf[:4]) is not lsf


def test_a_sharper_star_and_its_noise_are_broadened():
    rng = np.random.default_rng(3)
    variance = variances(np.full(600, 3.0), np.full(600, 2.0), WAVELENGTH)
    ivar = np.full(600, 1e4)
    ivar[100] = 0
    flux, left = broadened(line(2.0), ivar, variance)
    np.testing.assert_allclose(flux[left > 0], line(3.0)[left > 0], atol=3e-4)
    assert 3 <= (left == 0).sum() <= 25 and left[100] == 0
    noisy = [broadened(1 + 0.01 * rng.normal(size=600), ivar, variance)[0][300] for _ in range(2000)]
    assert abs(np.std(noisy) * np.sqrt(left[300]) - 1) < 0.05
