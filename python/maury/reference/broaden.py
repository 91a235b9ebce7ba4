"""Bring model spectra to the resolution of a survey: line-spread functions, and one sparse operator.

The additional broadening is a Gaussian of the quadrature difference, sigma^2 = sigma_wanted^2 - sigma_own^2,
which changes with wavelength. Where the models have the lower resolution they are not changed: models are
never deconvolved.
"""

from __future__ import annotations

import warnings
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csr_array

from maury.prepare import pixel_edges
from maury.readers import ReadError, read_spectra
from maury.spectra import FWHM_PER_SIGMA

Array = NDArray[np.float64]

# Mean R of the best line-spread functions of MaStar (internal release MPL-10), from its summed spectra as
# distributed in sdss-mangadap.
_MASTAR_WAVELENGTH = (3700.0, 4500.0, 5500.0, 6500.0, 8000.0, 9500.0, 10300.0)
_MASTAR_R = (1440.0, 1700.0, 1860.0, 1800.0, 2085.0, 2320.0, 1850.0)
MASTAR_RANGE = (10**3.5589, 10**4.0151)  # Angstrom

_STEP = 1e-4  # dex, the pixels of MaStar
# Models with finer pixels are broadened on pixels of a quarter of that, and rebinned to it at the end.
_SUBPIXELS = 4
_REACH = 6.0  # sigma
_END = 4.0  # sigma; closer to the ends of the models flux is missing
# Number of pixels after which the ripple of a kernel narrower than a pixel is negligible.
_RINGING = 12


def mastar_lsf(wavelength: ArrayLike) -> Array:
    """Median line-spread function of MaStar: Gaussian sigma [Angstrom] at wavelengths (P,) [Angstrom]."""
    lam = np.asarray(wavelength, dtype=np.float64)
    sigma: Array = lam / (np.interp(lam, _MASTAR_WAVELENGTH, _MASTAR_R) * FWHM_PER_SIGMA)
    return sigma


def read_lsf(path: str | PathLike[str]) -> tuple[Array, Array]:
    """Read a line-spread function: wavelength [vacuum Angstrom] and Gaussian sigma [Angstrom], both (P,).

    Parameters
    ----------
    path : str or path
        A table with the columns ``wavelength`` and ``lsf`` (sigma, Angstrom) or ``resolution`` (R), or
        spectra of one grid with a line-spread function, of which the median is taken.

    Raises
    ------
    ReadError
        If the file has neither.
    """
    from astropy.table import Table

    file = Path(path).expanduser()
    if not file.exists():
        raise ReadError(f"{file}: no such file; check the path")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about units and HDUs of files that are not tables
            table = Table.read(file)
        columns = {name.lower(): np.asarray(table[name], dtype=np.float64) for name in table.colnames[:8]}
    except Exception:  # not a table, or not a numerical one: spectra
        columns = {}
    if "wavelength" in columns and {"lsf", "resolution"} & set(columns):
        wavelength = columns["wavelength"]
        lsf = columns["lsf"] if "lsf" in columns else wavelength / (columns["resolution"] * FWHM_PER_SIGMA)
    else:
        spectra = read_spectra(file)
        if spectra.lsf is None or spectra.wavelength.ndim != 1:
            raise ReadError(
                f"{file}: expected a table with the columns wavelength and lsf (Gaussian sigma, Angstrom) or "
                "resolution, or spectra of one grid with their line-spread function"
            )
        wavelength, lsf = spectra.wavelength, np.nanmedian(spectra.lsf, axis=0)
    good = np.isfinite(wavelength) & np.isfinite(lsf)
    return wavelength[good], lsf[good]


