"""Spectra as coefficients: the sums without pixels against sums over pixels in float64."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")

from maury.learn.basis import compress, principal, refit  # noqa: E402

N, P, K = 70, 150, 4


@pytest.fixture
def spectra():
    """Spectra of K + 3 hidden numbers with noise, weights that differ, and holes."""
    rng = np.random.default_rng(4)
    flux = (
        1 + 0.1 * rng.normal(size=(N, K + 3)) @ rng.normal(size=(K + 3, P)) + 0.01 * rng.normal(size=(N, P))
    )
    weight = rng.uniform(50, 500, size=(N, P)) * (rng.random((N, P)) > 0.1)
    flux[weight == 0] = 1.0
    return torch.tensor(flux, dtype=torch.float32), torch.tensor(weight, dtype=torch.float32)


def slow_rms(flux, weight, basis, coefficients):
    f, w, mean, b, h = (t.double().numpy() for t in (flux, weight, basis.mean, basis.spectra, coefficients))
    residual = f - mean - h @ b.T
    return np.sqrt((w * residual**2).sum(axis=1) / w.sum(axis=1))


def test_rms_without_pixels_is_that_over_pixels(spectra):
    flux, weight = spectra
    torch.manual_seed(0)
    basis = principal(flux, weight, K)
    seen = compress(flux, weight, basis)
    for coefficients in (seen.best, torch.randn(N, K)):
        np.testing.assert_allclose(
            seen.rms(coefficients, 0.0), slow_rms(flux, weight, basis, coefficients), rtol=1e-4
        )
    some = torch.tensor([5, 2])
    np.testing.assert_array_equal(seen[some].rms(seen.best[some], 0.1), seen.rms(seen.best, 0.1)[some])


def test_best_coefficients_are_those_of_least_squares(spectra):
    flux, weight = spectra
    torch.manual_seed(0)
    basis = principal(flux, weight, K)
    seen = compress(flux, weight, basis)
    for i in (0, 33):
        root = np.sqrt(weight[i].double().numpy())
        slow, *_ = np.linalg.lstsq(
            root[:, None] * basis.spectra.numpy(), root * (flux[i] - basis.mean).numpy(), rcond=None
        )
        np.testing.assert_allclose(seen.best[i], slow, rtol=1e-3, atol=1e-4)


def test_components_are_of_order_one_and_fit_nearly_as_well_as_can_be(spectra):
    flux, weight = spectra
    torch.manual_seed(0)
    basis = principal(flux, weight, K)
    rms = compress(flux, weight, basis)
    assert 0.3 < rms.best.std() < 3
    centred = np.where(weight > 0, flux - basis.mean, 0.0)
    left = np.linalg.svd(centred, compute_uv=False)[K:]
    assert float(rms.rest.mean()) < 1.2 * (left**2).sum() / N / P


def test_refit_finds_the_weighted_least_squares_of_each_pixel(spectra):
    flux, weight = spectra
    torch.manual_seed(1)
    h, rms = torch.randn(N, K), torch.rand(N) + 0.5
    new = refit(flux, weight, h, rms, principal(flux, weight, K))
    columns = np.column_stack([h.numpy(), np.ones(N)])
    star = 1 / (weight.sum(1) * rms).numpy()
    for p in (0, 77):
        root = np.sqrt(weight[:, p].numpy() * star)
        slow, *_ = np.linalg.lstsq(root[:, None] * columns, root * flux[:, p].numpy(), rcond=None)
        np.testing.assert_allclose([*new.spectra[p], new.mean[p]], slow, atol=2e-4)


def test_a_pixel_never_seen_keeps_its_basis(spectra):
    flux, weight = spectra
    weight[:, 3] = 0
    torch.manual_seed(1)
    basis = principal(flux, weight, K)
    seen = compress(flux, weight, basis)
    new = refit(flux, weight, seen.best, seen.rms(seen.best, 1e-4), basis)
    np.testing.assert_array_equal(new.spectra[3], basis.spectra[3])
    assert torch.isfinite(new.spectra).all() and torch.isfinite(new.mean).all()
