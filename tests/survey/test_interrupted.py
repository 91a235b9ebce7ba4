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
            pass
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

    def end(output, limit=0):
        process = start_run(tmp_path, file, output, limit=limit)
        return process.communicate()[1], process.returncode

    assert end("quiet.fits")[1] == 0
    for size in sizes:
        message, code = end("full.fits", size)
        assert code == 1 and "OSError" in message, size
        assert not (tmp_path / "full.fits").exists()
        assert end("full.fits")[1] == 0
        assert (tmp_path / "full.fits").read_bytes() == (tmp_path / "quiet.fits").read_bytes()
        (tmp_path / "full.fits").unlink()
        assert sorted(os.listdir(tmp_path)) == ["quiet.fits", "small.onnx", file.name]
