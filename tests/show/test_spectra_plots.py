"""Pictures of spectra before any fit, and of two emulators on the same stars: they draw the right numbers."""

from types import SimpleNamespace

import numpy as np
import pytest

from maury.learn.twins import Twins
from maury.prepare import running_median
from maury.show.plots import save_figure
from maury.show.spectra import plot_libraries, plot_normalisation
from maury.show.twins import plot_twin_labels
from maury.spectra import SPEED_OF_LIGHT, Spectra

WAVE = 4500.0 * 10 ** (1e-4 * np.arange(1500))


def observed(**changes):
    """Two spectra, the second three times as bright, with a bad pixel."""
    flux = np.array([[10.0], [30.0]]) * (1 + 0.1 * np.random.default_rng(0).normal(size=(2, len(WAVE))))
    mask = np.zeros(flux.shape, dtype=bool)
    mask[:, 40] = True
    labels = {"teff": [3500.0, 6000.0], "logg": [4.5, np.nan]}
    return Spectra(WAVE, flux, np.ones_like(flux), **({"mask": mask, "rv": 0.0, "labels": labels} | changes))


def test_normalisation(tmp_path):
    spectrum = observed(rv=300.0)[1]
    figure = plot_normalisation(spectrum, 101)
    save_figure(figure, tmp_path / "a.png")
    top, bottom = figure.axes
    flux, continuum = (line.get_ydata() for line in top.lines)
    expected = running_median(spectrum.flux, 101, spectrum.mask)[0]
    assert np.flatnonzero(np.isnan(flux)).tolist() == [40]
    np.testing.assert_array_equal(continuum, expected)
    np.testing.assert_allclose(bottom.lines[0].get_ydata(), flux / expected)
    np.testing.assert_allclose(top.lines[0].get_xdata(), WAVE / (1 + 300 / SPEED_OF_LIGHT))
    with pytest.raises(ValueError, match="expected one, got 2; select one"):
        plot_normalisation(observed())


def test_libraries(tmp_path):
    """A model that is the star but for scale and grid leaves nothing; one 10 % higher in the blue, 0.1."""
    stars = observed(mask=None)
    fine = 4400.0 * 10 ** (0.5e-4 * np.arange(3600))
    same = np.array([np.interp(fine, WAVE, 7 * flux) for flux in stars.flux])
    bluer = same * np.where(fine < 5000, 1.1, 1.0)
    models = {name: Spectra(fine, flux, np.ones_like(flux)) for name, flux in (("A", same), ("B", bluer))}
    figure = plot_libraries(stars, models)
    save_figure(figure, tmp_path / "a.png")
    top, bottom = figure.axes[2:]
    assert [line.get_label() for line in top.lines] == ["observed", "A", "B"]
    near = (WAVE > 5400) & (WAVE < 5600)
    assert np.median(top.lines[0].get_ydata()[near]) == pytest.approx(1)
    residual = bottom.lines[1].get_ydata()
    assert np.median(residual[WAVE < 4990]) == pytest.approx(0.1, abs=0.01)
    assert np.median(np.abs(residual[WAVE > 5010])) < 0.02
    assert np.abs(np.median(bottom.lines[0].get_ydata())) < 0.01
    assert figure.axes[0].get_title(loc="left") == r"$T_{\rm eff}$ = 3500,  $\log g$ = 4.50"
    assert top.get_title(loc="left") == r"$T_{\rm eff}$ = 6000"
    with pytest.raises(ValueError, match="models: expected 2 rows of A, one per spectrum, got 1"):
        plot_libraries(stars, {"A": models["A"][0]})
    with pytest.raises(ValueError, match="no usable pixel of spectra within 8000-8100 A"):
        plot_libraries(stars, models, (8000.0, 8100.0))


def test_twin_labels(tmp_path):
    rng = np.random.default_rng(0)
    known = np.column_stack([rng.uniform(3500, 7000, 200), rng.uniform(0, 5, 200)])
    fitted = known + np.array([[[30.0, 0.05]], [[300.0, 0.5]]]) * rng.normal(size=(2, 200, 2))
    fitted[1, 3, 0] = np.nan
    emulator = SimpleNamespace(labels=("teff", "logg"))
    none = np.empty((200, 0))
    twins = Twins(
        (emulator, emulator), np.arange(200).astype(str), known, fitted, np.ones((2, 200)), none, none
    )
    figure = plot_twin_labels(twins)
    save_figure(figure, tmp_path / "a.png")
    scatter, histogram, *_ = figure.axes
    half = scatter.get_ylim()[1]
    for k in range(2):
        difference = fitted[k, :, 0] - known[:, 0]
        np.testing.assert_array_equal(scatter.collections[k].get_offsets()[:, 1], difference)
        # Outlines: the numbers of stars in the bins, and back.
        x, y = histogram.patches[k].get_xy().T
        edges = np.linspace(-half, half, 41)
        counts = np.histogram(difference[np.abs(difference) <= half], edges)[0]
        middles = 0.5 * (edges[1:] + edges[:-1])
        at = [x[np.flatnonzero((y[:-1] <= m) & (y[1:] >= m))[0]] for m in middles]
        np.testing.assert_array_equal(at, counts)
