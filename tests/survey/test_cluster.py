"""A run on a Dask cluster of several processes on this machine, one of which is killed on the way."""

import os
import signal
import threading
import time

import numpy as np
import pytest

import maury
from maury.readers import blocks
from survey_run import write_visits

dask = pytest.importorskip("dask", reason="no Dask here; pip install maury[cluster]")
distributed = pytest.importorskip("distributed", reason="no Dask here; pip install maury[cluster]")


@pytest.fixture
def small_blocks(monkeypatch, tmp_path):
    """Blocks of few rows, so that a small file has many; and a folder to work in."""
    monkeypatch.setattr(blocks, "ROWS", 8)
    monkeypatch.setattr(blocks, "LARGE", 1000)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def cluster():
    """Three worker processes of one thread, each watched by a nanny that starts another if it dies."""
    with distributed.LocalCluster(
        n_workers=3, threads_per_worker=1, processes=True, dashboard_address=":0"
    ) as cluster:
        yield cluster


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(tmp_path, small_blocks, cluster):
    file = write_visits(tmp_path)
    maury.fit_files(file, "here.fits", "small.onnx")
    with distributed.Client(cluster, set_as_default=False) as client:
        before = client.run(os.getpid)
    killed = []

    def kill():
        while not list(tmp_path.glob("there.fits.parts/0*.npz")):
            time.sleep(0.005)
        killed.append(next(iter(before.values())))
        os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    catalog = maury.fit_files(file, "there.fits", "small.onnx", scheduler=cluster.scheduler_address)
    thread.join()
    assert len(catalog) == 400
    with pytest.raises(ProcessLookupError):
        os.kill(killed[0], 0)
    assert (tmp_path / "there.fits").read_bytes() == (tmp_path / "here.fits").read_bytes()


def test_files_and_options_reach_the_workers(tmp_path, small_blocks, cluster):
    """Small files, a resolution, starts by name, through a client; a file that cannot be read."""
    file = write_visits(tmp_path, 20)
    (tmp_path / "broken.fits").write_bytes(b"SIMPLE  =")
    files, options = [file, "broken.fits"], {"resolution": 3000.0, "use_scatter": False}
    here = maury.fit_files(files, "here.fits", "small.onnx", **options)
    with distributed.Client(cluster, set_as_default=False) as client:
        maury.fit_files(files, "there.fits", "small.onnx", scheduler=client, **options)
    assert (tmp_path / "there.fits").read_bytes() == (tmp_path / "here.fits").read_bytes()
    assert np.sum(here["problem"] != "") == 1


def test_a_cluster_that_is_not_there(tmp_path, small_blocks):
    file = write_visits(tmp_path, 20)
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "1s"}),
        pytest.raises(OSError, match=r"127\.0\.0\.1:1"),
    ):
        maury.fit_files(file, "run.fits", "small.onnx", scheduler="tcp://127.0.0.1:1")
    with (
        distributed.LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as empty,
        pytest.raises(ValueError, match=r"scheduler: the cluster at .* has no workers; start some"),
    ):
        maury.fit_files(file, "run.fits", "small.onnx", scheduler=empty.scheduler_address)
