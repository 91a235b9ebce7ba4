"""Files to a catalogue on disk: blocks, a run that is ended and goes on, disks that are full."""

import errno
import gzip
import os
import signal
import sys
import time

import numpy as np
import pytest

import made_up_stars
import maury
import maury.survey.recipe as recipe
import maury.survey.run as survey
from gaia_stars import ISOCHRONES, photometry
from maury.catalog.flags import Flag
from maury.readers import blocks
from maury.survey.parts import Parts
from survey_run import start_run, write_visits


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch, tmp_path):
    """Blocks of few rows, so that small files have many; and a folder to work in."""
    monkeypatch.setattr(blocks, "ROWS", 16)
    monkeypatch.setattr(blocks, "LARGE", 1000)
    monkeypatch.chdir(tmp_path)


def run(file, output, **options):
    return maury.fit_files(file, output, "small.onnx", **options)


def finish(process):
    message = process.communicate()[1]
    assert process.returncode == 0, message


def test_the_catalogue_is_that_of_fit(tmp_path):
    file = write_visits(tmp_path, 50)
    catalog = run(file, "run.fits")
    whole = maury.fit(maury.read_spectra(file), "small.onnx")
    assert catalog.colnames == whole.colnames
    for name in whole.colnames:
        np.testing.assert_array_equal(catalog[name], whole[name], err_msg=name)
    assert catalog.meta == whole.meta
    written = maury.read_catalog("run.fits")
    np.testing.assert_array_equal(written["teff"], catalog["teff"])
    assert sorted(os.listdir()) == ["run.fits", "small.onnx", file.name]


@pytest.mark.parametrize("ending", [".fits", ".ecsv", ".parquet"])
def test_the_same_bytes_on_any_number_of_threads(tmp_path, ending):
    file = write_visits(tmp_path, 50)
    for threads in (1, 2, 3):
        run(file, f"{threads}{ending}", threads=threads)
    written = {(tmp_path / f"{threads}{ending}").read_bytes() for threads in (1, 2, 3)}
    assert len(written) == 1


@pytest.mark.slow
def test_a_run_killed_ten_times_writes_the_same_bytes(tmp_path):
    file = write_visits(tmp_path)
    rng = np.random.default_rng(8)
    finish(start_run(tmp_path, file, "quiet.fits"))
    parts, kept = tmp_path / "killed.fits.parts", [0]
    for _ in range(10):
        process = start_run(tmp_path, file, "killed.fits")
        while process.poll() is None and len(list(parts.glob("0*.npz"))) <= kept[-1]:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        process.kill()
        process.communicate()
        kept.append(len(list(parts.glob("0*.npz"))))
        if (tmp_path / "killed.fits").exists():
            break
    assert sum(np.diff(kept) > 0) >= 5, kept  # it was ended in the middle, and went on
    finish(start_run(tmp_path, file, "killed.fits"))
    assert (tmp_path / "killed.fits").read_bytes() == (tmp_path / "quiet.fits").read_bytes()
    assert not parts.exists()


def test_what_is_done_is_not_done_again(tmp_path, monkeypatch):
    file = write_visits(tmp_path, 64)
    measured = []
    real = recipe.measure

    def counted(spectra, *rest):
        if len(measured) == 2:
            raise RuntimeError("the power failed")
        measured.append(len(spectra))
        return real(spectra, *rest)

    monkeypatch.setattr(recipe, "measure", counted)
    with pytest.raises(RuntimeError, match="power"):
        run(file, "run.fits", threads=1)
    done = sorted(path.stem for path in tmp_path.glob("run.fits.parts/0*.npz"))
    monkeypatch.setattr(recipe, "measure", lambda spectra, *rest: measured.append(0) or real(spectra, *rest))
    (tmp_path / "run.fits.parts" / f"{done[0]}.npz").write_bytes(b"PK damaged")
    run(file, "run.fits", threads=1)
    assert len(measured) == 2 + 4 - len(done) + 1  # of four blocks; the damaged one once more
    quiet = run(file, "quiet.fits", threads=1)
    np.testing.assert_array_equal(maury.read_catalog("run.fits")["teff"], quiet["teff"])


