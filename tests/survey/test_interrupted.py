"""Runs that are ended in any phase, by any signal or a full disk: the same command resumes it."""

import os
import signal
import sys

import pytest

from survey_run import start_command, start_run, write_visits

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="other signals, and no limits of this kind")


def command(folder, file):
    """Run the command to its end, and return the bytes of the catalogue."""
    process = start_command(folder, "none", file)
    assert process.communicate() and process.returncode == 0
    catalogue = folder / "maury_catalog.fits"
    data = catalogue.read_bytes()
    catalogue.unlink()
    return data


# Ctrl-C: tests/cli/test_faults.py.
ENDS = [("SIGTERM", phase) for phase in ("start", "read", "block", "catalogue", "write")]
ENDS += [(name, phase) for name in ("SIGHUP", "SIGKILL") for phase in ("block", "write")]


def test_any_signal_in_any_phase(tmp_path):
    file = write_visits(tmp_path, 20).name
    clean = command(tmp_path, file)
    for name, phase in ENDS:
        process = start_command(tmp_path, phase, file)
        process.send_signal(getattr(signal, name))
        process.communicate()
        assert process.returncode == -getattr(signal, name), (name, phase)
        assert not (tmp_path / "maury_catalog.fits").exists()
        assert command(tmp_path, file) == clean, (name, phase)
        assert sorted(os.listdir(tmp_path)) == ["small.onnx", file], (name, phase)


def test_ten_kills_at_random(tmp_path):
    file = write_visits(tmp_path, 400).name
    clean = command(tmp_path, file)
    kept = []
    for _ in range(10):
        process = start_command(tmp_path, "none", file)
        done = len(list(tmp_path.glob("*.parts/0*.npz")))
        while process.poll() is None and len(list(tmp_path.glob("*.parts/0*.npz"))) < done + 4:
            pass
        process.kill()
        process.communicate()
        kept.append(len(list(tmp_path.glob("*.parts/0*.npz"))))
    assert kept == sorted(kept) and kept[-1] > kept[0] > 0
    assert command(tmp_path, file) == clean
    assert sorted(os.listdir(tmp_path)) == ["small.onnx", file]


@pytest.mark.parametrize("size", [5, 150, 1_000, 5_000, 12_000, 40_000])
def test_disk_full_at_any_size(tmp_path, size):
    """The lock, the description of the run, a block or the catalogue cannot be written."""
    file = write_visits(tmp_path, 100)
    process = start_run(tmp_path, file, "full.fits", limit=size)
    message = process.communicate()[1]
    assert process.returncode == 1 and "OSError" in message
    assert not (tmp_path / "full.fits").exists()
    for output in ("full.fits", "quiet.fits"):
        process = start_run(tmp_path, file, output)
        assert process.communicate() and process.returncode == 0
    assert (tmp_path / "full.fits").read_bytes() == (tmp_path / "quiet.fits").read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["full.fits", "quiet.fits", "small.onnx", file.name]
