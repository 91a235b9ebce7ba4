"""Stacking of visits: the weighted mean, against a slow twin; outliers; scale; what is missing."""

import numpy as np
import pytest

from maury.prepare import running_median
from maury.reference.stack import stack_stars, stack_visits
from maury.spectra import Spectra

WAVE = 10 ** (3.6 + 1e-4 * np.arange(900))
TRUE = (2.0 + 0.5 * np.sin(np.arange(900) / 300)) * (
    1 - 0.6 * np.exp(-0.5 * ((np.arange(900) - 450) / 4) ** 2)
)


def visits(n, seed=0, error=0.02, scale=None, star="a", **changes):
    rng = np.random.default_rng(seed)
    sigma = error * rng.uniform(0.5, 2, (n, 1)) * np.ones((n, 900))
    flux = TRUE + sigma * rng.normal(size=sigma.shape)
    scale = np.ones((n, 1)) if scale is None else np.asarray(scale)
    given = {
        "wavelength": WAVE, "flux": flux * scale, "ivar": (sigma * scale) ** -2.0, "star_id": star,
        "visit_id": [f"v{i}" for i in range(n)], "lsf": 1.0 + 0.1 * rng.random((n, 900)), "rv": 0.0,
        "snr": 30.0,
    }  # fmt: skip
    return Spectra(**given | changes)


def test_one_visit_is_itself():
    one = visits(1)
    stack = stack_visits(one)
    np.testing.assert_array_equal(stack.flux, one.flux)
    np.testing.assert_array_equal(stack.ivar, one.ivar)
    np.testing.assert_allclose(stack.lsf, one.lsf, rtol=1e-14)
    assert stack.visit_id.tolist() == ["v0"]


@pytest.mark.parametrize("n", [2, 3, 6])
def test_the_mean_is_that_of_a_slow_twin(n):
    given = visits(n, seed=n, mask=np.random.default_rng(n).random((n, 900)) < 0.2)
    continuum = np.array(
        [
            [np.median(f[max(0, p - 200) : p + 201][g[max(0, p - 200) : p + 201]]) for p in range(900)]
            for f, g in zip(given.flux, ~given.mask, strict=True)
        ]
    )
    best = max(
        range(n),
        key=lambda v: sum(
            np.sqrt(given.ivar[v, p]) * given.flux[v, p] for p in range(900) if not given.mask[v, p]
        ),
    )
    stack = stack_visits(given)
    for p in range(0, 900, 7):
        use = [v for v in range(n) if not given.mask[v, p]]
        ratio = [continuum[best, p] / continuum[v, p] for v in use]
        weight = [given.ivar[v, p] / r**2 for v, r in zip(use, ratio, strict=True)]
        if not use:
            assert stack.mask[0, p]
            assert stack.ivar[0, p] == 0
            continue
        flux = sum(w * given.flux[v, p] * r for v, w, r in zip(use, weight, ratio, strict=True)) / sum(weight)
        square = sum(w * given.lsf[v, p] ** 2 for v, w in zip(use, weight, strict=True)) / sum(weight)
        assert stack.flux[0, p] == pytest.approx(flux, rel=1e-12)
        assert stack.ivar[0, p] == pytest.approx(sum(weight), rel=1e-12)
        assert stack.lsf[0, p] == pytest.approx(np.sqrt(square), rel=1e-12)


def test_noise_goes_down_as_it_should():
    stack = stack_visits(visits(8, seed=1))
    pull = (stack.flux[0] - TRUE) * np.sqrt(stack.ivar[0])
    assert np.std(pull) == pytest.approx(1.0, abs=0.1)
    assert stack.snr[0] == pytest.approx(30 * np.sqrt(8))
    assert stack.visit_id[0] == "v0+v1+v2+v3+v4+v5+v6+v7"


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("sign", [-1, 1])
def test_outliers_are_left_out(n, sign):
    clean = visits(n, seed=5)
    flux = clean.flux.copy()
    flux[1, [100, 101, 449, 700]] += sign * 1.0  # two together, one in the core of the line
    stack, expected = stack_visits(visits(n, seed=5, flux=flux)), stack_visits(clean)
    others = np.delete(clean.ivar, 1, axis=0)[:, [100, 101, 449, 700]].sum(axis=0)
    np.testing.assert_allclose(stack.ivar[0, [100, 101, 449, 700]], others, rtol=0.05)
    error = (stack.flux[0] - TRUE)[[100, 101, 449, 700]] * np.sqrt(others)
    assert np.abs(error).max() < 4
    same = np.setdiff1d(np.arange(900), [100, 101, 449, 700])
    np.testing.assert_allclose(stack.ivar[0, same], expected.ivar[0, same], rtol=0.02)


def test_good_pixels_are_not_outliers():
    for n in (2, 3, 6):
        given = visits(n, seed=20 + n)
        stack = stack_visits(given)
        assert (stack.ivar[0] > 0.9 * given.ivar.sum(axis=0)).mean() == 1.0


def test_scale_and_slope_of_a_visit_do_not_matter():
    def normalised(stack):
        return stack.flux[0] / running_median(stack.flux[0])

    plain = normalised(stack_visits(visits(3)))
    scaled = normalised(stack_visits(visits(3, scale=[[1.0], [5.0], [0.3]])))
    np.testing.assert_allclose(scaled, plain, rtol=1e-12)
    tilt = np.linspace(0.95, 1.05, 900)
    tilted = normalised(stack_visits(visits(3, scale=np.stack([tilt, np.ones(900), tilt[::-1]]))))
    np.testing.assert_allclose(tilted, plain, atol=0.01)


def test_an_unknown_lsf_is_left_out_of_the_mean():
    lsf = np.full((2, 900), 1.2)
    lsf[0, :100] = np.nan
    lsf[:, 50] = np.nan
    stack = stack_visits(visits(2, lsf=lsf))
    assert np.isnan(stack.lsf[0, 50])
    np.testing.assert_allclose(np.delete(stack.lsf[0], 50), 1.2)
    assert stack_visits(visits(2, lsf=None)).lsf is None


def test_a_visit_without_information():
    ivar = visits(2).ivar
    ivar[1] = 0
    stack = stack_visits(visits(2, ivar=ivar))
    np.testing.assert_array_equal(stack.flux, visits(2).flux[:1])


def test_wrong_visits():
    with pytest.raises(ValueError, match="visits: expected those of one star, got 2: a, b"):
        stack_visits(visits(2, star=["a", "b"]))
    grids = np.stack([WAVE, WAVE * 1.0001])
    with pytest.raises(ValueError, match="visits: expected one grid"):
        stack_visits(visits(2, wavelength=grids))


def test_a_stream_of_blocks():
    all_visits = visits(5, star=["a", "b", "a", "c", "b"])
    blocks = [all_visits[:2], all_visits[2:4], all_visits[4:]]
    stacked = stack_stars(blocks, {"a": 2, "b": 2, "c": 3})
    assert [str(s.star_id[0]) for s in stacked] == ["a", "b", "c"]  # c came to an end with one visit of three
    assert [str(s.visit_id[0]) for s in stacked] == ["v0+v2", "v1+v4", "v3"]
    np.testing.assert_array_equal(stacked[1].flux, stack_visits(all_visits[[1, 4]]).flux)
