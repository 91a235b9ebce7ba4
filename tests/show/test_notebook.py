"""What a notebook shows: tables of spectra, emulators, fits and catalogues; figures; progress."""

import sys
import types

import numpy as np
import pytest
from astropy import units as u

import made_up_stars as made_up
import maury
from maury.output import progress

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def emulator():
    return made_up.emulator()


@pytest.fixture(scope="module")
def stars(emulator):
    return made_up.spectra(emulator, rv=0.0, star_id=["<a>", "b", "c", "d"], labels={"teff": 5772.4})


@pytest.fixture(scope="module")
def catalog(stars, emulator):
    return maury.fit(stars, emulator)


def test_spectra(stars):
    html = stars._repr_html_()
    assert "&lt;a&gt;" in html and "<a>" not in html
    assert html.count("<tr>") == 5 and "<td>5772</td>" in html
    many = maury.Spectra.concatenate([stars] * 5)._repr_html_()
    assert many.count("<tr>") == 11 and "... and 10 more" in many
    nothing = maury.Spectra([np.nan], [np.nan], [0.0], problem="cut short")
    assert "cut short" in nothing._repr_html_()


def test_figures_show_themselves(stars, catalog, emulator):
    for figure in (stars.plot(2), maury.plot(catalog, stars, 1, emulator)):
        assert figure._repr_png_().startswith(PNG)
    assert len(stars.plot(2).axes) == 2 and len(stars.plot(9).axes) == 4
    with pytest.raises(ValueError, match="at least 1 spectrum"):
        stars[[]].plot()


def test_plot_draws_the_fit_of_a_row(stars, catalog, emulator):
    third = maury.plot(catalog, list(stars), 2, emulator)
    np.testing.assert_array_equal(
        third.axes[0].lines[1].get_ydata(),
        maury.plot(catalog, stars, "c", emulator).axes[0].lines[1].get_ydata(),
    )
    last = maury.plot(catalog, stars, -2, emulator)
    assert [t.get_text() for t in last.texts] == [t.get_text() for t in third.texts]
    for i, words in ((4, "a row from 0 to 3"), ("z", "no star 'z'")):
        with pytest.raises(ValueError, match=words):
            maury.plot(catalog, stars, i, emulator)
    with pytest.raises(ValueError, match="expected the 4 spectra"):
        maury.plot(catalog, stars[:3], 0, emulator)
    with pytest.raises(ValueError, match="made with"):
        maury.plot(catalog, stars)


def test_a_catalogue_begins_with_its_labels(catalog, tmp_path):
    assert catalog.colnames[:4] == ["star_id", "visit_id", "teff", "teff_err"]
    assert catalog.colnames[-2:] == ["covariance", "covariance_formal"]
    for table in (catalog, catalog[:2]):
        first = table["teff", "logg"].pformat(show_unit=False)[2].split()
        assert first == [f"{table['teff'][0].value:.0f}", f"{table['logg'][0].value:.2f}"]
    for ending in (".fits", ".ecsv", ".parquet"):
        maury.write_catalog(catalog, tmp_path / f"cat{ending}")
        back = maury.read_catalog(tmp_path / f"cat{ending}")
        np.testing.assert_array_equal(back["teff"].value, catalog["teff"].value)  # all digits
        assert back["teff"].info.format == ".0f"


def test_the_emulator(emulator):
    html = emulator._repr_html_()
    assert "<td>logg</td>" in html and "<td>3500 to 8000</td>" in html


def test_labels_of_the_emulator_by_name(emulator):
    sun = emulator.predict([5772.0, 4.44, 0.0])
    np.testing.assert_array_equal(emulator.predict(teff=5772.0, logg=4.44, fe_h=0.0), sun)
    np.testing.assert_array_equal(emulator.predict(fe_h=0.0, logg=4.44, teff=5.772 * u.kK), sun)
    rows = emulator.predict(teff=[5000.0, 5772.0], logg=4.44, fe_h=0.0)
    assert rows.shape == (2, made_up.N_PIXELS)
    np.testing.assert_array_equal(rows[1], sun)
    slope = emulator.jacobian(teff=5772.0, logg=4.44, fe_h=0.0)
    np.testing.assert_array_equal(slope, emulator.jacobian([5772.0, 4.44, 0.0]))
    for labels, by_name, got in (
        (None, {}, "nothing"),
        (None, {"teff": 5000.0, "logg": 4.0}, "teff, logg"),
        (None, {"teff": 5000.0, "logg": 4.0, "feh": 0.0}, "teff, logg, feh"),
        ([5772.0, 4.44, 0.0], {"teff": 5000.0}, "an array, teff"),
    ):
        with pytest.raises(ValueError, match=f"each of teff, logg, fe_h by name; got {got}$"):
            emulator.predict(labels, **by_name)
    with pytest.raises(ValueError, match=r"teff.*expected a unit like K"):
        emulator.predict(teff=5000 * u.m, logg=4.0, fe_h=0.0)


def test_rows_of_a_fit(emulator, stars):
    result = maury.fit_normalized(emulator, stars.flux, stars.ivar)
    assert len(result) == 4 and result.names == ("teff", "logg", "fe_h")
    one, two = result[1], result[[3, 0]]
    assert len(one) == 1 and one.labels.shape == (1, 3) and one.rv is None
    np.testing.assert_array_equal(two.covariance, result.covariance[[3, 0]])
    assert [len(row) for row in result] == [1, 1, 1, 1]
    table = result.table()
    np.testing.assert_array_equal(table["teff"].to_value(u.K), result.labels[:, 0])
    np.testing.assert_allclose(table["logg_err_formal"].value ** 2, result.covariance[:, 1, 1])
    assert table["status"].dtype.kind == "U" and len(table) == 4
    assert "teff_err_formal" in result._repr_html_()


def test_progress_in_a_notebook(monkeypatch):
    shell = types.SimpleNamespace(kernel=1)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    from tqdm import auto

    with progress(3, "fitting", "spectra") as bar:
        assert isinstance(bar, auto.tqdm)
        bar.update(3)
    del shell.kernel  # IPython in a terminal, of which stderr is a file
    with progress(3, "fitting", "spectra") as bar:
        assert bar.delay > 0
