"""Files of a synthetic MaStar and APOGEE with known true labels, in the layouts of DR17.

    python bench/mastar_files.py FOLDER [--stars 1200] [--visits 3000] [--seed 1]

writes goodspec, mastarall, the Gaia cross-match, allStar, published parameters, isochrones, a grid of models,
and truth.ecsv.
The spectra are those of `synthetic`, convolved with a line-spread function for each visit, with reddening,
calibration errors, noise, masked pixels and cosmic rays.
"""

import argparse
from pathlib import Path

import mastar_schema as schema
import mastar_stars
import mastar_theory
import numpy as np
import synthetic

PIXELS = len(synthetic.WAVELENGTH)
BASE = 0.6  # sigma of the lines of `synthetic`, pixels
COSMIC_RAYS = 3  # in a visit, not masked
ROWS = 200


def write_files(folder, n_stars=1200, n_visits=3000, seed=1, packed=True, background=2000, axes=None):
    """Write all files into a folder; return their paths by name, and the truth (also as truth.ecsv).

    `packed` compresses goodspec; `background` stars are in allStar only; `axes` are those of the models.

    The truth has one row per star: its labels, type, whether it belongs to the reference set, its number of
    good visits, and its APOGEE values (NaN if not observed).
    """
    folder = Path(folder)
    rng = np.random.default_rng(seed)
    stars = mastar_stars.make_stars(n_stars, rng)
    allstar, apogee = mastar_stars.allstar_rows(stars, rng, background)
    visits = make_visits(stars, n_visits, rng)
    files = {
        "goodspec": folder / f"mastar-goodspec-made.fits{'.gz' if packed else ''}",
        "mastarall": folder / "mastarall-made.fits",
        "allstar": folder / "allStar-made.fits",
        "gaia": folder / "mastarall-gaiaedr3-made.fits",
        "parameters": folder / "mastar-goodvisits-made-params-v2.fits",
        "isochrones": folder / "isochrones-made.dat",
        "theory": folder / "models-made.dat",
        "truth": folder / "truth.ecsv",
    }
    _write_spectra(files["goodspec"], stars, visits, rng)
    one_each = {
        "MANGAID": np.asarray(stars["star_id"]),
        "RA": np.asarray(stars["ra"]),
        "DEC": np.asarray(stars["dec"]),
    }
    epoch = np.where(stars["kind"] == "good, epoch unknown", -999.0, mastar_stars.EPOCH)
    number = np.bincount(visits["star"], minlength=n_stars)
    columns = {name: values for name, values in visits.items() if name.isupper()}
    schema.write_mastarall(files["mastarall"], columns, one_each | {"EPOCH": epoch, "NVISITS": number})
    schema.write_table(files["gaia"], "XMATCH", schema.GAIA, _gaia(stars, one_each))
    schema.write_allstar(files["allstar"], allstar)
    schema.write_parameters(files["parameters"], _published(stars, visits, rng))
    mastar_theory.write_isochrones(files["isochrones"])
    mastar_theory.write_theory_grid(files["theory"], axes or mastar_theory.AXES)
    truth = _truth(stars, apogee, visits)
    truth.write(files["truth"], format="ascii.ecsv")
    return files, truth


def make_visits(stars, n, rng):
    """Return metadata of n visits by time, one or more per star; `star` is their row in stars."""
    n_stars = len(stars)
    star = np.concatenate([np.arange(n_stars), rng.integers(0, n_stars, max(0, n - n_stars))])
    star = star[rng.permutation(len(star))]
    kind = np.asarray(stars["kind"])[star]
    first = np.zeros(len(star), dtype=bool)
    first[np.unique(star, return_index=True)[1]] = True
    snr = np.clip(rng.lognormal(np.log(90), 0.5, len(star)), 20, 400)
    quality = np.zeros(len(star), dtype=np.int64)
    quality[rng.random(len(star)) < 0.05] |= 1 << 13  # UPTURNRISK: not a reason for rejection
    quality[kind == "no good visit: SKYSUBBAD"] |= 1 << 1
    poor = kind == "no good visit: low S/N"
    snr[poor], quality[poor] = rng.uniform(8, 15, poor.sum()), quality[poor] | 1 << 9
    quality[(kind == "emission") & first] |= 1 << 8
    several = np.bincount(star, minlength=n_stars)[star] > 1
    quality[(kind == "good, a visit with a bad bit") & first & several] |= 1 << 7
    epoch = np.where(kind == "good, epoch unknown", -999.0, mastar_stars.EPOCH)
    rows = np.arange(len(star))
    return {
        "star": star, "DRPVER": ["v3_1_1"] * len(star), "MPROCVER": ["v1_7_7"] * len(star),
        "MANGAID": np.asarray(stars["star_id"])[star], "PLATE": 8000 + rows // 34,
        "IFUDESIGN": [f"{127 if i % 2 else 701}{i % 34:02d}" for i in rows],
        "MJD": 57000 + rows // 34, "RA": np.asarray(stars["ra"])[star], "DEC": np.asarray(stars["dec"])[star],
        "EPOCH": epoch, "MJDQUAL": quality, "S2N": snr, "NEXP_USED": np.full(len(star), 4),
        "HELIOV": rng.normal(0, 40, len(star)), "VERR": rng.uniform(1, 4, len(star)),
        "V_ERRCODE": np.zeros(len(star), dtype=int), "VELVARFLAG": (kind == "binary: VSCATTER").astype(int),
        "PSFMAG": np.asarray(stars["g_mag"])[star, None] + np.array([1.2, 0.2, -0.2, -0.4, -0.5]),
    }  # fmt: skip


