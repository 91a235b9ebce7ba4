"""The made-up files themselves: that their truth is true."""

import mastar_files
import mastar_stars
import mastar_theory
import numpy as np
import pytest
import synthetic


def test_the_same_seed_gives_the_same_stars():
    one, other = (mastar_stars.make_stars(150, np.random.default_rng(5)) for _ in range(2))
    assert (one == other).all()
    assert set(one["kind"]) == {*mastar_stars.KINDS, "MaStar only"}
    with pytest.raises(ValueError, match="too few for one of every kind"):
        mastar_stars.make_stars(30, np.random.default_rng(5))


def test_a_line_has_the_width_that_disp_tells():
    pixel = np.arange(400)
    line = np.exp(-0.5 * ((pixel - 200) / mastar_files.BASE) ** 2)[None]
    for sigma in (0.8, 1.0, 1.35):
        seen = mastar_files.broadened(line, np.full((1, 400), sigma))[0]
        assert seen.sum() == pytest.approx(line.sum())
        assert np.sqrt((seen * (pixel - 200) ** 2).sum() / seen.sum()) == pytest.approx(sigma, rel=0.01)


def test_every_label_shapes_the_spectrum():
    star = np.array([[4800.0, 3.0, -0.3, 0.1, 0.2]])
    for step in np.diag([100.0, 0.3, 0.2, 0.1, 0.1]):
        assert np.std(synthetic.spectra(star + step, blur=0.0) / synthetic.spectra(star, blur=0.0)) > 1e-3


def test_noise_is_as_told():
    """Second differences cancel a star without lines; what is left is the noise."""
    rng, flat = np.random.default_rng(1), np.ones((20, mastar_files.PIXELS))
    seen = mastar_files.observed(flat, np.full(20, "good"), np.full(20, 0.1), np.full(20, 50.0), rng)
    good = (seen["IVAR"] > 0) & (seen["MASK"] == 0)
    variance = 1 / np.where(good, seen["IVAR"], np.nan)
    flux = seen["FLUX"]
    difference = flux[:, 1:-1] - (flux[:, 2:] + flux[:, :-2]) / 2
    pull = difference / np.sqrt(variance[:, 1:-1] + (variance[:, 2:] + variance[:, :-2]) / 4)
    assert 1.4826 * np.nanmedian(np.abs(pull)) == pytest.approx(1.0, abs=0.02)
    middle = np.nanmedian(flux[:, 2000:2500] / np.sqrt(variance[:, 2000:2500]))
    assert middle == pytest.approx(50, rel=0.1)


def test_models_stand_in_the_order_of_their_labels(tmp_path):
    axes = {name: (first, step, 2) for name, (first, step, _) in mastar_theory.AXES.items()}
    path = mastar_theory.write_theory_grid(tmp_path / "models.dat", axes, rows=7)
    text = path.read_text().split("/\n", 1)[1]
    flux = np.loadtxt(text.splitlines(), ndmin=2)
    labels = mastar_theory.grid_labels(axes)
    assert flux.shape == (32, 4563)
    assert (labels[1] - labels[0]).tolist() == [0, 0.5, 0, 0, 0]  # log g runs fastest
    np.testing.assert_allclose(flux[11], synthetic.spectra(labels[11:12], blur=0.0)[0], rtol=1e-3)
