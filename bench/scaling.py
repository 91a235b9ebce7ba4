"""Time maury's fit as a function of all sizes: python bench/scaling.py

Spectra N, pixels P, labels L, hidden units H, starts, threads: one at a time, the rest as in the network of
five labels with two layers of 300 units.
"""

import argparse
from functools import partial

import machine
import networks
import numpy as np
from comparison import assert_minimum, off_minimum
from mocks import labels_in_range, mock_spectra
from timing import in_turn

import maury

SNR = 100
N = 100
STEPS = 400  # of the small trainings: the last per cent of accuracy does not affect the time


def cut(emulator, n_pixels):
    """Return an emulator of the central pixels."""
    first = (len(emulator.wavelength) - n_pixels) // 2
    rows = slice(first, first + n_pixels)
    return maury.Emulator.from_layers(
        [*emulator.weights[:-1], emulator.weights[-1][rows]],
        [*emulator.biases[:-1], emulator.biases[-1][rows]],
        activation=emulator.activations,
        labels=emulator.labels,
        label_min=emulator.label_min,
        label_max=emulator.label_max,
        wavelength=emulator.wavelength[rows],
        transforms=emulator.transforms,
        bounds=emulator.bounds,
        training_labels=emulator.training_labels,
    )


def fit(mock, threads=1, **options):
    return maury.fit_normalized(
        mock.emulator, mock.flux, mock.ivar, use_scatter=False, threads=threads, **options
    )


def assert_same(got, wanted):
    """Raise unless two results are identical."""
    np.testing.assert_array_equal(got.labels, wanted.labels)
    np.testing.assert_array_equal(got.chi2, wanted.chi2)


def assert_sound(mock, result):
    """Raise unless every fit converged, at a minimum."""
    assert np.isfinite(result.labels).all() and result.converged.all()
    assert_minimum(mock.emulator, *off_minimum(mock, result))


def table(axis, calls, counts, rounds, remarks=None):
    """Print ms per spectrum for every value of an axis; calls and counts are dicts by that value."""
    seconds = in_turn(calls, rounds)
    print(f"\n{axis:>14} {'ms/spectrum':>11}")
    for value, taken in seconds.items():
        remark = remarks[value] if remarks else ""
        print(f"{value:14} {1e3 * taken / counts[value]:11.4f}  {remark}", flush=True)


def by_network(axis, emulators, rounds):
    """Print a table over emulators, each with its own mock spectra."""
    calls = {}
    for value, emulator in emulators.items():
        mock = mock_spectra(emulator, labels_in_range(emulator, N), SNR)
        assert_sound(mock, fit(mock))
        calls[value] = partial(fit, mock)
    table(axis, calls, dict.fromkeys(calls, N), rounds)


def by_spectra(emulator, rounds):
    mock = mock_spectra(emulator, labels_in_range(emulator, 1000), SNR)
    whole = fit(mock)
    calls = {}
    for n in (1, 10, 100, 1000):
        part = mock[:n]
        got = fit(part)
        np.testing.assert_array_equal(got.labels, whole.labels[:n])
        np.testing.assert_array_equal(got.chi2, whole.chi2[:n])
        calls[n] = partial(fit, part)
    table("N spectra", calls, {n: n for n in calls}, rounds)


def by_starts(emulator, rounds):
    mock = mock_spectra(emulator, labels_in_range(emulator, N), SNR)
    numbers = (1, 3, 10, 30)
    results = {n: fit(mock, n_starts=n) for n in numbers}
    least = np.min([result.chi2 for result in results.values()], axis=0)
    found = {n: int(np.sum(result.chi2 <= least * (1 + 1e-6))) for n, result in results.items()}
    assert found[max(numbers)] >= 0.99 * N, found
    remarks = {n: f"{found[n]} of {N} at the lowest minimum" for n in numbers}
    table(
        "n_starts",
        {n: partial(fit, mock, n_starts=n) for n in numbers},
        dict.fromkeys(numbers, N),
        rounds,
        remarks,
    )


def by_threads(emulator, rounds):
    mock = mock_spectra(emulator, labels_in_range(emulator, 1000), SNR)
    one = fit(mock)
    calls = {}
    for threads in (1, 2):
        assert_same(fit(mock, threads), one)
        calls[threads] = partial(fit, mock, threads)
    table("threads", calls, dict.fromkeys(calls, len(mock)), rounds)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="of each, the best counts")
    rounds = parser.parse_args().rounds
    machine.print_header()
    full = networks.network()
    by_spectra(full, rounds)
    by_network("P pixels", {p: cut(full, p) for p in (500, 1000, 2000)} | {4563: full}, rounds)
    labels = {n: networks.network(n_labels=n, steps=STEPS) for n in (3, 4)}
    by_network("L labels", labels | {5: full}, rounds)
    hidden = {h: networks.network(hidden=(h, h), steps=STEPS) for h in (64, 128)}
    by_network("H hidden units", hidden | {300: full}, rounds)
    by_starts(full, rounds)
    by_threads(full, rounds)


if __name__ == "__main__":
    main()
