"""A reference set of model spectra, end to end; read this first.

grid of models -> resolution of the survey -> labels drawn from isochrones -> interpolation -> Spectra

Imig et al. 2021, sec. 2.4: points of stellar isochrones above a temperature, each with random [alpha/Fe] and
microturbulence within the grid, and the spectrum there by cubic Bezier interpolation. Models supply hot
stars, which are often missing in a sample of real stars with known labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from numpy.typing import ArrayLike, NDArray

from maury.readers.isochrones import column, read_isochrones
from maury.reference.broaden import MASTAR_RANGE, mastar_lsf, read_lsf, to_resolution
from maury.reference.file import Reference
from maury.reference.grid import Grid, read_grid
from maury.reference.interpolate import inside, interpolate
from maury.spectra import Spectra, assumed_ivar

Array = NDArray[np.float64]
PathOrPaths = str | PathLike[str] | Sequence[str | PathLike[str]]

TEFF_MIN = 6000.0  # K; as in the paper
N_SPECTRA = 1675  # the number of stars with known labels in the paper
# Models have no noise. This S/N is assumed, so that they have the weight of good spectra.
SNR = 100.0
# If fewer than one in this number of draws is inside a grid, the grid does not suit the isochrones.
_MOST_DRAWS = 1000


def build_theory(
    grid: Grid | str | PathLike[str],
    isochrones: Table | PathOrPaths,
    n: int | Spectra = N_SPECTRA,
    *,
    teff_min: float = TEFF_MIN,
    seed: int = 0,
    lsf: float | tuple[ArrayLike, ArrayLike] | str | PathLike[str] | None = None,
    wavelength: tuple[float, float] = MASTAR_RANGE,
    method: str = "cubic",
    snr: float = SNR,
) -> Spectra:
    """Draw a reference set of model spectra.

    Parameters
    ----------
    grid : Grid or path
        See `read_grid`.
    isochrones : astropy Table or path or list of paths
        See `maury.readers.isochrones.read_isochrones`.
    n : int or Spectra
        Number of spectra; if an empirical reference set, the number of its stars.
    teff_min : float
        Minimum Teff [K].
    seed : int
        The same seed gives the same set.
    lsf : float, (wavelength, sigma) or path, optional
        Target line-spread function, Gaussian sigma [Angstrom]: one number, a curve, or a file for
        `read_lsf`; by default the median of MaStar.
    wavelength : (float, float)
        Range of the result [vacuum Angstrom].
    method : str
        "cubic", or "linear" and "quadratic" as checks.
    snr : float
        Assumed signal-to-noise ratio; sets `ivar` only, no noise is added.

    Returns
    -------
    Spectra
        With `labels` for each axis of the grid, the resulting `lsf`, at rest, star_id "theory-0001" and on.

    Raises
    ------
    ReadError
        If a file cannot be read.
    ValueError
        If no isochrone point is in the grid, or an argument is wrong.
    """
    models = grid if isinstance(grid, Grid) else read_grid(grid)
    tracks = isochrones if isinstance(isochrones, Table) else read_isochrones(isochrones)
    count = len(np.unique(n.star_id)) if isinstance(n, Spectra) else int(n)
    if count < 1:
        raise ValueError(f"n: expected one spectrum or more, got {count}")
    points = draw_labels(models, tracks, count, teff_min=teff_min, seed=seed)
    names = [f"theory-{i + 1:04d}" for i in range(count)]
    return _spectra_at(models, points, names, lsf, wavelength, method, snr)


def build_twin(
    grid: Grid | str | PathLike[str],
    reference: Reference,
    *,
    lsf: float | tuple[ArrayLike, ArrayLike] | str | PathLike[str] | None = None,
    wavelength: tuple[float, float] = MASTAR_RANGE,
    method: str = "cubic",
    snr: float = SNR,
) -> Reference:
    """Make the synthetic twin of a reference set: a model spectrum at the labels of each of its spectra.

    Imig et al. 2021, sec. 5.2. Spectra with labels outside the grid are left out.

    Parameters
    ----------
    grid : Grid or path
        See `read_grid`.
    reference : Reference
        With all labels of the grid.
    lsf, wavelength, method, snr
        See `build_theory`.

    Returns
    -------
    Reference
        Of origin "theoretical", with the star_id and visit_id of `reference`.

    Raises
    ------
    ValueError
        If the reference set has no values for a label of the grid, or is entirely outside the grid.
    """
    models = grid if isinstance(grid, Grid) else read_grid(grid)
    known = reference.spectra.labels
    missing = [name for name in models.labels if name not in known]
    if missing:
        raise ValueError(
            f"reference: the grid has the labels {', '.join(models.labels)}, but the reference set has no "
            f"{', '.join(missing)}; a model requires all labels of the grid"
        )
    points = np.column_stack([known[name] for name in models.labels])
    rows = np.flatnonzero(inside(models.axes, models.present, points))
    if not len(rows):
        raise ValueError(f"reference: none of its {len(points)} spectra is within the grid {models.source}")
    stars = reference.spectra[rows]
    made = _spectra_at(models, points[rows], stars.star_id, lsf, wavelength, method, snr)
    made = replace(made, visit_id=stars.visit_id)
    return Reference.of_theory(made, {"grid": Path(models.source).name, "twin of": reference.provenance})


def _spectra_at(
    models: Grid,
    points: Array,
    names: ArrayLike,
    lsf: Any,
    wavelength: tuple[float, float],
    method: str,
    snr: float,
) -> Spectra:
    shape = models.present.shape
    nodes = models.flux.reshape(-1, models.flux.shape[-1])
    grid, flux, sigma = to_resolution(models.wavelength, nodes, models.lsf, _curve(lsf), wavelength)
    drawn = interpolate(models.axes, flux.reshape(*shape, -1), points, method, models.present)
    return Spectra(
        grid,
        drawn,
        assumed_ivar(drawn, snr=snr),
        lsf=sigma,
        star_id=names,
        file=models.source,
        rv=0.0,
        labels=dict(zip(models.labels, points.T, strict=True)),
    )


def draw_labels(grid: Grid, isochrones: Table, n: int, *, teff_min: float = TEFF_MIN, seed: int = 0) -> Array:
    """Labels (n, L) of isochrone points for which the grid can give a spectrum.

    Labels that isochrones do not have, like [alpha/Fe] and microturbulence, are drawn uniformly between the
    ends of the grid. Points outside the grid or in a hole are rejected and others drawn; no isochrone point
    is drawn twice before all have been drawn.

    Raises
    ------
    ValueError
        If hardly any point is in the grid.
    """
    rng = np.random.default_rng(seed)
    told = [name for name in ("teff", "logg", "fe_h") if name in grid.labels]
    values = np.column_stack([column(isochrones, name) for name in told])
    ends = [(axis[0], axis[-1]) for axis in grid.axes]
    low, high = (np.array([ends[grid.labels.index(name)][side] for name in told]) for side in (0, 1))
    able = ((values >= low) & (values <= high)).all(axis=1) & (column(isochrones, "teff") > teff_min)
    values = values[able]
    if not len(values):
        covers = ", ".join(f"{name} {a:g} to {b:g}" for name, a, b in zip(told, low, high, strict=True))
        raise ValueError(
            f"isochrones: none of their {len(able)} points is above {teff_min:g} K and within the grid "
            f"({covers}); pass isochrones with the ages and metallicities of the grid, or lower "
            "teff_min (--teff-min)"
        )
    points = np.empty((0, len(grid.axes)))
    draws = 0
    while len(points) < n:
        order = rng.permutation(len(values))
        labels = np.column_stack([rng.uniform(*end, size=len(order)) for end in ends])
        for name, told_values in zip(told, values[order].T, strict=True):
            labels[:, grid.labels.index(name)] = told_values
        points = np.concatenate([points, labels[inside(grid.axes, grid.present, labels)]])
        draws += len(order)
        if draws > _MOST_DRAWS * (len(points) + 1):
            raise ValueError(
                f"isochrones: of {draws} points drawn, only {len(points)} are between existing models; "
                "the grid has holes along these isochrones"
            )
    return points[:n]


def _curve(lsf: Any) -> tuple[ArrayLike, ArrayLike]:
    if lsf is None:
        lam = np.arange(3600.0, 10400.0)
        return lam, mastar_lsf(lam)
    if isinstance(lsf, str | PathLike):
        return read_lsf(lsf)
    if np.ndim(lsf) == 0:
        return [1.0], [float(lsf)]
    if len(lsf) != 2:
        raise ValueError("lsf: expected sigma in Angstrom, a pair of wavelength and sigma, or a file")
    return lsf[0], lsf[1]
