"""The batch fit of the C++ core: the minimum is SciPy's, and what must hold for any batch."""

import numpy as np
import pytest
from scipy.optimize import least_squares

from core_network import core_and_twin, errors, fit, flux_and_jacobian, inside, mock
from maury import _core

STATUS = {name: value for name, (value, _) in _core.STATUS.items()}
CONVERGED = [STATUS[name] for name in ("COST", "STEP", "GRADIENT")]


def assert_same(one, other):
    for key in one:
        assert one[key].tobytes() == other[key].tobytes(), key


def scipy_minimum(twin, flux, ivar, start):
    """Return labels and chi2 where SciPy ends, in float64 with the exact Jacobian."""
    width, root = twin.label_max - twin.label_min, np.sqrt(ivar)

    def labels(x):
        return (twin.label_min + x * width)[None]

    solution = least_squares(
        lambda x: root * (flux_and_jacobian(twin, labels(x))[0][0] - flux),
        np.clip((start - twin.label_min) / width, 0, 1),
        lambda x: root[:, None] * flux_and_jacobian(twin, labels(x))[1][0] * width,
        bounds=(0, 1),
        method="dogbox",  # reaches a bound exactly
        x_scale="jac",
        ftol=1e-15,
        xtol=1e-15,
        gtol=1e-15,
        max_nfev=200,
    )
    return labels(solution.x)[0], 2 * solution.cost


@pytest.mark.parametrize(
    ("widths", "activation"),
    [
        ((3, 12, 60), "silu"),
        ((2, 10, 8, 40), "tanh"),
        ((5, 14, 80), "gelu"),
        ((4, 9, 9, 60), "sigmoid"),
        ((1, 8, 30), "silu"),
    ],
    ids=str,
)
def test_minimum_is_that_of_scipy(widths, activation):
    rng = np.random.default_rng(widths[0])
    n_at_bound = 0
    for seed in range(20):  # 5 x 20 networks, 10 spectra each: 1,000 problems
        core, twin = core_and_twin(widths, activation, seed)
        truth, flux, ivar = mock(core, twin, 10, snr=10 ** rng.uniform(1, 3), seed=seed, margin=0.15)
        ivar *= rng.uniform(0.1, 1, ivar.shape) * (rng.uniform(size=ivar.shape) > 0.1)
        found = fit(core, twin, flux, ivar, starts=truth[:, None].copy())
        assert np.isin(found["status"], CONVERGED).all()
        sigma = errors(found["covariance"])
        n_at_bound += found["at_bound"].any(axis=1).sum()
        for i in range(10):
            # SciPy starts a little off the answer, so that both speak of the same minimum.
            start = found["labels"][i] + rng.normal(0, 0.3, widths[0]) * sigma[i]
            labels, chi2 = scipy_minimum(twin, flux[i], ivar[i], start)
            assert np.abs((found["labels"][i] - labels) / sigma[i]).max() < 1e-3
            assert found["chi2"][i] == pytest.approx(chi2, rel=1e-6)
    assert n_at_bound > 20


def test_from_the_same_start_chi2_is_no_worse_than_that_of_scipy():
    core, twin = core_and_twin((3, 30, 100), "silu", seed=1)
    _, flux, ivar = mock(core, twin, 100, snr=50, margin=0.1)
    found = fit(core, twin, flux, ivar)
    start = (twin.label_min + twin.label_max) / 2
    chi2 = [scipy_minimum(twin, *spectrum, start)[1] for spectrum in zip(flux, ivar, strict=True)]
    assert np.mean(found["chi2"] <= np.array(chi2) * (1 + 1e-6)) >= 0.98


def test_from_mid_box_few_evaluations_suffice():
    core, twin = core_and_twin((5, 40, 40, 300), "silu", seed=3)
    truth, flux, ivar = mock(core, twin, 100, snr=100)
    found = fit(core, twin, flux, ivar)
    assert np.isin(found["status"], CONVERGED).all()
    assert np.median(found["n_evaluations"]) <= 10
    pull = (found["labels"] - truth) / errors(found["covariance"])
    assert np.abs(np.median(pull)) < 0.2
    assert 0.9 < 1.4826 * np.median(np.abs(pull)) < 1.1


