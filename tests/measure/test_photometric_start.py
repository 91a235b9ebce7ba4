"""A photometric start beside the search: the lower chi-square wins, and the catalogue says so."""

import json
from importlib.resources import files

import numpy as np
import pytest

import made_up_stars
import maury
from gaia_stars import ISOCHRONES, photometry
from maury.measure.options import Options
from maury.measure.photometry import start_of_stars
from maury.measure.pipeline import measure

LABELS = made_up_stars.LABELS


def test_stars_are_found_by_name():
    table = photometry(["b", "a", "b"], bp_rp=[0.8, 1.1, np.nan], phot_g_mean_mag=[9.5, 5.5, 9.5])
    start = start_of_stars([" a ", "nobody", "b"], table, ISOCHRONES, ["teff", "fe_h"])
    np.testing.assert_array_equal(start, [[5000, -0.5], [np.nan, np.nan], [6000, 0.0]])


def test_a_table_of_other_stars_is_refused():
    with pytest.raises(ValueError, match="none of the stars is in its column star_id; the first star is x"):
        start_of_stars(["x"], photometry(["a"]), ISOCHRONES, ["teff"])
    table = photometry(["a"])
    table.rename_column("star_id", "name")
    with pytest.raises(ValueError, match="expected a column star_id or MANGAID, got name"):
        start_of_stars(["a"], table, ISOCHRONES, ["teff"])


def test_a_good_start_is_told_where_it_led_lower():
    """A search that may follow one start only may end in a minimum that is not the least."""
    emulator = made_up_stars.emulator()
    rng = np.random.default_rng(5)
    n = 60
    labels = np.column_stack([rng.uniform(4000, 7000, n), rng.uniform(1, 5, n), rng.uniform(-2, 0.4, n)])
    spectra = made_up_stars.spectra(emulator, labels, rv=0.0)
    search = measure(spectra, emulator, Options(n_starts=1))
    both = measure(spectra, emulator, Options(n_starts=1), photometric_labels=labels)
    assert (both["chi2"] <= search["chi2"] * (1 + 1e-9)).all()
    lower = both["chi2"] < search["chi2"] * (1 - 1e-6)
    assert (both["start"][lower] == "photometry").all()
    assert (both["start"][~lower] == "search").all()


def test_no_start_leads_higher_on_real_spectra():
    """A start near or far leaves the fit as it is, or finds a lower chi-square with no fewer outliers."""
    folder = files("maury") / "data" / "demo"
    emulator = maury.Emulator.load("default")
    spectra = maury.read_spectra(folder)
    search = measure(spectra, emulator, Options())
    found = np.stack([search[name] for name in emulator.labels], axis=1)
    for scale in (0.03, 0.3):
        start = found * (1 + scale * np.random.default_rng(3).standard_normal(found.shape))
        both = measure(spectra, emulator, Options(), photometric_labels=start)
        assert (both["chi2"] <= search["chi2"] * (1 + 1e-6)).all()
        assert (both["n_clipped"] >= search["n_clipped"]).all()
        unchanged = both["start"] == "search"
        np.testing.assert_array_equal(both["n_clipped"][unchanged], search["n_clipped"][unchanged])


def test_a_wrong_photometric_start_costs_nothing():
    emulator = made_up_stars.emulator()
    spectra = made_up_stars.spectra(emulator, rv=0.0)
    want = measure(spectra, emulator, Options())
    wrong = np.array([[7900.0, 0.1, -2.4], [np.nan] * 3, [3600.0, 5.4, 0.9], LABELS[3]])
    got = measure(spectra, emulator, Options(), photometric_labels=wrong)
    assert got["start"].tolist() == ["search"] * 4
    for name in emulator.labels:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-6, atol=1e-6)
    assert (got["n_starts"] - want["n_starts"]).tolist() == [1, 0, 1, 1]
    assert got["n_agree"][3] == want["n_agree"][3] + 1


def test_photometric_labels_of_the_wrong_shape_are_refused():
    emulator = made_up_stars.emulator()
    spectra = made_up_stars.spectra(emulator, rv=0.0)
    with pytest.raises(ValueError, match=r"photometric_labels: expected shape \(4, 3\), .* got \(3,\)"):
        measure(spectra, emulator, Options(), photometric_labels=LABELS[0])


def test_photometry_and_isochrones_go_together():
    emulator = made_up_stars.emulator()
    spectra = made_up_stars.spectra(emulator, rv=0.0)
    with pytest.raises(ValueError, match="photometry, isochrones: pass both"):
        maury.fit(spectra, emulator, photometry=photometry(["star 0"]))
    catalog = maury.fit(spectra, emulator, photometry=photometry(["star 1"]), isochrones=ISOCHRONES)
    assert json.loads(catalog.meta["OPTIONS"])["photometry"] is True
    alone = maury.fit(spectra, emulator)
    assert (catalog["n_starts"] - alone["n_starts"]).tolist() == [0, 1, 0, 0]
