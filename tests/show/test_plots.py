"""Pictures: drawn for good, masked and failed spectra, and showing what was measured."""

import subprocess
import sys
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

import made_up_stars as made_up
from maury.catalog.flags import Flag
from maury.show.comparison import plot_comparison
from maury.show.plots import picture_names, plot_kiel, plot_star, save_figure


@pytest.fixture(scope="module")
def emulator():
    return made_up.emulator()


@pytest.fixture
def catalog(emulator):
    """The second star has no fit."""
    spectra = made_up.spectra(emulator, rv=[0.0, np.nan, 1.0, 2.0])
    return made_up.build_catalog(made_up.failed_result(), spectra, emulator)


def texts(figure):
    """Return all words of a figure."""
    found = [text.get_text() for text in figure.texts]
    for axes in figure.axes:
        found += [text.get_text() for text in axes.texts] + [axes.get_title(loc="left"), axes.get_title()]
    for legend in [*figure.legends, *(axes.get_legend() for axes in figure.axes)]:
        found += [text.get_text() for text in legend.get_texts()] if legend else []
    return " | ".join(found)


def star(emulator, row, usable=True, model=None, **options):
    labels = made_up.LABELS[0]
    flux = made_up.spectra(emulator).flux[0]
    ivar = np.where(usable, 80.0**2, 0.0) * np.ones(len(flux))
    model = emulator.predict(labels) if model is None else model
    return plot_star(emulator.wavelength, flux, ivar, model, row, **options)


def painted(figure, tmp_path):
    """Save, and return the part of the picture that is not white."""
    save_figure(figure, tmp_path / "picture.png")
    image = matplotlib.image.imread(tmp_path / "picture.png")
    assert image.shape[0] > 600
    assert image.shape[1] > 800
    return float((image[..., :3].min(axis=2) < 0.9).mean())


def test_a_good_star(emulator, catalog, tmp_path):
    figure = star(emulator, catalog[0], scatter=emulator.scatter)
    assert painted(figure, tmp_path) > 0.03
    words = texts(figure)
    assert "star 0 55000" in words
    assert "= 5000 \N{PLUS-MINUS SIGN} 71 K" in words
    assert "= \N{MINUS SIGN}0.50 \N{PLUS-MINUS SIGN} 0.07" in words
    assert "no flags" in words
    assert "S/N = 80" in words
    top, bottom = figure.axes
    assert top.get_ylabel() == "normalised flux"
    assert bottom.get_xlabel() == "rest wavelength in vacuum [Å]"
    residual = bottom.lines[0].get_ydata()
    flux = made_up.spectra(emulator).flux[0]
    np.testing.assert_allclose(residual, flux - emulator.predict(made_up.LABELS[0]))


def test_a_star_with_gaps_shows_them_as_gaps(emulator, catalog, tmp_path):
    usable = np.ones(made_up.N_PIXELS, dtype=bool)
    usable[:50] = usable[700:800] = usable[-1] = False
    figure = star(emulator, catalog[0], usable)
    assert painted(figure, tmp_path) > 0.03
    np.testing.assert_array_equal(np.isfinite(figure.axes[0].lines[0].get_ydata()), usable)
    assert len(figure.axes[0].patches) == 3


def test_an_all_masked_star_says_so(emulator, catalog, tmp_path):
    figure = star(emulator, catalog[1], usable=False)
    assert painted(figure, tmp_path) > 0.005
    assert "no usable pixels" in texts(figure)
    assert "observed" not in texts(figure)


def test_a_failed_star_shows_its_spectrum_and_flags_in_words(emulator, catalog, tmp_path):
    figure = star(emulator, catalog[1], model=np.full(made_up.N_PIXELS, np.nan))
    assert painted(figure, tmp_path) > 0.03
    words = texts(figure)
    assert "no labels: the fit failed" in words
    assert "not converged, too few pixels, rv unknown" in words
    assert "observed" in words
    assert "model" not in words


def test_an_unreadable_file_tells_its_problem(emulator, tmp_path):
    spectra = made_up.spectra(emulator, problem="$x^ it is cut short; " + 20 * "get it again ")
    catalog = made_up.build_catalog(made_up.failed_result(), spectra, emulator)
    figure = star(emulator, catalog[1], usable=False, model=np.full(made_up.N_PIXELS, np.nan))
    assert painted(figure, tmp_path) > 0.005
    assert "it is cut short" in texts(figure)