@pytest.fixture(scope="module")
def case():
    core, twin = core_and_twin((3, 20, 8, 150), "silu", seed=5, log10=(0,))
    truth, flux, ivar = mock(core, twin, 40, snr=50, margin=0.05)
    rng = np.random.default_rng(9)
    ivar[rng.uniform(size=ivar.shape) < 0.1] = 0.0
    candidates = inside(twin, 60, rng)
    return core, twin, truth, flux, ivar, candidates


@pytest.mark.parametrize("threads", [2, 3, 0])
def test_threads_change_no_bit(case, threads):
    core, twin, _, flux, ivar, candidates = case
    one = fit(core, twin, flux, ivar, candidates=candidates)
    assert_same(one, fit(core, twin, flux, ivar, candidates=candidates, threads=threads))


def test_order_changes_no_bit(case):
    core, twin, truth, flux, ivar, candidates = case
    starts = np.stack([truth, truth * 1.1], axis=1)
    starts[::2] = np.nan
    order = np.random.default_rng(1).permutation(len(flux))
    straight = fit(core, twin, flux, ivar, candidates=candidates, starts=starts)
    shuffled = fit(
        core, twin, flux[order], ivar[order], candidates=candidates, starts=starts[order], threads=2
    )
    assert_same({key: value[order] for key, value in straight.items()}, shuffled)
    for i in (0, 1, 17):
        alone = fit(
            core, twin, flux[i : i + 1], ivar[i : i + 1], candidates=candidates, starts=starts[i : i + 1]
        )
        assert_same({key: value[i : i + 1] for key, value in straight.items()}, alone)


@pytest.mark.parametrize("bad_ivar", [0.0, -1.0, np.nan, np.inf, -np.inf])
def test_what_a_pixel_without_weight_holds_does_not_matter(case, bad_ivar):
    core, twin, _, flux, ivar, _ = case
    usable = ivar > 0
    reference = fit(core, twin, flux, ivar)
    changed = fit(core, twin, np.where(usable, flux, 1e30), np.where(usable, ivar, bad_ivar))
    assert_same(reference, changed)
    assert (reference["n_pixels"] == usable.sum(axis=1)).all()


def test_nan_flux_or_scatter_is_no_weight(case):
    core, twin, _, flux, ivar, _ = case
    reference = fit(core, twin, flux, ivar)
    assert_same(reference, fit(core, twin, np.where(ivar > 0, flux, np.nan), np.where(ivar > 0, ivar, 7.0)))
    scatter = np.zeros(flux.shape[1])
    scatter[::3] = np.nan
    masked = ivar.copy()
    masked[:, ::3] = 0
    assert_same(fit(core, twin, flux, masked), fit(core, twin, flux, ivar, scatter=scatter))


