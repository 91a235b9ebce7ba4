"""Measure what maury is to reach, each row beside its goal: python bench/goals.py [ROW ...]

Every row asserts its answer before it is timed. Ratios are those of CPU times of one thread, alternated, but
for threads and whole runs. Rows of real spectra require MAURY_TEST_DATA. `--visits` is the size of the
synthetic MaStar file of the row `survey`: 59266 is that of DR17, 5.8 GB.
"""

import argparse
import functools
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import machine
import networks
import numpy as np
from comparison import assert_minimum, off_minimum
from mocks import labels_in_range, mock_spectra
from peers import batched_numpy, by_scipy
from peers.network import Network
from real_spectra import GIVEN, SETS, emulator_of, one_by_one, spectra_of

import maury
from maury.catalog.columns import column_values
from maury.measure.fit import fit_normalized
from maury.measure.options import Options
from maury.measure.pipeline import measure

SNR, N_MOCK, N_SCIPY = 100, 160, 8
SAME = 0.1  # in chi-square: fits that differ by less are in the same minimum
DATA = Path(os.environ.get("MAURY_TEST_DATA", "."))


@dataclass(frozen=True)
class Figure:
    """A measured figure and its goal, a limit from above or from below."""

    what: str
    value: float
    goal: float
    unit: str = ""
    at_least: bool = False

    def __str__(self):
        met = self.value >= self.goal if self.at_least else self.value <= self.goal
        sign = ">=" if self.at_least else "<="
        cells = (self.what, f"{self.value:.3g} {self.unit}", f"{sign} {self.goal:g} {self.unit}")
        return "| " + " | ".join(cell.strip() for cell in (*cells, "yes" if met else "no")) + " |"


def least(calls, rounds=5, clock=time.process_time):
    """Return the shortest time [s] of each call, by name, of several alternating rounds."""
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = clock()
            call()
            times[name].append(clock() - start)
    return {name: min(taken) for name, taken in times.items()}


def median(options):
    """Running median of 401 of 4,563 pixels."""
    import running_median as side_by_side

    flux = side_by_side.mock_spectra(20, 4563, np.float64)
    side_by_side.assert_same(flux, 401)
    ours, bottleneck, scipy, _ = side_by_side.microseconds(flux, 401, 5)
    yield Figure("running median, bottleneck / maury", bottleneck / ours, 8, "times", at_least=True)
    yield Figure("running median, scipy.ndimage / maury", scipy / ours, 10, "times", at_least=True)


@functools.cache
def mock():
    """Return the five-label network with spectra of S/N 100, and their fits, which are at minima."""
    emulator = networks.network()
    spectra = mock_spectra(emulator, labels_in_range(emulator, N_MOCK), SNR)
    result = fit_mock(emulator, spectra)
    assert result.converged.mean() >= 0.99
    return emulator, spectra, result


def fit_mock(emulator, spectra):
    """Fit mock spectra on one thread."""
    return fit_normalized(emulator, spectra.flux, spectra.ivar, use_scatter=False, threads=1)


def minimum(options):
    """The same minimum as least_squares in float64."""
    emulator, spectra, result = mock()
    apart, above = off_minimum(spectra, result)
    assert_minimum(emulator, apart, above)
    yield Figure("labels off by, at most", apart.max(), 1e-3, "formal errors")
    yield Figure("chi-square too high by, at most", above.max(), 1e-6)


def assert_no_lower(result, x, spectra, network):
    """Raise if a peer found a lower chi-square than maury, or found no fit in the same minimum."""
    from comparison import chi2_of

    excess = chi2_of(network, x, spectra) - result.chi2[: len(x)]
    assert (excess > -SAME).all() and (np.abs(excess) < SAME).any()


