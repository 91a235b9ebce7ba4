"""Spectra as coefficients: the sums without pixels against sums over pixels in float64."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")

from maury.learn.basis import Data, compress, principal, refit  # noqa: E402
from maury.learn.instruments import Instruments, same_instrument  # noqa: E402
from maury.reference.broaden import broadening  # noqa: E402

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
    flux, weight = (torch.tensor(values, dtype=torch.float32) for values in (flux, weight))
    return Data(flux, weight, same_instrument(N))


def slow_rms(flux, weight, basis, coefficients):
    f, w, mean, b, h = (t.double().numpy() for t in (flux, weight, basis.mean, basis.spectra, coefficients))
    residual = f - mean - h @ b.T
    return np.sqrt((w * residual**2).sum(axis=1) / w.sum(axis=1))


def test_rms_without_pixels_is_that_over_pixels(spectra):
    flux, weight = spectra.flux, spectra.weight
    torch.manual_seed(0)
    basis = principal(spectra, K)
    seen = compress(spectra, basis)
    for coefficients in (seen.best, torch.randn(N, K)):
        np.testing.assert_allclose(
            seen.rms(coefficients, 0.0), slow_rms(flux, weight, basis, coefficients), rtol=1e-4
        )
    some = torch.tensor([5, 2])
    np.testing.assert_array_equal(seen[some].rms(seen.best[some], 0.1), seen.rms(seen.best, 0.1)[some])


def test_best_coefficients_are_those_of_least_squares(spectra):
    flux, weight = spectra.flux, spectra.weight
    torch.manual_seed(0)
    basis = principal(spectra, K)
    seen = compress(spectra, basis)
    for i in (0, 33):
        root = np.sqrt(weight[i].double().numpy())
        slow, *_ = np.linalg.lstsq(
            root[:, None] * basis.spectra.numpy(), root * (flux[i] - basis.mean).numpy(), rcond=None
        )
        np.testing.assert_allclose(seen.best[i], slow, rtol=1e-3, atol=1e-4)


def test_components_are_of_order_one_and_fit_nearly_as_well_as_can_be(spectra):
    flux, weight = spectra.flux, spectra.weight
    torch.manual_seed(0)
    basis = principal(spectra, K)
    rms = compress(spectra, basis)
    assert 0.3 < rms.best.std() < 3
    centred = np.where(weight > 0, flux - basis.mean, 0.0)
    left = np.linalg.svd(centred, compute_uv=False)[K:]
    assert float(rms.rest.mean()) < 1.2 * (left**2).sum() / N / P


def test_a_star_counts_by_the_part_of_the_pixels_that_it_has(spectra):
    spectra.weight[0, P // 4 :] = 0
    part = compress(spectra, principal(spectra, K)).part
    assert float(part.mean()) == pytest.approx(1)
    has = (spectra.weight > 0).sum(1)
    assert float(part[0] / part[1]) == pytest.approx(float(has[0] / has[1]))


def test_refit_finds_the_weighted_least_squares_of_each_pixel(spectra):
    flux, weight = spectra.flux, spectra.weight
    torch.manual_seed(1)
    h, rms = torch.randn(N, K), torch.rand(N) + 0.5
    new = refit(spectra, h, rms, principal(spectra, K))
    columns = np.column_stack([h.numpy(), np.ones(N)])
    star = (weight > 0).numpy().mean(axis=1) / (weight.sum(1) * rms).numpy()
    for p in (0, 77):
        root = np.sqrt(weight[:, p].numpy() * star)
        slow, *_ = np.linalg.lstsq(root[:, None] * columns, root * flux[:, p].numpy(), rcond=None)
        np.testing.assert_allclose([*new.spectra[p], new.mean[p]], slow, atol=2e-4)


def test_a_pixel_never_seen_keeps_its_basis(spectra):
    spectra.weight[:, 3] = 0
    torch.manual_seed(1)
    basis = principal(spectra, K)
    seen = compress(spectra, basis)
    new = refit(spectra, seen.best, seen.rms(seen.best, 1e-4), basis)
    np.testing.assert_array_equal(new.spectra[3], basis.spectra[3])
    assert torch.isfinite(new.spectra).all() and torch.isfinite(new.mean).all()


@pytest.fixture
def mixed(spectra):
    """The same stars: a third sharp, the others seen through two broadenings."""
    wide = [broadening(np.full(P, 0.3)), broadening(np.linspace(1.0, 2.0, P))]
    operators = (None, *(operator.astype(np.float32) for operator in wide))
    return Data(spectra.flux, spectra.weight, Instruments(np.arange(N) % 3, operators))


def dense(data, i):
    """The matrix of the instrument of star i."""
    operator = data.instruments.operators[data.instruments.group[i]]
    return np.eye(P) if operator is None else operator.toarray().astype(float)


def test_stars_are_compressed_through_their_instruments(mixed):
    torch.manual_seed(0)
    basis = principal(mixed, K)
    seen = compress(mixed, basis)
    h = torch.randn(N, K)
    for i in (3, 4, 5):
        f, w, a = mixed.flux[i].double().numpy(), mixed.weight[i].double().numpy(), dense(mixed, i)
        columns, mean = a @ basis.spectra.double().numpy(), a @ basis.mean.double().numpy()
        slow, *_ = np.linalg.lstsq(np.sqrt(w)[:, None] * columns, np.sqrt(w) * (f - mean), rcond=None)
        np.testing.assert_allclose(seen.best[i], slow, rtol=1e-3, atol=1e-4)
        away = f - mean - columns @ h[i].double().numpy()
        assert float(seen.rms(h, 0.0)[i]) == pytest.approx(np.sqrt((w * away**2).sum() / w.sum()), rel=1e-4)


def test_refit_through_instruments_is_the_coupled_least_squares(mixed):
    """Against normal equations of all pixels at once, with dense matrices."""
    torch.manual_seed(1)
    h, rms = torch.randn(N, K), torch.rand(N) + 0.5
    old = principal(mixed, K)
    new = refit(mixed, h, rms, old)
    columns = np.column_stack([h.double().numpy(), np.ones(N)])
    star = (mixed.weight > 0).numpy().mean(axis=1) / (mixed.weight.sum(1) * rms).double().numpy()
    normal = np.zeros((P * (K + 1), P * (K + 1)))
    right = np.zeros(P * (K + 1))
    for i in range(N):
        design = np.kron(dense(mixed, i), columns[i])  # (P, P (K + 1)): pixels outside, columns inside
        weight = mixed.weight[i].double().numpy() * star[i]
        normal += design.T @ (weight[:, None] * design)
        right += design.T @ (weight * mixed.flux[i].double().numpy())

    def loss(basis):
        values = np.column_stack([basis.spectra.double().numpy(), basis.mean.double().numpy()]).ravel()
        return values @ normal @ values - 2 * values @ right

    least = -right @ np.linalg.solve(normal, right)
    assert loss(new) - least < 1e-3 * (loss(old) - least)


def test_pixels_that_few_spectra_have_are_flat():
    rng = np.random.default_rng(3)
    flux = torch.as_tensor(1 + rng.normal(0, 0.1, (60, 30)), dtype=torch.float32)
    weight = torch.ones(60, 30)
    weight[5:, 0] = 0.0
    data = Data(flux, weight, same_instrument(60))
    basis = principal(data, 4)
    refitted = refit(data, compress(data, basis).best, torch.ones(60), basis)
    for found in (basis, refitted):
        assert found.mean[0] == 1.0 and (found.spectra[0] == 0.0).all()
        assert (found.spectra[1:] != 0.0).any(dim=1).all()
