"""Time the fit of real files, defaults of `maury fit`: MAURY_TEST_DATA=... python bench/real_spectra.py

CPU time per spectrum of LAMOST, SDSS and MaStar on one thread, without the time to read the files: in a
batch, with velocities fitted and with velocities given, and for one spectrum at a time.
"""

import argparse
import os
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import machine
import numpy as np

import maury
from maury.catalog.columns import column_values
from maury.emulator.builtin import emulator_of_formats
from maury.measure.options import Options
from maury.measure.pipeline import measure

SETS = {"LAMOST": "lamost_dr10/**/*.fits*", "SDSS": "sdss/*.fits*", "MaStar": "mastar_dr17/goodspec.fits*"}
GIVEN = Options(velocity="given")
MOST = 200  # spectra per set
REPEATS = 20  # copies of a set with fewer spectra than this


def spectra_of(pattern, most=MOST):
    """Return the first readable spectra of a set, or None if there are no files."""
    folder = Path(os.environ.get("MAURY_TEST_DATA", "."))
    files = sorted(str(path) for path in folder.glob(pattern))[:most]
    if not files:
        return None
    spectra = maury.read_spectra(files)
    return spectra[np.flatnonzero(spectra.problem == "")[:most]]


def emulator_of(spectra):
    """Return the emulator that `maury fit` takes for these spectra."""
    return maury.Emulator.load(emulator_of_formats(spectra.format))


def one_by_one(spectra, emulator):
    """Fit spectra one a call."""
    for one in spectra:
        measure(one, emulator, Options(), threads=1)


def least_time(work, rounds):
    """Return the shortest CPU time [ms] of several rounds."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1e3 * min(times)


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    machine.print_header()
    print(f"{'set':8} {'spectra':>8} {'fitted':>8} {'given':>8} {'alone':>8}   ms of CPU per spectrum")
    for name, pattern in SETS.items():
        spectra = spectra_of(pattern)
        if spectra is None:
            print(f"{name:8} no files; set MAURY_TEST_DATA")
            continue
        if len(spectra) < REPEATS:
            spectra = maury.Spectra.concatenate([spectra] * REPEATS)
        emulator = emulator_of(spectra)
        catalog = maury.fit(spectra, emulator, threads=1)
        assert (column_values(catalog, "converged") > 0).mean() > 0.95
        assert np.isfinite(column_values(catalog, "teff")).mean() > 0.95
        moving = replace(spectra, rv=np.where(spectra.rv == 0, np.nan, spectra.rv))
        known = replace(spectra, rv=column_values(catalog, "rv"))

        n = len(spectra)
        figures = [
            least_time(partial(measure, moving, emulator, Options(), threads=1), rounds) / n,
            least_time(partial(measure, known, emulator, GIVEN, threads=1), rounds) / n,
            least_time(partial(one_by_one, [moving[:1]] * 20, emulator), rounds) / 20,
        ]
        print(f"{name:8} {n:8d} " + " ".join(f"{figure:8.2f}" for figure in figures))


if __name__ == "__main__":
    main()