def peers(options):
    """A five-label spectrum, compared with curve_fit and with batches of NumPy."""
    emulator, spectra, result = mock()
    double, single = Network(emulator), Network(emulator, np.float32)
    few = spectra[:N_SCIPY]
    many = spectra.flux.astype(np.float32), spectra.ivar.astype(np.float32)
    curve = functools.partial(by_scipy.with_curve_fit, double, few.flux, few.ivar)
    batch = functools.partial(batched_numpy.with_pixels, single, *many)
    assert_no_lower(result, curve(), spectra, double)
    assert_no_lower(result, batch(), spectra, double)
    times = least({"maury": lambda: fit_mock(emulator, spectra), "curve_fit": curve, "batch": batch}, 3)
    each = times["maury"] / N_MOCK
    yield Figure("curve_fit / maury", times["curve_fit"] / N_SCIPY / each, 150, "times", at_least=True)
    yield Figure("batched NumPy / maury", times["batch"] / N_MOCK / each, 10, "times", at_least=True)


def rank(options):
    """The same network with its bottleneck and last layer multiplied."""
    emulator, spectra, result = mock()
    *first, bottleneck, last = emulator.weights
    whole = maury.Emulator.from_layers(
        [*first, last @ bottleneck],
        [*emulator.biases[:-2], last @ emulator.biases[-2] + emulator.biases[-1]],
        activation=emulator.activations[: len(first)],
        labels=emulator.labels,
        label_min=emulator.label_min,
        label_max=emulator.label_max,
        wavelength=emulator.wavelength,
        transforms=emulator.transforms,
        bounds=emulator.bounds,
        training_labels=emulator.training_labels,
    )
    again = fit_mock(whole, spectra)
    np.testing.assert_allclose(again.chi2, result.chi2, rtol=1e-5)
    times = least({"told": lambda: fit_mock(emulator, spectra), "found": lambda: fit_mock(whole, spectra)}, 3)
    yield Figure("rank found at load / told", times["found"] / times["told"], 1.1, "times")


def real(options):
    """Real spectra with the defaults of `maury fit`, flags included, reading not."""
    for name in ("LAMOST", "SDSS"):
        spectra = spectra_of(SETS[name])
        emulator = emulator_of(spectra)
        if len(spectra) < 20:
            spectra = maury.Spectra.concatenate([spectra] * 20)
        catalog = maury.fit(spectra, emulator, threads=1)
        assert (column_values(catalog, "converged") > 0).mean() > 0.95
        known = replace(spectra, rv=column_values(catalog, "rv"))
        some = [spectra[i : i + 1] for i in range(20)]
        calls = {
            "fitted": functools.partial(measure, spectra, emulator, Options(), threads=1),
            "given": functools.partial(measure, known, emulator, GIVEN, threads=1),
            "alone": functools.partial(one_by_one, some, emulator),
        }
        times = least(calls)
        n = len(spectra)
        yield Figure(f"{name}, velocities fitted", 1e3 * times["fitted"] / n, 2.5, "ms")
        yield Figure(f"{name}, fitted / given", times["fitted"] / times["given"], 1.5, "times")
        yield Figure(f"{name}, one spectrum a call", 1e3 * times["alone"] / len(some), 5, "ms")


def starts(options):
    """A photometric start, some formal errors off."""
    spectra = spectra_of(SETS["LAMOST"])
    emulator = emulator_of(spectra)
    alone = measure(spectra, emulator, Options(), threads=1)
    found = np.stack([alone[label] for label in emulator.labels], axis=1)
    guess = np.clip(
        found * (1 + 0.03 * np.random.default_rng(0).standard_normal(found.shape)), *emulator.bounds.T
    )
    both = measure(spectra, emulator, Options(), None, guess, threads=1)
    good = np.isfinite(alone["chi2"])
    assert (both["chi2"][good] <= alone["chi2"][good] * (1 + 1e-6)).all()
    times = least(
        {
            "none": functools.partial(measure, spectra, emulator, Options(), threads=1),
            "start": functools.partial(measure, spectra, emulator, Options(), None, guess, threads=1),
        }
    )
    yield Figure("with photometric starts / without", times["start"] / times["none"], 1.2, "times")


