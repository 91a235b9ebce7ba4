"""Both fits in one pass of the core against the same one after the other, through the pixels."""

import numpy as np
import pytest

import made_up_stars
from maury.measure.observe import observe
from maury.measure.options import AT_REST, Options
from maury.measure.two_fits import _in_core, _step_by_step, fit_twice
from maury.spectra import Spectra

N = made_up_stars.N_PIXELS


def nothing(done):
    pass


@pytest.fixture(scope="module", params=["whole", "cut"])
def emulator(request):
    """A last layer that is searched as it is, and the same with so many inputs that it is cut."""
    made = made_up_stars.emulator(lsf=np.full(N, 1.2))
    if request.param == "whole":
        return made
    copies = 8
    weights = [np.tile(made.weights[0], (copies, 1)), np.tile(made.weights[1] / copies, (1, copies))]
    biases = [np.tile(made.biases[0], copies), made.biases[1]]
    cut = made_up_stars.emulator(lsf=made.lsf, weights=weights, biases=biases)
    assert cut.cut is not None
    return cut


@pytest.fixture(scope="module")
def spectra(emulator):
    """Stars with gaps, cosmic rays, a slope and a resolution that changes along them."""
    rng = np.random.default_rng(5)
    n = 24
    labels = np.column_stack(
        [rng.uniform(4300, 6700, n), rng.uniform(1.5, 4.5, n), rng.uniform(-1.5, 0.3, n)]
    )
    flux = emulator.predict(labels) * np.linspace(0.8, 1.3, N)
    snr = np.geomspace(10, 200, n)[:, None]
    flux += rng.standard_normal(flux.shape) / snr
    for row in flux:
        row[rng.integers(0, N, 5)] += 3.0
    mask = np.zeros(flux.shape, dtype=bool)
    mask[:, 300:340] = True
    mask[3] = True  # nothing left
    lsf = np.linspace(1.2, 2.5, N) * rng.uniform(0.9, 1.3, (n, 1))
    return Spectra(emulator.wavelength, flux, np.broadcast_to(snr**2, flux.shape), mask, lsf=lsf, rv=0.0)


def test_one_pass_is_two_fits(emulator, spectra):
    observed = observe(spectra, emulator, np.zeros(len(spectra)))
    fast = _in_core(emulator, observed, AT_REST, None, 1, nothing)
    slow = _step_by_step(emulator, observed, AT_REST, None, None, 1, nothing)
    one, two = fast.result, slow.result
    used = np.arange(len(spectra)) != 3
    assert one.converged[used].all() and not one.converged[3]
    assert (one.n_clipped[used] > 0).all()
    error = np.sqrt(np.diagonal(two.covariance, axis1=1, axis2=2))
    assert (np.abs(one.labels - two.labels)[used] < 2e-3 * error[used]).all()
    for name in ("n_pixels", "n_clipped", "n_starts", "n_agree", "start", "at_bound", "rv"):
        np.testing.assert_array_equal(getattr(one, name)[used], getattr(two, name)[used], name)
    for name in ("chi2", "chi2_noise"):
        np.testing.assert_allclose(getattr(one, name)[used], getattr(two, name)[used], rtol=1e-5)
    scale = error[used, :, None] * error[used, None]
    assert np.abs((one.covariance - two.covariance)[used] / scale).max() < 1e-3
    np.testing.assert_allclose(fast.observed.flux, slow.observed.flux, rtol=1e-5)
    np.testing.assert_allclose(fast.observed.ivar, slow.observed.ivar, rtol=1e-5)
    assert np.isnan(fast.model[3]).all()
    seen = np.isfinite(fast.model) & used[:, None]
    assert seen.sum() > 0.9 * used.sum() * N
    np.testing.assert_allclose(fast.model[seen], slow.model[seen], atol=1e-5)


def test_company_order_and_threads_do_not_matter(emulator, spectra):
    """Bit for bit."""

    def results(rows, threads):
        some = spectra[rows]
        observed = observe(some, emulator, np.zeros(len(some)))
        got = fit_twice(emulator, observed, AT_REST, threads=threads)
        return got.result.labels, got.result.covariance, got.result.chi2, got.observed.flux, got.model

    whole = results(np.arange(len(spectra)), 1)
    order = np.random.default_rng(1).permutation(len(spectra))
    for want, got in zip(whole, results(order, 3), strict=True):
        np.testing.assert_array_equal(got, want[order])
    for i in (0, 7, 3):
        for want, got in zip(whole, results(np.array([i]), 2), strict=True):
            np.testing.assert_array_equal(got[0], want[i])


def test_what_velocities_and_other_samplings_take(emulator, spectra):
    """One condition chooses the pass in the core; what it does not suit is done step by step, and says so."""
    observed = observe(spectra, emulator, np.zeros(len(spectra)))
    with pytest.raises(ValueError, match="medians: expected observed, with nothing but labels"):
        _in_core(emulator, observed, Options(), None, 1, nothing)
    moving = fit_twice(emulator, observed, Options(max_rv=200.0), threads=1)
    assert np.isfinite(moving.result.rv_err[:3]).all()
    wavelength = np.arange(emulator.wavelength[0] + 5, emulator.wavelength[-1] - 5, 1.1)
    flux = np.array([np.interp(wavelength, emulator.wavelength, row) for row in spectra.flux[:3]])
    other = Spectra(wavelength, flux, np.full(flux.shape, 400.0), lsf=1.5, rv=0.0)
    observed = observe(other, emulator, np.zeros(3))
    assert fit_twice(emulator, observed, AT_REST, threads=1).result.converged.all()
