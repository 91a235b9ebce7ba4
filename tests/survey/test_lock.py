"""Two runs into one output: the second says so and stops; the lock of a run that was killed is taken over."""

import json
import os
import socket
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

import maury
import maury.catalog.table as table
import maury.survey.run as survey
from maury.cli.main import main
from maury.readers import blocks
from maury.survey.lock import InUseError, Lock, is_gone
from survey_run import start_run, write_visits

posix = pytest.mark.skipif(os.name != "posix", reason="whether a process runs is only asked on POSIX systems")
HERE = socket.gethostname()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch, tmp_path):
    monkeypatch.setattr(blocks, "ROWS", 8)  # as in runs of other processes
    monkeypatch.setattr(blocks, "LARGE", 1000)
    monkeypatch.chdir(tmp_path)


def run(file, output, **options):
    return maury.fit_files(file, output, "small.onnx", **options)


def locked(tmp_path, **owner):
    """The lock of a run of another process."""
    folder = tmp_path / "run.fits.parts"
    folder.mkdir(exist_ok=True)
    lock = folder / "lock.json"
    whole = {"host": HERE, "pid": os.getppid(), "began": "", "since": "2026-11-26 12:00:00+00:00"} | owner
    lock.write_text(json.dumps(whole))
    return lock


def dead_process():
    """Number of a process that has just ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@posix
def test_the_second_of_two_runs_says_so_and_stops(tmp_path):
    file = write_visits(tmp_path)
    first = start_run(tmp_path, file, "run.fits")
    lock = tmp_path / "run.fits.parts" / "lock.json"
    while first.poll() is None and not (lock.exists() and lock.stat().st_size):
        time.sleep(0.002)
    since = json.loads(lock.read_text())["since"]
    with pytest.raises(InUseError) as caught:
        run(file, "run.fits")
    assert str(caught.value) == (
        f"run.fits: another run is writing it (process {first.pid} on host "
        f"{HERE}, "
        f"started {since}). Wait until it has finished, stop it, or choose another output"
    )
    message = first.communicate()[1]
    assert first.returncode == 0, message
    assert len(maury.read_catalog("run.fits")) == 400
    assert not (tmp_path / "run.fits.parts").exists()


@posix
def test_overwrite_does_not_end_a_run_that_is_at_work(tmp_path):
    file = write_visits(tmp_path, 20)
    lock = locked(tmp_path)
    with pytest.raises(InUseError, match="another run is writing it"):
        run(file, "run.fits", overwrite=True)
    assert lock.exists()  # and nothing of the other run was removed
    words = ["fit", file.name, "-o", "run.fits", "--emulator", "small.onnx"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert done.output == (
        f"Error: run.fits: another run is writing it (process {os.getppid()} on host {HERE}, started "
        "2026-11-26 "
        "12:00:00+00:00). Wait until it has finished, stop it, or choose another output\n"
    )


@posix
def test_the_lock_of_a_killed_run_is_taken_over(tmp_path):
    file = write_visits(tmp_path)
    process = start_run(tmp_path, file, "run.fits")
    parts = tmp_path / "run.fits.parts"
    while process.poll() is None and not list(parts.glob("0*.npz")):
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert (parts / "lock.json").exists()
    assert len(run(file, "run.fits")) == 400
    assert not parts.exists()


@posix
@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="the system does not tell when a process began")
def test_another_process_with_the_number_of_a_killed_one(tmp_path):
    file = write_visits(tmp_path, 20)
    lock = locked(tmp_path, began="1")  # the parent of this process runs, and began later
    assert is_gone(json.loads(lock.read_text()))
    assert len(run(file, "run.fits")) == 20


def test_a_lock_of_another_host(tmp_path):
    file = write_visits(tmp_path, 20)
    lock = locked(tmp_path, host="node7", pid=dead_process())
    with pytest.raises(InUseError) as caught:
        run(file, "run.fits")
    path = os.path.join("run.fits.parts", "lock.json")
    assert str(caught.value) == (
        f"run.fits: another run is writing it (process {json.loads(lock.read_text())['pid']} on host node7, "
        "started "
        "2026-11-26 12:00:00+00:00). Whether it is still running cannot be determined from this host, "
        f"{HERE}. If it is, wait until it has finished, or choose another output; if it has ended, delete "
        f"{path} "
        "and repeat this command"
    )
    lock.unlink()  # as the message says
    assert len(run(file, "run.fits")) == 20


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"host": "x", "pid": "many", "began": "", "since": ""}'])
def test_a_damaged_lock(tmp_path, text):
    lock = locked(tmp_path)
    lock.write_text(text)
    with pytest.raises(InUseError) as caught:
        Lock(lock, "run.fits").take()
    assert str(caught.value) == (
        f"run.fits: the lock file {lock} exists, so another run may be writing it, but the file is empty or "
        "damaged. If no other run is active, delete that file and repeat this command; otherwise choose "
        "another output"
    )


@posix
def test_of_many_processes_one_takes_over_a_stale_lock(tmp_path):
    """Each holds what it has taken until it is told to end."""
    lock = locked(tmp_path, pid=dead_process())
    code = (
        "import sys\nfrom pathlib import Path\nfrom maury.survey.lock import InUseError, Lock\n"
        "lock = Lock(Path(sys.argv[1]), 'run.fits')\nprint('ready', flush=True)\nsys.stdin.readline()\n"
        "try:\n    lock.take()\n    print('taken', flush=True)\nexcept InUseError:\n    print('refused', "
        "flush=True)\n"
        "sys.stdin.readline()\nlock.release()\n"
    )
    many = [
        subprocess.Popen(
            [sys.executable, "-c", code, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(6)
    ]
    for process in many:
        assert process.stdout.readline() == "ready\n"
    for process in many:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.stdout.readline().strip() for process in many]
    for process in many:
        process.communicate("end\n")
    assert sorted(said) == ["refused"] * 5 + ["taken"]
    assert list(lock.parent.iterdir()) == []


def test_a_failed_run_lets_go(tmp_path, monkeypatch):
    file = write_visits(tmp_path, 40)
    with monkeypatch.context() as patch:
        patch.setattr(survey, "finished_catalog", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(file, "run.fits")
    assert not (tmp_path / "run.fits.parts" / "lock.json").exists()
    assert len(list(tmp_path.glob("run.fits.parts/0*.npz"))) == 5
    assert len(run(file, "run.fits")) == 40


@pytest.mark.parametrize("step", ["maury.survey.run.finished_catalog", "maury.catalog.table._write_fits"])
def test_an_output_that_appears_during_the_run_is_not_replaced(tmp_path, monkeypatch, step):
    """While the catalogue is made, and while its file is written."""
    file = write_visits(tmp_path, 40)
    real = {"finished_catalog": survey.finished_catalog, "_write_fits": table._write_fits}

    def slow(*arguments, **named):
        (tmp_path / "run.fits").write_bytes(b"of another program")
        return real[step.rpartition(".")[2]](*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(step, slow)
        with pytest.raises(FileExistsError) as caught:
            run(file, "run.fits")
    assert str(caught.value) == (
        "run.fits was written by another process during this run; finished blocks are kept in "
        "run.fits.parts: "
        "move run.fits away, or pass overwrite=True, and repeat this command"
    )
    for _ in range(2):  # nor by the next run, which goes on from the parts
        with pytest.raises(
            FileExistsError, match=r"run\.fits exists; choose another name, or pass overwrite"
        ):
            run(file, "run.fits")
        assert (tmp_path / "run.fits").read_bytes() == b"of another program"
    assert len(list(tmp_path.glob("run.fits.parts/0*.npz"))) == 5
    assert len(run(file, "run.fits", overwrite=True)) == 40


def test_an_output_that_appears_before_the_run_begins(tmp_path, monkeypatch):
    """Between the first look and the lock: as if another run had just finished."""
    file = write_visits(tmp_path, 20)
    real = survey.Parts.open

    def late(self, *arguments):
        (tmp_path / "run.fits").write_bytes(b"of another run")
        return real(self, *arguments)

    monkeypatch.setattr(survey.Parts, "open", late)
    with pytest.raises(FileExistsError, match=r"run\.fits exists"):
        run(file, "run.fits")
    assert (tmp_path / "run.fits").read_bytes() == b"of another run"
    assert not (tmp_path / "run.fits.parts").exists()
