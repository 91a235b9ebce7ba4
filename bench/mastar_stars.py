"""Stars of a synthetic MaStar, the APOGEE data of some of them, and all possible faults of a match.

Every star has a `kind`: "good" ones belong to the reference set; each of the others has exactly one reason
for rejection.
"""

import numpy as np
from astropy.table import Table

# Types of stars observed by both surveys, and their number per 1,000; at least one of each.
KINDS = {
    "good": 0,  # the rest
    "good, two APOGEE rows": 15,
    "good, fast": 15,  # its APOGEE position is more than 3 arcsec away, because of its proper motion
    "good, epoch unknown": 10,
    "good, a visit with a bad bit": 40,
    "binary: STARFLAG": 15,
    "binary: ASPCAPFLAG": 15,
    "binary: N_COMPONENTS": 15,
    "binary: VSCATTER": 15,
    "flagged: STAR_BAD": 30,
    "flagged: TEFF_BAD": 10,
    "flagged: ROTATION_WARN": 20,
    "flagged: SUSPECT_BROAD_LINES": 10,
    "flagged: FE_H_FLAG": 10,
    "label missing: alpha_fe": 10,
    "emission": 30,
    "no good visit: SKYSUBBAD": 15,
    "no good visit: low S/N": 15,
    "wrong match: Gaia id": 15,  # APOGEE has a neighbour, not this star
    "wrong match: passing": 15,  # the same, and the neighbour was near only in 2000
}
BINARIES = tuple(kind for kind in KINDS if kind.startswith("binary"))
EPOCH, YEARS = 2015.5, 15.5
_SEARCH = 3.0  # arcsec


