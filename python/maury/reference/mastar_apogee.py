"""The empirical reference set: MaStar spectra with the labels of APOGEE (Imig et al. 2021, sec. 2.3)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maury.readers import ReadError, read_blocks
from maury.readers.apogee import POSITION_EPOCH, read_allstar
from maury.readers.mastar import visit_names
from maury.readers.mastar_bits import PAPER_BITS, QUALITY_BITS
from maury.readers.mastar_tables import (
    PAPER_SNR,
    read_gaia,
    read_visits,
    select_visits,
)
from maury.reference.apogee_quality import (
    ASPCAP_REJECT,
    STAR_REJECT,
    VSCATTER_MAX,
    apogee_labels,
    first_rows,
    select_apogee,
)
from maury.reference.crossmatch import Sky, cross_match
from maury.reference.file import Reference
from maury.reference.stack import stack_stars
from maury.spectra import Floats, Spectra

if TYPE_CHECKING:
    from astropy.table import Table

Counts = dict[str, int]


def build_mastar_apogee(
    goodspec: str | PathLike[str],
    mastarall: str | PathLike[str],
    allstar: str | PathLike[str],
    gaia: str | PathLike[str] | None = None,
    *,
    radius: float = 3.0,
    snr_min: float = PAPER_SNR,
    reject: Iterable[str] = PAPER_BITS,
    aspcap: Iterable[str] = ASPCAP_REJECT,
    star: Iterable[str] = STAR_REJECT,
    vscatter_max: float = VSCATTER_MAX,
    outlier_sigma: float = 5.0,
    rows: int = 500,
) -> Reference:
    """Build the reference set of stars observed by both MaStar and APOGEE.

    1. Visits of MaStar are selected by S/N and quality bits; stars with a visit that shows emission lines
       (bit EMLINE) are rejected.
    2. Each star is matched with APOGEE: by Gaia EDR3 id if `gaia` is given, else by position within `radius`,
       the APOGEE star moved to the epoch of the MaStar position by its Gaia proper motion.
    3. Stars that are flagged or classified as binaries by APOGEE, or have no value for a label, are rejected.
    4. The visits of each star are stacked by inverse variance.

    Parameters
    ----------
    goodspec, mastarall, allstar : str or path
        Files of SDSS DR17: mastar-goodspec-..., mastarall-..., allStar-dr17-synspec_rev1.fits.
    gaia : str or path, optional
        mastarall-gaiaedr3-extcorr-... : the MaStar cross-match with Gaia EDR3.
    radius : float
        [arcsec]
    snr_min, reject
        For visits; see `maury.readers.mastar_tables.select_visits`.
    aspcap, star, vscatter_max
        For APOGEE stars; see `maury.reference.apogee_quality.select_apogee`.
    outlier_sigma : float
        For pixels of visits; see `maury.reference.stack.stack_visits`.
    rows : int
        Rows of goodspec in memory at a time.

    Returns
    -------
    Reference
        One spectrum per star, of origin "empirical". Its ``provenance["counts"]`` has the number of visits
        and stars rejected for each reason, in order, and ``provenance["coverage"]`` the number of stars in
        the regions that are sparsely covered according to the paper.

    Raises
    ------
    ReadError
        A file has the wrong content, or two files do not belong together.
    ValueError
        No star is left, or a label is missing for all remaining stars.
    """
    reject, aspcap, star = tuple(reject), tuple(aspcap), tuple(star)
    visits = read_visits(mastarall)
    counts: dict[str, Counts] = {}
    chosen = _chosen_visits(visits, snr_min, reject, counts)
    stars, first = np.unique(np.asarray(visits["MANGAID"])[chosen], return_index=True)
    rows_of_stars = np.flatnonzero(chosen)[first]

    table = read_allstar(allstar)
    single = first_rows(table)
    counts["APOGEE"] = {"rows": len(table), "a star again": int((~single).sum())}
    table = table[single]
    match = cross_match(_mastar_sky(visits[rows_of_stars], gaia), _apogee_sky(table), radius)
    counts["match"] = match.counts
    matched = match.index >= 0
    if not matched.any():
        raise ValueError(
            f"no star of {mastarall} is in {allstar} (radius {radius:g} arcsec): {_words(match.counts)}; "
            "check that the files cover the same sky, or increase radius (--radius)"
        )
    stars, partners = stars[matched], table[match.index[matched]]

    quality = select_apogee(partners, aspcap, star, vscatter_max)
    labels, errors = apogee_labels(partners)
    keep, counts["quality"] = _with_labels(quality.keep, labels, dict(quality.counts))

    wanted = {str(s): i for i, s in enumerate(stars) if keep[i]}
    spectra = _spectra(goodspec, visits[chosen], wanted, outlier_sigma, rows)
    order = [wanted[str(s)] for s in spectra.star_id]
    spectra.labels = {name: values[order] for name, values in labels.items()}
    counts["quality"]["without spectrum"] = len(wanted) - len(spectra)
    counts["quality"]["kept"] = len(spectra)
    provenance = {
        "kind": "MaStar spectra with APOGEE labels",
        "files": {name: Path(fspath(file)).name for name, file in
                  (("goodspec", goodspec), ("mastarall", mastarall), ("allstar", allstar), ("gaia", gaia))
                  if file is not None},
        "options": {"radius": radius, "snr_min": snr_min, "reject": reject, "aspcap": aspcap, "star": star,
                    "vscatter_max": vscatter_max, "outlier_sigma": outlier_sigma},
        "counts": counts,
        "coverage": coverage(spectra.labels),
    }  # fmt: skip
    return Reference(
        spectra,
        {name: values[order] for name, values in errors.items()},
        np.full(len(spectra), "empirical"),
        np.asarray(partners["APOGEE_ID"], dtype=str)[order],
        json.loads(json.dumps(provenance)),  # as it will be read back
    )


def coverage(labels: dict[str, Floats]) -> Counts:
    """Count stars in the sparsely covered regions of the paper (end of sec. 2.3; 27 and 22 of 1,675)."""
    teff, logg, fe_h = (np.asarray(labels[name]) for name in ("teff", "logg", "fe_h"))
    dwarf = logg >= 4.0
    return {
        "metal-poor dwarfs (teff <= 6000, logg >= 4, fe_h <= -1.5)": int(
            (dwarf & (teff <= 6000.0) & (fe_h <= -1.5)).sum()
        ),
        "cool dwarfs (teff <= 3750, logg >= 4)": int((dwarf & (teff <= 3750.0)).sum()),
    }


def _chosen_visits(
    visits: Table, snr_min: float, reject: tuple[str, ...], counts: dict[str, Counts]
) -> NDArray[np.bool_]:
    """Good visits of stars without emission lines."""
    names = np.char.add(np.char.add(np.asarray(visits["MANGAID"]), " "), visit_names(visits))
    _, again = np.unique(names, return_counts=True)
    if (again > 1).any():
        raise ReadError(
            f"GOODVISITS has {int((again > 1).sum())} visits in more than one row (the same MANGAID, PLATE, "
            "IFUDESIGN and MJD); keep one row each"
        )
    selection = select_visits(visits, snr_min, reject)
    counts["visits"] = {"visits": len(visits), **selection.counts}
    star = np.asarray(visits["MANGAID"])
    emission = np.ma.filled(visits["MJDQUAL"], 0).astype(np.int64) >> QUALITY_BITS["EMLINE"] & 1 != 0
    emitting = np.isin(star, star[emission])
    kept = selection.keep & ~emitting
    counts["MaStar"] = {
        "stars": len(np.unique(star)),
        "no good visit": len(np.unique(star)) - len(np.unique(star[selection.keep])),
        "emission lines": len(np.unique(star[selection.keep & emitting])),
        "kept": len(np.unique(star[kept])),
    }
    if not kept.any():
        raise ValueError(
            f"no visit of MaStar is left: {_words(counts['visits'])}; lower snr_min (--snr-min) or "
            "reject fewer bits (--reject)"
        )
    return kept


def _mastar_sky(rows: Table, gaia: str | PathLike[str] | None) -> Sky:
    numbers = {
        name: np.ma.filled(np.ma.asarray(rows[name], dtype=np.float64), np.nan)
        for name in ("RA", "DEC", "EPOCH")
    }
    epoch = np.where(numbers["EPOCH"] > 1900.0, numbers["EPOCH"], np.nan)
    ids = None
    if gaia is not None:
        table = read_gaia(gaia)
        by_star = dict(
            zip(table["MANGAID"].tolist(), np.ma.filled(table["SOURCE_ID"], 0).tolist(), strict=True)
        )
        ids = np.array([by_star.get(str(star), 0) for star in rows["MANGAID"]], dtype=np.int64)
    return Sky(numbers["RA"], numbers["DEC"], epoch, gaia_id=ids)


def _apogee_sky(table: Table) -> Sky:
    ra, dec, pm_ra, pm_dec = (
        np.asarray(table[name]) for name in ("RA", "DEC", "GAIAEDR3_PMRA", "GAIAEDR3_PMDEC")
    )
    return Sky(ra, dec, POSITION_EPOCH, pm_ra, pm_dec, np.asarray(table["GAIAEDR3_SOURCE_ID"]))


def _with_labels(
    keep: NDArray[np.bool_], labels: dict[str, Floats], counts: Counts
) -> tuple[NDArray[np.bool_], Counts]:
    """Stars that have all labels."""
    del counts["kept"]
    if not keep.any():
        raise ValueError(
            f"all stars are flagged by APOGEE: {_words(counts)}; reject fewer bits (--aspcap, --star)"
        )
    for name, values in labels.items():
        missing = keep & ~np.isfinite(values)
        if missing.sum() == keep.sum():
            raise ValueError(
                f"{name}: missing for all {int(keep.sum())} remaining stars; "
                "check that the file is allStar of DR17"
            )
        counts[f"no {name}"] = int(missing.sum())
        keep = keep & ~missing
    return keep, counts


def _spectra(
    goodspec: str | PathLike[str], visits: Table, wanted: dict[str, int], sigma: float, rows: int
) -> Spectra:
    """Stacked spectra of the selected stars, from their selected visits."""
    star = np.asarray(visits["MANGAID"])
    mine = np.isin(star, list(wanted))
    visit = {(str(s), str(v)) for s, v in zip(star[mine], visit_names(visits)[mine], strict=True)}
    number: dict[str, int] = {}
    for s, _ in visit:
        number[s] = number.get(s, 0) + 1

    def select(stars: NDArray[np.str_], names: NDArray[np.str_]) -> NDArray[np.bool_]:
        return np.array(
            [pair in visit for pair in zip(stars.tolist(), names.tolist(), strict=True)], dtype=bool
        )

    stacked = stack_stars(_usable(read_blocks(goodspec, "mastar", rows, select)), number, sigma)
    if not stacked:
        raise ReadError(
            f"{fspath(goodspec)}: has none of the {len(visit)} selected visits; "
            "check that it belongs to mastarall"
        )
    return Spectra.concatenate(stacked)


def _usable(blocks: Iterable[Spectra]) -> Iterator[Spectra]:
    """Blocks, without visits that have no good pixel."""
    for block in blocks:
        some = ~block.mask.all(axis=1)
        yield block if some.all() else block[some]


def _words(counts: Counts) -> str:
    return ", ".join(f"{reason} {n}" for reason, n in counts.items() if n)
