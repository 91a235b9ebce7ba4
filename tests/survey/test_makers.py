"""Two runs never mix, and the same bytes mean the same maker: blocks, run.json, header, workers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress

import numpy as np
import pytest

import maury
import maury.survey.run as survey
from maury import _core
from maury._version import maker
from maury.readers import blocks
from maury.survey import cluster as cluster_module
from maury.survey.parts import Parts
from survey_run import write_visits


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch, tmp_path):
    monkeypatch.setattr(blocks, "ROWS", 8)
    monkeypatch.setattr(blocks, "LARGE", 1000)
    monkeypatch.chdir(tmp_path)


def run(file, output="run.fits", **options):
    return maury.fit_files(file, output, "small.onnx", threads=1, **options)


def unfinished(monkeypatch, *arguments, **options):
    """A run that ends before its catalogue is written; returns its folder."""
    with monkeypatch.context() as patch:
        patch.setattr(survey, "finished_catalog", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(*arguments, **options)


def test_blocks_of_other_runs_are_not_taken(tmp_path, monkeypatch):
    """Copied from a run of other options, under another number, or one too many."""
    file = write_visits(tmp_path, 40, "visits.fits").name
    clean = run(file, "clean.fits")
    unfinished(monkeypatch, file, "other.fits", use_scatter=False)
    unfinished(monkeypatch, file)
    mine, other = tmp_path / "run.fits.parts", tmp_path / "other.fits.parts"
    shutil.copy(other / "00000001.npz", mine / "00000001.npz")
    shutil.copy(mine / "00000000.npz", mine / "00000002.npz")
    shutil.copy(mine / "00000003.npz", mine / "00000009.npz")
    (mine / "0x.npz").write_bytes(b"")
    catalog = run(file)
    np.testing.assert_array_equal(catalog["teff"], clean["teff"])
    np.testing.assert_array_equal(catalog["visit_id"], clean["visit_id"])
    assert not mine.exists()


@pytest.mark.parametrize("text", ["[]", "3", "null", '"x"', "{", "\xff", "[" * 100_000, '{"files": 3}', "{}"])
def test_a_run_json_of_another_shape(tmp_path, monkeypatch, text):
    file = write_visits(tmp_path, 20, "visits.fits").name
    unfinished(monkeypatch, file)
    (tmp_path / "run.fits.parts" / "run.json").write_text(text, encoding="latin-1")
    with pytest.raises(ValueError, match=r"run\.fits\.parts contains an unfinished run with other"):
        run(file)
    assert len(run(file, overwrite=True)) == 20


def test_leftovers_of_a_kill_while_the_catalogue_is_written(tmp_path, monkeypatch):
    """Of this output only: another run may be writing beside it."""
    file = write_visits(tmp_path, 20, "visits.fits").name
    code = (
        "import os, signal, sys, maury, maury.catalog.table as table\n"
        "def half(table, path):\n"
        "    path.write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "table._write_fits = half\n"
        f"from maury.readers import blocks; blocks.ROWS, blocks.LARGE = {blocks.ROWS}, {blocks.LARGE}\n"
        f"maury.fit_files({file!r}, 'run.fits', 'small.onnx')"
    )
    killed = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path)
    assert killed.returncode == -signal.SIGKILL
    assert list(tmp_path.glob(".maury-run.fits-*/catalog.fits"))
    (tmp_path / ".maury-other.fits-1").mkdir()
    run(file)
    assert sorted(os.listdir()) == [".maury-other.fits-1", "run.fits", "small.onnx", "visits.fits"]


def test_run_json_and_header_name_their_maker(tmp_path, monkeypatch):
    file = write_visits(tmp_path, 20, "visits.fits").name
    unfinished(monkeypatch, file)
    told = json.loads((tmp_path / "run.fits.parts" / "run.json").read_text())
    assert maker().items() <= told.items() and len(maker()["core"]) == 16
    catalog = run(file)
    assert (catalog.meta["CORE"], catalog.meta["SIMD"]) == (maker()["core"], _core.SIMD_LEVEL)
    assert maury.read_catalog("run.fits").meta == catalog.meta


@pytest.mark.skipif(_core.SIMD_LEVEL == "baseline", reason="this machine has no other level")
def test_a_run_of_another_level_is_not_resumed(tmp_path, monkeypatch):
    file = write_visits(tmp_path, 20, "visits.fits").name
    unfinished(monkeypatch, file)
    code = f"import maury; maury.fit_files({file!r}, 'run.fits', 'small.onnx')"
    other = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"MAURY_SIMD": "baseline"},
    )  # fmt: skip
    assert "contains an unfinished run with other SIMD level" in other.stderr


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_every_write_fails_once(tmp_path, monkeypatch, name):
    """In turn: the run ends with an error, and resumes to the same bytes, with nothing left over."""
    file = write_visits(tmp_path, 24, "visits.fits").name
    run(file, "clean.fits")
    real, n_failed = getattr(os, name), 0
    while not (tmp_path / "run.fits").exists():
        left = [n_failed]

        def fails(*arguments, left=left):
            left[0] -= 1
            if left[0] < 0:
                left[0] = 10**9
                raise OSError(28, "No space left on device")
            return real(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(os, name, fails)
            with suppress(OSError):
                run(file)
        if left[0] > 10**8:
            assert not (tmp_path / "run.fits").exists()
            n_failed += 1
            run(file)
            assert (tmp_path / "run.fits").read_bytes() == (tmp_path / "clean.fits").read_bytes()
            (tmp_path / "run.fits").unlink()
        assert sorted(set(os.listdir()) - {"run.fits"}) == ["clean.fits", "small.onnx", "visits.fits"]
    assert n_failed == {"fsync": 3, "replace": 5}[name]  # three blocks, run.json, the catalogue


distributed = pytest.importorskip("distributed", reason="no Dask here; pip install maury[cluster]")


@pytest.mark.skipif(_core.SIMD_LEVEL == "baseline", reason="this machine has no other level")
def test_workers_of_another_level(tmp_path, monkeypatch):
    """They load the core with the level of the run; one that has loaded it with another is refused."""
    file = write_visits(tmp_path, 20, "visits.fits").name
    run(file, "here.fits")
    monkeypatch.setenv("MAURY_SIMD", "baseline")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as found:
        where = found.scheduler_address
        run(file, "there.fits", scheduler=where)
        assert (tmp_path / "there.fits").read_bytes() == (tmp_path / "here.fits").read_bytes()
        found.scale(2)
        with distributed.Client(found, set_as_default=False) as client:
            client.wait_for_workers(2)
            assert set(map(str, client.run(maker).values())) == {str(maker())}
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as found:
        where = found.scheduler_address
        with distributed.Client(found, set_as_default=False) as client:
            client.run(maker)
        named = (
            rf"the worker tcp://\S+ has SIMD level baseline in place of {_core.SIMD_LEVEL}; install the same"
        )
        with pytest.raises(ValueError, match=f"^scheduler: {named}"):
            run(file, scheduler=where)
        monkeypatch.setattr(cluster_module, "_check_makers", lambda client: None)  # one that comes later
        with pytest.raises(ValueError, match=r"scheduler: a worker has .*MAURY_SIMD\) baseline"):
            run(file, scheduler=where)
    for answer in (ModuleNotFoundError("no module\nmaury"), None, 3):
        assert "has no maury, or another version" in cluster_module._other_maker(answer)


@pytest.mark.slow
def test_a_scheduler_that_goes_away(tmp_path):
    """One sentence, and how to resume."""
    file = write_visits(tmp_path, 400).name
    run(file, "clean.fits")
    command = [
        sys.executable,
        "-m",
        "distributed.cli.dask_scheduler",
        "--scheduler-file",
        "dask.json",
        "--no-dashboard",
        "--port",
        "0",
    ]
    scheduler = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
    while not (tmp_path / "dask.json").exists():
        time.sleep(0.05)
    worker = subprocess.Popen(
        [sys.executable, "-m", "distributed.cli.dask_worker", "--scheduler-file", "dask.json",
         "--no-dashboard", "--no-nanny", "--nthreads", "1", "--death-timeout", "5"],
        cwd=tmp_path, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    code = (
        "import dask, sys\n"
        "from maury.readers import blocks\n"
        "blocks.ROWS, blocks.LARGE = 8, 1000\n"
        "dask.config.set({'distributed.comm.timeouts.connect': '3s'})\n"
        "from maury.cli.main import main\n"
        f"main(['fit', {file!r}, '--emulator', 'small.onnx', '-o', 'run.fits', '--scheduler', 'dask.json'])"
    )
    try:
        time.sleep(3)
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", code], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        while process.poll() is None and not list(tmp_path.glob("run.fits.parts/0*.npz")):
            time.sleep(0.005)
        scheduler.kill()
        message = process.communicate(timeout=120)[1]
    finally:
        for started in (scheduler, worker):
            started.kill()
            started.wait()
    errors = [line for line in message.splitlines() if line.startswith("Error: ")]
    assert (
        len(errors) == 1 and "the connection to the scheduler was lost; finished blocks are kept" in errors[0]
    ), message
    assert "Traceback" not in message
    run(file)
    assert (tmp_path / "run.fits").read_bytes() == (tmp_path / "clean.fits").read_bytes()


def test_parts_are_opened_once(tmp_path):
    """The folder of blocks is locked; see test_lock.py for processes."""
    first, second = Parts(tmp_path / "c.fits"), Parts(tmp_path / "c.fits")
    first.open({"a": 1})
    with pytest.raises(maury.survey.lock.InUseError, match=f"process {os.getpid()} on host"):
        second.open({"a": 1})
    first.remove()
