"""MILES and STELIB: labels with their traps, air to vacuum, masks; on made files and the real libraries."""

import shutil
import time

import numpy as np
import pytest

from maury.readers import ReadError, read_spectra
from maury.spectra import air_to_vacuum
from survey_files import line_velocity, write_miles, write_miles_labels, write_stelib

# Vacuum.
HALPHA, HBETA, HGAMMA, MG_B2, MG_B1 = 6564.61, 4862.683, 4341.684, 5174.125, 5185.048


@pytest.fixture(scope="module")
def miles(miles_folder):
    return read_spectra(miles_folder)


@pytest.fixture(scope="module")
def stelib(stelib_folder):
    return read_spectra(stelib_folder)


def test_a_miles_star(tmp_path):
    write_miles_labels(tmp_path)
    spectrum = read_spectra(write_miles(tmp_path, 1))
    air = 3540.5 + 0.9 * np.arange(4300)
    np.testing.assert_array_equal(spectrum.wavelength, air_to_vacuum(air))
    np.testing.assert_array_equal(~spectrum.mask[0], (air >= 3575) & (air <= 7400))
    np.testing.assert_allclose(spectrum.lsf, 2.5 / 2.354820045)
    assert spectrum.rv.tolist() == [0.0]
    assert np.isnan(spectrum.snr).all()  # assumed, so not told
    assert spectrum.star_id.tolist() == ["BD+002058A"]
    assert spectrum.visit_id.tolist() == ["0001"]
    assert {k: v.tolist() for k, v in spectrum.labels.items()} == {
        "teff": [6024], "logg": [4.5], "fe_h": [-1.44]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("number", "name", "labels"),
    [
        (2, "HD027819", [7957, 4.32, np.nan]),
        (221, "HD044691A", [7950, 3.95, 0.35]),  # '022.' in the table
        (3, "HD020902", [16527, 0.26, -0.05]),
        (4, "M71 KC-147", [np.nan, np.nan, -0.84]),
        (9, "MILES_res2.50_star_m0009V", [np.nan] * 3),  # not in the table
    ],
)
def test_miles_labels(tmp_path, number, name, labels):
    write_miles_labels(tmp_path)
    spectrum = read_spectra(write_miles(tmp_path, number))
    assert spectrum.star_id.tolist() == [name]
    np.testing.assert_array_equal([spectrum.labels[k][0] for k in ("teff", "logg", "fe_h")], labels)


def test_a_miles_star_without_the_table(tmp_path):
    spectrum = read_spectra(write_miles(tmp_path, 1))
    assert np.isnan(list(spectrum.labels.values())).all()
    assert spectrum.star_id.tolist() == ["MILES_res2.50_star_m0001V"]


def test_a_changed_table_is_read_again(tmp_path):
    write_miles_labels(tmp_path)
    star = write_miles(tmp_path, 1)
    assert read_spectra(star).labels["teff"] == 6024
    table = tmp_path / "paramsMILES_v9.1.txt"
    table.write_text(table.read_text().replace("6024", "6042"))
    assert read_spectra(star).labels["teff"] == 6042


def test_zeros_in_miles_are_no_data(tmp_path):
    flux = np.ones(4300)
    flux[1000:1010] = 0.0
    spectrum = read_spectra(write_miles(tmp_path, 1, flux=flux))
    assert spectrum.mask[0, 1000:1010].all() and not spectrum.mask[0, 990:1000].any()
    assert not spectrum.ivar[0, 1000:1010].any()


def test_the_unusable_miles_star_is_refused(tmp_path):
    with pytest.raises(ReadError, match="0970 of MILES is unusable"):
        read_spectra(write_miles(tmp_path, 970))


def test_a_stelib_star(tmp_path):
    spectrum = read_spectra(write_stelib(tmp_path))
    air = 3200.875 + 0.999786874443827 * np.arange(6700)
    np.testing.assert_array_equal(spectrum.wavelength, air_to_vacuum(air))
    used = np.zeros(6700, dtype=bool)
    used[260:6416] = True
    np.testing.assert_array_equal(~spectrum.mask[0], used)
    assert not spectrum.ivar[0, :260].any()
    assert spectrum.star_id.tolist() == ["HD009138"]
    assert np.isnan(spectrum.rv).all() and np.isnan(spectrum.snr).all()
    np.testing.assert_allclose(spectrum.lsf, 3.4 / 2.354820045)
    assert spectrum.labels["teff"] == 4061 and spectrum.labels["logg"] == 1.9
    assert np.isnan(spectrum.labels["fe_h"]).all()  # '-' in the header


