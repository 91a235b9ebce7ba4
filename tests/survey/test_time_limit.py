"""A file that hangs costs its own row, and a limited time; the run goes on, and the process ends."""

import os
import subprocess
import sys
import threading
import time

import pytest

import made_up_stars
import maury
from maury.readers import ReadError, _time_limit, blocks, lamost
from maury.readers._time_limit import within_limit
from survey_files import write_lamost_image
from survey_run import write_visits


@pytest.fixture
def limit(monkeypatch):
    """A limit of a second, and what hangs, which ends after the test."""
    monkeypatch.setattr(_time_limit, "SECONDS", 1.0)
    end = threading.Event()
    yield end
    end.set()
    for helper in _time_limit._hanging:
        helper.thread.join(10)


def files_of(folder, n=4):
    return [write_lamost_image(folder / f"spec-{i}.fits") for i in range(n)]


def rows_of(catalog):
    return [[str(value) for value in row] for row in catalog[catalog["problem"] == ""]]


def hang(monkeypatch, name, end):
    """Let the reader of LAMOST files wait in the file of this name."""
    read = lamost._image

    def image(hdu):
        if hdu.file.path.name == name:
            end.wait()
        return read(hdu)

    monkeypatch.setattr(lamost, "_image", image)


def test_a_file_that_hangs_is_a_row(tmp_path, monkeypatch, limit):
    files = files_of(tmp_path)
    made_up_stars.emulator().save(tmp_path / "small.onnx")
    good = maury.fit_files(files, tmp_path / "good.fits", tmp_path / "small.onnx")
    hang(monkeypatch, "spec-1.fits", limit)
    found = maury.fit_files(files, tmp_path / "found.fits", tmp_path / "small.onnx")
    problem = f"{files[1]}: it was not read within 1 s; check its disk, or get it again"
    assert found["problem"].tolist() == ["", problem, "", ""]
    assert rows_of(found) == rows_of(good[[0, 2, 3]])


def test_an_unfinished_run_does_not_meet_it_again(tmp_path, monkeypatch, limit):
    files = files_of(tmp_path)
    made_up_stars.emulator().save(tmp_path / "small.onnx")
    hang(monkeypatch, "spec-0.fits", limit)
    monkeypatch.setattr(blocks, "FILES", 2)
    save, limits = blocks_saved(monkeypatch), []

    def counted(*arguments):
        limits.append(arguments[0].name)
        return within_limit(*arguments)

    with pytest.raises(OSError, match="full"):
        maury.fit_files(files, tmp_path / "run.fits", tmp_path / "small.onnx", threads=1)
    monkeypatch.setattr("maury.survey.run.Parts.save", save)
    monkeypatch.setattr(blocks, "within_limit", counted)
    found = maury.fit_files(files, tmp_path / "run.fits", tmp_path / "small.onnx", threads=1)
    assert limits == ["spec-2.fits", "spec-3.fits"]
    assert (found["problem"] != "").tolist() == [True, False, False, False]


def blocks_saved(monkeypatch):
    """Let the second block fail; return how blocks were saved."""
    from maury.survey.parts import Parts

    save = Parts.save

    def first_only(parts, number, columns):
        if number:
            raise OSError(28, "disk full")
        save(parts, number, columns)

    monkeypatch.setattr(Parts, "save", first_only)
    return save


def test_a_large_file_that_hangs_keeps_its_first_rows(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(blocks, "ROWS", 8)
    monkeypatch.setattr(blocks, "LARGE", 1000)
    file = write_visits(tmp_path, 24, "visits.fits")
    good = maury.fit_files(file, tmp_path / "good.fits", tmp_path / "small.onnx")
    rows = blocks.row_blocks

    def row_blocks(*arguments):
        for block in rows(*arguments):
            if block.first == 16:
                limit.wait()
            yield block

    monkeypatch.setattr(blocks, "row_blocks", row_blocks)
    found = maury.fit_files(file, tmp_path / "found.fits", tmp_path / "small.onnx")
    assert len(found) == 17 and "not read within 1 s" in found["problem"][-1]
    assert rows_of(found) == rows_of(good[:16])


def test_other_rows_in_a_header_are_another_run(tmp_path, monkeypatch):
    """Blocks are numbered by them; a header may be unreadable at one time only."""
    monkeypatch.setattr(blocks, "ROWS", 8)
    monkeypatch.setattr(blocks, "LARGE", 1000)
    file = write_visits(tmp_path, 24, "visits.fits")
    save = blocks_saved(monkeypatch)
    with pytest.raises(OSError, match="full"):
        maury.fit_files(file, tmp_path / "run.fits", tmp_path / "small.onnx", threads=1)
    monkeypatch.setattr("maury.survey.run.Parts.save", save)
    with monkeypatch.context() as patch:
        patch.setattr(blocks, "n_spectra", lambda *_: 0)
        with pytest.raises(ValueError, match="unfinished run with other files"):
            maury.fit_files(file, tmp_path / "run.fits", tmp_path / "small.onnx", threads=1)
    assert len(maury.fit_files(file, tmp_path / "run.fits", tmp_path / "small.onnx", threads=1)) == 24


def test_a_disk_that_does_not_answer_ends_the_run(tmp_path, monkeypatch, limit):
    monkeypatch.setattr(_time_limit, "SECONDS", 0.1)
    monkeypatch.setattr(_time_limit, "_hanging", [])
    for _ in range(_time_limit.MOST):
        with pytest.raises(ReadError, match=r"not read within 0\.1 s"):
            within_limit(tmp_path, limit.wait)
    with pytest.raises(TimeoutError, match=r"9 files were not read within 0\.1 s; check their disk"):
        within_limit(tmp_path, limit.wait)
    hanging = list(_time_limit._hanging)
    limit.set()
    for helper in hanging:  # they end if their disk answers after all
        helper.thread.join(10)
        assert not helper.thread.is_alive()


def test_errors_warnings_and_interrupts_are_those_of_the_call(tmp_path):
    def fail():
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        within_limit(tmp_path, fail)
    assert within_limit(tmp_path, max, 3, 5) == 5
    before = threading.active_count()
    assert [within_limit(tmp_path, lambda i=i: i) for i in range(100)] == list(range(100))
    assert threading.active_count() == before  # one thread for all


def test_a_pipe_is_refused_at_once(tmp_path):
    """Nothing is opened, which would wait for a writer."""
    os.mkfifo(tmp_path / "spec.fits")
    with pytest.raises(ReadError, match=r"spec\.fits: this is not a regular file"):
        maury.read_spectra(tmp_path / "spec.fits")
    with pytest.raises(ReadError, match=r"spec\.fits: this is not a regular file"):
        maury.fit_files(tmp_path / "spec.fits", tmp_path / "out.fits")


HANGS = """
import os, sys
import maury
from maury.readers import _time_limit, lamost

_time_limit.SECONDS = 1.0
image = lamost._image

def hang(hdu):
    if hdu.file.path.name == "spec-0.fits":
        open(sys.argv[1])  # a pipe without a writer
    while hdu.file.path.name == "spec-1.fits":
        pass
    return image(hdu)

lamost._image = hang
catalog = maury.fit_files(sys.argv[2:], "out.fits", "small.onnx")
print(*catalog["problem"] != "")
"""


def test_the_process_ends_with_threads_that_hang(tmp_path):
    """One waits in the system, one computes."""
    os.mkfifo(tmp_path / "pipe")
    made_up_stars.emulator().save(tmp_path / "small.onnx")
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", HANGS, "pipe", *files_of(tmp_path, 3)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "True True False\n"), done.stderr
    assert time.monotonic() - started > 2
