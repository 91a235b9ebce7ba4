"""DESI spectra: coadd files (one row per target) and spectra files (one row per exposure), arms b, r, z.

Vacuum wavelengths, barycentric, 0.8 A apart, not at rest. The arms overlap; a row of pixels contains the
three arms one after another, numbered by `Spectra.arm`. Every spectrum has its own resolution matrix.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from maury.readers._fits import ReadError, columns, stem
from maury.spectra import Floats, Spectra

ARMS = ("B", "R", "Z")
_NEEDED = ("WAVELENGTH", "FLUX", "IVAR")


def matches(path: Path, hdus: Any) -> bool:
    """Whether some arm has its wavelengths and fluxes here."""
    return any(f"{arm}_WAVELENGTH" in hdus and f"{arm}_FLUX" in hdus for arm in ARMS)


def read(path: Path, hdus: Any) -> Spectra:
    """All spectra of a file, in its order, sky fibres too; velocities are in other files, so `rv` is NaN."""
    arms = [(number, arm) for number, arm in enumerate(ARMS) if f"{arm}_FLUX" in hdus]
    if not arms:
        raise ReadError(f"it has none of the images {', '.join(f'{arm}_FLUX' for arm in ARMS)}")
    star, visit, (ra, dec) = _targets(path, hdus)
    parts = [_arm(hdus, arm, len(star)) for _, arm in arms]
    resolutions = [part["resolution"] for part in parts]
    known = all(rows is not None for rows in resolutions)
    numbers = [
        np.full(part["wavelength"].size, number) for (number, _), part in zip(arms, parts, strict=True)
    ]

    def joined(name: str) -> Any:
        return np.concatenate([part[name] for part in parts], axis=-1)

    return Spectra(
        joined("wavelength"),
        joined("flux"),
        joined("ivar"),
        # Every bit (DESI's specmask) tells of pixels of the detector that were bad, of the flat or the sky.
        mask=joined("mask"),
        lsf=joined("lsf") if known else None,
        arm=np.concatenate(numbers),
        resolution=_same_width(resolutions) if known else None,
        star_id=star,
        visit_id=visit,
        file=str(path),
        ra=ra,
        dec=dec,
    )


def resolution_rows(diagonals: ArrayLike) -> Floats:
    """Rows of a banded matrix (..., P, D) from its diagonals (..., D, P), as DESI stores them.

    Diagonal k has the offset D//2 - k, and its element j lies in column j (as in scipy.sparse.dia_matrix), so

        rows[p, d] = A[p, p + d - D//2] = diagonals[D - 1 - d, p + d - D//2],  0 beyond the ends.
    """
    data = np.asarray(diagonals, dtype=np.float64)
    width, n_pixels = data.shape[-2:]
    if width % 2 == 0:
        raise ReadError(
            f"its resolution has {width} diagonals; expected an odd number, equally many on each side"
        )
    rows = np.zeros((*data.shape[:-2], n_pixels, width))
    for d in range(width):
        shift = d - width // 2
        p = np.arange(max(0, -shift), min(n_pixels, n_pixels - shift))
        rows[..., p, d] = data[..., width - 1 - d, p + shift]
    return rows


def resolution_sigma(wavelength: ArrayLike, rows: ArrayLike) -> Floats:
    """Gaussian sigma [A] of every row of a resolution matrix: the root of its second central moment.

    Parameters
    ----------
    wavelength
        (P,) of one arm.
    rows
        (N, P, D) as `resolution_rows` gives them.

    Returns
    -------
    (N, P)
        NaN where a row has no width: no positive sum or moment.
    """
    wave, weights = np.asarray(wavelength, dtype=np.float64), np.asarray(rows, dtype=np.float64)
    n_pixels, width = weights.shape[-2:]
    neighbour = np.arange(n_pixels)[:, None] + np.arange(width) - width // 2
    offset = wave[np.clip(neighbour, 0, n_pixels - 1)] - wave[:, None]
    total, first, second = (np.einsum("npd,pd->np", weights, offset**power) for power in (0, 1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = second / total - (first / total) ** 2
    return np.sqrt(np.where((total > 0) & (variance > 0), variance, np.nan))


def _arm(hdus: Any, arm: str, n: int) -> dict[str, Any]:
    for name in _NEEDED:
        if f"{arm}_{name}" not in hdus:
            raise ReadError(f"it has the image {arm}_FLUX but not {arm}_{name}; get the file again")
    wavelength, flux, ivar = (np.asarray(hdus[f"{arm}_{name}"].data, dtype=np.float64) for name in _NEEDED)
    shape = (n, wavelength.size)
    mask = np.zeros(shape, dtype=bool)
    if f"{arm}_MASK" in hdus:
        mask = np.asarray(hdus[f"{arm}_MASK"].data) != 0
    for name, image in (("FLUX", flux), ("IVAR", ivar), ("MASK", mask)):
        if image.shape != shape:
            raise ReadError(
                f"{arm}_{name} has the shape {image.shape}, but FIBERMAP and {arm}_WAVELENGTH require "
                f"{shape}; get the file again"
            )
    rows = lsf = None
    if f"{arm}_RESOLUTION" in hdus:
        diagonals = np.asarray(hdus[f"{arm}_RESOLUTION"].data)
        if diagonals.ndim != 3 or (diagonals.shape[0], diagonals.shape[2]) != shape:
            raise ReadError(
                f"{arm}_RESOLUTION has the shape {diagonals.shape}, expected ({n}, D, {wavelength.size})"
            )
        rows = resolution_rows(diagonals)
        lsf = resolution_sigma(wavelength, rows)
    return {
        "wavelength": wavelength, "flux": flux, "ivar": ivar, "mask": mask, "resolution": rows, "lsf": lsf
    }  # fmt: skip


def _same_width(arms: list[Floats]) -> Floats:
    """Matrices of all arms one after the other, the narrow ones with zeros on both sides."""
    widest = max(rows.shape[2] for rows in arms)
    sides = [(widest - rows.shape[2]) // 2 for rows in arms]
    return np.concatenate(
        [np.pad(rows, ((0, 0), (0, 0), (side, side))) for rows, side in zip(arms, sides, strict=True)], axis=1
    )


def _targets(path: Path, hdus: Any) -> tuple[Any, Any, list[Any]]:
    """Names of star and visit of every row, and its RA and Dec where the file gives them."""
    if "FIBERMAP" not in hdus:
        raise ReadError("it has no table FIBERMAP, which identifies the spectra; get the file again")
    table = columns(hdus["FIBERMAP"])
    if "TARGETID" not in table:
        raise ReadError("its table FIBERMAP has no column TARGETID; get the file again")
    star = np.asarray(table["TARGETID"]).astype(np.int64).astype(str)
    visit = np.full(len(star), stem(path))
    if "EXPID" in table:  # one row an exposure
        visit = np.asarray(table["EXPID"]).astype(np.int64).astype(str)
    return star, visit, [table.get(name, np.nan) for name in ("TARGET_RA", "TARGET_DEC")]
