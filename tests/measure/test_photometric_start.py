"""A photometric start beside the search: the lower chi-square wins, and the catalogue says so."""

import json
from dataclasses import replace

import numpy as np
import pytest
from maury.measure.two_fits import lower_of

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


def test_the_lower_chi_square_wins():
    search = made_up_stars.result(chi2=np.array([100.0, 100.0, 100.0, np.nan]))
    search = replace(search, converged=np.array([True, True, True, False]))
    other = made_up_stars.result(
        LABELS + np.array([100.0, 0.1, 0.1]), chi2=np.array([90.0, 100.05, 90.0, 80.0])
    )
    best = lower_of(search, other, np.array([True, True, False, True]))
    assert best.start.tolist() == ["photometry", "search", "search", "photometry"]
    np.testing.assert_array_equal(best.chi2, [90.0, 100.0, 100.0, 80.0])
    np.testing.assert_array_equal(best.labels, np.where([[1], [0], [0], [1]], other.labels, search.labels))
    assert best.n_starts.tolist() == [7, 7, 6, 7]
    assert best.n_agree.tolist() == [1, 6, 5, 1]
    assert best.converged.all()
    assert best.rv is None


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
    with pytest.raises(ValueError, match="photometry, isochrones: give both"):
        maury.fit(spectra, emulator, photometry=photometry(["star 0"]))
    catalog = maury.fit(spectra, emulator, photometry=photometry(["star 1"]), isochrones=ISOCHRONES)
    assert json.loads(catalog.meta["OPTIONS"])["photometry"] is True
    alone = maury.fit(spectra, emulator)
    assert (catalog["n_starts"] - alone["n_starts"]).tolist() == [0, 1, 0, 0]