def test_killed_after_the_catalogue_was_written(tmp_path, monkeypatch):
    file = write_visits(tmp_path, 20)
    with monkeypatch.context() as patch:
        patch.setattr(Parts, "remove", lambda self: None)
        run(file, "run.fits")
    written = (tmp_path / "run.fits").read_bytes()
    run(file, "run.fits")
    assert (tmp_path / "run.fits").read_bytes() == written
    assert not (tmp_path / "run.fits.parts").exists()
    with pytest.raises(FileExistsError, match=r"run\.fits exists"):
        run(file, "run.fits")


def test_parts_of_another_run_are_not_mixed_in(tmp_path, monkeypatch):
    file = write_visits(tmp_path, 20)
    with monkeypatch.context() as patch:
        patch.setattr(survey, "write_catalog", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(file, "run.fits")
    with pytest.raises(
        ValueError, match=r"run\.fits\.parts contains an unfinished run with other options: repeat"
    ):
        run(file, "run.fits", use_scatter=False)
    os.utime(file, (1, 1))
    with pytest.raises(ValueError, match="with other files"):
        run(file, "run.fits")
    catalog = run(file, "run.fits", use_scatter=False, overwrite=True)
    assert len(catalog) == 20
    assert '"use_scatter": false' in catalog.meta["OPTIONS"]


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of that kind")
def test_a_full_disk_loses_nothing(tmp_path, monkeypatch):
    file = write_visits(tmp_path, 100)
    run(file, "quiet.fits")
    process = start_run(tmp_path, file, "full.fits", limit=5000)  # bytes a file
    message = process.communicate()[1]
    assert process.returncode == 1
    assert "File too large (block 0): 'full.fits.parts/" in message
    assert not (tmp_path / "full.fits.parts").exists()

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(survey, "write_catalog", full)
        with pytest.raises(OSError, match="No space left on device; finished blocks are kept in full"):
            run(file, "full.fits", overwrite=True)
    assert len(list(tmp_path.glob("full.fits.parts/0*.npz"))) == 7
    run(file, "full.fits")
    assert (tmp_path / "full.fits").read_bytes() == (tmp_path / "quiet.fits").read_bytes()


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="no folder that nobody can write into")
def test_an_output_that_cannot_be_written(tmp_path):
    file = write_visits(tmp_path, 20)
    with pytest.raises(OSError, match="cannot write beside the catalogue; choose another folder"):
        run(file, "/proc/run.fits")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        run(file, "nowhere/run.fits")


def test_bad_rows_end_no_run(tmp_path):
    bad = {"falling": 3, "nan": 21, "infinite": 22, "no_ivar": 40}
    file = write_visits(tmp_path, 50, **bad)
    catalog = run(file, "run.fits")
    assert catalog["visit_id"].tolist() == [f"8312-12701-{57000 + i}" for i in range(50)]
    unreadable = np.flatnonzero(catalog["flags"] & Flag.UNREADABLE)
    assert unreadable.tolist() == [3, 21, 40]
    assert "row 4 of 50: wavelength: expected positive, increasing" in catalog["problem"][3]
    assert "its flux is NaN in every pixel" in catalog["problem"][21]
    good = np.setdiff1d(np.arange(50), list(bad.values()))
    clean = run(write_visits(tmp_path, 50, "clean.fits.gz"), "clean.fits")
    np.testing.assert_array_equal(catalog["teff"][good], clean["teff"][good])
    assert np.isfinite(catalog["teff"][22])


