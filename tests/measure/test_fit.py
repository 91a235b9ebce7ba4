"""fit_normalized: its arguments, its starts, and bad spectra among good ones."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import made_up_stars
import maury
from maury.measure.fit import Status
from maury.measure.starts import N_CANDIDATES, candidate_labels


@pytest.fixture(scope="module")
def emulator():
    return made_up_stars.emulator()


def noisy(emulator, labels, snr=100, seed=0):
    flux = emulator.predict(labels)
    return flux + np.random.default_rng(seed).normal(0, 1 / snr, flux.shape), np.full(flux.shape, snr**2.0)


def random_labels(n, seed=1):
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(4300, 6700, n), rng.uniform(1.5, 4.5, n), rng.uniform(-1.5, 0.3, n)])


def test_labels_come_back_within_their_errors(emulator):
    truth = random_labels(200)
    result = maury.fit_normalized(emulator, *noisy(emulator, truth), use_scatter=False)
    assert result.converged.mean() > 0.99
    inside = result.converged & ~result.at_bound.any(axis=1)
    sigma = np.sqrt(np.diagonal(result.covariance, axis1=1, axis2=2))
    pull = ((result.labels - truth) / sigma)[inside]
    assert (np.abs(np.median(pull, axis=0)) < 0.25).all()
    width = 1.4826 * np.median(np.abs(pull), axis=0)
    assert ((width > 0.8) & (width < 1.2)).all()
    reduced = result.chi2 / (result.n_pixels - 3)
    assert abs(np.median(reduced) - 1) < 0.05


def test_chi2_is_what_its_definition_says(emulator):
    truth = random_labels(5)
    flux, ivar = noisy(emulator, truth)
    result = maury.fit_normalized(emulator, flux, ivar)
    model = emulator.predict(result.labels)
    weight = 1 / (1 / ivar + emulator.scatter**2)
    np.testing.assert_allclose(result.chi2, (weight * (flux - model) ** 2).sum(axis=1), rtol=1e-10)
    np.testing.assert_allclose(result.chi2_noise, (ivar * (flux - model) ** 2).sum(axis=1), rtol=1e-10)
    jacobian = emulator.jacobian(result.labels)
    for i in range(5):
        matrix = (jacobian[i].T * weight[i]) @ jacobian[i]
        np.testing.assert_allclose(result.covariance[i], np.linalg.inv(matrix), rtol=1e-6)


def test_a_start_may_be_one_for_all_one_each_or_several(emulator):
    truth = random_labels(4)
    flux, ivar = noisy(emulator, truth, snr=300)
    searched = maury.fit_normalized(emulator, flux, ivar)
    assert set(searched.start) == {"search"}
    near = np.array([100, 0.1, 0.1])
    for start in (truth[0], truth, np.stack([truth, truth + near], axis=1)):
        given = maury.fit_normalized(emulator, flux, ivar, start=start)
        assert set(given.start) == {"given"}
        assert (given.chi2 >= searched.chi2 * (1 - 1e-6)).all()
    some = truth.copy()
    some[1] = np.nan
    mixed = maury.fit_normalized(emulator, flux, ivar, start=some)
    assert mixed.start.tolist() == ["given", "search", "given", "given"]


def test_bounds_hold(emulator):
    truth = np.array([[6500.0, 3.0, 0.0]])
    bounds = [[4000.0, 6000.0], [1.0, 5.0], [-2.0, 0.5]]
    result = maury.fit_normalized(emulator, *noisy(emulator, truth), bounds=bounds)
    assert result.labels[0, 0] == 6000.0
    assert result.at_bound[0].tolist() == [True, False, False]


def test_bad_spectra_harm_no_others(emulator):
    truth = random_labels(3)
    flux, ivar = noisy(emulator, truth)
    alone = maury.fit_normalized(emulator, flux, ivar)
    n_pixels = flux.shape[1]
    bad_flux = np.stack([np.full(n_pixels, np.nan), flux[0], flux[0], np.full(n_pixels, np.inf)])
    bad_ivar = np.stack([ivar[0], np.zeros(n_pixels), -ivar[0], ivar[0]])
    one_pixel = np.where(np.arange(n_pixels) == 7, ivar[0], 0.0)
    result = maury.fit_normalized(
        emulator, np.vstack([bad_flux, flux[:1], flux]), np.vstack([bad_ivar, one_pixel[None], ivar])
    )
    assert (result.status[:5] == Status.TOO_FEW_PIXELS).all()
    assert not result.converged[:5].any()
    assert np.isnan(result.labels[:5]).all()
    np.testing.assert_array_equal(result.labels[5:], alone.labels)
    np.testing.assert_array_equal(result.covariance[5:], alone.covariance)


def test_threads_do_not_change_a_bit_and_progress_counts_up(emulator):
    flux, ivar = noisy(emulator, random_labels(40))
    seen = []
    one = maury.fit_normalized(emulator, flux, ivar, threads=1)
    two = maury.fit_normalized(emulator, flux, ivar, threads=2, progress=seen.append)
    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_array_equal(one.chi2, two.chi2)
    assert seen == sorted(seen)


def test_callers_in_several_threads_share_an_emulator():
    emulator = made_up_stars.emulator()  # new: its plan is not there yet
    flux, ivar = noisy(emulator, random_labels(30))
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: maury.fit_normalized(emulator, flux, ivar, threads=2), range(4)))
    for result in results:
        assert result.labels.tobytes() == results[0].labels.tobytes()


def test_float32_spectra_are_fitted_as_they_are(emulator):
    flux, ivar = (values.astype(np.float32) for values in noisy(emulator, random_labels(10)))
    single = maury.fit_normalized(emulator, flux, ivar)
    double = maury.fit_normalized(emulator, flux.astype(float), ivar.astype(float))
    assert single.labels.tobytes() == double.labels.tobytes()
    mixed = maury.fit_normalized(emulator, flux, ivar.astype(float))
    assert mixed.labels.tobytes() == double.labels.tobytes()


def test_a_start_that_is_wrong_costs_nothing(emulator):
    """Without photometry the search finds what a fit started at the truth finds."""
    truth = random_labels(100)
    flux, ivar = noisy(emulator, truth, snr=50)
    searched = maury.fit_normalized(emulator, flux, ivar)
    given = maury.fit_normalized(emulator, flux, ivar, start=truth)
    assert (searched.chi2 <= given.chi2 * (1 + 1e-6)).all()
    assert (searched.n_starts >= searched.n_agree).all()
    assert (searched.n_agree >= 1).all()


def test_bounds_of_one_fit_do_not_stay_for_the_next(emulator):
    flux, ivar = noisy(emulator, random_labels(5))
    before = maury.fit_normalized(emulator, flux, ivar)
    narrow = emulator.bounds.copy()
    narrow[0] = [5000.0, 5100.0]
    inside = maury.fit_normalized(emulator, flux, ivar, bounds=narrow)
    assert ((inside.labels[:, 0] >= 5000) & (inside.labels[:, 0] <= 5100)).all()
    after = maury.fit_normalized(emulator, flux, ivar)
    assert after.labels.tobytes() == before.labels.tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flux": np.ones((2, 7))}, r"flux: expected shape \(N, 1500\)"),
        ({"ivar": np.ones((3, 1500))}, "ivar: expected the shape of flux"),
        ({"bounds": [[1, 2]]}, r"bounds: expected shape \(3, 2\)"),
        ({"bounds": [[5000, 4000], [0, 5], [-2, 0]]}, "bounds: teff requires lower < upper"),
        ({"bounds": [[4000, np.nan], [0, 5], [-2, 0]]}, "bounds: teff requires lower < upper"),
        ({"start": np.ones(4)}, r"start: expected shape \(3,\)"),
        ({"start": np.ones((5, 3))}, r"start: expected shape"),
        ({"threads": 0}, "threads: expected at least 1"),
        ({"n_starts": 0}, "n_starts: expected a whole number, at least 1"),
    ],
)
def test_wrong_arguments_are_named(emulator, change, message):
    arguments = {"flux": np.ones((2, 1500)), "ivar": np.ones((2, 1500))}
    with pytest.raises(ValueError, match=message):
        maury.fit_normalized(emulator, **(arguments | change))


def test_candidates_lie_in_the_bounds_with_or_without_training_labels(emulator):
    bounds = np.array([[4500.0, 6000.0], [2.0, 4.0], [-1.0, 0.0]])
    known = {tuple(row) for row in emulator.training_labels}
    among = [tuple(row) in known for row in candidate_labels(emulator, emulator.bounds)]
    assert sum(among) == min(len(known), N_CANDIDATES // 2)
    bare = made_up_stars.emulator(training_labels=None)
    for model in (emulator, bare):
        found = candidate_labels(model, bounds)
        assert found.shape == (N_CANDIDATES, 3)
        assert ((found >= bounds[:, 0]) & (found <= bounds[:, 1])).all()
        np.testing.assert_array_equal(found, candidate_labels(model, bounds))
        for column, (low, high) in zip(found.T, bounds, strict=True):  # no corner is forgotten
            counts, _ = np.histogram(column, 8, (low, high))
            assert counts.min() > N_CANDIDATES / 40


def test_one_spectrum_may_be_one_dimensional(emulator):
    flux, ivar = noisy(emulator, random_labels(1))
    result = maury.fit_normalized(emulator, flux[0], ivar[0])
    assert result.labels.shape == (1, 3)
