"""A small emulator with real-looking lines, spectra made from it, and fit results to order."""

from dataclasses import replace

import numpy as np
from astropy.io import fits

from maury.emulator.emulator import Emulator
from maury.measure.columns import catalog_columns
from maury.measure.fit import FitResult
from maury.measure.options import Options
from maury.measure.pipeline import finished_catalog
from maury.spectra import Spectra

N_PIXELS = 1500
LSF = 1.2  # Angstrom; the emulator tells none, so nothing is broadened
LABELS = np.array([[5000.0, 3.5, -0.5], [5800.0, 4.4, 0.0], [4500.0, 2.0, -1.5], [6500.0, 4.1, 0.2]])


def emulator(**changes):
    """Return an emulator of teff, logg, fe_h: flat continuum, narrow lines whose depths follow the labels."""
    rng = np.random.default_rng(3)
    n_hidden = 9
    pixel = np.arange(N_PIXELS)
    centres = rng.permutation(np.linspace(20, N_PIXELS - 20, 10 * n_hidden)).reshape(n_hidden, 10)
    lines = np.exp(-0.5 * ((pixel - centres[..., None]) / 1.5) ** 2).sum(axis=1)
    training = np.column_stack(
        [rng.uniform(4000, 7000, 400), rng.uniform(1.0, 5.0, 400), rng.uniform(-2.0, 0.5, 400)]
    )
    arguments = {
        "weights": [rng.normal(0, 1.5, (n_hidden, 3)), -0.3 * lines.T],
        "biases": [rng.normal(0, 0.5, n_hidden), 1 - 0.2 * lines.sum(axis=0)],
        "activation": "tanh",
        "labels": ["teff", "logg", "fe_h"],
        "label_min": [3500.0, 0.0, -2.5],
        "label_max": [8000.0, 5.5, 1.0],
        "wavelength": 10 ** (3.65 + 1e-4 * pixel),
        "scatter": np.full(N_PIXELS, 0.005),
        "training_labels": training,
        "meta": {"name": "made up"},
    }
    return Emulator.from_layers(**(arguments | changes))


def spectra(emulator, stars=LABELS, **changes):
    """Return spectra of the stars with these labels (N, L), with noise of 1/80."""
    n = len(stars)
    flux = emulator.predict(stars)
    flux = flux + np.random.default_rng(1).normal(0, 1 / 80, flux.shape)
    arguments = {
        "wavelength": emulator.wavelength,
        "flux": flux,
        "ivar": np.full(flux.shape, 80.0**2),
        "star_id": [f"star {i}" for i in range(n)],
        "visit_id": [f"{55000 + i}" for i in range(n)],
        "file": [f"spec-{i}.fits" for i in range(n)],
        "rv": np.linspace(-30.0, 40.0, n),
        "snr": 80.0,
        "lsf": LSF,
    }
    return Spectra(**(arguments | changes))


def result(labels=LABELS, **changes):
    """Return what a good fit would give: errors of 50 K, 0.1 and 0.05 dex, correlated, reduced chi2 2."""
    n = len(labels)
    sigma = np.array([50.0, 0.1, 0.05])
    correlation = np.full((3, 3), 0.4) + 0.6 * np.eye(3)
    covariance = np.tile(correlation * sigma * sigma[:, None], (n, 1, 1))
    good = FitResult(
        labels=np.array(labels, dtype=float),
        covariance=covariance,
        noise_covariance=covariance.copy(),
        chi2=np.full(n, 2.0 * (N_PIXELS - 3)),
        chi2_noise=np.full(n, 3.0 * (N_PIXELS - 3)),
        n_pixels=np.full(n, N_PIXELS),
        converged=np.ones(n, dtype=bool),
        status=np.zeros(n, dtype=int),
        n_evaluations=np.full(n, 25),
        at_bound=np.zeros((n, 3), dtype=bool),
        n_starts=np.full(n, 6),
        n_agree=np.full(n, 5),
        n_clipped=np.zeros(n, dtype=int),
        start=np.full(n, "search"),
    )
    return replace(good, **changes)


def failed_result(labels=LABELS):
    """Return the result where the second spectrum has no fit."""
    fit = result(labels)
    for array in (fit.labels, fit.covariance, fit.noise_covariance, fit.chi2, fit.chi2_noise):
        array[1] = np.nan
    fit.n_pixels[1], fit.converged[1], fit.status[1] = 0, False, 6
    return fit


def catalog(**changes):
    """Return a catalogue of four stars."""
    model = emulator()
    return build_catalog(result(**changes), spectra(model), model)


def write_sdss(path, emulator, labels, snr=80.0, z=1e-4, seed=0):
    """Write one star as an SDSS `spec` file, with a slope, noise and redshift."""
    flux = emulator.predict(labels)
    wavelength = emulator.wavelength * (1 + z)
    slope = 20 * wavelength / 5000
    noisy = (flux + np.random.default_rng(seed).normal(0, 1 / snr, flux.shape)) * slope
    columns = {
        "loglam": np.log10(wavelength),
        "flux": noisy,
        "ivar": (snr / slope) ** 2,
        "wdisp": np.full(len(flux), 1.5),
    }
    table = [fits.Column(name, "D", array=array) for name, array in columns.items()]
    table.append(fits.Column("and_mask", "J", array=np.zeros(len(flux), dtype=int)))
    numbers = {"Z": z, "SN_MEDIAN_ALL": snr, "PLUG_RA": 150.0 + seed, "PLUG_DEC": 2.0}
    summary = [fits.Column(name, "D", array=[value]) for name, value in numbers.items()]
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(table), fits.BinTableHDU.from_columns(summary)]
    fits.HDUList(hdus).writeto(path)
    return path


def build_catalog(fit, spectra, model, options=None, **found):
    """Return the catalogue of a result; found: what else the pipeline finds, sharper and emission."""
    columns = catalog_columns(fit, spectra, model, options.max_rv if options else np.inf, **found)
    return finished_catalog(columns, model, options or Options())
