"""A random network as the C++ emulator, and as what its slow twin in NumPy needs."""

from types import SimpleNamespace

import numpy as np

from maury import _core
from network_twin import flux_and_jacobian, random_layers


def core_and_twin(widths, activation, seed=0, log10=()):
    """Return (_core.Emulator, twin); labels in [0, 2], or [3000, 30000] where listed in log10."""
    weights, biases = random_layers(widths, seed)
    n_labels = widths[0]
    twin = SimpleNamespace(
        weights=weights,
        biases=biases,
        activations=(activation,) * (len(widths) - 2),
        transforms=tuple("log10" if i in log10 else "linear" for i in range(n_labels)),
        label_min=np.array([3000.0 if i in log10 else 0.0 for i in range(n_labels)]),
        label_max=np.array([30000.0 if i in log10 else 2.0 for i in range(n_labels)]),
    )
    core = _core.Emulator(
        twin.transforms, twin.label_min, twin.label_max, weights, biases, (*twin.activations, "identity")
    )
    return core, twin


def inside(twin, n, rng, margin=0.0):
    """Return (n, L) labels, even over the range; a negative margin keeps away from its ends."""
    part = rng.uniform(-margin, 1 + margin, (n, len(twin.label_min)))
    return twin.label_min + np.clip(part, 0, 1) * (twin.label_max - twin.label_min)


def mock(core, twin, n, snr, seed=0, margin=0.0):
    """Return labels (n, L), noisy flux (n, P) and ivar (n, P)."""
    rng = np.random.default_rng(seed)
    labels = inside(twin, n, rng, margin)
    flux = core.predict(labels)
    flux += rng.normal(0, 1 / snr, flux.shape)
    return labels, flux, np.full_like(flux, float(snr) ** 2)


def grid(n_pixels):
    return 10 ** (3.6 + 1e-4 * np.arange(n_pixels))


def fit(
    core,
    twin,
    flux,
    ivar,
    *,
    lower=None,
    upper=None,
    candidates=None,
    scatter=None,
    starts=None,
    guess=None,
    threads=1,
    progress=None,
    **options,
):
    """Fit normalised spectra (N, P) inside the range of the twin, on one thread."""
    lower = twin.label_min if lower is None else lower
    upper = twin.label_max if upper is None else upper
    wavelength = grid(core.n_pixels)
    plan = _core.Plan(core, wavelength, None, scatter, 400, lower, upper, candidates, None, threads)
    spectra = _core.Spectra(
        wavelength=wavelength, flux=flux, ivar=ivar, starts=starts, guess=guess, n_labels=core.n_labels
    )
    options = {"continuum": False, "clip": 0.0} | options
    return _core.measure(plan, spectra, options, threads=threads, progress=progress)


def errors(covariance):
    """Return (N, L) formal errors."""
    return np.sqrt(np.einsum("nll->nl", covariance))


def long_batch():
    """Arguments of a fit that takes several seconds."""
    core, twin = core_and_twin((4, 60, 60, 1500), "tanh")
    _, flux, ivar = mock(core, twin, 40, snr=100)
    repeat = 250
    wavelength = grid(1500)
    plan = _core.Plan(core, wavelength, None, None, 400, twin.label_min, twin.label_max)
    spectra = _core.Spectra(
        wavelength=wavelength, flux=np.tile(flux, (repeat, 1)), ivar=np.tile(ivar, (repeat, 1)), n_labels=4
    )
    return plan, spectra, {"continuum": False}


def fits_of_30():
    """Fit some spectra, the last of them on a bound."""
    core, twin = core_and_twin((4, 40, 40, 20, 700), "silu", seed=3, log10=(0,))
    _, flux, ivar = mock(core, twin, 30, snr=50, margin=0.1)
    candidates = inside(twin, 300, np.random.default_rng(1))
    return fit(core, twin, flux, ivar, candidates=candidates, scatter=np.full(700, 0.01))


__all__ = [
    "core_and_twin",
    "errors",
    "fit",
    "fits_of_30",
    "flux_and_jacobian",
    "grid",
    "inside",
    "long_batch",
    "mock",
]