@pytest.mark.parametrize("packed", [True, False])
def test_a_file_that_is_cut_short(tmp_path, packed):
    file = write_visits(tmp_path, 50)
    whole = run(file, "whole.fits")
    data = gzip.decompress(file.read_bytes())
    row = len(data) // 50
    cut = tmp_path / "cut.fits"
    cut.write_bytes(file.read_bytes()[: -len(file.read_bytes()) // 3] if packed else data[: -20 * row])
    catalog = run(cut, "cut_catalog.fits")
    n = len(catalog) - 1
    assert 16 <= n < 40
    np.testing.assert_array_equal(catalog["teff"][:n], whole["teff"][:n])
    assert f"cut short or damaged, after row {n} of 50" in catalog["problem"][n]
    assert catalog["flags"][n] & Flag.UNREADABLE


def test_files_of_all_kinds(tmp_path):
    file = write_visits(tmp_path, 20)
    (tmp_path / "broken.fits").write_bytes(b"SIMPLE  =")
    catalog = run([file, "broken.fits", "nowhere.fits", file], "run.fits")
    assert len(catalog) == 42
    assert np.flatnonzero(catalog["problem"] != "").tolist() == [20, 21]
    assert "no such file" in catalog["problem"][21]
    np.testing.assert_array_equal(catalog["teff"][:20], catalog["teff"][22:])
    with pytest.raises(maury.ReadError, match=r"none of the 2 files can be read; broken\.fits"):
        run(["broken.fits", "nowhere.fits"], "none.fits")
    assert not (tmp_path / "none.fits.parts").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a process")
def test_ctrl_c_keeps_what_is_done(tmp_path):
    file = write_visits(tmp_path)
    process = start_run(tmp_path, file, "run.fits")
    while process.poll() is None and not list(tmp_path.glob("run.fits.parts/0*.npz")):
        time.sleep(0.002)
    asked = time.perf_counter()
    process.send_signal(signal.SIGINT)
    message = process.communicate()[1]
    assert time.perf_counter() - asked < 5
    assert process.returncode != 0
    assert "KeyboardInterrupt" in message
    assert list(tmp_path.glob("run.fits.parts/0*.npz"))


def test_photometric_starts_by_name(tmp_path):
    file = write_visits(tmp_path, 20)
    spectra = maury.read_spectra(file)
    given = {"photometry": photometry(["7-00000001", "7-00000004"]), "isochrones": ISOCHRONES}
    catalog = run(file, "run.fits", **given)
    whole = maury.fit(spectra, "small.onnx", **given)
    for name in ("teff", "chi2", "n_starts", "start"):
        np.testing.assert_array_equal(catalog[name], whole[name])
    searched = run(file, "searched.fits")["n_starts"]
    assert np.flatnonzero(catalog["n_starts"] != searched).tolist() == [2, 3, 8, 9]
    with pytest.warns(UserWarning, match="none of the stars is in its column star_id; the first star is 7-0"):
        other = run(file, "other.fits", photometry=photometry(["x"]), isochrones=ISOCHRONES)
    np.testing.assert_array_equal(other["n_starts"], searched)


def test_arguments(tmp_path):
    file = write_visits(tmp_path, 10)
    with pytest.raises(ValueError, match="photometry, isochrones: pass both"):
        run(file, "run.fits", photometry={})
    with pytest.raises(ValueError, match="velocity: expected 'fit' or 'given'"):
        run(file, "run.fits", velocity="no")
    with pytest.raises(ValueError, match="format: expected one of"):
        run(file, "run.fits", format="no")
    with pytest.raises(ValueError, match="unknown file extension"):
        run(file, "run.txt")
    with pytest.raises(ValueError, match="leave_out"):  # found only when a block is measured
        run(file, "run.fits", leave_out=["no"])
    assert not (tmp_path / "run.fits.parts").exists()
    assert len(run(file, "run.fits")) == 10


@pytest.mark.parametrize("n_files, each", [(5, [8]), (32, [8]), (40, [4, 4]), (100, [2, 2, 2, 2])])
def test_few_blocks_share_all_threads_out(tmp_path, monkeypatch, n_files, each):
    """And no block starts more threads than its share."""
    model, told = made_up_stars.emulator(), []
    file = made_up_stars.write_sdss(tmp_path / "spec.fits", model, made_up_stars.LABELS[0])
    real = recipe.measure

    def measure(spectra, emulator, options, start, labels, prior, threads, progress):
        told.append(threads)
        return real(spectra, emulator, options, start, labels, prior, 1, progress)

    monkeypatch.setattr(recipe, "measure", measure)
    maury.fit_files([file] * n_files, tmp_path / "c.fits", model, velocity="given", threads=8)
    assert told == each