def test_scatter_adds_to_the_variance(case):
    core, twin, _, flux, ivar, _ = case
    scatter = np.random.default_rng(2).uniform(0, 0.05, flux.shape[1])
    with np.errstate(divide="ignore"):
        weight = 1 / (1 / ivar + scatter**2)
    found = fit(core, twin, flux, ivar, scatter=scatter)
    same = fit(core, twin, flux, weight)
    np.testing.assert_allclose(found["labels"], same["labels"], rtol=1e-6)
    residual = flux - core.predict(found["labels"])
    np.testing.assert_allclose(found["chi2"], (weight * residual**2).sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(found["chi2_noise"], (ivar * residual**2).sum(axis=1), rtol=1e-10)


def test_covariance_is_the_inverse_of_the_gauss_newton_matrix(case):
    core, twin, _, flux, ivar, _ = case
    found = fit(core, twin, flux, ivar)
    _, jacobian = flux_and_jacobian(twin, found["labels"])
    matrix = np.einsum("npk,np,npl->nkl", jacobian, ivar, jacobian)
    sigma = errors(found["covariance"])  # tangents are float32 sums
    off = (found["covariance"] - np.linalg.inv(matrix)) / (sigma[:, :, None] * sigma[:, None, :])
    assert np.abs(off).max() < 1e-5
    np.testing.assert_array_equal(found["covariance"], found["covariance"].transpose(0, 2, 1))


def test_scaling_the_weights_scales_chi2_and_errors(case):
    core, twin, _, flux, ivar, _ = case
    once, more = fit(core, twin, flux, ivar), fit(core, twin, flux, 100 * ivar)
    sigma = errors(once["covariance"])  # each is right to a part of its own
    assert (np.abs(once["labels"] - more["labels"]) < 1e-3 * sigma).all()
    np.testing.assert_allclose(more["chi2"], 100 * once["chi2"], rtol=1e-6)
    np.testing.assert_allclose(10 * errors(more["covariance"]), sigma, rtol=1e-4)


def test_labels_stay_inside_and_bounds_are_exact(case):
    core, twin, truth, flux, ivar, _ = case
    lower = twin.label_min + np.array([4000.0, 0.3, 0.2])
    upper = twin.label_max - np.array([8000.0, 0.9, 0.1])
    found = fit(core, twin, flux, ivar, lower=lower, upper=upper, starts=truth[:, None].copy())
    assert ((found["labels"] >= lower) & (found["labels"] <= upper)).all()
    at_bound = (found["labels"] == lower) | (found["labels"] == upper)
    np.testing.assert_array_equal(found["at_bound"], at_bound)
    assert 10 < at_bound.sum() < 100


def test_fixed_label_stays_and_has_no_error(case):
    core, twin, _, flux, ivar, _ = case
    lower, upper = twin.label_min.copy(), twin.label_max.copy()
    lower[1] = upper[1] = 0.77
    found = fit(core, twin, flux, ivar, lower=lower, upper=upper)
    assert (found["labels"][:, 1] == 0.77).all()
    assert (found["covariance"][:, 1] == 0).all()
    assert (errors(found["covariance"])[:, [0, 2]] > 0).all()


def test_a_spectrum_that_cannot_be_fitted_is_data(case):
    core, twin, _, flux, ivar, _ = case
    flux, ivar = flux[:5].copy(), ivar[:5].copy()
    ivar[0] = 0
    flux[1] = np.nan
    ivar[2, 3:] = 0
    flux[3] = 1e200
    good = fit(core, twin, flux[4:], ivar[4:])
    found = fit(core, twin, flux, ivar)
    assert list(found["status"][:4]) == [STATUS[s] for s in ["TOO_FEW_PIXELS"] * 3 + ["NON_FINITE"]]
    for key in ("labels", "covariance", "chi2", "chi2_noise"):
        assert np.isnan(found[key][:4]).all()
    assert not found["at_bound"][:4].any()
    assert_same({key: value[4:] for key, value in found.items()}, good)


def test_starts_and_how_many_agree(case):
    core, twin, truth, flux, ivar, candidates = case
    found = fit(core, twin, flux, ivar, starts=np.stack([truth] * 3, axis=1))
    assert (found["n_agree"] == 3).all()
    partly = np.stack([truth, np.full_like(truth, np.nan)], axis=1)
    partly[:, 1, 0] = 5000.0  # a start with a NaN is no start
    assert_same(
        fit(core, twin, flux, ivar, starts=truth[:, None].copy()),
        fit(core, twin, flux, ivar, starts=partly, candidates=candidates),
    )
    none = np.full((len(flux), 1, 3), np.nan)
    assert_same(
        fit(core, twin, flux, ivar, candidates=candidates),
        fit(core, twin, flux, ivar, candidates=candidates, starts=none),
    )
    middle = twin.label_min + 0.5 * (twin.label_max - twin.label_min)
    middle[0] = np.sqrt(3000.0 * 30000.0)  # log10 there
    starts = np.tile(middle, (len(flux), 1, 1))
    from_middle, without = fit(core, twin, flux, ivar, starts=starts), fit(core, twin, flux, ivar)
    np.testing.assert_allclose(from_middle["labels"], without["labels"], rtol=1e-6)


def test_more_starts_never_worsen_chi2():
    _, twin = core_and_twin((2, 100, 20), "tanh", seed=2)
    for first in (twin.weights[0], twin.biases[0]):
        first *= 20  # steep, so that chi2 has local minima
    core = _core.Emulator(
        twin.transforms, twin.label_min, twin.label_max, twin.weights, twin.biases, ("tanh", "identity")
    )
    _, flux, ivar = mock(core, twin, 60, snr=30)
    candidates = inside(twin, 8, np.random.default_rng(4))
    chi2 = [fit(core, twin, flux, ivar, candidates=candidates, n_starts=n)["chi2"] for n in (1, 2, 4)]
    assert (chi2[1] <= chi2[0] * (1 + 1e-6)).all()
    assert (chi2[2] <= chi2[1] * (1 + 1e-6)).all()
    assert (chi2[2] < chi2[0] - 1).sum() > 5  # the starts were worth it


def test_arguments_are_not_written(case):
    core, twin, truth, flux, ivar, candidates = case
    given = [flux, ivar, np.full(flux.shape[1], 0.01), truth[:, None].copy(), candidates]
    before = [array.copy() for array in given]
    fit(core, twin, flux, ivar, scatter=given[2], starts=given[3], candidates=candidates)
    for array, copy in zip(given, before, strict=True):
        assert array.tobytes() == copy.tobytes()


def test_max_evaluations(case):
    core, twin, _, flux, ivar, _ = case
    found = fit(core, twin, flux, ivar, max_evaluations=2)
    assert (found["status"] == STATUS["MAX_EVALUATIONS"]).mean() > 0.9
    assert (found["n_evaluations"] <= 3).all()  # one more is the look that the search is centred on
    assert np.isfinite(found["labels"]).all()


def test_empty_batch(case):
    core, twin, _, flux, ivar, candidates = case
    found = fit(core, twin, flux[:0], ivar[:0], candidates=candidates)
    assert found["labels"].shape == (0, 3)
    assert found["covariance"].shape == (0, 3, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flux": np.ones((2, 149))}, r"ivar: expected float64 \(N, P\) = \(2, 149\)"),
        ({"flux": np.ones((2, 150), "f4")}, r"flux: expected float64.*got float32 \(2, 150\)"),
        ({"flux": np.ones((2, 150), int)}, r"flux: expected float64.*got int64 \(2, 150\)"),
        ({"flux": np.ones((2, 300))[:, ::2]}, "flux: .*not C-contiguous"),
        ({"ivar": np.ones((3, 150))}, r"ivar: expected float64 \(N, P\) = \(2, 150\)"),
        ({"scatter": np.ones(4)}, "scatter: expected one value per pixel"),
        ({"lower": [0.0]}, "lower, upper: expected one value per label, 3"),
        ({"upper": [3000.0, 1.0, np.nan]}, "label 2 needs finite lower <= upper"),
        ({"lower": [0.0, 0.0, 0.0]}, "label 0 needs finite lower <= upper, both positive for a log10"),
        ({"starts": np.ones((2, 3))}, r"starts: expected float64 \(N, S, L\) = \(2, any, 3\)"),
        ({"candidates": np.ones((2, 2))}, r"candidates: expected float64 \(M, L\) = \(any, 3\)"),
        ({"n_starts": 0}, "n_starts: expected 1 or more, got 0"),
        ({"max_evaluations": 0}, "max_evaluations: expected 1 or more, got 0"),
    ],
)
def test_bad_arguments_are_named(case, change, words):
    core, twin, *_ = case
    arguments = {"flux": np.ones((2, 150)), "ivar": np.ones((2, 150))} | change
    with pytest.raises(ValueError, match=words):
        fit(core, twin, arguments.pop("flux"), arguments.pop("ivar"), **arguments)


def test_status_table():
    assert [value for value, _ in _core.STATUS.values()] == list(range(8))
    for name in ("COST", "STEP", "GRADIENT"):
        assert _core.STATUS[name][1].startswith("converged")
