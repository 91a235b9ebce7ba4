"""Measure the memory that a fit of many spectra needs in addition to their arrays: python bench/memory.py

float32 spectra of the built-in emulator. The memory of the process is read from the system: its peak before
the fit, with the arrays filled, and after it.
"""

import argparse
import resource
import sys

import machine
import numpy as np

import maury

N_MADE = 1000
ALLOWED = 64  # MB, whatever the number of spectra


def peak():
    """Return the peak memory of the process [MB]."""
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=int, default=100_000)
    options = parser.parse_args()
    machine.print_header()
    emulator = maury.Emulator.load("default")
    rng = np.random.default_rng(0)
    truth = emulator.training_labels[rng.integers(0, len(emulator.training_labels), N_MADE)]
    some = emulator.predict(truth)
    some = (some + rng.normal(0, 0.01, some.shape)).astype(np.float32)
    maury.fit_normalized(emulator, some[:1], np.full_like(some[:1], 1e4))  # loads modules and fills caches
    flux = np.resize(some, (options.spectra, some.shape[1]))
    ivar = np.full_like(flux, 1e4)
    before = peak()
    found = maury.fit_normalized(emulator, flux, ivar)
    grown = peak() - before
    results = sum(value.nbytes for value in vars(found).values()) / 1e6
    assert found.converged.mean() > 0.99
    print(
        f"\n{options.spectra} spectra: arrays {(flux.nbytes + ivar.nbytes) / 1e6:.0f} MB, "
        f"results {results:.0f} MB, grown by {grown:.0f} MB in all"
    )
    assert grown < results + ALLOWED, "memory grows with the number of spectra"


if __name__ == "__main__":
    main()
