"""A MaStar file of many visits for the small emulator, and runs over it in processes of their own."""

import subprocess
import sys
import time

import mastar_schema as schema
import numpy as np

import made_up_stars as made_up

RUN = """
import signal
import sys
import maury
from maury.readers import blocks

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may start us deaf to it
blocks.ROWS, blocks.LARGE = 8, 1000
file, output, limit = sys.argv[1:]
if int(limit):
    import resource
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
maury.fit_files(file, output, "small.onnx", threads=2)
"""

# As `maury fit` does, but with small blocks; it sleeps in the phase that is to be interrupted.
COMMAND = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it
import maury.cli.fit, maury.cli.main, maury.survey.run as run
from maury.readers import blocks
blocks.ROWS, blocks.LARGE = 8, 1000

def wait(*_, **__):
    print("here", flush=True)
    time.sleep(60)

phase = sys.argv.pop(1)
phases = {
    "start": (run, "describe_run"), "read": (run, "spectra_blocks"), "block": (run.Parts, "save"),
    "catalogue": (run, "finished_catalog"),
    "write": (run, "write_catalog"),
}
if phase == "draw":
    import maury.show.plots

    maury.show.plots.plot_star = wait
elif phase in phases:
    setattr(*phases[phase], wait)
maury.cli.main.main()
"""


def write_visits(folder, n=400, name="visits.fits.gz", bad=None, **changes):
    """Write a file of n visits, and the emulator beside it; changes: row numbers by what is wrong there.

    `bad`: functions by row number that change the row, see `bad_rows`.
    """
    emulator = made_up.emulator(lsf=np.full(made_up.N_PIXELS, 0.8))
    emulator.save(folder / "small.onnx")
    rng = np.random.default_rng(5)
    labels = np.column_stack(
        [rng.uniform(4200, 6800, n), rng.uniform(1.5, 4.8, n), rng.uniform(-1.8, 0.4, n)]
    )
    flux = emulator.predict(labels) * (1 + rng.normal(0, 0.01, (n, made_up.N_PIXELS)))
    wave = np.tile(emulator.wavelength, (n, 1))
    ivar = np.full(flux.shape, 1e4)
    for what, row in changes.items():
        if what == "falling":
            wave[row, 700] = wave[row, 10]
        elif what == "nan":
            flux[row] = np.nan
        elif what == "infinite":
            flux[row, ::3], ivar[row, 1::3] = np.inf, np.inf
        elif what == "no_ivar":
            ivar[row] = 0.0
    values = {
        "MANGAID": np.array([f"7-{i // 2:08d}" for i in range(n)], dtype="S25"), "PLATE": np.full(n, 8312),
        "IFUDESIGN": np.array(["12701"] * n, dtype="S6"), "MJD": 57000 + np.arange(n), "RA": np.full(n, 10.0),
        "DEC": np.full(n, 20.0), "S2N": np.full(n, 100.0), "MJDQUAL": np.zeros(n, dtype=int), "WAVE": wave,
        "FLUX": flux.astype(np.float32), "IVAR": ivar.astype(np.float32),
        "MASK": np.zeros(flux.shape, dtype=int), "DISP": np.full(flux.shape, 0.9, dtype=np.float32),
        "PREDISP": np.full(flux.shape, 0.9, dtype=np.float32),
    }  # fmt: skip
    for row, change in (bad or {}).items():
        change({name: array[row : row + 1] for name, array in values.items()})
    with schema.goodspec(folder / name, n, made_up.N_PIXELS) as append:
        append(**values)
    return folder / name


def start_run(folder, file, output, limit=0):
    """Start a run with small blocks in a process of its own; limit: of the size of the files it writes."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(file), str(output), str(limit)],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_command(folder, phase, file, *options):
    """Start `maury fit`, and return when it has come to the phase where it waits; "none": at once."""
    command = [sys.executable, "-W", "ignore", "-c", COMMAND, phase]
    process = subprocess.Popen(
        [*command, "fit", file, "--emulator", "small.onnx", *options],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while phase != "none" and "here" not in process.stdout.readline():
        assert process.poll() is None, process.stderr.read()
    time.sleep(0.1)
    return process
