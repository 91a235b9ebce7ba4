"""What the report computes, against slow twins; which spectra it takes; the command."""

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import made_up_stars as made_up
import maury
from mastar_small import write_goodspec
from maury.catalog.columns import column_values
from maury.catalog.flags import Flag
from maury.catalog.stars import combine_visits
from maury.catalog.table import write_catalog
from maury.cli.main import main
from maury.readers import read_spectra
from maury.show.report import data as data
from maury.show.report.page import check_catalog
from maury.show.report.spectra import pack_spectra
from report_fits import made_up_fit, unpacked
from report_stars import survey_catalog

places = arrays(float, 200, elements=st.one_of(st.floats(-0.2, 1.2), st.just(np.nan)))


@settings(max_examples=40)
@given(places, places, st.integers(1, 12), st.integers(1, 12))
def test_thinned_rows_are_the_first_of_each_cell(across, up, nx, ny):
    seen = {}
    for i, (u, v) in enumerate(zip(across, up, strict=True)):
        if 0 <= u < 1 and 0 <= v < 1:
            seen.setdefault((int(u * nx), int(v * ny)), i)
    assert data.thin_rows(across, up, (nx, ny)).tolist() == sorted(seen.values())


def test_error_curves_are_medians_in_bins():
    catalog = survey_catalog(3000)
    teff, error = column_values(catalog, "teff"), column_values(catalog, "teff_err")
    centres, (curve,) = data.error_curves(teff, [error])
    inside = (teff >= 4500) & (teff < 5000)
    k = int(np.argmin(np.abs(centres - np.median(teff[inside]))))
    assert centres[k] == np.median(teff[inside])
    assert curve[k] == np.median(error[inside])
    assert data.error_curves(teff[:3], [error[:3]])[0].size == 0


def test_chi2_map_is_a_median_a_cell():
    rng = np.random.default_rng(0)
    teff, logg, rchi2 = rng.uniform(4000, 8000, 500), rng.uniform(0, 5, 500), rng.lognormal(size=500)
    rchi2[:20] = np.nan
    x, y, median = data.chi2_map(teff, logg, rchi2, (4, 3))
    i, j = 1, 2
    inside = (teff >= x[i]) & (teff < x[i + 1]) & (logg >= y[j]) & (logg <= y[j + 1]) & np.isfinite(rchi2)
    assert median.shape == (4, 3)
    assert median[i, j] == np.median(rchi2[inside])
    assert np.isnan(data.chi2_map(teff, logg, np.full(500, np.nan))[2]).all()


def test_columns_that_span_much_are_coloured_by_their_logarithm():
    catalog = survey_catalog(500)
    catalog["wide"] = np.logspace(0, 3, 500)
    catalog["same"] = 4.0
    columns = data.shown_columns(catalog)
    assert columns["wide"].log
    np.testing.assert_allclose([columns["wide"].low, columns["wide"].high], [0.06, 2.94], atol=1e-3)
    assert not columns["fe_h"].log
    assert columns["same"].low < 4 < columns["same"].high
    assert columns["teff"].title == "teff [K]"


def test_masked_cells_are_missing():
    from astropy.table import MaskedColumn

    catalog = survey_catalog(4)
    catalog["bp_rp"] = MaskedColumn([1.0, 2.0, 3.0, 4.0], mask=[False, True, False, False])
    np.testing.assert_array_equal(data.shown_columns(catalog)["bp_rp"].values, np.float32([1, np.nan, 3, 4]))


def test_chosen_rows_are_the_worst_the_flagged_and_some_from_everywhere():
    catalog = survey_catalog(4000)
    catalog["rchi2"][17] = np.inf
    catalog["teff"][99], catalog["logg"][99] = 30000 * catalog["teff"].unit, 4.0 * catalog["logg"].unit
    catalog["flags"][[99, 101, 102]] = 0, int(Flag.EMISSION), int(Flag.EMISSION)
    catalog["rchi2"][[99, 101, 102]] = 1.0
    candidates = np.arange(0, 4000)[np.arange(4000) % 4 != 1]
    candidates = np.union1d(candidates, [99, 101])
    rows = data.choose_rows(catalog, candidates, 300)
    assert len(rows) == len(set(rows)) == 300
    assert set(rows) <= set(candidates)
    worst = candidates[np.argsort(-np.nan_to_num(catalog["rchi2"][candidates], posinf=-1))[:100]]
    assert {99, 101, 102, *worst} <= set(rows)
    others = np.setdiff1d(rows, worst)
    for bit in (Flag.LOW_SNR, Flag.AT_BOUND):  # the two rows of EMISSION are all there are of it
        having = [int(np.sum((catalog["flags"][some] & int(bit)) != 0)) for some in (others, candidates)]
        assert having[0] >= min(45, having[1] - np.sum((catalog["flags"][worst] & int(bit)) != 0))
    assert np.sum(catalog["flags"][others] == 0) >= 70
    np.testing.assert_array_equal(data.choose_rows(catalog, [5, 3], 90), [3, 5])
    assert len(data.choose_rows(catalog, candidates, 0)) == 0