def spectral_sigma(rng, n):
    """Return the line-spread function of n visits, sigma in pixels (n, P): smooth, about MaStar's mean."""
    nodes = np.array([3600, 4500, 5500, 6500, 8000, 9500, 10400])
    resolution = np.array([1440, 1700, 1860, 1800, 2085, 2320, 1850])
    mean = np.interp(synthetic.WAVELENGTH, nodes, 1 / (resolution * 2.3548 * np.log(10) * synthetic.LOG_STEP))
    x = np.linspace(-1, 1, PIXELS)
    return mean * (1.02 + 0.06 * rng.normal(size=(n, 1)) + 0.03 * rng.normal(size=(n, 1)) * x).clip(0.9, 1.35)


def broadened(flux, sigma):
    """Return flux (n, P), its lines of BASE broadened to sigma (n, P) pixels; diffusion adds variances."""
    steps = 4
    share = (sigma**2 - BASE**2) / steps / 2
    for _ in range(steps):
        padded = np.pad(flux, ((0, 0), (1, 1)), mode="edge")
        flux = flux + share * (padded[:, 2:] - 2 * flux + padded[:, :-2])
    return flux


def _write_spectra(path, stars, visits, rng):
    labels = np.column_stack([stars[name] for name in synthetic.LABELS])
    n = len(visits["star"])
    companions = mastar_stars.draw_labels(len(stars), rng)
    binary = np.isin(stars["kind"], mastar_stars.BINARIES)
    with schema.goodspec(path, n, PIXELS) as append:
        for first in range(0, n, ROWS):
            rows = slice(first, first + ROWS)
            star = visits["star"][rows]
            flux = synthetic.spectra(labels[star], blur=0.0).astype(np.float64)
            double = binary[star]
            if double.any():
                flux[double] += 0.6 * synthetic.spectra(companions[star[double]], blur=0.0)
            kind, ebv = np.asarray(stars["kind"])[star], np.asarray(stars["ebv"])[star]
            vectors = observed(flux, kind, ebv, np.asarray(visits["S2N"])[rows], rng)
            append(**{name: values[rows] for name, values in visits.items() if name.isupper()}, **vectors)


def observed(flux, kind, ebv, snr, rng):
    """Return the vectors of a goodspec row for spectra as emitted by the star."""
    n, wave = len(flux), synthetic.WAVELENGTH
    x = np.linspace(-1, 1, PIXELS)
    for centre, strength in ((6564.61, 1.5), (4862.69, 0.5)):
        line = strength * np.exp(-0.5 * ((wave - centre) / 3.0) ** 2)
        flux = flux + (kind == "emission")[:, None] * np.median(flux, axis=1, keepdims=True) * line
    sigma = spectral_sigma(rng, n)
    flux = broadened(flux, sigma)
    flux = flux * 10 ** (-0.4 * 3.1 * ebv[:, None] * (5500 / wave) ** 1.3)
    calibration = rng.normal(0, 0.02, (n, 4)) @ np.stack([x, x**2, np.sin(3 * x), np.cos(5 * x)])
    flux = flux / np.median(flux, axis=1, keepdims=True) * rng.lognormal(6, 0.7, (n, 1)) * (1 + calibration)
    # Photon noise, larger towards the ends, and sky lines in the red.
    sky = 1 + 2 * (wave > 7200) * (np.sin(wave / 7.0) > 0.97)
    relative = np.sqrt(
        np.median(flux, axis=1, keepdims=True) / np.maximum(flux, 1e-3 * flux.max(axis=1, keepdims=True))
    )
    relative = relative * (1 + 1.5 * np.abs(x) ** 6) * sky
    error = flux * np.minimum(relative, 20) / snr[:, None]
    noisy = flux + error * rng.normal(size=flux.shape)
    ivar, mask = 1 / error**2, np.zeros(flux.shape, dtype=np.int32)
    row = np.arange(n)
    for _ in range(COSMIC_RAYS):
        at = rng.integers(5, PIXELS - 5, n)
        noisy[row, at] += 60 * error[row, at]
    for _ in range(2):  # masked runs of pixels
        at = rng.integers(5, PIXELS - 20, n)
        for step in range(12):
            mask[row, at + step] = 1
            noisy[row, at + step] *= 3
    ivar[:, :3], noisy[:, :3] = 0, -999
    disp = sigma * wave * np.log(10) * synthetic.LOG_STEP
    return {
        "WAVE": np.broadcast_to(wave, flux.shape), "FLUX": noisy, "IVAR": ivar, "MASK": mask,
        "DISP": disp, "PREDISP": 0.95 * disp,
    }  # fmt: skip