def files(options):
    """One file of LAMOST or SDSS, read."""
    import reading

    for folder in ("lamost_dr10", "sdss"):
        known = reading.known_files(DATA / folder, 50)  # the same arrays as by astropy
        yield Figure(f"reading one file, {folder}", reading.cpu(maury.read_spectra, known, 5), 3, "ms")


def threads(options):
    """Two threads."""
    spectra = maury.Spectra.concatenate([spectra_of(SETS["LAMOST"])] * 2)
    emulator = emulator_of(spectra)
    calls = {n: functools.partial(measure, spectra, emulator, Options(), threads=n) for n in (1, 2)}
    one, two = (calls[n]() for n in (1, 2))
    for label in emulator.labels:
        np.testing.assert_array_equal(one[label], two[label])
    times = least(calls, clock=time.perf_counter)
    yield Figure("two threads, faster by", times[1] / times[2], 1.9, "times", at_least=True)


def imports(options):
    """`import maury`, compared with `python -c pass`."""
    calls = {
        text: functools.partial(subprocess.run, [sys.executable, "-c", text], check=True)
        for text in ("import maury", "pass")
    }
    times = least(calls, 7, clock=lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]))
    yield Figure("import maury, more than Python", times["import maury"] - times["pass"], 0.15, "s")


FIT = [sys.executable, "-m", "maury", "fit", "--quiet"]


def peak(command):
    """Return the peak memory of a command [MB]."""
    code = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    run = subprocess.run([sys.executable, "-c", code, *command], check=True, capture_output=True, text=True)
    return float(run.stdout) * (1e-6 if sys.platform == "darwin" else 1e-3)


def wall(command):
    """Return the wall time [s] of a command that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def survey(options):
    """A whole file of MaStar on all processors, compared with its decompression."""
    import mastar_files
    from astropy.table import Table

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stars = max(100, int(options.visits / 2.5))
        file = mastar_files.write_files(folder, stars, options.visits, seed=3)[0]["goodspec"]
        networks.network().save(folder / "five.onnx")
        command = [*FIT, str(file), "--emulator", str(folder / "five.onnx"), "--overwrite", "-o"]
        grown = peak([*command, str(folder / "a.fits")])
        catalog = Table.read(folder / "a.fits")
        assert len(catalog) == options.visits and (column_values(catalog, "converged") > 0).mean() > 0.9
        unpacked, fitted = (
            min(wall(words) for _ in range(2))
            for words in (["gzip", "-dc", str(file)], [*command, str(folder / "b.fits")])
        )
    of = f"{options.visits} visits of MaStar"
    yield Figure(f"{of}, maury fit / gzip -dc", fitted / unpacked, 1.2, "times")
    yield Figure(f"{of}, memory", grown, 1000, "MB")


def memory(options):
    """Peak memory of a run of many files, compared with an eighth of them."""
    for name in ("LAMOST", "SDSS"):
        known = sorted(DATA.glob(SETS[name]))
        with tempfile.TemporaryDirectory() as folder:
            links = [Path(folder, f"{i:04d}-{known[i % len(known)].name}") for i in range(800)]
            for i, link in enumerate(links):
                link.symlink_to(known[i % len(known)])
            few, many = (
                peak([*FIT, *map(str, some), "-o", str(Path(folder, f"{len(some)}.fits"))])
                for some in (links[:100], links)
            )
        yield Figure(f"800 files of {name}, memory beyond that of 100", many - few, 64, "MB")


ROWS = {
    row.__name__: row
    for row in (median, peers, rank, minimum, real, files, starts, survey, threads, imports, memory)
}


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"only these of {', '.join(ROWS)}")
    parser.add_argument("--visits", type=int, default=3000)
    options = parser.parse_args()
    if unknown := sorted(set(options.rows) - set(ROWS)):
        parser.error(f"no row {', '.join(unknown)}; there are {', '.join(ROWS)}")
    machine.print_header()
    print("\n| | measured | goal | met |\n|---|---|---|---|")
    for name in options.rows or ROWS:
        for figure in ROWS[name](options):
            print(figure, flush=True)


if __name__ == "__main__":
    main()
