"""APOGEE's table of stars, allStar of SDSS DR17: the columns required for a reference set.

The file has 733,901 rows of 4 kB each; it is read in blocks and only these columns are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.readers._fits import ReadError
from maury.readers._fits_file import open_file
from maury.readers._row_blocks import table_blocks

if TYPE_CHECKING:
    from astropy.table import Table

# APOGEE_ASPCAPFLAG and APOGEE_STARFLAG of DR17, as in sdss/apogee (python/apogee/utils/bitmask.py).
ASPCAP_BITS = {
    "TEFF_WARN": 0,
    "LOGG_WARN": 1,
    "VMICRO_WARN": 2,
    "M_H_WARN": 3,
    "ALPHA_M_WARN": 4,
    "C_M_WARN": 5,
    "N_M_WARN": 6,
    "STAR_WARN": 7,
    "CHI2_WARN": 8,
    "COLORTE_WARN": 9,
    "ROTATION_WARN": 10,
    "SN_WARN": 11,
    "VSINI_WARN": 14,
    "TEFF_BAD": 16,
    "LOGG_BAD": 17,
    "VMICRO_BAD": 18,
    "M_H_BAD": 19,
    "ALPHA_M_BAD": 20,
    "C_M_BAD": 21,
    "N_M_BAD": 22,
    "STAR_BAD": 23,
    "CHI2_BAD": 24,
    "COLORTE_BAD": 25,
    "ROTATION_BAD": 26,
    "SN_BAD": 27,
    "VSINI_BAD": 30,
    "NO_ASPCAP_RESULT": 31,
    "MISSING_APSTAR": 32,
    "NO_GRID": 33,
    "BAD_FRAC_LOWSNR": 34,
    "BAD_FRAC_BADPIX": 35,
    "FERRE_FAIL": 36,
    "PROBLEM_TARGET": 40,
    "MULTIPLE_SUSPECT": 41,
}
STAR_BITS = {
    "BAD_PIXELS": 0,
    "COMMISSIONING": 1,
    "BRIGHT_NEIGHBOR": 2,
    "VERY_BRIGHT_NEIGHBOR": 3,
    "LOW_SNR": 4,
    "PERSIST_HIGH": 9,
    "PERSIST_MED": 10,
    "PERSIST_LOW": 11,
    "PERSIST_JUMP_POS": 12,
    "PERSIST_JUMP_NEG": 13,
    "SUSPECT_RV_COMBINATION": 16,
    "SUSPECT_BROAD_LINES": 17,
    "BAD_RV_COMBINATION": 18,
    "RV_REJECT": 19,
    "RV_SUSPECT": 20,
    "MULTIPLE_SUSPECT": 21,
    "RV_FAIL": 22,
    "SUSPECT_ROTATION": 23,
    "MTPFLUX_LT_75": 24,
    "MTPFLUX_LT_50": 25,
}
DUPLICATE = 1 << 4  # of EXTRATARG: another row has the same star at a higher S/N
POSITION_EPOCH = 2000.0  # of RA and DEC: those of 2MASS

_COLUMNS = {
    "APOGEE_ID": str, "RA": float, "DEC": float, "SNR": float, "EXTRATARG": np.int64, "STARFLAG": np.int64,
    "ASPCAPFLAG": np.int64, "VSCATTER": float, "N_COMPONENTS": np.int64, "GAIAEDR3_SOURCE_ID": np.int64,
    "GAIAEDR3_PMRA": float, "GAIAEDR3_PMDEC": float, "TEFF": float, "TEFF_ERR": float, "LOGG": float,
    "LOGG_ERR": float, "FE_H": float, "FE_H_ERR": float, "FE_H_FLAG": np.int64, "ALPHA_M_ERR": float,
}  # fmt: skip
_RAW = ("VMICRO", "FPARAM", "FPARAM_COV")
_VMICRO, _M_H, _ALPHA_M, _N_PARAM = 2, 3, 6, 9  # order of FPARAM: PARAM_SYMBOL in the fourth HDU
_FILLS = (-999.0, -9999.0)
_WHAT = "allStar of APOGEE"


def read_allstar(path: str | PathLike[str], rows: int = 20000) -> Table:
    """Read the columns of allStar required for a reference set.

    Parameters
    ----------
    path : str or path
        allStar-dr17-synspec_rev1.fits, gzip-compressed or not.
    rows : int
        Rows per block.

    Returns
    -------
    Table
        One row per row of the file. Numbers in native byte order, fill values NaN. Additional columns:
        FE_H_SPEC (FE_H if the file has none); M_H_SPEC and ALPHA_M_SPEC, before calibration, from
        FPARAM; LOG_VMICRO and, from FPARAM_COV, LOG_VMICRO_ERR [dex].

    Raises
    ------
    ReadError
        If the file has no such table, or lacks one of the columns.
    """
    from astropy.table import Table

    needed = (*_COLUMNS, *_RAW)
    parts: list[dict[str, NDArray[Any]]] = []
    with open_file(Path(path)) as file:
        if file is None:
            raise ReadError(f"{path}: expected {_WHAT}, got a file that is not FITS; pass another file")
        for *_, part in table_blocks(file, rows, needed, _WHAT):
            if part is not None:
                parts.append(_kept(part.table()))
    return Table({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _kept(table: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    kept = {name: _plain(table[name], kind) for name, kind in _COLUMNS.items()}
    kept["FE_H_SPEC"] = _plain(table.get("FE_H_SPEC", table["FE_H"]), float)
    raw = _plain(table["FPARAM"], float)
    variance = _plain(table["FPARAM_COV"], float).reshape(len(raw), _N_PARAM, _N_PARAM)[:, _VMICRO, _VMICRO]
    kept["M_H_SPEC"], kept["ALPHA_M_SPEC"] = raw[:, [_M_H, _ALPHA_M]].T
    vmicro = _plain(table["VMICRO"], float)  # km/s
    kept["LOG_VMICRO"] = np.log10(np.where(vmicro > 0, vmicro, np.nan))
    kept["LOG_VMICRO_ERR"] = np.sqrt(np.where(variance > 0, variance, np.nan))
    return kept


def _plain(values: Any, kind: type) -> NDArray[Any]:
    if kind is str:
        return np.char.strip(np.asarray(values).astype(str))
    array: NDArray[Any] = np.array(values, dtype=kind)
    if kind is float:
        array[np.isin(array, _FILLS)] = np.nan
    return array