@pytest.mark.parametrize("name", ["$_{Cen}$ A", "星 1", "a_b^c\\frac"])
def test_names_are_drawn_as_they_are(emulator, tmp_path, name):
    spectra = made_up.spectra(emulator, star_id=name)
    catalog = made_up.build_catalog(made_up.result(), spectra, emulator)
    figure = star(emulator, catalog[0])
    assert painted(figure, tmp_path) > 0.03
    assert name in texts(figure)


def test_a_spike_does_not_spoil_the_limits(emulator, catalog):
    flux = emulator.predict(made_up.LABELS[0])
    flux[700] = 1000.0
    model = emulator.predict(made_up.LABELS[0])
    figure = plot_star(emulator.wavelength, flux, np.ones_like(flux), model, catalog[0])
    low, high = figure.axes[0].get_ylim()
    assert high < 2
    assert low < np.min(model)


def test_kiel_diagram(emulator, catalog, tmp_path):
    catalog["flags"][2] = int(Flag.AT_BOUND)
    figure = plot_kiel(catalog, emulator)
    assert painted(figure, tmp_path) > 0.02
    axes, bar = figure.axes
    assert axes.get_xlim()[0] > axes.get_xlim()[1]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert axes.get_xlabel().endswith("[K]")
    assert axes.get_ylabel().endswith("[dex, cgs]")
    assert bar.get_ylabel() == "[Fe/H] [dex]"
    good, flagged = (points.get_offsets().data for points in axes.collections[-2:])
    np.testing.assert_array_equal(good, made_up.LABELS[[0, 3], :2])
    np.testing.assert_array_equal(flagged, made_up.LABELS[[2], :2])
    assert "3 spectra, 1 without a fit not shown" in texts(figure)
    legend = axes.get_legend().get_window_extent()
    assert not legend.overlaps(axes.get_window_extent())


def test_kiel_diagram_without_any_fit(emulator, tmp_path):
    fit = made_up.failed_result()
    fit.labels[:] = np.nan
    fit.converged[:] = False
    catalog = made_up.build_catalog(fit, made_up.spectra(emulator), emulator)
    bare = made_up.emulator(training_labels=None)
    for model in (emulator, bare):
        figure = plot_kiel(catalog, model)
        assert painted(figure, tmp_path) > 0.003
        assert "0 spectra, 4 without a fit" in texts(figure)


def test_kiel_diagram_of_one_star(emulator, tmp_path):
    bare = made_up.emulator(training_labels=None)
    one = made_up.build_catalog(made_up.result(made_up.LABELS[:1]), made_up.spectra(bare)[:1], bare)
    figure = plot_kiel(one, bare)
    assert painted(figure, tmp_path) > 0.003
    low, high = sorted(figure.axes[0].get_xlim())
    assert low < 5000 < high


def test_kiel_diagram_needs_its_labels(emulator, catalog):
    catalog.meta["LABELS"] = "teff,fe_h"
    with pytest.raises(ValueError, match="needs the labels teff and logg"):
        plot_kiel(catalog, emulator)


def test_files_are_named_in_kebab_and_never_twice():
    emulator = made_up.emulator()
    names = ["BD+17 4708", "bd+17.4708", "Kiel", "$$$"]
    catalog = made_up.build_catalog(
        made_up.result(), made_up.spectra(emulator, star_id=names, visit_id=""), emulator
    )
    assert picture_names(catalog) == ["bdp17-4708.png", "bdp17-4708-2.png", "kiel-2.png", "spectrum.png"]


def test_comparison_of_known_and_measured(tmp_path):
    rng = np.random.default_rng(0)
    teff = 10 ** rng.uniform(3.5, 4.3, 200)
    known = np.column_stack([teff, rng.uniform(0, 5, 200), rng.uniform(-2, 0.4, 200)])
    measured = known + rng.normal(0, 1, known.shape) * [80, 0.2, 0.1] + [0, 0.1, 0]
    measured[::10] = np.nan
    known[3, 2] = np.nan
    figure = plot_comparison(["teff", "logg", "fe_h"], known, measured, "made up")
    assert painted(figure, tmp_path) > 0.03
    offset = np.nanmedian((measured - known)[:, 1])
    assert f"180 stars, offset {offset:.2f} dex" in figure.axes[2].get_title()
    assert "179 stars" in figure.axes[4].get_title()
    nothing = plot_comparison(["fe_h"], np.full((2, 1), np.nan), np.zeros((2, 1)))
    assert painted(nothing, tmp_path) > 0.003


def test_no_window_and_no_global_state():
    code = (
        "import sys; from maury.show import plots, comparison; import made_up_stars as m; e = m.emulator(); "
        "plots.plot_kiel(m.catalog(), e); assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1] / "shared")
