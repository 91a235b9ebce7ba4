"""Blocks of spectra of every format: what `read_spectra` gives, with the memory of one block."""

import gzip
import os
import shutil
import tracemalloc
from pathlib import Path

import astropy_twin as twin
import numpy as np
import pytest
from astropy.io import fits

from desi_files import write_desi
from mastar_small import write_goodspec, write_mastarhc
from maury.readers import FORMATS, ReadError, _row_blocks, blocks, read_blocks, read_spectra, spectra_blocks
from maury.readers import _fits_file as fits_file
from maury.spectra import Spectra
from plain_files import write_plain
from survey_files import write_lamost_image, write_lamost_table, write_miles, write_sdss, write_stelib

PLAIN = ("maury", "image", "table", "text")  # formats of no survey
OF_SURVEYS = [name for name in FORMATS if name not in (*PLAIN, "generic")]


def files_of_all_formats(folder):
    """Path by format; `mastar` and `desi` hold several spectra."""
    files = {
        "miles": write_miles(folder),
        "stelib": write_stelib(folder),
        "sdss": write_sdss(folder / "spec-1.fits"),
        "lamost": write_lamost_table(folder / "spec-2.fits"),
        "mastar": write_goodspec(folder / "mastar-goodspec.fits", n=9),
        "mastarhc": write_mastarhc(folder / "MaStarHC_09.fits"),
        "desi": folder / "coadd-0.fits",
    }
    write_desi(files["desi"], n=9, step=8.0)
    return files | {name: write_plain(folder, name) for name in PLAIN}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return files_of_all_formats(tmp_path_factory.mktemp("made"))


@pytest.fixture
def of_formats(made, tmp_path):
    """Path by format, of copies that a test may change."""
    return {name: Path(shutil.copy(file, tmp_path)) for name, file in made.items()}


def packed(file):
    other = file.with_name(f"{file.name}.gz")
    other.write_bytes(gzip.compress(file.read_bytes(), 1))
    return other


def read_all(found):
    """Numbers and spectra of numbered blocks."""
    found = list(found)
    return [block.number for block in found], [block.read() for block in found]


def test_there_is_a_file_of_every_format(of_formats):
    assert {*of_formats, "generic"} == set(FORMATS)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "generic"])
@pytest.mark.parametrize("kind", ["plain", "packed", "large"])
def test_blocks_one_after_the_other_are_the_file(of_formats, monkeypatch, name, kind):
    file = of_formats[name]
    if kind != "plain":
        file = packed(file)
    if kind == "large":
        monkeypatch.setattr(fits_file, "_SMALL", 0)
    whole = read_spectra(file)
    parts = list(read_blocks(file, rows=4))
    assert [len(part) for part in parts] == ([4, 4, 1] if name in ("mastar", "desi") else [1])
    twin.assert_same(Spectra.concatenate(parts), whole)
    monkeypatch.setattr(blocks, "LARGE", 100)
    monkeypatch.setattr(blocks, "ROWS", 4)
    numbers, parts = read_all(spectra_blocks(file))
    assert numbers == list(range(len(parts)))
    assert len(parts) == (3 if name in ("mastar", "desi") else 1)
    twin.assert_same(Spectra.concatenate(parts), whole)
    assert blocks.rows_of_files([file]) == [len(whole) if name in ("mastar", "desi", "maury") else 0]


@pytest.mark.parametrize("name", OF_SURVEYS)
def test_made_files_are_what_astropy_reads(of_formats, name):
    file = of_formats[name]
    found, expected = twin.read(file)
    assert found == name
    twin.assert_same(read_spectra(file), expected)


SURVEYS = ("lamost_dr1", "lamost_dr10", "lamost_dr8_repeats", "lamost_formats", "sdss", "desi", "mastar_dr17")


