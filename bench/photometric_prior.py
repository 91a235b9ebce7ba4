"""Scatter and pulls of log g from the photometric prior: real stars of LAMOST, and fits of synthetic spectra.

    python bench/photometric_prior.py DATA

DATA is the folder with gaia/gaia_lamost.csv and isochrones/. LAMOST log g is assumed to have an error of
0.06. Synthetic stars are points of the isochrones, half of them dwarfs; their colours, parallaxes
(signal-to-noise ratio 20 to 100) and extinctions are drawn with errors, and their masses scatter about those
of the isochrones. Their spectra (`synthetic`) are fitted with an emulator of three labels, with and without
the prior: once all other labels are those of the emulator, once they vary from star to star, which the
emulator does not know. Its model error is that of other such stars. Scatter is 1.48 times the median absolute
deviation.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import synthetic
from astropy.table import Table

import maury
from maury.emulator.distance import training_distance
from maury.learn.model_error import Residuals, fit_model_error
from maury.measure.photometric_prior import photometric_prior
from maury.measure.photometry import gaia_extinction
from maury.readers.isochrones import read_isochrones

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "shared"))
from quick_emulator import LSF, quick_emulator

LASP = 0.06  # error of log g of LAMOST
SNR = 60.0
MASSES = (0.10, 0.04)  # scatter of log mass that the isochrones do not have, below and above log g 3.7 to 4.2


def scatter(values):
    """1.48 times the median absolute deviation."""
    return 1.4826 * np.nanmedian(np.abs(values - np.nanmedian(values)))


def line(what, difference, error):
    """Return one line of the tables."""
    pull = difference / error
    return (
        f"{what:38s} {np.isfinite(difference).sum():5d} {scatter(difference):8.3f} "
        f"{np.nanmedian(difference):+8.3f} {np.nanmedian(error):8.3f} {scatter(pull):6.2f}"
    )


def real_stars(data, isochrones):
    """Print the prior against LAMOST."""
    stars = Table.read(data / "gaia" / "gaia_lamost.csv")
    stars = stars[stars["parallax_over_error"] > 20]
    mean, covariance = photometric_prior(stars, isochrones, ["teff", "logg"])
    logg = np.asarray(stars["logg"])
    error = np.hypot(np.sqrt(covariance[:, 1, 1]), LASP)
    away = mean[:, 1] - logg
    # At the temperature of LAMOST, as a fit combines them.
    slope = covariance[:, 0, 1] / covariance[:, 0, 0]
    at_teff = away + slope * (np.asarray(stars["teff"]) - mean[:, 0])
    error_at = np.hypot(np.sqrt(covariance[:, 1, 1] - slope * covariance[:, 0, 1]), LASP)
    kinds = {"all": logg > -9, "giants": mean[:, 1] < 3.7, "dwarfs": mean[:, 1] >= 3.7}
    for name, kind in kinds.items():
        print(line(name, away[kind], error[kind]))
        print(line(f"{name}, Teff of LAMOST", at_teff[kind], error_at[kind]))


def made_stars(isochrones, n, rng):
    """Return labels (n, 5) of points of the isochrones, and their photometry."""
    good = (isochrones["teff"] > 4600) & (isochrones["teff"] < 6800)
    good &= (isochrones["logg"] > 1.3) & (isochrones["logg"] < 4.8) & (isochrones["age"] > 0.1)
    dwarf = np.asarray(isochrones["logg"] > 4.0)
    rows = np.concatenate([rng.choice(np.flatnonzero(good & kind), n // 2) for kind in (dwarf, ~dwarf)])
    logg = np.asarray(isochrones["logg"])[rows]
    labels = np.column_stack([
        isochrones["teff"][rows], logg + rng.normal(0, np.interp(logg, (3.7, 4.2), MASSES)),
        rng.normal(-0.2, 0.25, n).clip(-1.2, 0.4),
        np.full(n, 0.1), np.full(n, 0.15),
    ])  # fmt: skip
    ebv = rng.exponential(0.02, n)
    g, bp, rp = (np.asarray(isochrones[band])[rows] for band in ("G", "BP", "RP"))
    a_g, a_bp, a_rp = gaia_extinction(bp - rp, ebv)
    snr = rng.uniform(20, 100, n)
    parallax = 10 ** rng.uniform(-0.3, 1.0, n)
    names = [f"star {i}" for i in range(n)]
    return labels, Table({
        "star_id": names, "phot_g_mean_mag": g + a_g + 10 - 5 * np.log10(parallax) + rng.normal(0, 0.003, n),
        "bp_rp": bp - rp + a_bp - a_rp + rng.normal(0, 0.01, n),
        "parallax": parallax * (1 + rng.normal(0, 1, n) / snr), "parallax_over_error": snr,
    })  # fmt: skip


def spectra_of(truth, rng):
    """Return noisy spectra of stars."""
    flux = synthetic.spectra(truth, blur=np.sqrt(LSF**2 - 0.6**2)).astype(np.float64)
    sigma = flux / SNR
    flux = flux + sigma * rng.normal(size=flux.shape)
    names = [f"star {i}" for i in range(len(truth))]
    return maury.Spectra(
        synthetic.WAVELENGTH, flux, 1 / sigma**2, star_id=names, rv=np.full(len(flux), np.nan)
    )


def knowing(truth, rng):
    """Return the emulator with its model error on stars."""
    emulator = quick_emulator()
    catalog = maury.fit(spectra_of(truth, rng), emulator)
    fitted = np.column_stack([np.asarray(catalog[name]) for name in emulator.labels])
    residuals = Residuals(
        emulator.labels, np.array([True, False, False]), np.asarray(catalog["star_id"]), truth[:, :3],
        np.zeros((len(truth), 3)), fitted, np.asarray(catalog["covariance_formal"]),
        training_distance(fitted, emulator), 2,
    )  # fmt: skip
    return emulator.with_model_error(fit_model_error(residuals))


def varied(labels, rng):
    """Return labels with alpha and vmicro that vary from star to star."""
    others = labels.copy()
    others[:, 3] = rng.normal(0.1, 0.1, len(labels)).clip(-0.2, 0.5)
    others[:, 4] = rng.normal(0.15, 0.1, len(labels)).clip(-0.2, 0.6)
    return others


def fitted_stars(isochrones, n=400, seed=3):
    """Print fits of synthetic spectra, with and without the prior, against the truth."""
    rng = np.random.default_rng(seed)
    labels, photometry = made_stars(isochrones, n, rng)
    others, _ = made_stars(isochrones, n, rng)
    kinds = (("other labels known", labels, others), ("they vary", varied(labels, rng), varied(others, rng)))
    for what, truth, teachers in kinds:
        emulator, spectra = knowing(teachers, rng), spectra_of(truth, rng)
        more = {"photometry": photometry, "isochrones": isochrones}
        for prior in (None, "photometry"):
            catalog = maury.fit(spectra, emulator, prior=prior, **more)
            good = np.asarray(catalog["converged"])
            away, error = np.asarray(catalog["logg"]) - truth[:, 1], np.asarray(catalog["logg_err"])
            for group, kind in (("", good), (" dwarfs", good & (truth[:, 1] > 4.0))):
                print(line(f"{what}, {prior or 'no prior'}{group}", away[kind], error[kind]))
    # The same dwarfs, each with a companion as bright as itself that the spectrum does not show.
    dwarfs = np.flatnonzero(truth[:, 1] > 4.0)
    photometry["phot_g_mean_mag"] -= 2.5 * np.log10(2)
    catalog = maury.fit(spectra[dwarfs], emulator, prior="photometry", **more)
    away = np.asarray(catalog["logg"]) - truth[dwarfs, 1]
    print(line("they vary, equal binaries", away, np.asarray(catalog["logg_err"])))
    photometry["phot_g_mean_mag"] += 2.5 * np.log10(2)
    mean, covariance = photometric_prior(photometry, isochrones, ["teff", "logg"])
    print(line("prior alone", mean[:, 1] - labels[:, 1], np.sqrt(covariance[:, 1, 1])))


def main():
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    isochrones = read_isochrones(sorted((data / "isochrones").glob("*")))
    print(f"{'log g':38s} {'n':>5s} {'scatter':>8s} {'offset':>8s} {'error':>8s} {'pull':>6s}")
    real_stars(data, isochrones)
    fitted_stars(isochrones)


if __name__ == "__main__":
    main()
