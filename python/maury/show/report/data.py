"""Content of the report, as plain arrays: columns, binned curves, selected rows, packed spectra."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.columns import column_values
from maury.catalog.flags import Flag, flag_names

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.measure.best_fit import BestFit

Array = NDArray[np.float64]

# Fluxes are stored as whole numbers: value = number * STEP + LOWEST; MISSING stands for NaN.
STEP, LOWEST, MISSING = 1.25e-4, -1.0, 65535
WAVE_STEP = 0.01  # Angstrom
_LOG_RATIO = 30.0  # a column with a larger range is shown as its log10
_MIN_IN_BIN = 5
_TEFF_EDGES = (2500.0, 3500.0, 4000.0, 4500.0, 5000.0, 5500.0, 6000.0, 6500.0, 7000.0, 8000.0, 10000.0,
              15000.0, 20000.0, 35000.0)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """A column for the colours of the points.

    Attributes
    ----------
    values : (N,) float32
        In the unit of the catalogue; NaN = missing.
    title : str
        Name and unit.
    low, high : float
        Ends of the colour scale: percentiles 2 and 98, of log10 of the values if `log`.
    log : bool
        Whether the colour scale is in log10.
    """

    values: NDArray[np.float32]
    title: str
    low: float
    high: float
    log: bool


def shown_columns(catalog: QTable) -> dict[str, Shown]:
    """All columns with one number per row; those without any finite number are omitted."""
    found = {}
    for name in catalog.colnames:
        if catalog[name].ndim != 1 or catalog[name].dtype.kind not in "fiub":
            continue
        values = column_values(catalog, name)
        finite = values[np.isfinite(values)]
        if not finite.size:
            continue
        low, high = np.percentile(finite, [2, 98])
        log = bool(low > 0 and high > _LOG_RATIO * low)
        if log:
            low, high = np.log10([low, high])
        if high <= low:
            low, high = low - 0.5, low + 0.5
        unit = str(catalog[name].unit or "")
        title = f"{name} [{unit}]" if unit else name
        found[name] = Shown(values.astype(np.float32), title, float(low), float(high), log)
    return found


def text(catalog: QTable, name: str) -> list[str]:
    """One text per row; empty if the column is missing."""
    if name not in catalog.colnames:
        return [""] * len(catalog)
    values = np.ma.filled(np.ma.asarray(catalog[name]).astype(str), "")
    return [str(value) for value in values]


def star_names(catalog: QTable) -> list[str]:
    """Star and visit of each row, or its file, as in `maury.show.tables.row_name`."""
    names = []
    for star, visit, file in zip(*(text(catalog, n) for n in ("star_id", "visit_id", "file")), strict=True):
        names.append(f"{star} {visit}".strip() if visit and visit != star else star or file)
    return names


def flag_counts(flags: NDArray[np.integer]) -> list[tuple[int, str, str, int]]:
    """Bit, name, meaning and number of rows (N,) of each flag that any of them has."""
    counts = ((int(bit), flag_names(bit)[0], bit.meaning, int(np.sum((flags & bit) != 0))) for bit in Flag)
    return [found for found in counts if found[3]]


def chi2_map(
    teff: Array, logg: Array, rchi2: Array, n_bins: tuple[int, int] = (48, 40)
) -> tuple[Array, Array, Array]:
    """Median reduced chi-square in cells of log Teff and log g.

    Returns
    -------
    teff_edges (n + 1,) [K], logg_edges (m + 1,), median (n, m)
        NaN if there are no stars.
    """
    from scipy.stats import binned_statistic_2d

    good = np.isfinite(teff) & (teff > 0) & np.isfinite(logg) & np.isfinite(rchi2)
    if not good.any():
        return np.array([3000.0, 10000.0]), np.array([0.0, 5.0]), np.full((1, 1), np.nan)
    found = binned_statistic_2d(np.log10(teff[good]), logg[good], rchi2[good], "median", n_bins)
    return 10**found.x_edge, np.asarray(found.y_edge), np.asarray(found.statistic)


def thin_rows(across: Array, up: Array, n_cells: tuple[int, int]) -> NDArray[np.intp]:
    """Rows to draw so that a crowded diagram looks as if all were drawn: the first row in each cell.

    Parameters
    ----------
    across, up : (N,)
        Position in the diagram, 0 to 1; rows outside are omitted.
    n_cells : (int, int)
        Number of cells in each direction; with cells as wide as a point only hidden stars are omitted.
    """
    inside = np.flatnonzero((across >= 0) & (across < 1) & (up >= 0) & (up < 1))
    cell = (across[inside] * n_cells[0]).astype(np.int64) * n_cells[1] + (up[inside] * n_cells[1]).astype(
        np.int64
    )
    return inside[np.sort(np.unique(cell, return_index=True)[1])]


def error_curves(teff: Array, errors: Iterable[Array]) -> tuple[Array, list[Array]]:
    """Median errors in bins of Teff: the median Teff of each bin with enough stars; one curve per array."""
    errors = list(errors)
    centres: list[float] = []
    curves: list[list[float]] = [[] for _ in errors]
    for low, high in pairwise(_TEFF_EDGES):
        inside = (teff >= low) & (teff < high) & np.all(np.isfinite(errors), axis=0)
        if inside.sum() >= _MIN_IN_BIN:
            centres.append(float(np.median(teff[inside])))
            for curve, error in zip(curves, errors, strict=True):
                curve.append(float(np.median(error[inside])))
    return np.array(centres), [np.array(curve) for curve in curves]


def choose_rows(catalog: QTable, candidates: ArrayLike, n: int) -> NDArray[np.intp]:
    """At most `n` of the candidate rows, whose spectra are shown.

    A third are those with the largest reduced chi-square, and as many are flagged rows, with the flags in
    turn: these are of most interest. The others are taken from all parts of the Kiel diagram, in turn one
    from each cell that contains stars.

    Returns
    -------
    (n or fewer,) row numbers, increasing
    """
    rows = np.unique(np.asarray(candidates, dtype=np.intp))
    if len(rows) <= n or n == 0:
        return rows[:n]
    rchi2 = column_values(catalog, "rchi2")[rows]
    worst = rows[np.argsort(-np.nan_to_num(rchi2, nan=-1.0, posinf=-1.0), kind="stable")[: n // 3]]
    left = np.setdiff1d(rows, worst)
    flagged = _flagged_in_turn(np.asarray(catalog["flags"])[left], left)[: n // 3]
    left = np.setdiff1d(left, flagged)
    cell = np.zeros(len(left), dtype=np.int64)
    for axis in (column_values(catalog, name)[left] for name in ("teff", "logg")):
        finite = axis[np.isfinite(axis)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 0.0)
        step = (high - low) / 20 or 1.0
        cell = cell * 32 + np.nan_to_num((axis - low) // step, nan=30).astype(np.int64)
    spread = left[_in_turn(cell, n - len(worst) - len(flagged))]
    return np.sort(np.concatenate([worst, flagged, spread]))


def _in_turn(cell: NDArray[np.int64], n: int) -> NDArray[np.intp]:
    """`n` items: one from each cell, then a second from each, ...; in the last round evenly spaced."""
    order = np.argsort(cell, kind="stable")
    _, first, count = np.unique(cell[order], return_index=True, return_counts=True)
    turn = np.arange(len(cell)) - np.repeat(first, count)
    last = np.sort(turn)[n - 1]
    whole, part = order[turn < last], order[turn == last]
    return np.concatenate([whole, part[np.linspace(0, len(part) - 1, n - len(whole)).round().astype(int)]])


def _flagged_in_turn(flags: NDArray[np.integer], rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Rows with a flag: first one for each flag, then a second for each, ..."""
    turn = np.full(len(rows), len(rows))
    for bit in Flag:
        having = np.flatnonzero(flags & int(bit))
        turn[having] = np.minimum(turn[having], np.arange(len(having)))
    order = np.argsort(turn, kind="stable")
    return rows[order[: np.count_nonzero(flags)]]


