"""Training spectra normalised as the fit does it."""

import numpy as np
import pytest

from maury.learn.normalise import local_lines


def test_local_lines_are_those_of_least_squares():
    rng = np.random.default_rng(0)
    n, half = 300, 40
    model = 1 + 0.3 * rng.random((2, n))
    weight = rng.uniform(1, 5, (2, n)) * (rng.random((2, n)) > 0.2)
    weight[1, 100:240] = 0
    data = model * np.linspace(1, 3, n) + 0.01 * rng.normal(size=(2, n))
    found = local_lines(data, weight, model, half)
    for i, p in ((0, 0), (0, 150), (1, 90), (1, 299)):
        q = np.arange(max(0, p - half), min(n, p + half + 1))
        root = np.sqrt(weight[i, q])
        design = root[:, None] * model[i, q][:, None] * np.column_stack([np.ones(len(q)), q - p])
        slow, *_ = np.linalg.lstsq(design, root * data[i, q], rcond=None)
        assert found[i, p] == pytest.approx(slow[0], rel=1e-6)
    assert np.isnan(found[1, 170]) and np.isfinite(found[0]).all()