def test_miles_is_whole(miles):
    assert len(miles) == 984
    assert (miles.problem == "").all()
    assert miles.wavelength.shape == (4300,)
    assert len(set(miles.star_id.tolist())) == 984
    labelled = np.all([np.isfinite(v) for v in miles.labels.values()], axis=0)
    # Counted in the table itself: 985 entries, 39 with a gap, one of them for the star left out.
    assert labelled.sum() == 945
    assert miles.labels["teff"][miles.star_id == "HD044691A"] == 7950
    sun_like = miles.labels["teff"][miles.star_id == "HD010307"]
    assert 5700 < sun_like < 6000
    assert np.nanmin(miles.labels["teff"]) > 2500 and np.nanmax(miles.labels["teff"]) <= 36000


def test_miles_reads_in_seconds(miles_folder):
    start = time.perf_counter()
    read_spectra(miles_folder)
    assert time.perf_counter() - start < 20


def test_miles_lines_are_at_rest_in_vacuum(miles):
    # In air they would be off by 83 km/s.
    teff, logg = miles.labels["teff"], miles.labels["logg"]
    hot, cool = (teff > 7000) & (teff < 11000), (teff > 5200) & (teff < 6200) & (logg > 4)
    assert hot.sum() > 50 and cool.sum() > 50
    for line, stars in ((HALPHA, hot), (HBETA, hot), (HGAMMA, hot), (MG_B2, cool), (MG_B1, cool)):
        found = [line_velocity(miles.wavelength, flux, line) for flux in miles.flux[stars]]
        assert abs(np.median(found)) < 12, line


def test_stelib_is_whole(stelib):
    assert len(stelib) == 255
    assert (stelib.problem == "").all()
    labelled = np.all([np.isfinite(v) for v in stelib.labels.values()], axis=0)
    assert labelled.sum() > 190
    reach = [w[~m].max() for w, m in zip(stelib.wavelength, stelib.mask, strict=True)]
    assert sum(r > 9500 for r in reach) >= 120


def test_stelib_lines_are_near_rest_in_vacuum(stelib):
    hot = (stelib.labels["teff"] > 7000) & (stelib.labels["teff"] < 11000)
    assert hot.sum() > 20
    for line in (HALPHA, HBETA, HGAMMA):
        found = [
            line_velocity(w, f, line)
            for w, f in zip(stelib.wavelength[hot], stelib.flux[hot], strict=True)
            if (f[np.abs(w - line) < 20] > 0).all()
        ]
        assert abs(np.median(found)) < 40, line


def test_stars_in_both_libraries_look_the_same(miles, stelib):
    common = sorted(set(miles.star_id.tolist()) & set(stelib.star_id.tolist()))
    assert len(common) > 100
    differences = []
    grid = np.arange(4100.0, 6800.0, 5.0)
    for name in common:
        a, b = miles[miles.star_id == name], stelib[stelib.star_id == name]
        ok = ~b.mask[0]
        if b.wavelength[0, ok].min() > 4050 or b.wavelength[0, ok].max() < 6850:
            continue
        one = np.interp(grid, a.wavelength, a.flux[0])
        other = np.interp(grid, b.wavelength[0, ok], b.flux[0, ok])
        ratio = one / other
        differences.append(np.std(ratio / np.median(ratio)))
    assert np.median(differences) < 0.05


def test_one_real_star_has_its_labels(tmp_path, miles_folder):
    spectrum = read_spectra(miles_folder / "MILES_res2.50_star_m0221V.fits")
    assert spectrum.star_id.tolist() == ["HD044691A"]
    alone = shutil.copy(miles_folder / "MILES_res2.50_star_m0221V.fits", tmp_path)
    assert np.isnan(read_spectra(alone).labels["teff"]).all()