def test_without_flags_there_are_more_from_everywhere():
    catalog = survey_catalog(4000)
    catalog["flags"] = 0
    rows = data.choose_rows(catalog, range(4000), 30)
    assert len(set(rows)) == 30
    for name in ("teff", "logg"):  # few, and yet from end to end
        chosen, all_of_it = catalog[name][rows].value, catalog[name].value
        assert np.ptp(chosen) > 0.75 * np.ptp(all_of_it)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Four files, their catalogue, and the emulator."""
    folder = tmp_path_factory.mktemp("stars")
    model = made_up.emulator()
    paths = [
        made_up.write_sdss(folder / f"spec-{i}.fits", model, made_up.LABELS[i], seed=i) for i in range(4)
    ]
    model.save(folder / "made-up.onnx")
    model = maury.Emulator.load(folder / "made-up.onnx")
    catalog = maury.fit(maury.read_spectra(paths), model)
    write_catalog(catalog, folder / "stars.fits")
    return folder, catalog, model


def test_spectra_of_a_catalogue_are_those_that_were_fitted(measured):
    _, catalog, model = measured
    packed = pack_spectra(catalog, model)
    assert list(packed) == [0, 1, 2, 3]
    wave, flux, fitted, sigma = unpacked(packed[2])
    pull = (flux - fitted) / sigma
    assert np.isfinite(pull).sum() > 1400
    assert np.nanstd(pull) == pytest.approx(1, abs=0.1)
    expected = np.interp(wave, model.wavelength, model.predict(made_up.LABELS[2:3])[0])
    assert np.nanmedian(np.abs(fitted - expected)) < 0.005


def test_spectra_that_moved_are_found_by_name(measured, tmp_path):
    folder, catalog, model = measured
    catalog = catalog.copy()
    catalog["file"] = [f"elsewhere/spec-{i}.fits" for i in range(4)]
    assert pack_spectra(catalog, model) == {}
    assert list(pack_spectra(catalog, model, [folder])) == [0, 1, 2, 3]
    assert list(pack_spectra(catalog, model, [folder / "spec-1.fits"])) == [1]
    assert len(pack_spectra(catalog, model, [folder], 2)) == 2
    (tmp_path / "spec-3.fits").write_bytes(b"not a spectrum")
    assert pack_spectra(catalog, model, [tmp_path]) == {}
    with pytest.raises(FileNotFoundError, match="nowhere: no such file or folder of spectra"):
        pack_spectra(catalog, model, ["nowhere"])
    with pytest.raises(ValueError, match="the catalogue was made with made up"):
        pack_spectra(catalog, made_up.emulator(scatter=np.full(made_up.N_PIXELS, 0.006)), [folder])


def test_of_a_mastar_file_the_rows_wanted_are_read_in_blocks(measured, tmp_path, monkeypatch):
    """Two visits a star: the name of a star alone does not tell its spectrum."""
    _, _, model = measured
    path = write_goodspec(tmp_path / "goodspec.fits.gz", n=6, n_pixels=3000)
    spectra = read_spectra(path)
    monkeypatch.setattr("maury.readers.read.read_file", lambda *_: pytest.fail("the whole file was read"))
    monkeypatch.setattr("maury.readers._row_blocks.BYTES", 150_000)  # two rows
    seen = []
    monkeypatch.setattr(
        "maury.show.report.spectra.fit_of_row",
        lambda spectrum, _, row: seen.append((spectrum.flux[0, 0], row["visit_id"])) or made_up_fit(),
    )
    catalog = survey_catalog(6)[[3, 0, 5, 1]]
    catalog["star_id"], catalog["visit_id"] = (
        getattr(spectra, n)[[3, 0, 5, 1]] for n in ("star_id", "visit_id")
    )
    catalog.replace_column("file", np.full(4, str(path)))
    catalog.meta["EMUHASH"] = model.file_hash
    assert sorted(pack_spectra(catalog, model)) == [0, 1, 2, 3]
    assert seen == [(100.0 * (1 + i), spectra.visit_id[i]) for i in (0, 1, 3, 5)]
    assert list(pack_spectra(catalog[2:3], model)) == [0]
    catalog["visit_id"][1] = "another night"
    assert sorted(pack_spectra(catalog, model)) == [0, 2, 3]
    path.write_bytes(path.read_bytes()[:-3000])
    monkeypatch.undo()
    assert pack_spectra(catalog, model) == {}


def test_catalogues_without_anything_to_show_are_refused():
    with pytest.raises(ValueError, match="no rows"):
        check_catalog(survey_catalog(4)[:0])
    catalog = survey_catalog(4)
    catalog.meta["LABELS"] = "teff,fe_h"
    with pytest.raises(ValueError, match="needs the labels teff and logg, got teff, fe_h"):
        check_catalog(catalog)


def test_the_command(measured, tmp_path, monkeypatch):
    folder, _, _ = measured

    def report(*words):
        return CliRunner().invoke(main, ["report", str(folder / "stars.fits"), *map(str, words)])

    page, emulator = tmp_path / "page.html", folder / "made-up.onnx"
    done = report("-o", page, "--emulator", emulator)
    assert done.exit_code == 0, done.output
    assert "4 rows, 4 of them with a spectrum." in done.output
    again = report("-o", page)
    assert again.exit_code == 1
    assert "pass --overwrite" in again.output
    plain = report("-o", page, "--overwrite")  # the built-in emulator is not the one
    assert plain.exit_code == 0
    assert "Warning: no spectra in the page: emulator: the catalogue was made with" in plain.output
    assert "0 of them with a spectrum" in plain.output
    assert report("-o", page, "--overwrite", "--spectra", folder).exit_code == 1
    write_catalog(combine_visits(maury.read_catalog(folder / "stars.fits")), tmp_path / "stars.fits")
    stars = CliRunner().invoke(main, ["report", str(tmp_path / "stars.fits"), "-o", str(tmp_path / "s.html")])
    assert stars.exit_code == 0, stars.output
    assert "make a report of the visits instead" in stars.output
    assert "4 stars of 4 visits." in (tmp_path / "s.html").read_text("utf-8")
    assert report("-o", tmp_path / "page.pdf").exit_code == 2
    assert "no such folder" in report("-o", tmp_path / "no" / "page.html").output
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    without = report("-o", tmp_path / "other.html")
    assert without.exit_code == 1
    assert 'pip install "maury[report]"' in without.output
