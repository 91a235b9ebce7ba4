"""A MaStar file of many visits for the small emulator, and a run over it in a process of its own."""

import subprocess
import sys

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
