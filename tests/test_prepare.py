"""Rest frame, rebinning and normalisation, against slow twins and things that must not matter."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maury.prepare import prepare, to_grid
from maury.spectra import SPEED_OF_LIGHT, Spectra

GRID = 10 ** (3.60 + 1e-4 * np.arange(1200))


def smooth(wavelength):
    """Return a continuum with lines of 2.5 A FWHM, as a function of vacuum wavelength."""
    flux = 1 + 0.3 * np.sin(wavelength / 150)
    for centre in np.arange(3700, 5800, 37.3):
        flux = flux - 0.2 * np.exp(-0.5 * ((wavelength - centre) / 1.06) ** 2)
    return flux


def in_pixels(wavelength, shift=1.0):
    """Return the mean of `smooth` over every pixel, at the wavelengths divided by `shift`."""
    step = np.gradient(wavelength)
    part = (np.arange(20) + 0.5) / 20 - 0.5
    return smooth((wavelength[:, None] + part * step[:, None]) / shift).mean(axis=1)


def slow_median(flux, good, half):
    """Return the median of the good pixels within `half` of each pixel."""
    out = np.full(flux.size, np.nan)
    for p in range(flux.size):
        window = slice(max(0, p - half), p + half + 1)
        if good[window].any():
            out[p] = np.median(flux[window][good[window]])
    return out


def test_on_its_own_grid_only_the_median_is_divided_out():
    flux = smooth(GRID) + np.random.default_rng(0).normal(0, 0.02, GRID.size)
    mask = np.zeros(GRID.size, dtype=bool)
    mask[300:330] = True
    ivar = np.full(GRID.size, 2500.0)
    prepared = prepare(Spectra(GRID, flux, ivar, mask, rv=0.0), GRID, 400)
    good = prepared.ivar[0] > 0
    assert not good[300:330].any()
    assert good.sum() >= GRID.size - 32  # a neighbour of a bad pixel may go too
    median = slow_median(flux, good, 200)
    np.testing.assert_allclose(prepared.flux[0, good], (flux / median)[good], rtol=1e-9)
    np.testing.assert_allclose(prepared.ivar[0, good], (ivar * median**2)[good], rtol=1e-9)


@pytest.mark.parametrize("rv", [-450.0, 33.0, 210.0])
@pytest.mark.parametrize("step", [0.6, 0.9])
def test_velocity_and_sampling_come_out(rv, step):
    """A shifted, linearly sampled spectrum gives what the star at rest on the grid gives."""
    observed = np.arange(3800.0, 5400.0, step)
    flux = in_pixels(observed, 1 + rv / SPEED_OF_LIGHT)
    seen = prepare(Spectra(observed, flux, np.full(observed.size, 1e4), rv=rv), GRID, 400)
    want = prepare(Spectra(GRID, in_pixels(GRID), np.full(GRID.size, 1e4), rv=0.0), GRID, 400)
    inner = slice(10, -10)
    assert (seen.ivar[0, inner] > 0).all()
    np.testing.assert_allclose(seen.flux[0, inner], want.flux[0, inner], atol=4e-3)


def test_information_is_neither_made_nor_lost():
    observed = np.arange(3700.0, 5700.0, 0.3)  # finer than the grid
    spectra = Spectra(observed, np.ones(observed.size), np.full(observed.size, 100.0), rv=0.0)
    prepared = prepare(spectra, GRID, 400)
    width = GRID * 1e-4 * np.log(10)
    np.testing.assert_allclose(prepared.ivar[0, 5:-5], 100.0 * width[5:-5] / 0.3, rtol=1e-6)


def test_noise_keeps_its_size_in_units_of_its_error():
    rng = np.random.default_rng(4)
    observed = 10 ** (3.59 + 2.5e-5 * np.arange(5500))  # four pixels to one
    flux = 1 + rng.normal(0, 0.1, observed.size)
    prepared = prepare(Spectra(observed, flux, np.full(observed.size, 100.0), rv=0.0), GRID, 400)
    pull = (prepared.flux[0] - 1) * np.sqrt(prepared.ivar[0])
    assert 0.9 < pull[10:-10].std() < 1.1


@settings(max_examples=30)
@given(
    scale=st.floats(1e-18, 1e18),
    seed=st.integers(0, 2**16),
    n_bad=st.integers(0, 300),
)
def test_scale_and_masked_values_do_not_matter(scale, seed, n_bad):
    rng = np.random.default_rng(seed)
    flux = smooth(GRID) + rng.normal(0, 0.02, GRID.size)
    mask = np.zeros(GRID.size, dtype=bool)
    mask[rng.integers(0, GRID.size, n_bad)] = True
    ivar = np.full(GRID.size, 2500.0)
    want = prepare(Spectra(GRID, flux, ivar, mask, rv=0.0), GRID, 400)
    other = np.where(mask, rng.choice([np.nan, np.inf, -1e9, 1e9], GRID.size), flux * scale)
    got = prepare(Spectra(GRID, other, ivar / scale**2, mask, rv=0.0), GRID, 400)
    np.testing.assert_array_equal(got.ivar > 0, want.ivar > 0)
    np.testing.assert_allclose(got.flux, want.flux, rtol=1e-9)
    np.testing.assert_allclose(got.ivar, want.ivar, rtol=1e-9)


def test_rows_do_not_see_each_other_and_nothing_is_written_to():
    rng = np.random.default_rng(2)
    flux = smooth(GRID) + rng.normal(0, 0.02, (3, GRID.size))
    spectra = Spectra(GRID, flux, np.full(flux.shape, 2500.0), rv=[0.0, 50.0, np.nan])
    before = spectra.flux.copy(), spectra.ivar.copy()
    together = prepare(spectra, GRID, 400)
    for i in range(3):
        alone = prepare(spectra[i], GRID, 400)
        np.testing.assert_array_equal(together.flux[i], alone.flux[0])
        np.testing.assert_array_equal(together.ivar[i], alone.ivar[0])
    np.testing.assert_array_equal(spectra.flux, before[0])
    np.testing.assert_array_equal(spectra.ivar, before[1])


@pytest.mark.parametrize(
    "change",
    [
        {"flux": np.zeros(500)},
        {"flux": np.full(500, np.nan)},
        {"flux": np.full(500, -1.0)},
        {"ivar": np.zeros(500)},
        {"mask": np.ones(500, dtype=bool)},
        {"mask": np.arange(500) != 77},
        {"wavelength": np.linspace(8000, 9000, 500)},
    ],
    ids=["zeros", "nan", "negative", "no information", "all masked", "one good pixel", "misses the grid"],
)
def test_a_spectrum_without_use_is_empty_not_an_error(change):
    arguments = {
        "wavelength": np.linspace(4000, 5000, 500),
        "flux": np.ones(500),
        "ivar": np.ones(500),
        "rv": 0.0,
    }
    prepared = prepare(Spectra(**(arguments | change)), GRID, 400)
    assert (prepared.ivar == 0).all()
    assert (prepared.flux == 1).all()


def test_arms_are_rebinned_one_by_one_and_averaged_where_they_overlap():
    """Two arms with an overlap give the weighted mean of what each gives alone."""
    rng = np.random.default_rng(2)
    ends = (slice(0, 700), slice(500, 1200))
    wavelength = np.concatenate([GRID[end] for end in ends])
    arm = np.repeat([0, 1], 700)
    flux, ivar = 1 + 0.1 * rng.normal(size=1400), rng.uniform(50, 100, 1400)
    both = to_grid(Spectra(wavelength, flux, ivar, arm=arm, lsf=1.0 + arm, rv=20.0), GRID)
    alone = [
        to_grid(Spectra(wavelength[arm == a], flux[arm == a], ivar[arm == a], rv=20.0), GRID) for a in (0, 1)
    ]
    total = alone[0].ivar + alone[1].ivar
    mean = (alone[0].flux * alone[0].ivar + alone[1].flux * alone[1].ivar) / np.where(total > 0, total, 1)
    np.testing.assert_allclose(both.ivar, total)
    np.testing.assert_allclose(both.flux, np.where(total > 0, mean, 1.0))
    assert np.nanmax(both.lsf[0, :450]) < 1.01 and np.nanmin(both.lsf[0, 750:1190]) > 1.99
