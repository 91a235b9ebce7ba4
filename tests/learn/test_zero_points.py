"""Zero points of the sources of labels, planted and found again; needs torch."""

import numpy as np
import pytest

import made_up_stars
import maury
from maury.learn.validate import validate_unseen

pytest.importorskip("torch", reason="training needs torch: pip install 'maury[train]'")

NAMES = ("teff", "logg", "fe_h")
PLANTED = np.array([-73.0, 0.0, -0.15])
QUICK = {
    "hidden": (32, 32), "coefficients": 10, "steps": 500, "cycles": 2, "folds": 0, "doubt": None,
    "wavelength": (4500.0, 5900.0),
}  # fmt: skip


def two_sources(n=300):
    """Return spectra of labels from A, two thirds, and from B, shifted."""
    rng = np.random.default_rng(1)
    truth = np.column_stack([rng.uniform(4200, 6800, n), rng.uniform(1.5, 4.8, n), rng.uniform(-1.8, 0.4, n)])
    spectra = made_up_stars.spectra(made_up_stars.emulator(), truth, rv=0.0, lsf=None)
    spectra.source = np.where(np.arange(n) % 3 == 0, "B", "A")
    given = truth + [20.0, 0.05, 0.03] * rng.normal(size=truth.shape)
    given += (spectra.source == "B")[:, None] * PLANTED
    spectra.labels = dict(zip(NAMES, given.T.copy(), strict=True))
    return spectra


def test_planted_zero_points_are_found():
    spectra = two_sources()
    emulator = maury.train(spectra, **QUICK)
    told = emulator.meta["zero_points"]
    assert told["reference_scale"] == "A" and list(told["sources"]) == ["B"]
    found = np.array([told["sources"]["B"][name] for name in NAMES])
    assert (np.abs(found[:, 0] - PLANTED) < 3.5 * found[:, 1]).all()
    assert (found[:, 1] < [15, 0.03, 0.02]).all()
    text = emulator.describe()
    assert "labels of other sources minus those on the reference scale, A:" in text
    assert f"{found[0, 0]:+.3g} +- {found[0, 1]:.2g}" in text
    # The withheld stars are compared with labels on the scale of the emulator.
    unseen = validate_unseen(emulator, spectra)
    rows = [int(name.split()[1]) for name in unseen.star_id]
    given = np.column_stack([spectra.labels[name][rows] for name in NAMES])
    moved = np.where(spectra.source[rows][:, None] == "B", found[:, 0], 0.0)
    np.testing.assert_allclose(unseen.known, given - moved)


def test_the_other_source_as_the_scale():
    told = maury.train(two_sources(), **QUICK, reference_scale="B").meta["zero_points"]
    assert told["reference_scale"] == "B"
    found = np.array([told["sources"]["A"][name] for name in NAMES])
    assert (np.abs(found[:, 0] + PLANTED) < 3.5 * found[:, 1]).all()


def test_one_source_has_no_zero_point():
    spectra = two_sources(60)
    spectra.source[:] = "A"
    assert "zero_points" not in maury.train(spectra, **(QUICK | {"steps": 50})).meta


@pytest.mark.parametrize(
    ("scale", "n", "message"),
    [
        ("C", 300, "reference_scale: expected one of the sources A, B, got 'C'"),
        (None, 60, r"source: 'B' has 1?\d stars with teff .* requires 30"),
    ],
)
def test_what_cannot_be_found_is_refused(scale, n, message):
    with pytest.raises(ValueError, match=message):
        maury.train(two_sources(n), **(QUICK | {"steps": 50}), reference_scale=scale)
