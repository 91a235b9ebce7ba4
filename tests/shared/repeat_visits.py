"""A made-up catalogue of repeat visits with known truth: 3,000 visits of 1,200 stars by default."""

from dataclasses import dataclass

import numpy as np
from astropy import units as u
from astropy.table import QTable

from maury.catalog.flags import Flag

LABELS = ("teff", "logg", "fe_h", "alpha_fe", "log_vmicro")
UNITS = ("K", "dex", "dex", "dex", "dex")
# Errors at S/N 100, 5000 K and 25,000 K, like those of the paper's table 3.
COOL = np.array([15.0, 0.03, 0.02, 0.015, 0.03])
HOT = np.array([300.0, 0.10, 0.12, 0.07, 0.12])


@dataclass
class Visits:
    """Catalogue, truth (N, L), true errors (N, L), and which visits (N,) are as their errors say."""

    catalog: QTable
    truth: np.ndarray
    sigma: np.ndarray
    clean: np.ndarray


def make_visits(n_stars=1200, n_visits=3000, seed=0, outliers=0.03, variables=0.04, formal=0.7):
    """Errors fall with S/N to a floor, so that a quadratic of log10 S/N is not exact, as in real life."""
    rng = np.random.default_rng(seed)
    teff = 10 ** rng.uniform(np.log10(3400), np.log10(28000), n_stars)
    giant = (teff < 5500) & (rng.random(n_stars) < 0.5)
    logg = np.where(giant, np.clip(3.5 - (5500 - teff) / 700, 0.3, 3.5), 4.4) + rng.normal(0, 0.15, n_stars)
    fe_h = np.clip(rng.normal(-0.4, 0.5, n_stars), -2.4, 0.6)
    others = [rng.normal(0.1, 0.1, n_stars), rng.normal(0.2, 0.1, n_stars)]
    stars = np.column_stack([teff, logg, fe_h, *others])

    star = np.concatenate([np.arange(n_stars), rng.integers(0, n_stars, n_visits - n_stars)])
    star = rng.permutation(star)
    truth = stars[star].copy()
    snr = np.clip(rng.lognormal(np.log(90), 0.5, n_visits), 12, 400)
    hot = np.log(truth[:, 0] / 5000) / np.log(5)
    ln_sigma = (
        np.log(COOL) + hot[:, None] * np.log(HOT / COOL) - 0.25 * (truth[:, [2]] + 0.4) * (hot[:, None] < 0.3)
    )
    sigma = np.exp(ln_sigma) * np.sqrt(0.5**2 + 0.87**2 * (100 / snr[:, None]) ** 2)

    measured = truth + sigma * rng.normal(size=truth.shape)
    bad = rng.random(n_visits) < outliers
    measured += bad[:, None] * sigma * rng.choice([-1, 1], truth.shape) * rng.uniform(8, 30, truth.shape)
    varies = (rng.random(n_stars) < variables)[star]
    measured += varies[:, None] * sigma * rng.normal(0, 8, truth.shape)

    table = QTable()
    table["star_id"] = np.array([f"7-{number}" for number in star])
    table["visit_id"] = np.array([f"{58000 + i}" for i in range(n_visits)])
    for j, (name, unit) in enumerate(zip(LABELS, UNITS, strict=True)):
        table[name] = measured[:, j] * u.Unit(unit)
        for end in ("_err", "_err_formal"):
            table[name + end] = formal * sigma[:, j] * u.Unit(unit)
            table[name + end].info.description = f"error of {name}"
    table["rchi2"] = table["rchi2_noise"] = np.ones(n_visits)
    table["snr"] = snr
    table["converged"] = np.ones(n_visits, dtype=bool)
    table["flags"] = np.zeros(n_visits, dtype=np.int32)
    table["covariance"] = np.array([np.diag((formal * row) ** 2) for row in sigma])
    table.meta = {
        "MAURYVER": "0", "DATE": "2026-01-01", "EMULATOR": "made up", "EMUHASH": "0" * 64, "OPTIONS": "{}",
        "LABELS": ",".join(LABELS), "ERRORS": "formal",
    }  # fmt: skip
    failed = rng.random(n_visits) < 0.01
    table["flags"][failed] = int(Flag.NOT_CONVERGED)
    table["converged"][failed] = False
    for name in LABELS:
        table[name][failed] = np.nan
    return Visits(table, truth, sigma, ~(bad | varies | failed))
