"""A grid of model spectra: labels on axes, holes where a model is missing; read from four kinds of file."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.labels import LABELS
from maury.readers._fits import ReadError, is_fits, linear_grid, number
from maury.readers._fits_file import open_fits
from maury.reference.ferre import Models, is_ferre, read_ferre
from maury.reference.load import load_reference
from maury.spectra import FWHM_PER_SIGMA, air_to_vacuum

Array = NDArray[np.float64]

# Names in use for each label, in lower case without blanks, brackets and underscores.
_NAMES = {
    "teff": ("teff",),
    "logg": ("logg", "g", "grav"),
    "fe_h": ("feh", "fe/h", "metals", "mh", "m/h"),
    "alpha_fe": ("alphafe", "alpha/fe", "afe", "a/fe", "alpha", "alpham", "alpha/m", "am", "omgsiscati"),
    "log_vmicro": ("logvmicro", "log10vmicro", "log10vdop", "logmicro", "log10micro"),
    "vmicro": ("vmicro", "micro", "vturb", "vt"),
}
# A list of models with more holes than this for each of them is not a grid.
_MOST_HOLES = 50


@dataclass(frozen=True, eq=False)
class Grid:
    """Model spectra on a rectilinear grid of labels.

    Attributes
    ----------
    labels : tuple of str, L
        Under maury's own names where known: teff [K], logg, fe_h, alpha_fe, log_vmicro.
    axes : tuple of (n,) float64, L
        Increasing values of each label.
    wavelength : (P,) float64
        Vacuum Angstrom.
    flux : (n_1, ..., n_L, P) float32 or float64
        In the unit of the file; 0 in holes.
    present : (n_1, ..., n_L) bool
        False = a hole.
    lsf : (P,) float64 or None
        Gaussian sigma of the models [Angstrom]; None = unknown, assumed 0.
    source : str
        The file.
    """

    labels: tuple[str, ...]
    axes: tuple[Array, ...]
    wavelength: Array
    flux: NDArray[np.floating]
    present: NDArray[np.bool_]
    lsf: Array | None
    source: str


def read_grid(path: str | PathLike[str], *, resolution: float | None = None, air: bool | None = None) -> Grid:
    """Read a grid of model spectra.

    Parameters
    ----------
    path : str or path
        A FITS cube (wavelength on the first axis, a label on each of the others, their names in CTYPE2, ...);
        a FITS image of spectra with a table of their labels, or a table of both (columns FLUX, WAVE or
        LOGLAM, and the labels); a FERRE library in ASCII; or a table (CSV, ECSV, ...) with a column ``file``
        and one column per label. Models that are missing, or 0 in every pixel, are holes.
    resolution : float, optional
        R = wavelength / FWHM of the models; by default that given in the file, else infinite.
    air : bool, optional
        Whether wavelengths are in air; by default as given in the file, else vacuum.

    Raises
    ------
    ReadError
        If the file is none of these, has no labels or wavelengths, or a model has pixels that are not finite.
    """
    file = Path(path).expanduser()
    if not file.exists():
        raise ReadError(f"{file}: no such file; check the path")
    if is_fits(file):
        names, values, wavelength, flux, known = _read_fits(file)
    elif is_ferre(file):
        names, values, wavelength, flux, known = read_ferre(file)
    else:
        names, values, wavelength, flux, known = _read_files(file)
    labels, points = _named(file, names, values)
    if air if air is not None else known.get("air", False):
        wavelength = air_to_vacuum(wavelength)
    lsf = known.get("lsf")
    resolution = resolution if resolution is not None else known.get("resolution")
    if resolution is not None:
        if not resolution > 0:
            raise ValueError(f"resolution: expected R = wavelength / FWHM above 0, got {resolution}")
        lsf = wavelength / (resolution * FWHM_PER_SIGMA)
    return make_grid(labels, points, wavelength, flux, lsf=lsf, source=str(file))


def make_grid(
    labels: Sequence[str],
    points: ArrayLike,
    wavelength: ArrayLike,
    flux: ArrayLike,
    *,
    lsf: ArrayLike | None = None,
    source: str = "arrays",
) -> Grid:
    """Sort a list of models into a grid.

    Parameters
    ----------
    labels : sequence of str, L
    points : (M, L) float64
        Labels of each model.
    wavelength : (P,) float64
        Vacuum Angstrom.
    flux : (M, P)
        A model that is 0, or NaN, in every pixel is a hole. Pixels that are 0 in all models are removed at
        both ends.
    lsf : (P,) float64, optional
    source : str

    Raises
    ------
    ReadError
        If a label is missing in a model or everywhere, two models have the same labels, the labels do not
        form a grid, or a pixel of a model is not finite.
    """
    # Adding 0 turns -0, which occurs in some files, into 0.
    values = np.asarray(points, dtype=np.float64) + 0.0
    spectra, lam = np.asarray(flux), np.asarray(wavelength, dtype=np.float64)
    if spectra.dtype.newbyteorder("=") not in (np.float32, np.float64):
        spectra = spectra.astype(np.float64)
    spectra = spectra.astype(spectra.dtype.newbyteorder("="), copy=False)
    if lam.shape != spectra.shape[1:] or not (np.diff(lam) > 0).all():
        raise ReadError(
            f"{source}: expected one increasing wavelength for each of the {spectra.shape[1]} pixels"
        )
    for name, column in zip(labels, values.T, strict=True):
        lost = int((~np.isfinite(column)).sum())
        if lost:
            where = "every model" if lost == len(column) else f"{lost} of {len(column)} models"
            raise ReadError(f"{source}: the label {name} is missing in {where}; fill it in, or omit it")
    bad = ~np.isfinite(spectra)
    hole = bad.all(axis=1) | ~spectra.any(axis=1)
    damaged = np.flatnonzero(bad.any(axis=1) & ~hole)
    if len(damaged):
        told = ", ".join(f"{n} {v:g}" for n, v in zip(labels, values[damaged[0]], strict=True))
        raise ReadError(
            f"{source}: {len(damaged)} models have pixels that are not finite, the first is {told} with "
            f"{bad[damaged[0]].sum()}; correct them, or set the whole model to 0 to make it a hole"
        )
    if hole.all():
        raise ReadError(f"{source}: all models are empty")
    axes, place = zip(*(np.unique(column, return_inverse=True) for column in values.T), strict=True)
    shape = tuple(map(len, axes))
    if np.prod(np.array(shape, dtype=np.float64)) > _MOST_HOLES * len(values):
        counts = ", ".join(f"{n} of {name}" for name, n in zip(labels, shape, strict=True))
        raise ReadError(f"{source}: {len(values)} models do not form a grid: they have {counts} values")
    rows = np.ravel_multi_index(tuple(p.ravel() for p in place), shape)
    if len(np.unique(rows)) < len(rows):
        raise ReadError(
            f"{source}: models have equal labels ({', '.join(labels)}); add the label in which they differ"
        )
    lit = np.flatnonzero(spectra[~hole].any(axis=0))
    used = slice(lit[0], lit[-1] + 1)
    cube = np.zeros((*shape, lit[-1] + 1 - lit[0]), dtype=spectra.dtype)
    cube.reshape(-1, cube.shape[-1])[rows[~hole]] = spectra[~hole, used]
    present = np.zeros(shape, dtype=bool)
    present.ravel()[rows[~hole]] = True
    sigma = None if lsf is None else np.broadcast_to(np.asarray(lsf, dtype=np.float64), lam.shape)[used]
    return Grid(tuple(labels), tuple(axes), lam[used], cube, present, sigma, source)


def _named(source: Path, names: Sequence[str], points: Array) -> tuple[tuple[str, ...], Array]:
    """Names and order of maury for those of the file; a microturbulence in km/s becomes its logarithm."""
    labels, values = [], np.array(points, dtype=np.float64)
    for i, name in enumerate(names):
        label = known_label(name) or name.lower()
        if label == "vmicro":
            if not (values[:, i] > 0).all():
                raise ReadError(f"{source}: {name} must be above 0 km/s")
            label, values[:, i] = "log_vmicro", np.log10(values[:, i])
        if label in labels:
            raise ReadError(f"{source}: two columns or axes are the label {label}; keep one")
        labels.append(label)
    if "teff" not in labels or "logg" not in labels:
        raise ReadError(
            f"{source}: expected the labels teff and logg at least, got {', '.join(names) or 'none'}; rename "
            "the columns or axes of the file"
        )
    known = [name for name in LABELS if name in labels]
    order = [labels.index(name) for name in known + [name for name in labels if name not in LABELS]]
    return tuple(labels[i] for i in order), values[:, order]


def known_label(name: str) -> str | None:
    """Label of maury (or vmicro, in km/s) for a name in a file."""
    plain = re.sub(r"[\s_\[\]()]", "", name.lower())
    return next((label for label, names in _NAMES.items() if plain in names), None)


def _read_fits(path: Path) -> Models:
    with open_fits(path) as hdus:
        images = [hdu for hdu in hdus if hdu.is_image and hdu.data is not None and hdu.data.ndim >= 2]
        tables = [hdu for hdu in hdus if not hdu.is_image and hdu.data is not None]
        labelled = [hdu for hdu in tables if any(known_label(n) for n in hdu.columns.names)]
        if images and images[0].data.ndim == 2 and labelled:
            header, flux = images[0].header, np.asarray(images[0].data)
            if len(flux) != len(labelled[0].data):
                raise ReadError(f"{path}: {len(flux)} spectra but {len(labelled[0].data)} rows of labels")
            return *_label_columns(labelled[0]), _wavelength(header, flux.shape[1]), flux, _medium(header)
        if images and f"CTYPE{images[0].data.ndim}" in images[0].header:
            return _read_cube(images[0])
        if labelled:
            columns = {name.upper(): name for name in labelled[0].columns.names}
            waves = [name for name in ("WAVE", "WAVELENGTH", "LOGLAM") if name in columns]
            if "FLUX" in columns and waves:
                wave = np.asarray(labelled[0].data[columns[waves[0]]][0], dtype=np.float64)
                flux = np.asarray(labelled[0].data[columns["FLUX"]])
                wave = 10.0**wave if waves[0] == "LOGLAM" else wave
                return *_label_columns(labelled[0]), wave, flux, _medium(labelled[0].header)
    raise ReadError(
        f"{path}: not a grid of spectra; expected a cube with labels in CTYPE2, ..., an image of spectra "
        "with a table of labels (TEFF, LOGG, FEH, ...), or a table with the columns FLUX, WAVE or LOGLAM, "
        "and labels"
    )


def _label_columns(table: Any) -> tuple[list[str], Array]:
    names = [name for name in table.columns.names if known_label(name)]
    return names, np.column_stack([np.asarray(table.data[name], dtype=np.float64) for name in names])


def _read_cube(hdu: Any) -> Models:
    header, data = hdu.header, np.asarray(hdu.data)
    names, axes = [], []
    for axis in range(data.ndim, 1, -1):  # the last axis of FITS is the first of NumPy
        names.append(str(header.get(f"CTYPE{axis}", "")))
        start, step = header.get(f"CRVAL{axis}"), header.get(f"CDELT{axis}", header.get(f"CD{axis}_{axis}"))
        if start is None or step is None:
            raise ReadError(f"axis {axis} ({names[-1]}) has no CRVAL{axis} and CDELT{axis}")
        pixel = np.arange(data.shape[data.ndim - axis]) + 1.0 - header.get(f"CRPIX{axis}", 1.0)
        # Rounded, so that a step such as 0.1 gives the same values from every file.
        axes.append(np.round(start + pixel * step, 9))
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    wavelength = _wavelength(header, data.shape[-1])
    return names, points, wavelength, data.reshape(len(points), -1), _medium(header)


def _wavelength(header: Any, n_pixels: int) -> Array:
    """Angstrom; log10 if stated in the header, or if the values are too small for wavelengths."""
    grid = linear_grid(header, n_pixels)
    log = header.get("DC-FLAG") == 1 or "LOG" in str(header.get("CTYPE1", "")).upper() or grid[-1] < 10
    return 10.0**grid if log else grid


def _medium(header: Any) -> dict[str, Any]:
    """Return air or vacuum, and the resolution, from a header."""
    known: dict[str, Any] = {}
    if "VACUUM" in header:
        known["air"] = not header["VACUUM"]
    elif str(header.get("CTYPE1", "")).upper().startswith("AWAV"):
        known["air"] = True
    resolution = number(header, "RESOLUTION", "RESOLUTI")  # FITS keys have at most eight characters
    if resolution > 0:
        known["resolution"] = resolution
    return known


def _read_files(path: Path) -> Models:
    spectra = load_reference(path)
    if spectra.wavelength.ndim != 1:
        raise ReadError(f"{path}: the files have different wavelengths; bring them to one grid")
    names = list(spectra.labels)
    flux: Array = np.where(np.all(spectra.mask, axis=1, keepdims=True), 0.0, spectra.flux)
    known = {} if spectra.lsf is None else {"lsf": spectra.lsf[0]}
    return names, np.column_stack([spectra.labels[n] for n in names]), spectra.wavelength, flux, known
