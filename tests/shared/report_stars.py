"""A catalogue of made-up stars as a survey has them: five labels, Gaia colours, repeat visits, flags."""

import numpy as np
from astropy import units as u
from astropy.table import QTable

from maury.catalog.flags import Flag

DEX = {"logg": 0.08, "fe_h": 0.06, "alpha_fe": 0.03, "log_vmicro": 0.05}


def survey_catalog(n, seed=0):
    """Return N rows as those of `maury.fit`: two visits a star, with columns bp_rp and m_g."""
    rng = np.random.default_rng(seed)
    star = np.arange(n) // 2
    giant = (rng.random(n) < 0.45)[star]
    teff = np.where(giant, 3600 + 1700 * rng.random(n)[star], 3500 * (1 + 2 * rng.random(n)[star] ** 3))
    logg = np.where(giant, (teff - 3300) / 620 + 0.2, 4.9 - 0.9 * (teff / 10500))
    fe_h = np.clip(-0.25 - 0.5 * rng.exponential(0.6, n)[star], -2.5, 0.5) + 0.2 * rng.normal(size=n)[star]
    truth = {"teff": teff, "logg": logg + 0.12 * rng.normal(size=n)[star], "fe_h": fe_h}
    truth["alpha_fe"] = np.clip(0.05 - 0.3 * fe_h, -0.1, 0.35) + 0.03 * rng.normal(size=n)[star]
    truth["log_vmicro"] = 0.5 - 0.1 * truth["logg"]
    snr = 15 + 200 * rng.beta(1.5, 3, n)
    rchi2 = rng.lognormal(0.1, 0.5, n) * (1 + (teff < 4000))
    flags = np.where(snr < 20, int(Flag.LOW_SNR), 0) | np.where(rng.random(n) < 0.03, int(Flag.AT_BOUND), 0)
    table = QTable()
    table["star_id"] = [f"7-{10_000_000 + i}" for i in star]
    table["visit_id"] = [f"{8000 + i % 3000}-{57000 + i}-{1901 + i % 1000}" for i in range(n)]
    table["file"] = "mastar-goodspec-v3_1_1-v1_7_7.fits.gz"
    scale = 100 / snr
    for name, value in truth.items():
        error = (0.012 * teff if name == "teff" else DEX[name]) * scale
        unit = u.K if name == "teff" else u.dex
        table[name] = (value + error * rng.normal(size=n)) * unit
        table[f"{name}_err"] = error * unit
        table[f"{name}_err_formal"] = error / np.sqrt(np.fmax(rchi2, 1)) * unit
    table["chi2"], table["rchi2"], table["rchi2_noise"] = 4500 * rchi2, rchi2, 1.4 * rchi2
    table["n_pixels"] = rng.integers(4200, 4563, n).astype(np.int32)
    table["n_clipped"] = rng.integers(0, 40, n).astype(np.int32)
    table["snr"] = snr
    table["rv"], table["rv_err"] = 60 * rng.normal(size=n) * u.km / u.s, np.full(n, 3.0) * u.km / u.s
    table["converged"] = True
    table["status"], table["start"], table["problem"] = "cost", "search", ""
    table["flags"] = flags.astype(np.int32)
    table["n_starts"] = table["n_agree"] = np.full(n, 6, dtype=np.int32)
    table["covariance"] = np.zeros((n, 5, 5))
    table["bp_rp"] = (5040 / teff) ** 1.3 * 1.05 - 0.2 + 0.02 * rng.normal(size=n)
    table["m_g"] = np.where(giant, 2.6 * (truth["logg"] - 2.3) + 0.8, 9.5 - 8 * np.log10(teff / 3700) / 0.3)
    table.meta |= {
        "MAURYVER": "0.1.0",
        "DATE": "2026-10-31T12:00:00+00:00",
        "EMULATOR": "made up",
        "EMUHASH": "0" * 64,
        "LABELS": ",".join(truth),
        "ERRORS": "formal, times sqrt(rchi2) where above 1",
        "OPTIONS": "{}",
    }
    return table