def pack_spectrum(fit: BestFit) -> str:
    """One spectrum for the page: base64 of deflated bytes.

    Wavelengths as differences in units of `WAVE_STEP` (int32); flux, model and the expected 1-sigma error as
    whole numbers in units of `STEP` above `LOWEST` (uint16), clipped to their range, `MISSING` where ivar
    is 0. Bytes of equal significance are contiguous, which halves the compressed size. The inverse is in
    `page.js`.
    """
    order = np.argsort(fit.wavelength, kind="stable")  # arms may overlap
    order = order[np.isfinite(fit.wavelength[order])]
    used = (fit.ivar > 0)[order]
    flux, model, scatter = (np.asarray(v, dtype=float)[order] for v in (fit.flux, fit.model, fit.scatter))
    sigma = np.sqrt(1 / np.where(used, fit.ivar[order], np.nan) + scatter**2)
    wave = np.rint(fit.wavelength[order] / WAVE_STEP).astype(np.int64)
    parts = [_planes(np.diff(wave, prepend=0).astype("<i4"))]
    parts += [_planes(_whole(v)) for v in (np.where(used, flux, np.nan), model, sigma)]
    return pack(b"".join(parts))


def pack(raw: bytes) -> str:
    """Deflated, in base64."""
    return base64.b64encode(zlib.compress(raw, 9)).decode("ascii")


def pack_column(values: NDArray[np.float32]) -> str:
    """One column for the page, to 16 bits: float32 with a last byte of 0, sorted by significance."""
    bits = values.astype("<f4").view("<u4")
    rounded = np.where(np.isfinite(values), (bits + np.uint32(0x80)) & np.uint32(0xFFFFFF00), bits)
    return pack(_planes(rounded.astype("<u4")))


def json_for_page(value: Any) -> str:
    """JSON that is safe inside a <script>: no text in it can end the element."""
    words = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return words.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _whole(values: Array) -> NDArray[np.uint16]:
    number = np.clip(np.rint((values - LOWEST) / STEP), 0, MISSING - 1)
    return np.where(np.isfinite(values), np.nan_to_num(number), MISSING).astype("<u2")


def _planes(values: NDArray[Any]) -> bytes:
    planes: NDArray[np.uint8] = values.view(np.uint8).reshape(-1, values.itemsize).T
    return planes.tobytes()
