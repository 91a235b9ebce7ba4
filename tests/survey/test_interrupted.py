"""Runs that are ended in any phase, by any signal or a full disk: the same command resumes it."""

import os
import signal
import sys
import time

import pytest

import maury
from command_line import fit
from maury.readers import blocks
from survey_run import start_command, start_run, write_visits

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="other signals, and no limits of this kind")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch, tmp_path):
    monkeypatch.setattr(blocks, "ROWS", 8)  # as in the runs that are ended, which are processes of their own
    monkeypatch.setattr(blocks, "LARGE", 1000)
    monkeypatch.chdir(tmp_path)


def command(folder, file):
    """Run the command to its end, and return the bytes of the catalogue."""
    fit(file)
    catalogue = folder / "maury_catalog.fits"
    data = catalogue.read_bytes()
    catalogue.unlink()
    return data


# Ctrl-C: tests/cli/test_faults.py.
ENDS = [("SIGTERM", phase) for phase in ("start", "read", "block", "catalogue", "write")]
ENDS += [(name, phase) for name in ("SIGHUP", "SIGKILL") for phase in ("block", "write")]
FEW_ENDS = [("SIGTERM", "start"), ("SIGHUP", "block"), ("SIGKILL", "write")]
SIZES = (5, 150, 1_000, 5_000, 12_000, 40_000)


@pytest.mark.parametrize("ends", [FEW_ENDS, pytest.param(ENDS, marks=pytest.mark.slow)], ids=["few", "all"])
def test_any_signal_in_any_phase(tmp_path, ends):
    file = write_visits(tmp_path, 20).name
    clean = command(tmp_path, file)
    for name, phase in ends:
        process = start_command(tmp_path, phase, file)
        process.send_signal(getattr(signal, name))
        process.communicate()
        assert process.returncode == -getattr(signal, name), (name, phase)
        assert not (tmp_path / "maury_catalog.fits").exists()
        assert command(tmp_path, file) == clean, (name, phase)
        assert sorted(os.listdir(tmp_path)) == ["small.onnx", file], (name, phase)


@pytest.mark.parametrize("n", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_kills_at_random(tmp_path, n):
    file = write_visits(tmp_path, 400).name
    clean = command(tmp_path, file)
    kept = []
    for _ in range(n):
        process = start_command(tmp_path, "none", file)
        done = len(list(tmp_path.glob("*.parts/0*.npz")))
        while process.poll() is None and len(list(tmp_path.glob("*.parts/0*.npz"))) < done + 4:
            time.sleep(0.002)
        process.kill()
        process.communicate()
        kept.append(len(list(tmp_path.glob("*.parts/0*.npz"))))
    assert kept == sorted(kept) and kept[-1] > kept[0] > 0
    assert command(tmp_path, file) == clean
    assert sorted(os.listdir(tmp_path)) == ["small.onnx", file]


@pytest.mark.parametrize(
    "sizes", [SIZES[::2], pytest.param(SIZES, marks=pytest.mark.slow)], ids=["few", "all"]
)
def test_disk_full_at_any_size(tmp_path, sizes):
    """The lock, the description of the run, a block or the catalogue cannot be written."""
    file = write_visits(tmp_path, 100)

    maury.fit_files(file, "quiet.fits", "small.onnx")
    for size in sizes:
        process = start_run(tmp_path, file, "full.fits", limit=size)
        assert "OSError" in process.communicate()[1] and process.returncode == 1, size
        assert not (tmp_path / "full.fits").exists()
        maury.fit_files(file, "full.fits", "small.onnx")
        assert (tmp_path / "full.fits").read_bytes() == (tmp_path / "quiet.fits").read_bytes()
        (tmp_path / "full.fits").unlink()
        assert sorted(os.listdir(tmp_path)) == ["quiet.fits", "small.onnx", file.name]