def to_resolution(
    wavelength: Array,
    flux: NDArray[np.floating],
    own: Array | None,
    wanted: tuple[ArrayLike, ArrayLike],
    limits: tuple[float, float],
) -> tuple[Array, NDArray[np.floating], Array]:
    """Broaden spectra to a line-spread function and, if their pixels are fine, rebin them to 1e-4 dex.

    Parameters
    ----------
    wavelength : (P,) float64
        Vacuum Angstrom.
    flux : (M, P)
    own : (P,) float64 or None
        Line-spread function of the spectra, Gaussian sigma [Angstrom]; None = infinitely sharp.
    wanted : ((Q,), (Q,))
        Wavelength and target sigma [Angstrom], pixels included; constant beyond its ends.
    limits : (float, float)
        Range of the result [Angstrom].

    Returns
    -------
    wavelength : (P',), flux : (M, P'), lsf : (P',)
        The resulting line-spread function: the target, or that of the spectra where it is wider.

    Raises
    ------
    ValueError
        If no pixels are left in the range, or the curve is invalid.
    """
    at, sigma = (np.atleast_1d(np.asarray(c, dtype=np.float64)) for c in wanted)
    if at.shape != sigma.shape or not (np.diff(at) > 0).all() or not (sigma > 0).all():
        raise ValueError("lsf: expected increasing wavelengths, each with a sigma above 0 Angstrom")
    near = (wavelength > limits[0]) & (wavelength < limits[1])
    pixel = max(np.gradient(wavelength)[near].max(initial=0.0), _STEP * np.log(10) * limits[1])
    reach = 2 * (_REACH * float(sigma.max()) + _RINGING * pixel)
    used = (wavelength > limits[0] - reach) & (wavelength < limits[1] + reach)
    if used.sum() < 2:
        raise ValueError(
            f"wavelength: the models cover {wavelength[0]:.0f}-{wavelength[-1]:.0f} A, outside "
            f"{limits[0]:.0f}-{limits[1]:.0f} A"
        )
    lam, sharp = wavelength[used], np.zeros(used.sum()) if own is None else own[used]
    first = max(limits[0], lam[0] + _END * np.interp(lam[0], at, sigma))
    last = min(limits[1], lam[-1] - _END * np.interp(lam[-1], at, sigma))
    if first >= last:
        raise ValueError(
            f"wavelength: the models are too short to be broadened within {limits[0]:.0f}-{limits[1]:.0f} A"
        )
    fine = np.median(np.diff(np.log10(lam))) < 0.5 * _STEP
    if fine:
        # Pixels of the result are whole multiples of the step; each is the mean of some subpixels.
        low = np.ceil(np.round(np.log10(first) / _STEP, 6))
        high = np.floor(np.round(np.log10(last) / _STEP, 6))
        result = 10.0 ** (_STEP * np.arange(low, high + 1))
        margin = np.ceil(_REACH * sigma.max() / (lam[0] * np.log(10) * _STEP)) + _RINGING
        count = int(high - low + 1 + 2 * margin) * _SUBPIXELS
        work = 10.0 ** (_STEP * (low - margin + (np.arange(count) - (_SUBPIXELS - 1) / 2) / _SUBPIXELS))
        work = work[(work > lam[0]) & (work < lam[-1])]
        # Pixels, old and new, broaden like boxes of their width: by the square of the width divided by 12.
        box = ((np.gradient(work) * _SUBPIXELS) ** 2 + np.interp(work, lam, np.gradient(lam)) ** 2) / 12
        before, after = _overlap(lam, work), _overlap(work, result)
        sharp = np.interp(work, lam, sharp)
    else:
        work, box = lam, np.zeros_like(lam)
        result = lam[(lam >= first) & (lam <= last)]
    target = np.interp(work, at, sigma)
    variance = target**2 - sharp**2 - box
    operator = broadening(np.maximum(variance, 0) / np.gradient(work) ** 2)
    operator = after @ operator @ before if fine else operator[(lam >= first) & (lam <= last)]
    _tell_coarse(work, np.sqrt(sharp**2 + box) / target, limits)
    lsf = np.sqrt(np.maximum(target**2, sharp**2 + box))
    broadened = np.empty((len(flux), len(result)), dtype=flux.dtype)
    operator = operator.astype(flux.dtype)
    for start in range(0, len(flux), 256):
        part = slice(start, start + 256)
        broadened[part] = (operator @ np.ascontiguousarray(flux[part][:, used].T)).T
    return result, broadened, np.interp(result, work, lsf)


def broadening(variance: Array) -> csr_array:
    """Operator (P, P) that broadens by `variance` (P,), in squared pixels at every pixel.

    The kernel at offset d is the integral of exp(-variance q^2 / 2) cos(q d) dq / pi over 0 < q < pi: a
    Gaussian if that is wider than a pixel; if narrower, it still broadens resolved flux by the same amount.
    """
    reach = int(np.ceil(_REACH * np.sqrt(variance.max()))) + _RINGING
    offset = np.arange(-reach, reach + 1)
    frequency = np.pi * (np.arange(4 * reach) + 0.5) / (4 * reach)
    transfer = np.exp(-0.5 * variance[:, None] * frequency**2)
    kernel: Array = transfer @ np.cos(frequency[:, None] * offset) / frequency.size
    kernel[variance == 0] = offset == 0
    row = np.broadcast_to(np.arange(len(variance))[:, None], kernel.shape)
    column = row + offset
    kernel[(column < 0) | (column >= len(variance))] = 0
    kernel /= kernel.sum(axis=1, keepdims=True)
    kept = np.abs(kernel) > 1e-12
    shape = (len(variance), len(variance))
    return csr_array((kernel[kept], (row[kept], column[kept])), shape=shape)


def _overlap(wavelength: Array, grid: Array) -> csr_array:
    """Operator that rebins flux density, conserving flux: fractions of the new pixels in each old one."""
    old, new = pixel_edges(wavelength), pixel_edges(grid)
    cut = np.unique(np.concatenate([old, new]))
    cut = cut[(cut >= max(old[0], new[0])) & (cut <= min(old[-1], new[-1]))]
    middle, width = 0.5 * (cut[1:] + cut[:-1]), np.diff(cut)
    row = np.searchsorted(new, middle) - 1
    column = np.searchsorted(old, middle) - 1
    entries = (width / np.diff(new)[row], (row, column))
    return coo_array(entries, shape=(len(grid), len(wavelength))).tocsr()


def _tell_coarse(wavelength: Array, ratio: Array, limits: tuple[float, float]) -> None:
    there = (ratio > 1.01) & (wavelength >= limits[0]) & (wavelength <= limits[1])
    if there.any():
        coarse, most = wavelength[there], ratio[there].max()
        warnings.warn(
            f"the models have a lower resolution than required within {coarse[0]:.0f}-"
            f"{coarse[-1]:.0f} A, by up to a factor of {most:.2f}; they are not broadened there, "
            "and lsf is that of the models",
            UserWarning,
            stacklevel=3,
        )