@pytest.mark.parametrize("folder", SURVEYS)
def test_real_files_are_what_astropy_reads(data_folder, folder):
    files = sorted(file for file in (data_folder / folder).iterdir() if ".fit" in file.name)
    assert files
    read = 0
    for file in files[:: 1 + len(files) // 150]:
        name, expected = twin.read(file)
        if name is not None:
            read += 1
            twin.assert_same(read_spectra(file), expected)
            twin.assert_same(Spectra.concatenate(list(read_blocks(file, rows=1))), expected)
    assert read >= min(len(files), 100) - 1  # all but the table joined by TOPCAT


def test_a_selection_of_a_file_of_any_format(of_formats):
    file = of_formats["desi"]
    whole = read_spectra(file)
    (third,) = read_blocks(file, rows=2, select=[3])
    twin.assert_same(third, whole[3])
    parts = list(read_blocks(file, rows=5, select=lambda star, visit: star == whole.star_id[7]))
    assert [part.star_id.tolist() for part in parts] == [[whole.star_id[7]]]
    with pytest.raises(ValueError, match="rows: expected at least 1"):
        read_blocks(file, rows=0)
    with pytest.raises(ValueError, match="format: expected one of"):
        read_blocks(file, format="no")


def peak(found):
    """Most bytes in use while blocks are read one after the other, and their number of spectra."""
    tracemalloc.start()
    n = 0
    for block in found:
        n += len(block.read())
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return most, n


@pytest.mark.slow
def test_a_desi_file_of_500_spectra_with_matrices_takes_the_memory_of_a_block(tmp_path):
    peaks = []
    for n in (150, 500):
        file = tmp_path / f"coadd-{n}.fits"
        write_desi(file, n=n, step=1.6)
        most, found = peak(spectra_blocks(file))
        assert found == n
        peaks.append(most)
    assert peaks[1] < 1.1 * peaks[0]
    assert peaks[1] < 6 * _row_blocks.BYTES
    assert peaks[1] < 0.8 * (500 * 3979 * (8 * 14 + 1))  # all at once, were it without any copy


def test_a_compressed_desi_file_takes_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(_row_blocks, "BYTES", 1_000_000)
    monkeypatch.setattr(fits_file, "_SMALL", 10_000)
    monkeypatch.setattr(blocks, "LARGE", 10_000)
    peaks = []
    for n in (40, 160):
        write_desi(tmp_path / f"coadd-{n}.fits", n=n, step=8.0)
        most, found = peak(spectra_blocks(packed(tmp_path / f"coadd-{n}.fits")))
        assert found == n
        peaks.append(most)
    assert peaks[1] < 1.1 * peaks[0] + 1_000_000  # a step of unpacking


@pytest.mark.slow
@pytest.mark.parametrize("write", [write_lamost_image, write_lamost_table, write_sdss])
def test_a_list_of_files_takes_the_memory_of_a_block(tmp_path, write):
    file = write(tmp_path / "spec-1.fits")
    peaks = [peak(spectra_blocks([file] * n)) for n in (64, 192)]
    assert [n for _, n in peaks] == [64, 192]
    assert peaks[1][0] < 1.05 * peaks[0][0] + 50_000


def test_files_of_some_size_make_smaller_blocks(tmp_path, monkeypatch):
    file = write_sdss(tmp_path / "spec-1.fits")
    monkeypatch.setattr(blocks, "TOGETHER", 5 * file.stat().st_size + 100)
    files = [file] * 7 + [tmp_path / "nowhere.fits", file]
    assert [block.size for block in spectra_blocks(files)] == [5, 4]


@pytest.mark.parametrize("kind", ["plain", "packed", "cut", "packed and cut"])
@pytest.mark.parametrize("name", ["mastar", "desi"])
def test_blocks_that_are_done_are_passed_over(tmp_path, of_formats, monkeypatch, name, kind):
    monkeypatch.setattr(blocks, "LARGE", 100)
    monkeypatch.setattr(blocks, "ROWS", 2)
    monkeypatch.setattr(fits_file, "_SMALL", 0)
    file = of_formats[name]
    if "cut" in kind:
        file.write_bytes(file.read_bytes()[:-20_000])
    if "packed" in kind:
        file = packed(file)
    files = [file, write_sdss(tmp_path / "spec-3.fits"), file]
    numbers, parts = read_all(spectra_blocks(files))
    assert numbers == list(range(len(numbers)))
    texts = [part.problem.tolist() for part in parts]
    assert ("cut short" in str(texts)) == ("cut" in kind)
    for done in ({0}, {1, 2}, {4}, set(numbers[1:]), set(numbers[:-1]), set(numbers)):
        left, others = read_all(spectra_blocks(files, done=done))
        assert left == [number for number in numbers if number not in done]
        for number, other in zip(left, others, strict=True):
            twin.assert_same(other, parts[number])


def test_of_blocks_that_are_done_nothing_is_read(of_formats, monkeypatch):
    monkeypatch.setattr(blocks, "LARGE", 100)
    monkeypatch.setattr(blocks, "ROWS", 2)
    files = of_formats
    rows = []
    real = fits_file.Hdu.read

    def noted(hdu, first=0, n=None):
        rows.append((hdu.head.name, first))
        return real(hdu, first, n)

    monkeypatch.setattr(fits_file.Hdu, "read", noted)
    list(spectra_blocks(files["mastar"], done={0, 1, 3, 4}))
    assert [first for _, first in rows] == [4]
    rows.clear()
    list(spectra_blocks(files["desi"], done={0, 1, 3, 4}))
    assert {first for name, first in rows if name.endswith("RESOLUTION")} == {4}


def test_rows_that_cannot_be_unpacked_have_a_problem(tmp_path, of_formats, monkeypatch):
    """Its neighbours are not harmed."""
    monkeypatch.setattr(blocks, "LARGE", 100)
    monkeypatch.setattr(blocks, "ROWS", 4)
    file = of_formats["desi"]
    with fits.open(file, mode="update") as hdus:
        hdus["R_WAVELENGTH"].data[5] = 1.0
    _, parts = read_all(spectra_blocks([file, write_sdss(tmp_path / "spec-3.fits")]))
    assert [len(part) for part in parts] == [4, 4, 1, 1]
    assert all("wavelength: expected positive, increasing" in part.problem[0] for part in parts[:3])
    assert parts[3].problem[0] == ""
    with pytest.raises(ReadError, match="wavelength: expected positive, increasing"):
        read_spectra(file)


def test_arms_keep_their_numbers_whichever_a_file_has(tmp_path):
    """b, r, z are 0, 1, 2, alone and beside a file with all arms."""
    write_desi(tmp_path / "coadd-all.fits", n=2, step=8.0)
    write_desi(tmp_path / "coadd-red.fits", n=2, step=8.0, arms=("R", "Z"))
    red = read_spectra(tmp_path / "coadd-red.fits")
    assert np.unique(red.arm).tolist() == [1, 2]
    both = read_spectra([tmp_path / "coadd-all.fits", tmp_path / "coadd-red.fits"])
    assert [np.unique(row).tolist() for row in both.arm] == [[0, 1, 2], [0, 1, 2], [1, 2], [1, 2]]
    assert np.nanmin(both.wavelength[2, both.arm[2] == 1]) == 5760.0


def test_unknown_files_are_told_the_formats_that_there_are(tmp_path):
    fits.PrimaryHDU().writeto(tmp_path / "spec.fits")
    with pytest.raises(ReadError, match=rf"not one that maury reads \({', '.join(FORMATS[:-1])}\)"):
        read_spectra(tmp_path / "spec.fits")


def test_the_temporary_file_of_a_compressed_one_is_gone(tmp_path, of_formats, monkeypatch):
    monkeypatch.setattr(fits_file, "_SMALL", 0)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "scratch").mkdir()
    file = packed(of_formats["desi"])
    found = read_blocks(file, rows=2)
    next(found)
    found.close()
    assert os.listdir(tmp_path / "scratch") == []


@pytest.mark.parametrize("left", [0.1, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("name", ["lamost", "sdss", "desi"])
def test_a_compressed_file_that_is_cut_says_so_wherever_it_is_cut(of_formats, monkeypatch, name, left):
    monkeypatch.setattr(fits_file, "_SMALL", 0)
    file = packed(of_formats[name])
    file.write_bytes(file.read_bytes()[: int(left * file.stat().st_size)])
    with pytest.raises(ReadError, match=r"cut short|cannot be read"):
        read_spectra(file)
    _, (spectra,) = read_all(spectra_blocks(file))
    assert len(spectra) == 1
    assert str(file) in spectra.problem[0]


def test_surveys_know_no_format_by_name():
    import maury.survey

    for source in Path(maury.survey.__file__).parent.glob("*.py"):
        words = source.read_text(encoding="utf-8").replace('"', " ").replace(".", " ").split()
        assert not set(OF_SURVEYS) & set(words), source.name
