"""Spectra before any fit: their pseudo-continuum, and beside model spectra (Imig et al. 2021, figs. 1 and 4).

Figures are made without pyplot, so that no window opens and no global state changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maury.labels import find_label
from maury.prepare import running_median
from maury.show.tables import format_label
from maury.spectra import SPEED_OF_LIGHT, Spectra

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from maury.figure import Figure

Array = NDArray[np.float64]

_OBSERVED, _CONTINUUM = "#333333", "#d1342f"
_COLOURS = ("#2f6fb0", "#d1342f", "#3f9b5c", "#e3b505")
WINDOW = 400  # pixels
SCALE_RANGE = (5400.0, 5600.0)  # Angstrom
_PARTS = (60, 75, 90, 99.5)  # per cent of the spectra, as in fig. 13
_CURVE = 1000  # points of a curve


def plot_normalisation(spectrum: Spectra, window: int = WINDOW) -> Figure:
    """Draw a spectrum with its running median, and below, their ratio (fig. 1).

    Parameters
    ----------
    spectrum : Spectra
        Of length 1. Masked pixels are gaps.
    window : int
        Width of the running median in pixels.

    Raises
    ------
    ValueError
        If it is not one spectrum.
    """
    from maury.figure import Figure

    if len(spectrum) != 1:
        raise ValueError(f"spectrum: expected one, got {len(spectrum)}; select one, as in spectra[0]")
    wave, flux, _ = _at_rest(spectrum, 0)
    continuum = running_median(flux, window, np.isnan(flux))
    figure = Figure(figsize=(11, 5.4), dpi=110, layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True)
    top.plot(wave, flux, color=_OBSERVED, lw=0.6, label="spectrum")
    top.plot(wave, continuum, color=_CONTINUUM, lw=1.4, label=f"running median, {window} pixels")
    bottom.plot(wave, flux / continuum, color=_OBSERVED, lw=0.6)
    bottom.axhline(1, color=_CONTINUUM, lw=1)
    top.set_title(str(spectrum.star_id[0]), loc="left", fontsize=10, parse_math=False)
    top.set_ylabel("flux")
    bottom.set_ylabel("normalised flux")
    _finish([top, bottom])
    return figure


def resolution_curves(spectra: Iterable[Spectra]) -> dict[str, tuple[Array, Array]]:
    """Line-spread functions below which 60, 75, 90 and 99.5 % of spectra are, for `plot_resolution`.

    Returns
    -------
    dict
        By name: wavelengths (P,) and Gaussian sigma (P,) [Angstrom].

    Raises
    ------
    ValueError
        If no spectrum has a line-spread function.
    """
    known = []
    for one in (spectrum for batch in spectra for spectrum in batch):
        if one.lsf is None:
            continue
        wavelength, sigma = np.atleast_2d(one.wavelength)[0], np.atleast_2d(one.lsf)[0]
        seen = np.isfinite(wavelength) & np.isfinite(sigma)
        order = np.argsort(wavelength[seen])  # arms may overlap
        known.append((wavelength[seen][order], sigma[seen][order]))
    known = [curve for curve in known if len(curve[0])]
    if not known:
        raise ValueError("spectra: none of them has a line-spread function")
    ends = [end for wavelength, _ in known for end in wavelength[[0, -1]]]
    common = np.geomspace(min(ends), max(ends), _CURVE)
    sigma = np.array([np.interp(common, *curve, left=np.nan, right=np.nan) for curve in known])
    seen = np.isfinite(sigma).any(axis=0)
    common, sigma = common[seen], sigma[:, seen]
    return {f"{part:g} %": (common, np.nanpercentile(sigma, part, axis=0)) for part in _PARTS}


def plot_libraries(
    spectra: Spectra, models: Mapping[str, Spectra], scale_range: tuple[float, float] = SCALE_RANGE
) -> Figure:
    """Observed spectra with model spectra of the same labels, and how the models differ (fig. 4).

    Each is divided by its median flux within `scale_range`. The lower panels show (model - observed) /
    observed.

    Parameters
    ----------
    spectra : Spectra
        One panel each.
    models : mapping of Spectra
        By the name of the library, one row for each row of `spectra`, as made by
        `maury.reference.theory.build_twin`, at the resolution of `spectra`.
    scale_range : (float, float)
        Rest wavelengths [vacuum Angstrom].

    Raises
    ------
    ValueError
        If a library does not have one row per spectrum, or a spectrum has no usable pixel within
        `scale_range`.
    """
    from maury.figure import Figure

    for name, made in models.items():
        if len(made) != len(spectra):
            raise ValueError(
                f"models: expected {len(spectra)} rows of {name}, one per spectrum, got {len(made)}"
            )
    figure = Figure(figsize=(11, 3.6 * len(spectra)), dpi=110, layout="constrained")
    grid = figure.add_gridspec(2 * len(spectra), 1, height_ratios=[3, 1] * len(spectra))
    for i in range(len(spectra)):
        top = figure.add_subplot(grid[2 * i])
        bottom = figure.add_subplot(grid[2 * i + 1], sharex=top)
        wave, flux, label = _at_rest(spectra, i)
        flux = _to_scale("spectra", wave, flux, scale_range)
        top.plot(wave, flux, color=_OBSERVED, lw=0.6, label="observed")
        for (name, made), colour in zip(models.items(), _COLOURS * len(models), strict=False):
            model_wave, model, _ = _at_rest(made, i)
            known = np.isfinite(model)
            model = _to_scale(name, model_wave, model, scale_range)
            model = np.interp(wave, model_wave[known], model[known], left=np.nan, right=np.nan)
            top.plot(wave, model, color=colour, lw=0.7, label=name)
            with np.errstate(divide="ignore", invalid="ignore"):
                bottom.plot(wave, (model - flux) / flux, color=colour, lw=0.5)
        bottom.axhline(0, color=_OBSERVED, lw=0.8)
        bottom.set_ylim(-0.5, 0.5)
        top.set_title(label, fontsize=9, loc="left")
        top.set_ylabel("relative flux")
        bottom.set_ylabel("residual")
        _finish([top, bottom])
    return figure


def _at_rest(spectra: Spectra, i: int) -> tuple[Array, Array, str]:
    """Rest wavelengths of a spectrum, its flux, NaN where masked, and its labels as text."""
    wave = spectra.wavelength if spectra.wavelength.ndim == 1 else spectra.wavelength[i]
    wave = wave / (1 + np.nan_to_num(spectra.rv[i]) / SPEED_OF_LIGHT)
    words = [
        f"{find_label(name).latex} = {format_label(name, values[i])}"
        for name, values in spectra.labels.items()
        if np.isfinite(values[i])
    ]
    return wave, np.where(spectra.mask[i], np.nan, spectra.flux[i]), ",  ".join(words)


def _to_scale(what: str, wave: Array, flux: Array, scale_range: tuple[float, float]) -> Array:
    inside = (wave >= scale_range[0]) & (wave <= scale_range[1]) & np.isfinite(flux)
    if not inside.any():
        low, high = scale_range
        raise ValueError(f"scale_range: no usable pixel of {what} within {low:g}-{high:g} A")
    return np.asarray(flux / np.median(flux[inside]))


def _finish(axes: list[Axes]) -> None:
    axes[0].legend(frameon=False, fontsize=8)
    axes[0].tick_params(labelbottom=False)
    axes[-1].set_xlabel("rest wavelength in vacuum [Å]")
    for ax in axes:
        ax.tick_params(direction="in", top=True, right=True)