def make_stars(n, rng):
    """Return a table of n stars: names, positions, labels, type; "MaStar only" if not in APOGEE."""
    labels = draw_labels(n, rng)
    kind = np.full(n, "MaStar only", dtype="U32")
    both = np.flatnonzero((labels[:, 0] < 7200) & (rng.random(n) < 0.75))
    planted = [
        name for name, of_1000 in KINDS.items() for _ in range(max(1, of_1000 * len(both) // 1000)) if of_1000
    ]
    if len(both) < 2 * len(planted):
        raise ValueError(f"n: {n} stars are too few for one of every kind; give 100 or more")
    kind[both] = "good"
    kind[rng.permutation(both)[: len(planted)]] = planted
    pm = rng.normal(0.0, 12.0, size=(n, 2))
    pm[kind == "good, fast"] = rng.choice([-1, 1], size=((kind == "good, fast").sum(), 2)) * 450.0
    pm[kind == "good, epoch unknown"] = 0.0
    table = Table(
        {
            "star_id": [f"7-{i:08d}" for i in rng.permutation(n * 7)[:n]],
            "apogee_id": [f"2M{i:08d}+{i * 37 % 10**7:07d}" for i in range(n)],
            "gaia_id": 10**18 + rng.permutation(10 * n)[:n].astype(np.int64),
            "kind": kind,
            "ra": rng.uniform(5.0, 355.0, n),  # at EPOCH
            "dec": np.degrees(np.arcsin(rng.uniform(-0.2, 0.95, n))),
            "pm_ra": pm[:, 0],
            "pm_dec": pm[:, 1],
            "g_mag": rng.uniform(12.0, 17.0, n),
            "ebv": rng.exponential(0.08, n),
        }
    )
    for name, values in zip(("teff", "logg", "fe_h", "alpha_fe", "log_vmicro"), labels.T, strict=True):
        table[name] = values
    table["in_reference"] = np.char.startswith(kind, "good")
    return table


def draw_labels(n, rng):
    """Return labels (n, 5) of plausible stars: dwarfs, giants, a few hot ones; two sequences of alpha."""
    group = rng.choice(5, n, p=[0.42, 0.36, 0.09, 0.06, 0.07])
    u, v = rng.random((2, n))
    teff = np.choose(
        group, [4000 + 2600 * u, 3600 + 1700 * u, 3050 + 900 * u, 7000 * (30000 / 7000) ** u, 4600 + 1800 * u]
    )
    fe_h = np.choose(
        group,
        [
            rng.normal(-0.15, 0.3, n),
            rng.normal(-0.35, 0.4, n),
            rng.normal(-0.1, 0.25, n),
            rng.normal(-0.05, 0.2, n),
            -1.2 - 1.2 * v,
        ],
    )
    fe_h = np.clip(fe_h, -2.4, 0.5)
    dwarf = np.where(
        teff < 3950, 5.15 - 0.5 * (teff - 3050) / 900, 4.65 - 0.45 * np.clip((teff - 4000) / 2600, 0, 1)
    )
    giant = np.minimum(1.9 + (teff - 4500) / 420 - 0.6 * (fe_h + 0.3), 3.9 - 0.5 * u)
    hot = 4.1 - 0.5 * v
    logg = np.choose(group, [dwarf, giant, dwarf, hot, np.where(v < 0.5, dwarf, giant)])
    logg = np.clip(logg + rng.normal(0, 0.08, n), -0.3, 5.3)
    thick = rng.random(n) < np.clip(0.15 - 0.5 * fe_h, 0.05, 0.95)
    alpha = np.where(thick, 0.3, 0.02) - 0.12 * np.clip(fe_h, -1, 0.5) * ~thick + rng.normal(0, 0.03, n)
    log_vmicro = (
        0.05 + 0.1 * (4.5 - logg) / 2 + np.clip((teff - 5500) / 9000, 0, 0.35) + rng.normal(0, 0.08, n)
    )
    return np.column_stack([teff, logg, fe_h, np.clip(alpha, -0.2, 0.55), np.clip(log_vmicro, -0.25, 0.85)])


def allstar_rows(stars, rng, background=2000):
    """Return columns of allStar (stars of both surveys, neighbours, a background), and its labels.

    Calibrated and raw parameters differ, so that a confusion of the two is detected.
    """
    seen = stars[stars["kind"] != "MaStar only"]
    n = len(seen)
    kind = np.asarray(seen["kind"])
    error = np.column_stack(
        [0.004 * seen["teff"], np.full(n, 0.03), np.full(n, 0.012), np.full(n, 0.012), np.full(n, 0.03)]
    )
    error = error * rng.lognormal(0.0, 0.3, error.shape)
    truth = np.column_stack([seen[name] for name in ("teff", "logg", "fe_h", "alpha_fe", "log_vmicro")])
    given = truth + error * rng.normal(size=truth.shape)
    away = np.zeros((n, 2))  # arcsec, of neighbours
    wrong = np.char.startswith(kind, "wrong")
    away[wrong] = rng.choice([-1, 1], size=(wrong.sum(), 2))
    pm = np.column_stack([seen["pm_ra"], seen["pm_dec"]])
    passing = kind == "wrong match: passing"
    pm[passing] = np.sign(away[passing]) * 600.0
    gaia = np.asarray(seen["gaia_id"]) + wrong  # drawn ids are whole numbers apart from those in use
    gaia[wrong] += 10**17
    back = np.where((kind == "good, epoch unknown") | passing, 0.0, YEARS)[:, None] * pm / 1000  # arcsec
    dec = seen["dec"] + (away - back)[:, 1] / 3600
    ra = seen["ra"] + (away - back)[:, 0] / 3600 / np.cos(np.radians(seen["dec"]))
    columns = _columns(given, error, rng)
    flags = {name: np.zeros(n, dtype=np.int64) for name in ("ASPCAPFLAG", "STARFLAG", "FE_H_FLAG")}
    for what, flag, bit in (
        ("binary: STARFLAG", "STARFLAG", 21), ("binary: ASPCAPFLAG", "ASPCAPFLAG", 41),
        ("flagged: STAR_BAD", "ASPCAPFLAG", 23), ("flagged: TEFF_BAD", "ASPCAPFLAG", 16),
        ("flagged: ROTATION_WARN", "ASPCAPFLAG", 10), ("flagged: SUSPECT_BROAD_LINES", "STARFLAG", 17),
        ("flagged: FE_H_FLAG", "FE_H_FLAG", 1),
    ):  # fmt: skip
        flags[flag][kind == what] |= 1 << bit
    flags["STARFLAG"] |= (rng.random(n) < 0.1).astype(
        np.int64
    ) << 9  # PERSIST_HIGH: not a reason for rejection
    flags["ASPCAPFLAG"] |= (rng.random(n) < 0.1).astype(np.int64) << 6  # N_M_WARN: not a reason either
    columns["FPARAM"][kind == "label missing: alpha_fe", 6] = np.nan
    columns |= {
        "APOGEE_ID": np.asarray(seen["apogee_id"]), "RA": ra, "DEC": dec, "SNR": rng.uniform(80, 400, n),
        "GAIAEDR3_SOURCE_ID": gaia, "GAIAEDR3_PMRA": pm[:, 0], "GAIAEDR3_PMDEC": pm[:, 1],
        "VSCATTER": np.where(kind == "binary: VSCATTER", rng.uniform(3, 30, n), rng.uniform(0.02, 0.4, n)),
        "N_COMPONENTS": np.where(kind == "binary: N_COMPONENTS", 2, 1), "EXTRATARG": np.zeros(n, dtype=int),
        **flags,
    }  # fmt: skip
    again = np.flatnonzero(kind == "good, two APOGEE rows")
    twice = {name: values[again].copy() for name, values in columns.items()}
    twice["SNR"] *= 0.4
    twice["TEFF"] = twice["TEFF"] + 700.0
    twice["EXTRATARG"][::2] = 1 << 4  # SDSS marks some of them, the others are recognised by name
    far = _background(background, rng)
    order = rng.permutation(n + len(again) + background)
    joined = {name: np.concatenate([columns[name], twice[name], far[name]])[order] for name in columns}
    apogee = Table({"star_id": seen["star_id"]})
    for name, values, sigma in zip(
        ("teff", "logg", "fe_h", "alpha_fe", "log_vmicro"), given.T, error.T, strict=True
    ):
        apogee[name], apogee[f"{name}_err"] = values, sigma
    return joined, apogee


def _columns(given, error, rng):
    n = len(given)
    m_h = given[:, 2] + rng.normal(0, 0.01, n)
    raw, covariance, calibrated = np.zeros((n, 9)), np.zeros((n, 9, 9)), np.full((n, 9), np.nan)
    raw[:, 0], raw[:, 1] = given[:, 0] + 60, given[:, 1] - 0.12
    raw[:, 2], raw[:, 3], raw[:, 6] = given[:, 4], m_h, given[:, 3] + given[:, 2] - m_h
    covariance[:, 2, 2] = error[:, 4] ** 2
    calibrated[:, :2], calibrated[:, 3], calibrated[:, 6] = given[:, :2], m_h, raw[:, 6] + 0.03
    return {
        "TEFF": given[:, 0], "TEFF_ERR": error[:, 0], "LOGG": given[:, 1], "LOGG_ERR": error[:, 1],
        "TEFF_SPEC": raw[:, 0], "LOGG_SPEC": raw[:, 1], "FE_H": given[:, 2] + 0.04, "FE_H_SPEC": given[:, 2],
        "FE_H_ERR": error[:, 2], "M_H": m_h, "M_H_ERR": error[:, 2], "ALPHA_M": calibrated[:, 6],
        "ALPHA_M_ERR": error[:, 3], "VMICRO": 10 ** given[:, 4], "FPARAM": raw,
        "FPARAM_COV": covariance.reshape(n, 81), "PARAM": calibrated,
    }  # fmt: skip


def _background(n, rng):
    """Columns of n stars elsewhere on the sky (below the declinations of `make_stars`)."""
    labels = draw_labels(n, rng)
    columns = _columns(labels, np.full(labels.shape, 0.02), rng)
    zeros = np.zeros(n, dtype=np.int64)
    return columns | {
        "APOGEE_ID": np.array([f"2M9{i:07d}-{i * 91 % 10**7:07d}" for i in range(n)]),
        "RA": rng.uniform(0, 360, n), "DEC": rng.uniform(-80, -30, n), "SNR": rng.uniform(20, 300, n),
        "GAIAEDR3_SOURCE_ID": 3 * 10**18 + np.arange(n), "GAIAEDR3_PMRA": rng.normal(0, 15, n),
        "GAIAEDR3_PMDEC": rng.normal(0, 15, n), "VSCATTER": np.full(n, 0.1), "N_COMPONENTS": zeros + 1,
        "EXTRATARG": zeros, "ASPCAPFLAG": zeros, "STARFLAG": zeros, "FE_H_FLAG": zeros,
    }  # fmt: skip
