"""Running median of the C++ core against NumPy, pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maury import _core


def slow_median(flux, mask, half):
    """Median of each window by sorting, one pixel at a time; -0 comes before 0."""
    out = np.full_like(flux, np.nan)
    for n, row in enumerate(flux):
        for i in range(len(row)):
            near = slice(max(0, i - half), i + half + 1)
            window = row[near][np.isfinite(row[near]) & ~mask[n, near]]
            window = window[np.lexsort((~np.signbit(window), window))]
            if len(window):
                a, b = window[(len(window) - 1) // 2], window[len(window) // 2]
                with np.errstate(over="ignore"):
                    middle = (a + b) / 2 if np.isfinite(a + b) else a / 2 + b / 2
                out[n, i] = a if len(window) % 2 else middle
    return out


def assert_same_bits(got, wanted):
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(np.signbit(got[got == 0]), np.signbit(wanted[got == 0]))


def test_slow_median_is_that_of_numpy():
    rng = np.random.default_rng(1)
    flux, mask = rng.normal(size=(1, 60)), rng.uniform(size=(1, 60)) < 0.3
    holes = np.where(mask, np.nan, flux)[0]
    wanted = [np.nanmedian(holes[max(0, i - 5) : i + 6]) for i in range(60)]
    np.testing.assert_array_equal(slow_median(flux, mask, 5)[0], wanted)


@st.composite
def spectra(draw):
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    shape = draw(st.tuples(st.integers(0, 3), st.integers(0, 40)))
    few = st.sampled_from([0.0, -0.0, 1.0, 1.5, -2.0, np.nan, np.inf, -np.inf])  # ties, and pixels left out
    many = st.floats(-1000, 1000, width=32)
    flux = draw(hnp.arrays(dtype, shape, elements=draw(st.sampled_from([few, many]))))
    return flux, draw(hnp.arrays(bool, shape))


@settings(max_examples=300)
@given(spectra(), st.integers(0, 50))
def test_agrees_with_numpy(flux_and_mask, half):
    flux, mask = flux_and_mask
    assert_same_bits(_core.running_median(flux, mask, half), slow_median(flux, mask, half))


@settings(max_examples=50)
@given(spectra(), st.integers(0, 50))
def test_no_mask_is_an_empty_mask(flux_and_mask, half):
    flux, _ = flux_and_mask
    np.testing.assert_array_equal(
        _core.running_median(flux, None, half), _core.running_median(flux, np.zeros(flux.shape, bool), half)
    )


@pytest.fixture
def spectrum():
    rng = np.random.default_rng(0)
    return rng.normal(1, 0.1, (2, 500)), rng.uniform(size=(2, 500)) < 0.2


def test_scales_with_the_flux_and_turns_with_the_spectrum(spectrum):
    flux, mask = spectrum
    median = _core.running_median(flux, mask, 60)
    np.testing.assert_array_equal(_core.running_median(8 * flux, mask, 60), 8 * median)
    turned = _core.running_median(flux[:, ::-1].copy(), mask[:, ::-1].copy(), 60)
    np.testing.assert_array_equal(turned[:, ::-1], median)


def test_what_a_bad_pixel_holds_does_not_matter(spectrum):
    flux, mask = spectrum
    median = _core.running_median(flux, mask, 60)
    assert np.isfinite(median[mask]).all()  # and it still has a median
    for value in (1e30, np.nan, -np.inf):
        np.testing.assert_array_equal(_core.running_median(np.where(mask, value, flux), mask, 60), median)


def test_gap_wider_than_the_window_is_nan(spectrum):
    flux, mask = spectrum
    mask[:, 100:300] = True
    mask[:, [99, 300]] = False
    median = _core.running_median(flux, mask, 50)
    assert np.isnan(median[:, 150:250]).all()
    assert np.isfinite(median[:, [149, 250]]).all()


def test_arguments_are_not_written(spectrum):
    flux, mask = spectrum
    before = flux.copy(), mask.copy()
    flux.flags.writeable = mask.flags.writeable = False
    _core.running_median(flux, mask, 10)
    np.testing.assert_array_equal(flux, before[0])
    np.testing.assert_array_equal(mask, before[1])


TINY, HUGE = 5e-324, 1.7e308
extremes = st.sampled_from([0.0, -0.0, TINY, -TINY, 1e-310, 1.0, -1.0, np.nan, np.inf, -np.inf])
KINDS = {
    "smooth": lambda rng, n, _: rng.normal(1, 0.1, n),
    "crosses zero": lambda rng, n, _: rng.normal(0, 1, n),
    "ties": lambda rng, n, _: rng.integers(0, 3, n) - 1.0,
    "zeros": lambda rng, n, _: rng.choice([0.0, -0.0, 1.0, -1.0], n, p=[0.4, 0.4, 0.1, 0.1]),
    "nearly equal": lambda rng, n, info: 1 + info.eps * rng.integers(0, 500, n),
    "denormal": lambda rng, n, info: info.smallest_subnormal * rng.integers(-500, 500, n),
    "every exponent": lambda rng, n, info: np.ldexp(
        rng.uniform(-1, 1, n), rng.integers(info.minexp, info.maxexp, n)
    ),
    "few spikes": lambda rng, n, _: np.where(rng.uniform(size=n) < 0.01, 1e6, 1) * rng.normal(1, 0.1, n),
    "many spikes": lambda rng, n, _: np.where(rng.uniform(size=n) < 0.5, 1e12, 1) * rng.normal(1, 0.1, n),
    "sorted": lambda rng, n, _: np.sort(rng.normal(size=n)),
    "reverse": lambda rng, n, _: np.sort(rng.normal(size=n))[::-1],
    "sawtooth": lambda rng, n, _: np.arange(n) % 37.0,
    "equal": lambda rng, n, _: np.full(n, 2.0),
}


@settings(max_examples=300)
@given(
    st.sampled_from([np.float32, np.float64]),
    st.integers(150, 700),
    st.integers(0, 400),
    st.integers(0, 2**32 - 1),
    st.sampled_from(sorted(KINDS)),
    st.sampled_from([0.0, 0.02, 0.5, 0.99]),
)
def test_long_spectra(dtype, n_pixels, half, seed, kind, fraction):
    rng = np.random.default_rng(seed)
    flux = KINDS[kind](rng, n_pixels, np.finfo(dtype))[None].astype(dtype)
    flux[:, rng.uniform(size=n_pixels) < fraction / 4] = rng.choice([np.nan, np.inf, -np.inf])
    mask = rng.uniform(size=flux.shape) < fraction
    assert_same_bits(_core.running_median(flux, mask, half), slow_median(flux, mask, half))


@settings(max_examples=200)
@given(
    hnp.arrays(np.float64, st.tuples(st.just(1), st.integers(0, 30)), elements=extremes), st.integers(0, 40)
)
def test_zeros_of_both_signs_and_denormals(flux, half):
    none = np.zeros(flux.shape, bool)
    assert_same_bits(_core.running_median(flux, None, half), slow_median(flux, none, half))


@pytest.mark.parametrize("half", [0, 1, 3, 4, 50])
def test_one_pixel_and_none(half):
    for dtype in (np.float32, np.float64):
        assert _core.running_median(np.zeros((2, 0), dtype), None, half).shape == (2, 0)
        assert _core.running_median(np.full((1, 1), 3, dtype), None, half) == 3
        assert np.isnan(_core.running_median(np.full((1, 1), np.inf, dtype), None, half))


def test_half_zero_copies_the_good_pixels(spectrum):
    flux, mask = spectrum
    np.testing.assert_array_equal(_core.running_median(flux, mask, 0), np.where(mask, np.nan, flux))


@pytest.mark.parametrize("half", [499, 500, 10**6, 2**62])
def test_window_wider_than_the_spectrum_is_its_median(spectrum, half):
    flux, mask = spectrum
    wanted = np.nanmedian(np.where(mask, np.nan, flux), axis=1)
    np.testing.assert_array_equal(_core.running_median(flux, mask, half), np.repeat(wanted[:, None], 500, 1))


@pytest.mark.parametrize("half", [3, 4, 30])
def test_all_masked_is_nan(spectrum, half):
    flux, mask = spectrum
    assert np.isnan(_core.running_median(flux, np.ones_like(mask), half)).all()


@pytest.mark.parametrize("half", [4, 5, 60])
def test_middle_two_do_not_overflow(half):
    flux = np.full((1, 300), HUGE)
    np.testing.assert_array_equal(_core.running_median(flux, None, half), flux)


@pytest.mark.parametrize("half", [2, 8, 150, 1200])
def test_spectrum_longer_than_a_stretch(half):
    rng = np.random.default_rng(half)
    flux, mask = rng.normal(size=(1, 30_001)), rng.uniform(size=(1, 30_001)) < 0.1
    whole = np.pad(np.where(mask, np.nan, flux)[0], half, constant_values=np.nan)
    got = _core.running_median(flux, mask, half)[0]
    cuts = [k * 30_001 // n + d for n in (4, 30) for k in range(1, n) for d in range(-6, 7)]
    for i in [0, 1, *cuts, *range(29_990, 30_001), *rng.integers(0, 30_001, 300)]:
        assert got[i] == np.nanmedian(whole[i : i + 2 * half + 1])


def test_a_row_does_not_depend_on_the_rows_before_it(spectrum):
    flux, mask = spectrum
    both = _core.running_median(flux, mask, 60)
    np.testing.assert_array_equal(_core.running_median(flux[1:].copy(), mask[1:].copy(), 60), both[1:])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            (np.zeros(4), None, 1),
            r"flux: expected float64 \(N, P\) = \(any, any\), C-contiguous, got float64 \(4,\)",
        ),
        ((np.zeros((2, 4), int), None, 1), r"flux: expected float64.*got int64 \(2, 4\)"),
        ((np.zeros((4, 2)).T, None, 1), "not C-contiguous; use np.ascontiguousarray"),
        (([[1.0]], None, 1), "got list"),
        ((np.zeros((2, 4)), np.zeros((2, 3), bool), 1), r"mask: expected bool \(N, P\) = \(2, 4\)"),
        ((np.zeros((2, 4)), np.zeros((2, 4)), 1), r"mask: expected bool.*got float64"),
        ((np.zeros((2, 4)), None, -1), "half: expected a number of pixels >= 0, got -1"),
    ],
)
def test_bad_arguments_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        _core.running_median(*arguments)
