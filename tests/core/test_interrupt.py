"""Long batches: progress, an exception on the way, Ctrl-C."""

import os
import subprocess
import sys

import pytest

from core_network import core_and_twin, fit, long_batch, mock
from maury import _core


def test_progress_counts_up_in_this_thread():
    core, twin = core_and_twin((3, 20, 400), "silu")
    _, flux, ivar = mock(core, twin, 600, snr=100)
    seen = []
    fit(core, twin, flux, ivar, progress=seen.append, threads=2)
    assert seen == sorted(seen)
    assert seen[-1] == 600


@pytest.mark.parametrize("threads", [1, 2])
def test_exception_of_progress_ends_the_batch(threads):
    def progress(done):
        raise LookupError(f"at {done}")

    with pytest.raises(LookupError, match="at "):
        _core.measure(*long_batch(), threads=threads, progress=progress)


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
from maury import _core
from core_network import long_batch

arguments, waits, sent = long_batch(), [], []
noise = np.random.default_rng(0).normal(size=(8000, 4500))
calls = {"fit": lambda: _core.measure(*arguments, threads=2), "median": lambda: _core.running_median(noise)}
call = calls[sys.argv[1]]
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start us deaf to it

def interrupt():
    time.sleep(0.1)
    sent.append(time.perf_counter())
    os.kill(os.getpid(), signal.SIGINT)

for _ in range(3):
    threading.Thread(target=interrupt, daemon=True).start()
    try:
        call()
    except KeyboardInterrupt:
        waits.append(time.perf_counter() - sent[-1])
print(len(waits), min(waits))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to its own process")
@pytest.mark.parametrize("call", ["fit", "median"])
def test_ctrl_c_ends_a_batch_within_a_tenth_of_a_second(call):
    run = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, call],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(os.path.abspath(place) for place in sys.path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    count, quickest = run.stdout.split()
    assert int(count) == 3  # each of them was a KeyboardInterrupt
    assert float(quickest) < 0.1
