"""Zero points against trusted labels: found, kept in a file, applied once, said in header and errors."""

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner

import made_up_stars as made_up
import maury
from maury.catalog.compare import Matched
from maury.catalog.table import read_catalog, write_catalog
from maury.catalog.zero_points import (
    apply_zero_points,
    kind_of_star,
    learn_zero_points,
    read_zero_points,
    write_zero_points,
    zero_points_for,
)
from maury.cli.main import main
from repeat_visits import LABELS, make_visits

NAMES = ("teff", "logg")


def planted(n=900, seed=1):
    """Labels of ours and theirs: giants 40 K + 2 % too cool, dwarfs -20 K; log g off by .1; 5 % outliers."""
    rng = np.random.default_rng(seed)
    theirs = np.column_stack([rng.uniform(4200, 7500, n), rng.choice([2.0, 4.4], n) + rng.normal(0, 0.2, n)])
    giant = theirs[:, 1] < 3.2
    shift = np.where(giant, 40 + 0.02 * (theirs[:, 0] - 5500), -20.0)
    ours = theirs - np.column_stack([shift, np.full(n, 0.1)]) + rng.normal(size=(n, 2)) * [30.0, 0.05]
    ours[rng.random(n) < 0.05] += [900.0, 0.0]
    return Matched(NAMES, ours, theirs, "trusted", "id"), giant


def row_of(zero_points, kind, label):
    table = zero_points.table
    (row,) = table[(np.asarray(table["kind"]) == kind) & (np.asarray(table["label"]) == label)]
    return row


def test_planted_zero_points_are_found_within_their_errors():
    matched, giant = planted()
    found = learn_zero_points(matched, "a" * 64)
    assert set(found.table["kind"]) == {"giants", "dwarfs"}
    row = row_of(found, "giants", "teff")
    expected = 40 + 0.02 * (row["centre"] - 5500 + 40)
    assert row["offset"] == pytest.approx(expected, abs=4 * row["offset_err"])
    assert row["slope"] == pytest.approx(0.02, abs=4 * row["slope_err"])
    assert 0 < row["offset_err"] < 3
    assert row["offset_err"] == pytest.approx(30 / np.sqrt(giant.sum()), rel=0.15)
    assert row_of(found, "dwarfs", "teff")["offset"] == pytest.approx(-20, abs=6)
    assert row_of(found, "dwarfs", "logg")["offset"] == pytest.approx(0.1, abs=0.02)


def test_noise_of_ours_makes_no_slope():
    """A line in noisy labels bends them to their mean: here it would be -0.5."""
    rng = np.random.default_rng(4)
    theirs = np.column_stack([rng.uniform(5000, 7000, 2000), rng.normal(4.4, 0.15, 2000)])
    ours = theirs + rng.normal(size=theirs.shape) * [50.0, 0.15]
    row = row_of(learn_zero_points(Matched(NAMES, ours, theirs, "trusted", "id")), "dwarfs", "logg")
    assert abs(row["slope"]) < 4 * row["slope_err"] < 0.15


def test_kinds():
    labels = np.array([[8000.0, 2.0], [7999.0, 3.7], [5000.0, 3.8], [np.nan, 4.0]])
    assert kind_of_star(labels, NAMES).tolist() == ["hot", "giants", "dwarfs", ""]
    assert kind_of_star(labels[:, :1], ["teff"]).tolist() == ["hot", "dwarfs", "dwarfs", ""]
    assert kind_of_star(labels[:, 1:], ["logg"]).tolist() == [""] * 4


def test_too_few_stars_are_refused_with_their_number():
    matched, giant = planted(60)
    few = Matched(NAMES, matched.ours[giant][:20], matched.theirs[giant][:20], "trusted", "id")
    assert giant.sum() >= 20
    with pytest.raises(ValueError, match=r"trusted: 20 stars in common .* require 30"):
        learn_zero_points(few)


