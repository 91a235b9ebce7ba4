"""Time fits at the resolution and velocity of each spectrum: python bench/instrument.py

The same spectra, on the pixels of the emulator: as they are, which is a fit on a shared grid; seen through an
instrument whose width changes from pixel to pixel and from spectrum to spectrum; that with the velocity
fitted too. One thread.
"""

import argparse
from dataclasses import replace
from functools import partial

import machine
import networks
import numpy as np
from maury.measure.observe import on_grid
from mocks import labels_in_range
from timing import in_turn

import maury
from maury.measure.fit import fit_observed
from maury.measure.options import Options

SNR = 100
N = 160
MOST_OFF = 5.0  # formal errors: no fit of these ends farther from the truth


def seen_spectra(emulator, labels, rng):
    """Return the spectra through instruments of their own, with noise, and without any instrument."""
    n_pixels = len(emulator.wavelength)
    ivar = np.full((len(labels), n_pixels), float(SNR**2))
    own = on_grid(np.ones_like(ivar), ivar, None, emulator)
    slope = np.linspace(0.6, 1.8, n_pixels) * rng.uniform(0.8, 1.2, (len(labels), 1))
    own = replace(own, variance=slope)
    noise = rng.normal(0, 1 / SNR, ivar.shape)
    sharp = emulator.predict(labels) + noise
    broad = own.core().see(emulator.core, labels, np.empty((len(labels), 0))) + noise
    return replace(own, flux=broad), sharp, ivar


def assert_truth(result, labels):
    """Raise unless all converged near the labels that the spectra were made of."""
    assert result.converged.all()
    error = np.sqrt(np.diagonal(result.covariance, axis1=1, axis2=2))
    assert np.median(np.abs(result.labels - labels) / error) < 1
    assert (np.abs(result.labels - labels) / error).max() < MOST_OFF


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    machine.print_header()
    emulator = networks.network()
    rng = np.random.default_rng(0)
    labels = labels_in_range(emulator, N)
    own, sharp, ivar = seen_spectra(emulator, labels, rng)
    moving = Options(use_scatter=False, clip=0.0)
    still = replace(moving, velocity="given")
    calls = {
        "shared grid": partial(maury.fit_normalized, emulator, sharp, ivar, use_scatter=False, threads=1),
        "own resolution": partial(fit_observed, emulator, own, still, threads=1),
        "own resolution, velocity fitted": partial(fit_observed, emulator, own, moving, threads=1),
    }
    for call in calls.values():
        assert_truth(call(), labels)
    least = in_turn(calls, rounds)
    print(f"\n{'':<34}ms/spectrum   ratio")
    for name, seconds in least.items():
        print(f"{name:<34}{1e3 * seconds / N:>11.3f}{seconds / least['shared grid']:>8.2f}")


if __name__ == "__main__":
    main()
