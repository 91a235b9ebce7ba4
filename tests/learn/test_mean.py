"""The network that learns the mean of others, against that mean."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")

from maury.learn.basis import Basis  # noqa: E402
from maury.learn.mean import mean_network  # noqa: E402
from maury.learn.network import ACTIVATIONS, Network, layers, new_trunk  # noqa: E402

P, HIDDEN = 150, (24, 24)
RECIPE = {"hidden": HIDDEN, "activation": "silu", "steps": 1500, "learning_rate": 0.01, "seed": 0}


def network(seed, x, coefficients):
    """A network with random weights."""
    torch.manual_seed(seed)
    k = coefficients or HIDDEN[-1]
    trunk = new_trunk(x.shape[1], HIDDEN, k, "silu")
    waves = torch.stack([torch.sin(torch.linspace(0, 3 + j, P)) for j in range(k)], dim=1)
    basis = Basis(torch.ones(P), 0.05 * waves * torch.randn(k))
    weights, biases = layers(trunk, basis, full=coefficients is None)
    names = ["silu"] * len(HIDDEN) + (["identity"] if coefficients else [])
    return Network(weights, biases, names, 0.01 * (seed + 1), [0.1, 0.01 * (seed + 1)], True, x)


def flux(network, x):
    values = torch.as_tensor(x, dtype=torch.float32)
    for weight, bias, name in zip(
        network.weights, network.biases, [*network.activations, "identity"], strict=True
    ):
        values = ACTIVATIONS[name]()(values @ torch.from_numpy(weight).T + torch.from_numpy(bias))
    return values.double().numpy()


@pytest.mark.parametrize("coefficients", [6, None])
def test_the_mean_of_networks_is_learnt(coefficients):
    rng = np.random.default_rng(3)
    x = rng.uniform(-0.5, 0.5, (300, 3))
    members = [network(seed, x, coefficients) for seed in range(3)]
    found = mean_network(members, 3, coefficients=coefficients and 12, **RECIPE)
    unseen = rng.uniform(-0.45, 0.45, (200, 3))
    mean = np.mean([flux(one, unseen) for one in members], axis=0)
    apart = np.sqrt(np.mean((flux(found, unseen) - mean) ** 2))
    spread = np.sqrt(np.mean([(flux(one, unseen) - mean) ** 2 for one in members]))
    assert apart < 0.05 * spread
    assert [w.shape for w in found.weights][:2] == [w.shape for w in members[0].weights][:2]
    assert found.activations == members[0].activations
    assert found.stop_loss == pytest.approx(0.02) and found.converged


def test_inputs_that_tell_the_source_are_kept():
    rng = np.random.default_rng(4)
    x = np.column_stack([rng.uniform(-0.5, 0.5, (300, 3)), 0.1 * (np.arange(300) % 2)])
    members = [network(seed, x, 6) for seed in range(2)]
    found = mean_network(members, 3, coefficients=12, **RECIPE)
    for source in (0.0, 0.1):
        unseen = np.column_stack([rng.uniform(-0.45, 0.45, (100, 3)), np.full(100, source)])
        mean = np.mean([flux(one, unseen) for one in members], axis=0)
        assert np.sqrt(np.mean((flux(found, unseen) - mean) ** 2)) < 1e-3


def test_the_mean_has_no_more_spectra_than_it_needs():
    rng = np.random.default_rng(5)
    x = rng.uniform(-0.5, 0.5, (300, 3))
    members = [network(6, x, 6)] * 3
    found = mean_network(members, 3, coefficients=24, **RECIPE)
    assert found.weights[-1].shape[1] <= 6
    unseen = rng.uniform(-0.45, 0.45, (200, 3))
    assert np.sqrt(np.mean((flux(found, unseen) - flux(members[0], unseen)) ** 2)) < 1e-3
