"""Time the fit of one spectrum against SciPy on a NumPy network: python bench/fit.py

One thread each. Peers start in the middle of the label range and follow one minimum; maury searches 256
labels and follows three. The answers are compared before anything is timed.
"""

# ruff: noqa: E402
import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before NumPy is loaded, hence the order

import platform
import time
from pathlib import Path

import numpy as np
import scipy
from scipy.optimize import curve_fit, least_squares

import maury
from maury import _core
from maury.measure.starts import candidate_labels

SNR = 100
N_MAURY, N_SCIPY, REPEATS = 100, 10, 3


def made_up_emulator(seed=0, n_pixels=4563, n_labels=5, n_hidden=300, n_coefficients=64):
    """Return an untrained network of the size of MaStar's: smooth random functions of the labels as the
    strengths of 64 groups of Gaussian absorption lines, each line some pixels wide.
    """
    rng = np.random.default_rng(seed)
    pixel = np.arange(n_pixels)
    lines = np.zeros((n_pixels, n_coefficients))
    for k in range(n_coefficients):
        for centre, width in zip(rng.uniform(0, n_pixels, 12), rng.uniform(2, 8, 12), strict=True):
            lines[:, k] += rng.exponential(0.03) * np.exp(-0.5 * ((pixel - centre) / width) ** 2)
    sizes = [n_labels, n_hidden, n_hidden, n_coefficients]
    weights = [
        rng.normal(0, gain / np.sqrt(n_in), (n_out, n_in))
        for gain, n_in, n_out in zip((3.0, 2.0, 2.0), sizes[:-1], sizes[1:], strict=True)
    ]
    return maury.Emulator.from_layers(
        [*weights, -lines],
        [*(rng.normal(0, 0.3, n) for n in sizes[1:]), 1 - lines.sum(axis=1)],
        activation=["silu", "silu", "identity"],
        labels=["teff", "logg", "fe_h", "alpha_fe", "log_vmicro"],
        label_min=[3500.0, 0.0, -2.5, -0.2, -0.3],
        label_max=[8000.0, 5.0, 0.5, 0.6, 0.7],
        wavelength=10 ** (3.559 + 1e-4 * pixel),
        transforms=["log10", "linear", "linear", "linear", "linear"],
    )


class NumpyNetwork:
    """The same network as one would write it in NumPy, in float64; labels scaled to [-0.5, 0.5]."""

    def __init__(self, emulator):
        self.weights = [np.asarray(weight, dtype=float) for weight in emulator.weights]
        self.biases = [np.asarray(bias, dtype=float) for bias in emulator.biases]
        self.activations = (*emulator.activations, "identity")[: len(self.weights)]
        assert set(self.activations) <= {"silu", "identity"}, self.activations
        log10 = np.array([transform == "log10" for transform in emulator.transforms])
        self.low, self.high = (
            np.where(log10, np.log10(np.where(log10, edge, 1.0)), edge)
            for edge in (np.asarray(emulator.label_min), np.asarray(emulator.label_max))
        )
        self.log10 = log10

    def scaled(self, labels):
        value = np.where(self.log10, np.log10(np.where(self.log10, labels, 1.0)), labels)
        return (value - self.low) / (self.high - self.low) - 0.5

    def flux(self, x):
        for weight, bias, activation in zip(self.weights, self.biases, self.activations, strict=True):
            x = weight @ x + bias
            if activation == "silu":
                x = x / (1 + np.exp(-x))
        return x

    def jacobian(self, x):
        tangents = np.eye(len(x))
        for weight, bias, activation in zip(self.weights, self.biases, self.activations, strict=True):
            x, tangents = weight @ x + bias, weight @ tangents
            if activation == "silu":
                gate = 1 / (1 + np.exp(-x))
                tangents *= (gate * (1 + x * (1 - gate)))[:, None]
                x = x * gate
        return tangents


def milliseconds(call, n_spectra):
    """Return the least of some runs, a spectrum."""
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times) / n_spectra


