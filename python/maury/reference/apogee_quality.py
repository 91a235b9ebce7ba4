"""Selection of APOGEE stars for training, and their labels (Imig et al. 2021, sec. 2.3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maury.readers.apogee import ASPCAP_BITS, DUPLICATE, STAR_BITS
from maury.readers.mastar_tables import Selection, take_away
from maury.spectra import Floats

if TYPE_CHECKING:
    from astropy.table import Table

# The paper removes "stars identified as spectroscopic binaries or containing parameter quality flags in
# ASPCAP", but does not list the bits. Rejected by default: no result; a BAD bit of a label or of the star;
# more than one star; and warnings that the labels do not describe the star (rotation, no good fit, discrepant
# colour). Warnings of single labels (TEFF_WARN, ...) indicate the edge of a grid or of a calibration. They
# are optional, since rejecting them removes the ends of the sample: cool dwarfs and metal-poor stars.
ASPCAP_REJECT = (
    "NO_ASPCAP_RESULT",
    "STAR_BAD",
    "TEFF_BAD",
    "LOGG_BAD",
    "VMICRO_BAD",
    "M_H_BAD",
    "ALPHA_M_BAD",
    "PROBLEM_TARGET",
    "MULTIPLE_SUSPECT",
    "CHI2_WARN",
    "COLORTE_WARN",
    "ROTATION_WARN",
)
STAR_REJECT = (
    "MULTIPLE_SUSPECT",
    "BAD_PIXELS",
    "VERY_BRIGHT_NEIGHBOR",
    "LOW_SNR",
    "BAD_RV_COMBINATION",
    "RV_FAIL",
    "SUSPECT_BROAD_LINES",
    "SUSPECT_ROTATION",
)
VSCATTER_MAX = 1.0  # km/s
_FE_H_BAD = 0xFF  # the low byte of FE_H_FLAG (PARAMFLAG): grid edge, out of calibration, failed, mismatch


def first_rows(table: Table) -> NDArray[np.bool_]:
    """Rows (N,) of allStar without duplicates: for each APOGEE_ID the row with the highest S/N.

    SDSS marks the others with the bit DUPLICATE of EXTRATARG; unmarked duplicates are found by name.
    """
    names = np.asarray(table["APOGEE_ID"])
    marked = (np.asarray(table["EXTRATARG"]) & DUPLICATE) != 0
    snr = np.nan_to_num(np.asarray(table["SNR"]), nan=-np.inf)
    order = np.lexsort((-snr, marked, names))
    first = np.ones(len(names), dtype=bool)
    first[1:] = names[order][1:] != names[order][:-1]
    keep = np.zeros(len(names), dtype=bool)
    keep[order] = first
    return keep


def select_apogee(
    table: Table,
    aspcap: Iterable[str] = ASPCAP_REJECT,
    star: Iterable[str] = STAR_REJECT,
    vscatter_max: float = VSCATTER_MAX,
) -> Selection:
    """Select stars of allStar by quality.

    Parameters
    ----------
    table : Table
        From `maury.readers.apogee.read_allstar`.
    aspcap, star : iterable of str
        Bits of ASPCAPFLAG and STARFLAG for which a star is rejected.
    vscatter_max : float
        Scatter of the radial velocities of a star's visits above which it counts as a binary [km/s].

    Returns
    -------
    Selection
        A star is counted once, for the first reason that applies, in the order of the bits, then
        N_COMPONENTS, VSCATTER, FE_H_FLAG.

    Raises
    ------
    ValueError
        If a bit is unknown.
    """
    reasons: dict[str, NDArray[np.bool_]] = {}
    for flag, bits, known, chosen in (
        ("ASPCAPFLAG", "aspcap", ASPCAP_BITS, tuple(aspcap)),
        ("STARFLAG", "star", STAR_BITS, tuple(star)),
    ):
        unknown = [bit for bit in chosen if bit not in known]
        if unknown:
            raise ValueError(f"{bits}: expected names among {', '.join(known)}, got {', '.join(unknown)}")
        values = np.asarray(table[flag])
        for bit in chosen:
            reasons[f"{flag} {bit}"] = (values >> known[bit] & 1) != 0
    reasons["N_COMPONENTS above 1"] = np.asarray(table["N_COMPONENTS"]) > 1
    reasons[f"VSCATTER above {vscatter_max:g} km/s"] = np.asarray(table["VSCATTER"]) > vscatter_max
    reasons["FE_H_FLAG bad"] = (np.asarray(table["FE_H_FLAG"]) & _FE_H_BAD) != 0
    return take_away(reasons, len(table))


def apogee_labels(table: Table) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Labels and their errors as in the paper: calibrated Teff and log g, the others uncalibrated.

    - teff, logg: TEFF, LOGG, calibrated on photometry and on asteroseismology and isochrones.
    - fe_h: FE_H_SPEC, before calibration (FE_H if a file has no such column).
    - alpha_fe: [alpha/M] + [M/H] - [Fe/H], from FPARAM and FE_H_SPEC; APOGEE gives only [alpha/M]. Its error
      is the quadrature sum of those of [alpha/M] and [Fe/H], an upper limit.
    - log_vmicro: log10 of VMICRO [km/s], never calibrated; its error is from FPARAM_COV, where the parameter
      is in log10, since no column gives it.

    Returns
    -------
    labels, errors : dict of str to (N,) float64
        NaN = missing.
    """
    column = {
        name: np.asarray(table[name], dtype=np.float64) for name in table.colnames if name != "APOGEE_ID"
    }
    labels = {
        "teff": column["TEFF"],
        "logg": column["LOGG"],
        "fe_h": column["FE_H_SPEC"],
        "alpha_fe": column["ALPHA_M_SPEC"] + column["M_H_SPEC"] - column["FE_H_SPEC"],
        "log_vmicro": column["LOG_VMICRO"],
    }
    errors = {
        "teff": column["TEFF_ERR"],
        "logg": column["LOGG_ERR"],
        "fe_h": column["FE_H_ERR"],
        "alpha_fe": np.hypot(column["ALPHA_M_ERR"], column["FE_H_ERR"]),
        "log_vmicro": column["LOG_VMICRO_ERR"],
    }
    return labels, errors
