"""Emission in the residual: planted lines are found; noise, spikes and misfits are not taken for them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core_residuals import LINES, emission_lines, shows_emission
from maury.spectra import SPEED_OF_LIGHT

WAVELENGTH = 10 ** np.arange(3.57, 3.96, 1e-4)
NAMES = list(LINES)


def line(name, height, sigma=80.0, rv=0.0):
    velocity = SPEED_OF_LIGHT * (WAVELENGTH / (LINES[name] * (1 + rv / SPEED_OF_LIGHT)) - 1)
    return height * np.exp(-0.5 * (velocity / sigma) ** 2)


def judge(residual, rv=0.0, snr=50.0, ivar=None, seed=0):
    residual = np.atleast_2d(residual)
    flux = 1 + residual + np.random.default_rng(seed).normal(0, 1 / snr, residual.shape)
    ivar = np.full(flux.shape, snr**2) if ivar is None else ivar
    return emission_lines(WAVELENGTH, flux, ivar, np.ones_like(flux), np.full(len(flux), rv), scatter=0.005)


@pytest.mark.parametrize("rv", [0.0, 250.0, -400.0])
@pytest.mark.parametrize(
    "lines", [("H alpha", "H beta"), ("Ca II K", "Ca II H"), ("Ca II 8500", "Ca II 8544")]
)
def test_planted_lines_are_found_where_they_are(lines, rv):
    height, significance = judge(sum(line(name, 0.3, rv=rv) for name in lines), rv)
    assert shows_emission(height, significance).all()
    seen = {NAMES[j] for j in np.flatnonzero(significance[0] > 8)}
    assert set(lines) <= seen
    assert height[0, NAMES.index(lines[0])] == pytest.approx(0.3, rel=0.25)
    assert not shows_emission(*judge(sum(line(name, -0.3, rv=rv) for name in lines), rv)).any()


def test_strong_h_alpha_alone_is_enough_and_a_weak_calcium_line_is_not():
    assert shows_emission(*judge(line("H alpha", 0.4))).all()
    assert not shows_emission(*judge(line("H alpha", 0.1))).any()
    assert not shows_emission(*judge(line("Ca II K", 0.4))).any()


def test_most_emission_stars_and_no_other():
    """S/N 50, H alpha and H beta at 0.3 and 0.12 of the continuum: all found; of 500 without, none."""
    with_lines = np.tile(line("H alpha", 0.3) + line("H beta", 0.12), (100, 1))
    assert shows_emission(*judge(with_lines)).mean() > 0.98
    assert not shows_emission(*judge(np.zeros((500, len(WAVELENGTH))))).any()


def test_cosmic_rays_are_not_emission():
    residual = np.zeros((50, len(WAVELENGTH)))
    for name in NAMES:
        residual[:, np.argmin(np.abs(WAVELENGTH - LINES[name]))] = 5.0
    assert not shows_emission(*judge(residual)).any()


def test_a_residual_that_is_bad_everywhere_is_not_emission():
    rough = np.random.default_rng(5).normal(0, 0.2, (100, len(WAVELENGTH)))
    smooth = np.array([np.convolve(row, np.ones(5) / 5, "same") for row in rough])
    assert shows_emission(*judge(smooth, snr=300)).mean() < 0.02


def test_lines_that_are_not_covered_are_nan():
    ivar = np.full((1, len(WAVELENGTH)), 2500.0)
    ivar[:, np.abs(WAVELENGTH - LINES["H alpha"]) < 80] = 0
    height, significance = judge(line("H alpha", 5.0) + line("H beta", 5.0), ivar=ivar)
    assert np.isnan([height[0, 0], significance[0, 0]]).all()
    assert significance[0, 1] > 100
    none = emission_lines(
        np.linspace(5000, 5500, 400), np.ones((1, 400)), np.ones((1, 400)), np.ones((1, 400)), [0.0]
    )
    assert np.isnan(none).all()
    assert not shows_emission(*none).any()


def test_a_failed_fit_and_an_unknown_velocity():
    flux = np.ones((2, len(WAVELENGTH)))
    model = np.stack([np.full(len(WAVELENGTH), np.nan), flux[1]])
    height, _ = emission_lines(WAVELENGTH, flux, flux, model, [0.0, np.nan])
    assert np.isnan(height[0]).all()
    assert np.isfinite(height[1]).all()


def test_no_spectra():
    nothing = np.empty((0, 3))
    height, significance = emission_lines(np.arange(3) + 5000.0, nothing, nothing, nothing, [])
    assert height.shape == significance.shape == (0, len(LINES))
    assert shows_emission(height, significance).shape == (0,)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"model: expected .*\(1, 3\).*got .*\(1, 4\)"):
        emission_lines(np.arange(3) + 5000.0, np.ones((1, 3)), np.ones((1, 3)), np.ones((1, 4)), [0.0])


@settings(max_examples=25)
@given(st.floats(0.1, 2.0), st.floats(-300, 300), st.integers(0, 99))
def test_the_star_may_move_and_the_height_scales(height, rv, seed):
    found = judge(line("H beta", height, sigma=180, rv=rv), rv, snr=200, seed=seed)[0][0, 1]
    assert found == pytest.approx(height, rel=0.1)
