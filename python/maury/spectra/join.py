"""Spectra of several parts as one: rows are padded to the longest where the grids differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maury.spectra.units import Floats

#: Arguments of `Spectra` with one value per spectrum.
ONE_EACH = (
    *("star_id", "visit_id", "file", "rv", "snr", "problem"),
    *("ra", "dec", "format", "quality", "source", "unit"),
)


def joined(parts: Sequence[Any]) -> dict[str, Any]:
    """Arguments of the `Spectra` with all spectra of the parts; see `Spectra.concatenate`."""
    if not parts:
        raise ValueError("parts: expected at least one Spectra, got none")
    n_pixels = max(p.flux.shape[1] for p in parts)

    def stack(name: str, fill: Any) -> Any:
        return np.concatenate([_padded(_rows(p, name, fill), n_pixels, fill) for p in parts])

    grid = _common_grid(parts, n_pixels)
    return {
        "wavelength": stack("wavelength", np.nan) if grid is None else grid,
        "flux": stack("flux", np.nan),
        "ivar": stack("ivar", 0.0),
        "mask": stack("mask", True),
        "lsf": None if all(p.lsf is None for p in parts) else stack("lsf", np.nan),
        "arm": _stacked_arm(parts, n_pixels),
        "resolution": _stacked_resolution(parts, n_pixels),
        "labels": {
            name: np.concatenate([p.labels.get(name, np.full(len(p), np.nan)) for p in parts])
            for name in dict.fromkeys(name for p in parts for name in p.labels)
        },
        **{name: np.concatenate([getattr(p, name) for p in parts]) for name in ONE_EACH},
    }


def _stacked_arm(parts: Sequence[Any], n_pixels: int) -> NDArray[np.integer] | None:
    """Arm numbers of all parts, (P,) where they are shared; padding belongs to the last arm."""
    if all(part.arm is None for part in parts):
        return None
    known = next(part.arm for part in parts if part.arm is not None)
    shared = np.pad(known, (0, n_pixels - known.size), mode="edge") if known.ndim == 1 else 0
    rows: NDArray[np.integer] = np.concatenate(
        [
            np.broadcast_to(shared, (len(part), n_pixels))  # it has no pixels; any arms will do
            if part.arm is None and np.isnan(part.wavelength).all()
            else np.pad(row, ((0, 0), (0, n_pixels - row.shape[1])), mode="edge")
            for part, row in ((part, _rows(part, "arm", 0)) for part in parts)
        ]
    )
    return rows[0] if (rows == rows[0]).all() else rows


def _stacked_resolution(parts: Sequence[Any], n_pixels: int) -> Floats | None:
    widths = {part.resolution.shape[2] for part in parts if part.resolution is not None}
    if not widths:
        return None
    rows = np.full((sum(len(part) for part in parts), n_pixels, max(widths)), np.nan)
    first = 0
    for part in parts:
        if part.resolution is not None:
            n, n_own, width = part.resolution.shape
            side = (max(widths) - width) // 2
            rows[first : first + n, :n_own] = 0.0
            rows[first : first + n, :n_own, side : side + width] = part.resolution
        first += len(part)
    return rows


def _rows(part: Any, name: str, fill: Any) -> NDArray[Any]:
    value = getattr(part, name)
    return np.broadcast_to(np.asarray(fill if value is None else value), part.flux.shape)


def _padded(array: NDArray[Any], n_pixels: int, fill: Any) -> NDArray[Any]:
    missing = n_pixels - array.shape[1]
    return np.pad(array, ((0, 0), (0, missing)), constant_values=fill) if missing else array


def _common_grid(parts: Sequence[Any], n_pixels: int) -> Floats | None:
    """Return the one (P,) grid of all parts, or None; parts without wavelengths match any grid."""
    grid = None
    for part in parts:
        if np.isnan(part.wavelength).all():
            continue
        if part.wavelength.shape != (n_pixels,):
            return None
        if grid is None:
            grid = part.wavelength
        elif grid is not part.wavelength and not np.array_equal(grid, part.wavelength, equal_nan=True):
            return None
    return grid