def _gaia(stars, one_each):
    n = len(stars)
    colour = 0.35 + 5040 / np.asarray(stars["teff"]) * 1.1 - 0.4
    absolute = np.where(stars["logg"] > 3.8, 4.5 + 3.5 * (colour - 0.8), 4.5 - 2.2 * (3.8 - stars["logg"]))
    distance = 10 ** (0.2 * (stars["g_mag"] - absolute + 5))
    return one_each | {
        "SOURCE_ID": np.asarray(stars["gaia_id"]), "PARALLAX": 1000 / distance,
        "PARALLAX_ERROR": np.full(n, 0.02),
        "PMRA": np.asarray(stars["pm_ra"]), "PMDEC": np.asarray(stars["pm_dec"]),
        "PHOT_G_MEAN_MAG": np.asarray(stars["g_mag"]), "BP_RP": colour + 1.3 * np.asarray(stars["ebv"]),
        "BPRPC": colour, "M_G": np.asarray(absolute), "EBV": np.asarray(stars["ebv"]), "R_EST": distance,
        "GAIA_CLEANMATCH": np.ones(n, dtype=int), "DUSTCLEAN": np.ones(n, dtype=int),
    }  # fmt: skip


def _published(stars, visits, rng):
    star, n = visits["star"], len(visits["star"])
    values = {
        name: visits[name]
        for name in ("DRPVER", "MPROCVER", "MANGAID", "PLATE", "IFUDESIGN", "MJD", "MJDQUAL")
    }
    errors = {"TEFF": 25.0, "LOGG": 0.05, "FEH": 0.04, "ALPHA": 0.03, "VMICRO": 0.05}
    for (stem, error), name in zip(errors.items(), synthetic.LABELS, strict=True):
        for group in ("JI",) if stem == "VMICRO" else ("JI", "MED"):
            values[f"{stem}_{group}"] = np.asarray(stars[name])[star] + error * rng.normal(size=n)
            values[f"{stem}_ERR_JI" if group == "JI" else f"{stem}_MED_ERR"] = np.full(n, error)
    return values | {"VALID_JI": np.ones(n, dtype=int), "NGROUPS": np.full(n, 4), "CHISQ_JI": np.ones(n)}


def _truth(stars, apogee, visits):
    from astropy.table import join

    given = apogee.copy()
    for name in given.colnames[1:]:
        given.rename_column(name, f"apogee_{name}")
    truth = stars.copy()
    truth["row"] = np.arange(len(truth))
    truth = join(truth, given, keys="star_id", join_type="left")
    truth.sort("row")
    truth.remove_column("row")
    bad = (visits["MJDQUAL"] & (1 << 1 | 1 << 7 | 1 << 9)) != 0
    truth["n_visits"] = np.bincount(visits["star"], minlength=len(stars))
    truth["n_good_visits"] = np.bincount(visits["star"], weights=~bad, minlength=len(stars)).astype(int)
    return truth.filled(np.nan) if truth.has_masked_columns else truth


def main():
    """Write the files requested on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stars", type=int, default=1200)
    parser.add_argument("--visits", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    files, truth = write_files(options.folder, options.stars, options.visits, options.seed)
    for name, path in files.items():
        print(f"{name:12s} {path.stat().st_size / 1e6:9.1f} MB  {path}")
    print(f"{truth['in_reference'].sum()} of {len(truth)} stars belong to the reference set")


if __name__ == "__main__":
    main()
