"""DESI spectra: coadd files (one row per target) and spectra files (one row per exposure), arms b, r, z.

Vacuum wavelengths, barycentric, 0.8 A apart, not at rest. The arms overlap; a row of pixels contains the
three arms one after another, numbered by `Spectra.arm`. Every spectrum has its own resolution matrix.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from maury.readers._fits import ReadError, stem
from maury.readers._fits_file import FitsFile, Hdu
from maury.readers._head import Rows
from maury.readers._row_blocks import ROWS, RowBlock, Wanted, everything, rows_that_fit
from maury.spectra import Floats, Spectra
from maury.spectra.units import as_text

ARMS = ("B", "R", "Z")  # numbered 0, 1, 2 in `Spectra.arm`, even if a file lacks an arm
#: Maximum number of diagonals of a resolution matrix; DESI has 11.
WIDEST = 25
_NEEDED = ("WAVELENGTH", "FLUX", "IVAR")
_PIXELS = ("FLUX", "IVAR", "MASK", "RESOLUTION")


def matches(file: FitsFile) -> bool:
    """Whether the file has the wavelengths and fluxes of at least one arm."""
    return any(file.find(f"{arm}_WAVELENGTH") and file.find(f"{arm}_FLUX") for arm in ARMS)


def n_rows(file: FitsFile) -> int:
    """Return the number of spectra in the file, from its headers."""
    targets = file.find("FIBERMAP")
    return 0 if targets is None else targets.head.n_rows


def blocks(file: FitsFile, rows: int = ROWS, wanted: Wanted = everything) -> Iterator[RowBlock]:
    """Blocks of the spectra of a file, in order, including sky fibres.

    Velocities are in other files, so `rv` is NaN.
    """
    file.random_access()
    arms = [(number, arm) for number, arm in enumerate(ARMS) if file.find(f"{arm}_FLUX")]
    if not arms:
        raise ReadError(f"it has none of the images {', '.join(f'{arm}_FLUX' for arm in ARMS)}")
    targets = _targets(file)
    n = len(targets["star_id"])
    parts = [_Arm.of(file, number, arm, n) for number, arm in arms]
    rows = rows_that_fit(rows, sum(part.row_bytes for part in parts))
    for number, first in enumerate(range(0, n, rows)):
        count = min(rows, n - first)
        if not wanted(number):
            yield RowBlock(first, count, n, None)
            continue
        names = {name: values[first : first + count] for name, values in targets.items()}
        pixels = [part.read(first, count) for part in parts]
        yield RowBlock(
            first,
            count,
            n,
            partial(_spectra, parts, pixels, names, str(file.path)),
            partial(_spectrum, parts, pixels, names, str(file.path)),
        )


def _spectrum(
    parts: list[_Arm], pixels: list[dict[str, Rows]], names: dict[str, Any], file: str, i: int
) -> Spectra:
    """Spectrum of row i of the block."""
    own = [{name: rows.row(i) for name, rows in arm.items()} for arm in pixels]
    return _spectra(parts, own, {name: values[i : i + 1] for name, values in names.items()}, file)


def _spectra(parts: list[_Arm], pixels: list[dict[str, Rows]], names: dict[str, Any], file: str) -> Spectra:
    """Spectra of some rows, with the arms concatenated."""
    arms = [part.unpacked(rows) for part, rows in zip(parts, pixels, strict=True)]
    matrices = [arm["resolution"] for arm in arms]
    known = all(rows is not None for rows in matrices)

    def joined(name: str) -> Any:
        return np.concatenate([arm[name] for arm in arms], axis=-1)

    return Spectra(
        np.concatenate([part.wavelength for part in parts]),
        joined("flux"),
        joined("ivar"),
        # Every bit (DESI's specmask) marks bad pixels of the detector, of the flat field or of the sky.
        mask=joined("mask"),
        lsf=joined("lsf") if known else None,
        arm=np.concatenate([np.full(part.wavelength.size, part.number) for part in parts]),
        resolution=_same_width(matrices) if known else None,
        file=file,
        **names,
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
    with np.errstate(all="ignore"):
        variance = second / total - (first / total) ** 2
    return np.sqrt(np.where((total > 0) & (variance > 0), variance, np.nan))


@dataclass(frozen=True)
class _Arm:
    """One arm of all spectra: its images, read some rows at a time."""

    number: int
    wavelength: Floats
    images: dict[str, Hdu]

    @classmethod
    def of(cls, file: FitsFile, number: int, arm: str, n: int) -> _Arm:
        """Find the images of an arm, and check that they have n spectra on its wavelengths."""
        for name in _NEEDED:
            if file.find(f"{arm}_{name}") is None:
                raise ReadError(f"it has the image {arm}_FLUX but not {arm}_{name}; get the file again")
        found = {name: file.find(f"{arm}_{name}") for name in ("WAVELENGTH", *_PIXELS)}
        hdus = {name: hdu for name, hdu in found.items() if hdu is not None}
        wavelength = np.asarray(hdus.pop("WAVELENGTH").image(), dtype=np.float64)
        wanted = (n, wavelength.size)
        for name, hdu in hdus.items():
            shape = hdu.head.shape
            if name == "RESOLUTION":
                if len(shape) != 3 or (shape[0], shape[2]) != wanted or shape[1] > WIDEST:
                    raise ReadError(
                        f"{arm}_RESOLUTION has the shape {shape}, expected ({n}, D, {wavelength.size}), "
                        f"D up to {WIDEST}"
                    )
            elif shape != wanted:
                raise ReadError(
                    f"{arm}_{name} has the shape {shape}, but FIBERMAP and {arm}_WAVELENGTH require "
                    f"{wanted}; get the file again"
                )
            hdu.check()
        return cls(number, wavelength, hdus)

    @property
    def row_bytes(self) -> int:
        """Bytes of one spectrum in `Spectra`: flux, ivar, lsf and resolution in float64, and the mask."""
        width = self.images["RESOLUTION"].head.shape[1] if "RESOLUTION" in self.images else 0
        return self.wavelength.size * (8 * (3 + width) + 1)

    def read(self, first: int, n: int) -> dict[str, Rows]:
        """Rows of every image, as bytes."""
        return {name: hdu.read(first, n) for name, hdu in self.images.items()}

    def unpacked(self, rows: dict[str, Rows]) -> dict[str, Any]:
        """Arrays of these rows, as in `Spectra`."""
        flux, ivar = rows["FLUX"].image(), rows["IVAR"].image()
        matrix = resolution_rows(rows["RESOLUTION"].image()) if "RESOLUTION" in rows else None
        return {
            "flux": flux,
            "ivar": ivar,
            "mask": rows["MASK"].image() != 0 if "MASK" in rows else np.zeros(flux.shape, dtype=bool),
            "resolution": matrix,
            "lsf": None if matrix is None else resolution_sigma(self.wavelength, matrix),
        }


def _same_width(arms: list[Floats]) -> Floats:
    """Concatenate the matrices of all arms, padding the narrow ones with zeros on both sides."""
    widest = max(rows.shape[2] for rows in arms)
    sides = [(widest - rows.shape[2]) // 2 for rows in arms]
    return np.concatenate(
        [np.pad(rows, ((0, 0), (0, 0), (side, side))) for rows, side in zip(arms, sides, strict=True)], axis=1
    )


def _targets(file: FitsFile) -> dict[str, Any]:
    """Names of star and visit of every spectrum, its RA and Dec; NaN where the file has none."""
    hdu = file.find("FIBERMAP")
    if hdu is None:
        raise ReadError("it has no table FIBERMAP, which identifies the spectra; get the file again")
    if not hdu.head.has_columns("TARGETID"):
        raise ReadError("its table FIBERMAP has no column TARGETID; get the file again")
    table = hdu.whole().table()
    star = as_text(table["TARGETID"])
    visit = np.full(len(star), stem(file.path))
    if "EXPID" in table:  # one row per exposure
        visit = as_text(table["EXPID"])
    unknown = np.full(len(star), np.nan)
    ra, dec = (table.get(name, unknown) for name in ("TARGET_RA", "TARGET_DEC"))
    return {"star_id": star, "visit_id": visit, "ra": ra, "dec": dec}