def test_labels_and_errors_after_the_zero_points(tmp_path):
    found = learn_zero_points(planted()[0], "0" * 64)
    write_zero_points(found, tmp_path / "z.ecsv")
    found = read_zero_points(tmp_path / "z.ecsv")
    catalog = make_visits(n_stars=60, n_visits=90).catalog
    catalog["teff_err_model"] = catalog["teff_err"] * 0.5
    after = apply_zero_points(catalog, found)
    assert after.meta["ZEROPNT"] == "labels on the scale of trusted: giants, dwarfs"
    teff, logg = (catalog[name].value for name in NAMES)
    row = row_of(found, "dwarfs", "teff")
    here = (teff < 8000) & (logg >= 3.8)
    way = np.clip(teff[here], row["low"], row["high"]) - row["centre"]
    np.testing.assert_allclose(after["teff"][here].value, teff[here] + row["offset"] + row["slope"] * way)
    added = np.hypot(row["offset_err"], row["slope_err"] * way)
    for name in ("teff_err", "teff_err_model"):
        np.testing.assert_allclose(after[name][here].value, np.hypot(catalog[name][here].value, added))
    hot = teff > 8000
    assert hot.any()
    for name in ("teff", "teff_err", "logg"):  # no zero point was learnt: as it was
        np.testing.assert_array_equal(after[name][hot], catalog[name][hot])
    assert after["teff"].unit == catalog["teff"].unit
    with pytest.raises(ValueError, match="it has zero points already"):
        apply_zero_points(after, found)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("maury zero points", "something", "does not say kind"),
        ("slope_err", "slope_width", "no column slope_err"),
        ("%ECSV", "%XCSV", "not an ECSV table"),
    ],
)
def test_a_file_that_is_not_right_is_refused(tmp_path, old, new, message):
    path = tmp_path / "z.ecsv"
    write_zero_points(learn_zero_points(planted()[0]), path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_zero_points(path)
    with pytest.raises(FileNotFoundError, match="maury compare"):
        read_zero_points(tmp_path / "none.ecsv")
    with pytest.raises(ValueError, match=r"ends in \.ecsv"):
        write_zero_points(learn_zero_points(planted()[0]), tmp_path / "z.json")


def test_zero_points_of_another_emulator_are_refused():
    found = learn_zero_points(planted()[0], "a" * 64)
    assert zero_points_for(found, "a" * 64) is found
    assert zero_points_for(None, "a" * 64) is None
    with pytest.raises(
        ValueError, match=r"calibration: these zero points are of the emulator .* aaaaaaaaaaaa"
    ):
        zero_points_for(found, "b" * 64)


def test_zero_points_of_files_of_another_format_are_refused(tmp_path, monkeypatch):
    """By `fit` and `fit_files` before they measure, and for a catalogue."""
    emulator = made_up.emulator()
    learnt = learn_zero_points(planted()[0], emulator.file_hash, ("desi", "lamost"))
    write_zero_points(learnt, tmp_path / "z.ecsv")
    assert read_zero_points(tmp_path / "z.ecsv").formats == ("desi", "lamost")
    message = "calibration: these zero points are of files of format desi, lamost, got files of format sdss"
    with pytest.raises(ValueError, match=message):
        maury.fit(made_up.spectra(emulator, format="sdss"), emulator, calibration=tmp_path / "z.ecsv")
    catalog = maury.fit(made_up.spectra(emulator, format="sdss"), emulator)
    with pytest.raises(ValueError, match=message):
        apply_zero_points(catalog, learnt)
    made_up.write_sdss(tmp_path / "spec-0.fits", emulator, made_up.LABELS[0], seed=0)
    files = [tmp_path / "gone.fits", tmp_path / "spec-0.fits"]
    monkeypatch.setattr("maury.survey.run.spectra_blocks", lambda *_: pytest.fail("files were read"))
    with pytest.raises(ValueError, match=message):
        maury.fit_files(files, tmp_path / "out.fits", emulator, calibration=tmp_path / "z.ecsv")
    assert not (tmp_path / "out.fits.parts").exists()


def test_rows_of_a_file_of_maury_are_of_any_format(tmp_path):
    """Which is known when they are read."""
    emulator = made_up.emulator()
    made_up.spectra(emulator, format="sdss").write(tmp_path / "mine.fits")
    of_sdss, of_lamost = (
        learn_zero_points(planted()[0], emulator.file_hash, (name,)) for name in ("sdss", "lamost")
    )
    output = tmp_path / "out.fits"
    with pytest.raises(ValueError, match="format lamost, got files of format sdss"):
        maury.fit_files(tmp_path / "mine.fits", output, emulator, calibration=of_lamost)
    assert "ZEROPNT" in maury.fit_files(tmp_path / "mine.fits", output, emulator, calibration=of_sdss).meta


def test_the_file_that_comes_with_maury_is_of_the_built_in_emulator():
    """If this fails after the emulator was trained anew: python tools/lamost_zero_points.py DATA."""
    emulator = maury.Emulator.load("default")
    found = zero_points_for("lamost", emulator.file_hash)
    assert found.emulator_hash == emulator.file_hash
    assert set(found.table["label"]) == set(emulator.labels)
    assert found.formats == ("lamost",)


def test_on_the_command_line(tmp_path):
    visits = make_visits(n_stars=300, n_visits=300, outliers=0, variables=0)
    visits.catalog["valid"] = visits.catalog["converged"]
    write_catalog(visits.catalog, tmp_path / "ours.fits")
    theirs = Table({"star_id": visits.catalog["star_id"], "teff": visits.truth[:, 0] + 77.0})
    theirs["logg"] = visits.truth[:, LABELS.index("logg")]
    theirs.write(tmp_path / "theirs.ecsv")
    command = ["compare", str(tmp_path / "ours.fits"), str(tmp_path / "theirs.ecsv"), "--columns"]
    command += ["star_id=star_id,teff=teff,logg=logg", "--calibrate", str(tmp_path / "z.ecsv")]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    assert "Zero points in" in done.output
    found = read_zero_points(tmp_path / "z.ecsv")
    assert found.emulator_hash == read_catalog(tmp_path / "ours.fits").meta["EMUHASH"]
    row = row_of(found, "giants", "teff")
    assert row["offset"] == pytest.approx(77, abs=5 * row["offset_err"])
    assert CliRunner().invoke(main, command).exit_code != 0  # the file exists
    assert CliRunner().invoke(main, [*command, "--overwrite"]).exit_code == 0


def test_a_fit_has_its_labels_on_the_scale_asked_for(tmp_path):
    emulator = made_up.emulator()
    spectra = made_up.spectra(emulator)
    found = learn_zero_points(planted()[0], emulator.file_hash)
    write_zero_points(found, tmp_path / "z.ecsv")
    plain = maury.fit(spectra, emulator, max_rv=100.0)
    after = maury.fit(spectra, emulator, max_rv=100.0, calibration=tmp_path / "z.ecsv")
    expected = apply_zero_points(plain, found)
    for name in (*NAMES, "teff_err", "logg_err", "fe_h"):
        np.testing.assert_array_equal(after[name].value, expected[name].value)
    assert (after["teff"] != plain["teff"]).all()
    assert "ZEROPNT" not in plain.meta
    assert after.meta["ZEROPNT"].startswith("labels on the scale of trusted")
