"""Isochrones with Gaia photometry: tables of PARSEC (the CMD web form) and of BaSTI-IAC as one table.

PARSEC: Bressan et al. 2012, MNRAS 427, 127; a file may contain many ages and metallicities. BaSTI-IAC:
Hidalgo et al. 2018, ApJ 856, 125; one isochrone per file, without log g, which follows from mass,
luminosity and temperature.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maury.readers._fits import ReadError

if TYPE_CHECKING:
    from astropy.table import Table

Array = NDArray[np.float64]
PathOrPaths = str | PathLike[str] | Sequence[str | PathLike[str]]

# Nominal values of the Sun (IAU 2015 resolution B3).
_SUN_LOGG, _SUN_TEFF = 4.438, 5772.0
_GAIA = {
    "G": ("Gmag", "G"),
    "BP": ("G_BPmag", "G_BPbrmag", "G_BP"),
    "RP": ("G_RPmag", "G_RP"),
}
_FAINTEST = 50.0  # mag; fainter ones are fill values


def read_isochrones(paths: PathOrPaths) -> Table:
    """Read isochrones into one table.

    Parameters
    ----------
    paths : path or list of paths
        Files of PARSEC CMD or BaSTI-IAC in a Gaia photometric system.

    Returns
    -------
    astropy.table.Table
        One row per point: teff [K], logg, fe_h, alpha_fe [dex], age [Gyr], G, BP, RP (absolute, mag). The
        mixtures are solar-scaled: fe_h is the [M/H] of the file, alpha_fe is 0.

    Raises
    ------
    ReadError
        If a file has another format, lacks a column, or contains no point.
    """
    from astropy.table import Table, vstack

    files = [paths] if isinstance(paths, str | PathLike) else list(paths)
    if not files:
        raise ReadError("isochrones: no files given; pass at least one")
    parts = []
    for path in files:
        file = Path(path).expanduser()
        columns = _read(file)
        good = np.all([np.isfinite(values) for values in columns.values()], axis=0)
        good &= np.all([np.abs(columns[band]) < _FAINTEST for band in _GAIA], axis=0)
        if not good.any():
            raise ReadError(f"{file}: no isochrone point with Gaia magnitudes; get the file again")
        parts.append(Table({name: values[good] for name, values in columns.items()}))
    table = vstack(parts)
    for name, unit in {"teff": "K", "logg": "dex", "fe_h": "dex", "alpha_fe": "dex", "age": "Gyr"}.items():
        table[name].unit = unit
    return table


def column(isochrones: Table, name: str) -> Array:
    """Return one column of a table of isochrones as numbers (M,).

    Raises
    ------
    ValueError
        If the column does not exist.
    """
    if name not in isochrones.colnames:
        raise ValueError(
            f"isochrones: no column {name}; it has {', '.join(isochrones.colnames)}; read isochrones "
            "with maury.readers.isochrones.read_isochrones, or name the columns as it does"
        )
    return np.asarray(isochrones[name], dtype=np.float64)


def _read(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise ReadError(f"{path}: no such file; check the path")
    with path.open(encoding="utf-8", errors="replace") as stream:
        lines = stream.read().splitlines()
    comments = [line.lstrip("# ").strip() for line in lines[:200] if line.startswith("#")]
    for comment in comments:
        names = comment.split()
        if {"logAge", "logTe"} <= set(names):
            return _parsec(path, lines, names)
        if "logTe" in names and any(name.startswith("M/Mo") for name in names):
            return _basti(path, lines, names, comments)
    raise ReadError(
        f"{path}: not an isochrone file; expected the text from the web form of PARSEC (CMD) or BaSTI-IAC, "
        "including its header lines"
    )


def _table(path: Path, lines: list[str], names: list[str], wanted: list[str]) -> Table:
    from astropy.io import ascii

    missing = [name for name in wanted if name not in names]
    for band, known in _GAIA.items():
        if not set(known) & set(names):
            missing.append(f"{known[0]} ({band} of Gaia)")
    if missing:
        raise ReadError(
            f"{path}: lacks {', '.join(missing)}; get the isochrones in a Gaia photometric system (it has "
            f"{', '.join(names)})"
        )
    try:
        return ascii.read(lines, format="no_header", comment="#", names=names, guess=False)
    except Exception as error:  # astropy raises different errors for the same cause
        raise ReadError(f"{path}: cannot be read as a table ({error}); get the file again") from error


def _magnitudes(table: Table) -> dict[str, Array]:
    found = {band: next(n for n in names if n in table.colnames) for band, names in _GAIA.items()}
    return {band: np.asarray(table[name], dtype=np.float64) for band, name in found.items()}


def _parsec(path: Path, lines: list[str], names: list[str]) -> dict[str, Array]:
    table = _table(path, lines, names, ["MH", "logAge", "logTe", "logg"])
    return {
        "teff": 10.0 ** np.asarray(table["logTe"], dtype=np.float64),
        "logg": np.asarray(table["logg"], dtype=np.float64),
        "fe_h": np.asarray(table["MH"], dtype=np.float64),
        "alpha_fe": np.zeros(len(table)),
        "age": 10.0 ** (np.asarray(table["logAge"], dtype=np.float64) - 9.0),
        **_magnitudes(table),
    }


def _basti(path: Path, lines: list[str], names: list[str], comments: list[str]) -> dict[str, Array]:
    head = " ".join(comments)
    metals = re.search(r"\[M/H\]\s*=\s*([-+.\d]+)", head)
    age = re.search(r"Age\s*\(Myr\)\s*=\s*([.\d]+)", head)
    if metals is None or age is None:
        raise ReadError(f"{path}: no [M/H] or Age (Myr) in its header; get the file again")
    if not re.search("scaled solar", head, re.IGNORECASE):
        raise ReadError(f"{path}: expected a solar-scaled mixture; others have no [Fe/H] in their header")
    table = _table(path, lines, names, ["M/Mo(fin)", "log(L/Lo)", "logTe"])
    mass, log_l, log_t = (np.asarray(table[n], dtype=np.float64) for n in ("M/Mo(fin)", "log(L/Lo)", "logTe"))
    n = len(table)
    return {
        "teff": 10.0**log_t,
        # g is proportional to M T^4 / L
        "logg": _SUN_LOGG + np.log10(mass) + 4 * (log_t - np.log10(_SUN_TEFF)) - log_l,
        "fe_h": np.full(n, float(metals.group(1))),
        "alpha_fe": np.zeros(n),
        "age": np.full(n, float(age.group(1)) / 1000.0),
        **_magnitudes(table),
    }