def measure(emulator, truth):
    """Print one table: every way to fit the spectra of these labels (N, L)."""
    rng = np.random.default_rng(1)
    flux = emulator.predict(truth)
    flux += rng.normal(0, 1 / SNR, flux.shape)
    ivar = np.full(flux.shape, float(SNR) ** 2)
    network = NumpyNetwork(emulator)
    lower, upper = (network.scaled(np.asarray(edge)) for edge in np.transpose(emulator.bounds))
    # Not 1e-17: SciPy's first trust region is as small as the start, unless that is exactly 0.
    middle = np.round((lower + upper) / 2, 9) + 0.0
    box = [np.ascontiguousarray(edge, dtype=float) for edge in np.transpose(emulator.bounds)]
    candidates = candidate_labels(emulator, np.asarray(emulator.bounds, dtype=float))

    def with_maury():
        return maury.fit_normalized(emulator, flux, ivar, use_scatter=False, threads=1)

    def through_pixels():
        return _core.fit_batch(
            emulator.core, flux, ivar, None, *box, candidates=candidates, threads=1, compress=False
        )

    def with_curve_fit():
        found = []
        for row in flux[:N_SCIPY]:
            sigma = np.full(len(row), 1 / SNR)
            x, _ = curve_fit(
                lambda _, *x: network.flux(np.array(x)), None, row, middle, sigma, True, bounds=(lower, upper)
            )
            found.append(x)
        return found

    def with_least_squares():
        return [
            least_squares(
                lambda x, row=row: SNR * (network.flux(x) - row),
                middle,
                lambda x: SNR * network.jacobian(x),
                bounds=(lower, upper),
                x_scale="jac",
            ).x
            for row in flux[:N_SCIPY]
        ]

    def chi2_of(found):
        return np.array(
            [np.sum((SNR * (network.flux(x) - row)) ** 2) for x, row in zip(found, flux, strict=False)]
        )

    answer = with_maury()
    assert answer.converged.all()
    own = answer.chi2[:N_SCIPY]
    np.testing.assert_allclose(chi2_of(network.scaled(answer.labels[:N_SCIPY])), own, rtol=1e-9)
    pixels = through_pixels()["chi2"]
    rows = [("maury, searching (compressed)", with_maury, N_MAURY, "")]
    rows.append(("maury, searching (pixels)", through_pixels, N_MAURY, agreement(answer.chi2, pixels, 1e-6)))
    # SciPy with its default tolerances, as in most pipelines.
    for label, call in (
        ("scipy curve_fit, finite differences", with_curve_fit),
        ("scipy least_squares, exact Jacobian", with_least_squares),
    ):
        rows.append((label, call, N_SCIPY, agreement(own, chi2_of(call()), 1e-6)))
    print(f"{'':38} {'ms/spectrum':>11} {'ratio':>7}  same minimum")
    fastest = None
    for label, call, n_spectra, same in rows:
        taken = milliseconds(call, n_spectra)
        fastest = fastest or taken
        print(f"{label:38} {taken:11.3f} {taken / fastest:7.1f}  {same}")


def agreement(own, peer, tolerance):
    """Assert that maury is nowhere worse, and mostly the same; return how often."""
    assert (own <= peer * (1 + tolerance)).all(), (own, peer)
    same = np.abs(own / peer - 1) <= tolerance
    assert same.mean() >= 0.7, (own, peer)  # the others stopped in another, higher minimum
    return f"{same.sum()} of {len(same)}"


def processor():
    """Return the model of the CPU."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def main():
    print(
        f"{processor()}, one thread; Python {platform.python_version()}, NumPy {np.__version__}, "
        f"SciPy {scipy.__version__}, maury {maury.__version__}; S/N {SNR}"
    )
    rng = np.random.default_rng(2)
    built_in = maury.Emulator.load("default")
    known = np.asarray(built_in.training_labels)
    bounds = np.asarray(built_in.bounds)
    known = known[((known > bounds[:, 0]) & (known < bounds[:, 1])).all(axis=1)]
    made_up = made_up_emulator()
    low, high = np.asarray(made_up.label_min), np.asarray(made_up.label_max)
    cases = [
        (
            "the built-in emulator, at labels of its training stars",
            built_in,
            rng.permutation(known)[:N_MAURY],
        ),
        (
            "an untrained, smooth, made-up emulator",
            made_up,
            low + rng.uniform(0.1, 0.9, (N_MAURY, len(low))) * (high - low),
        ),
    ]
    for words, emulator, truth in cases:
        layers = " x ".join(str(n) for n in (len(emulator.labels), *(len(b) for b in emulator.biases)))
        print(f"\n{words}: {layers}")
        measure(emulator, truth)


if __name__ == "__main__":
    main()
