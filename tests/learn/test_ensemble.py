"""Spread of labels between networks that differ by their first weights; the bounds of the paper."""

import numpy as np
import pytest

import made_up_stars
import maury
from maury.learn.ensemble import TEFF_EDGES, label_spread
from maury.learn.recipe import PAPER_BOUNDS
from maury.show.tables import convergence_words


class Shifted:
    """An emulator whose fits are off by a known amount: its spectra are those of other labels."""

    def __init__(self, shift):
        self.labels, self.shift = ("teff", "logg", "fe_h"), np.asarray(shift)


def test_spread_is_the_standard_deviation_between_members(monkeypatch):
    known = np.column_stack([[4000.0, 4500, 4900, 6000, 9000], np.full(5, 4.0), np.zeros(5)])
    shifts = np.array([[0, 0, 0], [30, 0.1, 0.0], [-30, -0.1, 0.03]])

    class Result:
        def __init__(self, labels):
            self.labels = labels

    def fit(member, flux, ivar):
        fitted = known + member.shift
        fitted[0] = np.nan  # a fit that failed
        return Result(fitted)

    monkeypatch.setattr("maury.learn.ensemble.fit_normalized", fit)
    told = label_spread([Shifted(shift) for shift in shifts], np.ones((5, 4)), np.ones((5, 4)), known)
    assert told["members"] == 3 and told["teff_edges"] == list(TEFF_EDGES)
    assert told["stars"] == [2, 1, 1, 0, 0]
    for j, name in enumerate(("teff", "logg", "fe_h")):
        expected = pytest.approx(shifts[:, j].std(ddof=1), rel=1e-3)
        assert told[name] == [expected, expected, expected, None, None]


def reference(n=120):
    rng = np.random.default_rng(5)
    labels = np.column_stack(
        [rng.uniform(4200, 6800, n), rng.uniform(1.5, 4.8, n), rng.uniform(-1.8, 0.4, n)]
    )
    made = made_up_stars.spectra(made_up_stars.emulator(), labels, rv=0.0)
    made.labels = dict(zip(("teff", "logg", "fe_h"), labels.T, strict=True))
    return made


QUICK = {
    "hidden": (16, 16), "coefficients": 8, "steps": 100, "cycles": 1, "folds": 0,
    "wavelength": (4500.0, 5900.0),
}  # fmt: skip


@pytest.fixture(scope="module")
def trained():
    pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")
    return maury.train(reference(), **QUICK, ensemble=3, bounds="paper", doubt=None)


def test_an_ensemble_keeps_its_spread(trained):
    error = trained.meta["spread"]
    # 12 stars to stop by and 12 never seen.
    assert error["members"] == 3 and sum(error["stars"]) == 24
    assert all(error[name][0] > 0 for name in ("teff", "logg", "fe_h"))
    words = "\n".join(convergence_words(trained.meta))
    assert "between 3 networks" in words and "below 5000 K" in words


def test_bounds_are_those_of_the_paper_or_of_the_training_labels(trained):
    for (low, high), name in zip(trained.bounds, trained.labels, strict=True):
        assert (low, high) == pytest.approx(PAPER_BOUNDS[name])
    near = maury.train(reference(), **QUICK, doubt=None)
    assert 4000 < near.bounds[0, 0] < 4250 and 6700 < near.bounds[0, 1] < 7100


def test_bounds_hold_all_training_labels():
    pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")
    spectra = reference()
    spectra.labels["logg"][0] = -1.4
    emulator = maury.train(spectra, **QUICK, bounds="paper", doubt=None)
    assert emulator.bounds[1].tolist() == pytest.approx([-1.4, 5.5])


def test_training_says_whether_it_converged():
    pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")
    short = maury.train(reference(), **(QUICK | {"steps": 5, "cycles": 2}), doubt=None)
    assert short.meta["converged"] is False and len(short.meta["cycles"]) == 2
    assert "not converged" in convergence_words(short.meta)[0]
    assert "no, stopped at the maximum number of cycles" in short.describe()
    long = maury.train(reference(), **(QUICK | {"steps": 300, "cycles": 12}), doubt=None)
    assert long.meta["converged"] is True and len(long.meta["cycles"]) < 12
    *_, before, last = long.meta["cycles"]
    assert last > 0.99 * min(long.meta["cycles"][:-1]) and before
    assert convergence_words(long.meta)[0].endswith("; converged: the last cycle gained less than 1 %.")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bounds": "wide"}, "bounds: expected training or paper, got 'wide'"),
        ({"ensemble": 0}, "ensemble: expected 1 network or more"),
        ({"cycles": 0}, "cycles: expected 1 or more"),
    ],
)
def test_wrong_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        maury.train(reference(), **(QUICK | change))
