"""Running median of maury, bottleneck, scipy.ndimage and pandas side by side, one thread.

Usage: python bench/running_median.py [--pixels 4563] [--spectra 20] [--repeats 10]

The results are compared first where all definitions agree: for windows that lie inside the spectrum.
bottleneck starts only when a window is full, so wide windows take it less time than the others.
"""

import argparse
import time

import bottleneck
import machine
import numpy as np
import pandas as pd
from scipy import ndimage

import maury

WINDOWS = (3, 5, 7, 11, 21, 41, 61, 101, 201, 401, 1001, 2000)


def mock_spectra(n_spectra: int, n_pixels: int, dtype: type) -> np.ndarray:
    """Continuum, absorption lines and noise of S/N 50; rows differ, so branch prediction does not help."""
    rng = np.random.default_rng(0)
    pixel = np.arange(n_pixels)
    flux = 1 + 0.3 * np.sin(pixel / 300 + rng.uniform(0, 6, (n_spectra, 1)))
    for row in flux:
        for centre in rng.uniform(0, n_pixels, 100):
            row *= 1 - rng.uniform(0, 0.5) * np.exp(-0.5 * ((pixel - centre) / rng.uniform(2, 10)) ** 2)
    return (flux * rng.normal(1, 0.02, flux.shape)).astype(dtype)


def by_maury(flux: np.ndarray, window: int) -> np.ndarray:
    return maury.running_median(flux, window)


def by_bottleneck(flux: np.ndarray, window: int) -> np.ndarray:
    return bottleneck.move_median(flux, window // 2 * 2 + 1, axis=1)


def by_scipy(flux: np.ndarray, window: int) -> np.ndarray:
    # One row at a time: its one-dimensional code path is faster.
    return np.stack([ndimage.median_filter(row, window // 2 * 2 + 1) for row in flux])


def by_pandas(flux: np.ndarray, window: int) -> np.ndarray:
    return np.stack([pd.Series(row).rolling(window // 2 * 2 + 1, center=True).median() for row in flux])


def assert_same(flux: np.ndarray, window: int) -> None:
    """Raise unless all results are identical inside the spectrum."""
    half, n_pixels = window // 2, flux.shape[1]
    inside = slice(half, n_pixels - half)
    got = by_maury(flux, window)
    assert got.dtype == flux.dtype
    np.testing.assert_array_equal(got[:, inside], by_bottleneck(flux, window)[:, 2 * half :])
    np.testing.assert_array_equal(got[:, inside], by_scipy(flux, window)[:, inside])
    np.testing.assert_array_equal(got[:, inside], by_pandas(flux, window)[:, inside])


def microseconds(flux: np.ndarray, window: int, repeats: int) -> np.ndarray:
    """Time per spectrum of each: the best of several rounds, alternating, since other work affects the times.

    Each is called twice per round, since the first call finds the caches filled by the others.
    """
    functions = by_maury, by_bottleneck, by_scipy, by_pandas
    times = np.empty((2 * repeats, len(functions)))
    for turn in range(repeats):
        for k, function in enumerate(functions):
            for call in range(2):
                start = time.perf_counter()
                function(flux, window)
                times[2 * turn + call, k] = 1e6 * (time.perf_counter() - start) / len(flux)
    return times.min(axis=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pixels", type=int, default=4563)
    parser.add_argument("--spectra", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    machine.print_header()
    print(f"\n{options.spectra} spectra of {options.pixels} pixels")
    print("                      us a spectrum                        times maury")
    print("window  dtype     maury  bottleneck   scipy  pandas   bottleneck   scipy  pandas")
    for dtype in (np.float64, np.float32):
        flux = mock_spectra(options.spectra, options.pixels, dtype)
        for window in WINDOWS:
            assert_same(flux, window)
            ours, bn, sp, pandas = microseconds(flux, window, options.repeats)
            print(
                f"{window:6d}  {np.dtype(dtype).name}  {ours:6.1f}  {bn:10.1f}  {sp:6.1f}  {pandas:6.0f}"
                f"{bn / ours:13.1f}{sp / ours:8.1f}{pandas / ours:8.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
