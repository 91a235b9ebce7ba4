"""Median in windows that change from pixel to pixel, against NumPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maury import _core


def slow_median(flux, mask, first, end):
    out = np.full_like(flux, np.nan)
    for n, row in enumerate(np.where(mask | ~np.isfinite(flux), np.nan, flux)):
        windows = first[n % len(first)], end[n % len(end)]
        for i, (a, b) in enumerate(zip(*windows, strict=True)):
            known = row[a:b][np.isfinite(row[a:b])]
            out[n, i] = np.median(known) if len(known) else np.nan
    return out


@st.composite
def windows(draw):
    n, n_pixels = draw(st.integers(0, 3)), draw(st.integers(0, 150))
    n_windows = draw(st.sampled_from([1, n])) if n else 1
    ends = hnp.arrays(np.uintp, (2, n_windows, n_pixels), elements=st.integers(0, n_pixels))
    first, end = np.sort(np.sort(draw(ends), axis=2), axis=0)
    few = st.sampled_from([0.0, 1.0, 1.5, -2.0, np.nan, np.inf, -np.inf])  # ties, and pixels left out
    flux = draw(hnp.arrays(np.float64, (n, n_pixels), elements=few | st.floats(-1000, 1000)))
    mask = draw(hnp.arrays(bool, (n, n_pixels)))
    return flux, mask, np.ascontiguousarray(first), np.ascontiguousarray(end)


@settings(max_examples=150, deadline=None)
@given(windows())
def test_agrees_with_numpy(arguments):
    np.testing.assert_array_equal(_core.windowed_median(*arguments), slow_median(*arguments))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(200, 900), st.sampled_from([0.0, 0.3, 0.98]))
def test_long_spectra(seed, n_pixels, fraction):
    rng = np.random.default_rng(seed)
    flux, mask = rng.normal(1, 0.1, (2, n_pixels)), rng.uniform(size=(2, n_pixels)) < fraction
    place = np.cumsum(rng.gamma(0.5, size=n_pixels))  # windows of one length on an uneven grid
    first = np.searchsorted(place, place - 15.0).astype(np.uintp)[None]
    end = np.searchsorted(place, place + 15.0, side="right").astype(np.uintp)[None]
    got = _core.windowed_median(flux, mask, first, end)
    np.testing.assert_array_equal(got, slow_median(flux, mask, first, end))


def test_windows_of_one_width_are_the_running_median():
    rng = np.random.default_rng(5)
    flux, mask = rng.normal(size=(3, 700)), rng.uniform(size=(3, 700)) < 0.2
    pixel = np.arange(700)
    first, end = np.maximum(pixel - 40, 0), np.minimum(pixel + 41, 700)
    got = _core.windowed_median(flux, mask, first.astype(np.uintp)[None], end.astype(np.uintp)[None])
    np.testing.assert_array_equal(got, _core.running_median(flux, mask, 40))


def test_what_a_bad_pixel_holds_does_not_matter():
    rng = np.random.default_rng(6)
    flux, mask = rng.normal(size=(1, 300)), rng.uniform(size=(1, 300)) < 0.2
    first, end = np.zeros((1, 300), np.uintp), np.full((1, 300), 300, np.uintp)
    want = _core.windowed_median(flux, mask, first, end)
    assert (want == np.median(flux[~mask])).all()
    for value in (1e30, np.nan, -np.inf):
        np.testing.assert_array_equal(
            _core.windowed_median(np.where(mask, value, flux), mask, first, end), want
        )


@pytest.mark.parametrize(
    ("first", "end", "words"),
    [
        ([[0, 1, 0]], [[3, 3, 3]], "neither falling"),
        ([[0, 0, 0]], [[3, 2, 3]], "neither falling"),
        ([[0, 2, 2]], [[1, 1, 3]], "first <= end <= P"),
        ([[0, 0, 0]], [[3, 3, 4]], "first <= end <= P"),
        ([[0, 0]], [[3, 3]], r"first: expected .* \(N or 1, P\)"),
        ([[0, 0, 0]] * 3, [[3, 3, 3]] * 3, "first: expected 1 row or 2, got 3"),
        ([[0, 0, 0]] * 2, [[3, 3, 3]], "end: expected"),
    ],
)
def test_bad_windows_are_named(first, end, words):
    flux = np.ones((2, 3))
    with pytest.raises(ValueError, match=words):
        _core.windowed_median(flux, flux > 2, np.array(first, np.uintp), np.array(end, np.uintp))
