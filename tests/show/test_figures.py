"""Figures over a catalogue: they draw what is in it, and say what they lack."""

import re

import numpy as np
import pytest
from astropy.table import Table

from maury.measure.best_fit import BestFit
from maury.readers.isochrones import read_isochrones
from maury.show import figures
from maury.show.plots import save_figure
from report_stars import survey_catalog


@pytest.fixture(scope="module")
def catalog():
    return survey_catalog(800)


def points(axes):
    return np.asarray(axes.collections[0].get_offsets())


def rows(*columns):
    return np.array(sorted(zip(*columns, strict=True)))


def saved(figure, tmp_path):
    save_figure(figure, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 5000
    return figure


def test_abundances(catalog, tmp_path):
    axes, bar = saved(figures.plot_abundances(catalog), tmp_path).axes
    np.testing.assert_array_equal(
        rows(*points(axes).T), rows(catalog["fe_h"].value, catalog["alpha_fe"].value)
    )
    assert axes.get_xlabel() == "[Fe/H] [dex]"
    assert bar.get_ylabel() == r"$T_{\rm eff}$ [K]"
    less = catalog.copy()
    less.remove_column("alpha_fe")
    with pytest.raises(ValueError, match="an abundance plane needs the columns fe_h, alpha_fe; it has teff"):
        figures.plot_abundances(less)


def test_isochrones(catalog, tmp_path):
    """Colour tells [Fe/H] and style the age; points of an isochrone stay in their order."""
    teff, logg = np.linspace(6000, 4000, 5), np.linspace(4.5, 1.0, 5)
    lines = {"teff": np.tile(teff, 3), "logg": np.tile(logg, 3)}
    lines |= {"fe_h": np.repeat([-1.0, 0.2, 0.2], 5), "age": np.repeat([10.0, 10.0, 2.0], 5)}
    axes = saved(figures.plot_isochrones(catalog, Table(lines)), tmp_path).axes[0]
    drawn, key = axes.lines[1:6:2], axes.lines[6:]
    scale = axes.collections[0]
    assert [line.get_color() for line in drawn] == [scale.cmap(scale.norm(fe_h)) for fe_h in (-1, 0.2, 0.2)]
    assert [line.get_linestyle() for line in drawn] == ["--", "--", "-"]
    assert [(line.get_label(), line.get_linestyle()) for line in key] == [("2 Gyr", "-"), ("10 Gyr", "--")]
    for line in drawn:
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([teff, logg]))
    assert axes.get_xlim()[0] > axes.get_xlim()[1]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]


def test_real_isochrones(catalog, data_folder, tmp_path):
    files = [data_folder / "isochrones" / f"basti_gaia_dr3_{age}myr.isc" for age in (30, 3000)]
    axes = saved(figures.plot_isochrones(catalog, read_isochrones(files)), tmp_path).axes[0]
    assert [line.get_label() for line in axes.lines[4:]] == ["0.03 Gyr", "3 Gyr"]


def test_chi2(catalog, tmp_path):
    figure = saved(figures.plot_chi2(catalog), tmp_path)
    histogram = figure.axes[1]
    assert sum(bar.get_height() for bar in histogram.patches) == len(catalog)
    failed = catalog[:3].copy()
    failed["rchi2"] = np.nan
    saved(figures.plot_chi2(failed), tmp_path)


def test_colour_magnitude(catalog, tmp_path):
    figure = saved(figures.plot_colour_magnitude(catalog, "bp_rp", "m_g"), tmp_path)
    panels = figure.axes[:5]
    for axes in panels:
        np.testing.assert_array_equal(rows(*points(axes).T), rows(catalog["bp_rp"], catalog["m_g"]))
        assert axes.get_ylim()[0] > axes.get_ylim()[1]
    with pytest.raises(ValueError, match="needs the columns g_rp, m_g"):
        figures.plot_colour_magnitude(catalog, "g_rp", "m_g")


def test_errors(catalog, tmp_path):
    panels = saved(figures.plot_errors(catalog), tmp_path).axes
    reported, formal = (line.get_ydata() for line in panels[2].lines)
    assert (reported >= formal).all()
    stars = catalog.copy()
    stars.remove_columns([f"{name}_err_formal" for name in catalog.meta["LABELS"].split(",")])
    (alone,) = figures.plot_errors(stars).axes[2].lines
    np.testing.assert_array_equal(alone.get_ydata(), reported)
    assert figures.plot_errors(catalog[:4]).axes[0].get_title() == "too few rows"


def test_pulls_have_the_width_that_was_put_in(catalog, tmp_path):
    doubled = catalog.copy()
    doubled["fe_h_err"] *= 2
    for table, width in ((catalog, 1.0), (doubled, 0.5)):
        axes = saved(figures.plot_reported_pulls(table), tmp_path).axes[2]
        found, n = re.match(r"width ([\d.]+), (\d+) pairs", axes.get_title()).groups()
        assert float(found) == pytest.approx(width, rel=0.15)
        assert 300 < int(n) <= len(catalog) // 2
        assert sum(bar.get_height() * bar.get_width() for bar in axes.patches) == pytest.approx(1)
    assert figures.plot_reported_pulls(catalog[:40]).axes[0].get_title().startswith("too few for a width")
    assert figures.plot_reported_pulls(catalog[::2]).axes[0].get_title() == "no star has two usable visits"


def test_examples(catalog, tmp_path):
    wave = np.linspace(4000, 7000, 300)
    ivar = np.where(np.arange(300) < 20, 0.0, 100.0)
    fit = BestFit(wave, np.full(300, 1.1), ivar, np.ones(300), np.zeros(300))
    figure = saved(figures.plot_examples([fit, fit], [catalog[0], catalog[5]], ["teff", "fe_h"]), tmp_path)
    top, bottom, kiel = figure.axes[:3]
    residual = bottom.lines[0].get_ydata()
    assert np.isnan(residual[:20]).all()
    np.testing.assert_allclose(residual[20:], -0.1)
    assert top.get_title(loc="left") == f"{catalog['star_id'][0]} {catalog['visit_id'][0]}"
    assert f"{catalog['teff'][0].value:.0f}" in top.get_title(loc="right")
    everything, star = figure.axes[5].lines
    assert len(everything.get_xdata()) == len(catalog)
    assert star.get_xydata().tolist() == [[catalog["teff"][5].value, catalog["logg"][5].value]]
    assert kiel.get_xlim()[0] > kiel.get_xlim()[1]
    with pytest.raises(ValueError, match="got 1 and 2"):
        figures.plot_examples([fit], [catalog[0], catalog[1]], ["teff"])


def test_resolution(tmp_path):
    wave = np.linspace(3600, 10000, 50)
    figure = saved(
        figures.plot_resolution({"60%": (wave, wave / 4000), "99.5%": (wave, wave / 3000)}), tmp_path
    )
    np.testing.assert_array_equal(figure.axes[0].lines[1].get_ydata(), wave / 3000)
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["60%", "99.5%"]
