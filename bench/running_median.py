"""Running median of maury, bottleneck and scipy.ndimage side by side, one thread.

Usage: python bench/running_median.py [--pixels 4563] [--spectra 20] [--repeats 15]

The answers are compared first, where the three define the median alike: windows that lie inside the spectrum.
bottleneck starts only once a window is full, so wide windows cost it less than the others.
"""

import argparse
import platform
import time
from pathlib import Path

import bottleneck
import numpy as np
import scipy
from scipy import ndimage

import maury

WINDOWS = (3, 5, 7, 11, 21, 41, 61, 101, 201, 401, 1001, 2000)


def cpu_model() -> str:
    """Name of the processor as the system tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def mock_spectra(n_spectra: int, n_pixels: int, dtype: type) -> np.ndarray:
    """Continuum, absorption lines and noise of S/N 50; no two rows alike, so no branch is learnt by heart."""
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
    # A row at a time: its path for one dimension is the fast one.
    return np.stack([ndimage.median_filter(row, window // 2 * 2 + 1) for row in flux])


def assert_same(flux: np.ndarray, window: int) -> None:
    """Raise if the three differ by a single bit inside the spectrum."""
    half, n_pixels = window // 2, flux.shape[1]
    inside = slice(half, n_pixels - half)
    got = by_maury(flux, window)
    assert got.dtype == flux.dtype
    np.testing.assert_array_equal(got[:, inside], by_bottleneck(flux, window)[:, 2 * half :])
    np.testing.assert_array_equal(got[:, inside], by_scipy(flux, window)[:, inside])


def microseconds(flux: np.ndarray, window: int, repeats: int) -> list[float]:
    """Time per spectrum of each: the best of repeats, taken in turn since other work disturbs the clock."""
    times: list[list[float]] = [[], [], []]
    for _ in range(repeats):
        for of, function in zip(times, (by_maury, by_bottleneck, by_scipy), strict=True):
            start = time.perf_counter()
            function(flux, window)
            of.append(1e6 * (time.perf_counter() - start) / len(flux))
    return [min(of) for of in times]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--pixels", type=int, default=4563)
    parser.add_argument("--spectra", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    print(f"{cpu_model()}; {options.spectra} spectra of {options.pixels} pixels, one thread")
    print(
        f"python {platform.python_version()}, numpy {np.__version__}, bottleneck {bottleneck.__version__}, "
        f"scipy {scipy.__version__}, maury {maury.__version__}"
    )
    print("window  dtype     maury  bottleneck   scipy  [us a spectrum]   bottleneck/maury  scipy/maury")
    for dtype in (np.float64, np.float32):
        flux = mock_spectra(options.spectra, options.pixels, dtype)
        for window in WINDOWS:
            assert_same(flux, window)
            ours, bn, sp = microseconds(flux, window, options.repeats)
            print(
                f"{window:6d}  {np.dtype(dtype).name}  {ours:6.1f}  {bn:10.1f}  {sp:6.1f}"
                f"{bn / ours:36.1f}{sp / ours:13.1f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
