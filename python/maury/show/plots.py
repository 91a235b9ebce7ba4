"""Figures: a spectrum with its model, and all stars in the Kiel diagram (Imig et al. 2021, figs. 7 and 10).

Figures are made without pyplot, so that no window opens and no global state changes.
"""

from __future__ import annotations

import os
import re
import textwrap
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.columns import column_values, label_names, row_value
from maury.catalog.flags import flag_names
from maury.labels import find_label
from maury.show.tables import format_label, row_name

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.axes import Axes

    from maury.emulator.emulator import Emulator
    from maury.figure import Figure

Array = NDArray[np.float64]

_OBSERVED, _MODEL, _BAND = "#333333", "#d1342f", "#7fb0e0"
_NO_DATA, _WARN, _QUIET = "#ececec", "#b3261e", "#666666"
_DPI = 130
_MAX_ERROR_BARS = 300

# Prominent features, vacuum Angstrom.
_LINES = {
    "Ca K": 3934.8,
    "Ca H": 3969.6,
    r"H$\delta$": 4102.9,
    "G": 4305.6,
    r"H$\gamma$": 4341.7,
    r"H$\beta$": 4862.7,
    "Mg b": 5176.7,
    "Na D": 5894.6,
    r"H$\alpha$": 6564.6,
    "TiO": 7055.0,
    "Ca T": 8544.4,
}
# Labels of close neighbours are aligned away from each other.
_LEAN = {"Ca K": "right", "Ca H": "left", "G": "right", r"H$\gamma$": "left"}
_TEFF_TICKS = (3000, 4000, 5000, 6000, 8000, 10000, 15000, 20000, 30000, 50000)


def plot_star(
    wavelength: ArrayLike,
    flux: ArrayLike,
    ivar: ArrayLike,
    model: ArrayLike,
    row: QTable.Row,
    scatter: ArrayLike | None = None,
) -> Figure:
    """One spectrum with the fitted model and the residual below; labels and flags are printed above.

    Parameters
    ----------
    wavelength : (P,)
        Vacuum, rest frame [Angstrom].
    flux, ivar : (P,)
        Normalised flux and its inverse variance; pixels with ivar 0 are shown as gaps on grey.
    model : (P,)
        Flux of the emulator at the fitted labels; NaN if the fit failed, and then not drawn.
    row : QTable.Row
        The row of the catalogue.
    scatter : (P,), optional
        Rms not explained by the emulator; widens the band of expected residuals.
    """
    from maury.figure import Figure

    wave = np.asarray(wavelength, dtype=float)
    usable = np.asarray(ivar, dtype=float) > 0
    observed = np.where(usable, flux, np.nan)
    model = np.asarray(model, dtype=float)
    variance = 1 / np.where(usable, ivar, np.nan) + (0 if scatter is None else np.asarray(scatter) ** 2)

    figure = Figure(figsize=(13, 6), dpi=_DPI)
    grid = figure.add_gridspec(
        2, 1, height_ratios=[3, 1], hspace=0.06, left=0.06, right=0.985, top=0.815, bottom=0.135
    )
    top = figure.add_subplot(grid[0])
    bottom = figure.add_subplot(grid[1], sharex=top)
    for axes in (top, bottom):
        _shade_gaps(axes, wave, usable)
        axes.tick_params(direction="in", top=True, right=True)
    (seen,) = top.plot(wave, observed, color=_OBSERVED, lw=0.7, label="observed")
    (fitted,) = top.plot(wave, model, color=_MODEL, lw=0.8, alpha=0.9, label="model")
    sigma = np.sqrt(variance)
    expected = r"expected, $\pm 1\sigma$"
    band = bottom.fill_between(wave, -sigma, sigma, color=_BAND, alpha=0.6, lw=0, zorder=3, label=expected)
    bottom.plot(wave, observed - model, color="0.35", lw=0.45)
    bottom.axhline(0, color=_MODEL, lw=0.8, zorder=4)

    top.set_ylabel("normalised flux")
    bottom.set_ylabel("residual")
    bottom.set_xlabel("rest wavelength in vacuum [Å]")
    top.tick_params(labelbottom=False)
    top.set_xlim(wave[0], wave[-1])
    top.set_ylim(*_flux_limits(observed, model))
    bottom.set_ylim(*_residual_limits(observed - model, sigma))
    _mark_lines(top)
    if not usable.any():
        reason = textwrap.fill(str(row["problem"]) or "no usable pixels", 100)
        top.text(
            0.5, 0.5, reason, transform=top.transAxes, ha="center", va="center", color=_QUIET,
            parse_math=False,
        )  # fmt: skip
    figure.align_ylabels([top, bottom])
    _write_head(figure, row)
    handles = [seen, band] if usable.any() else []
    if np.isfinite(model).any():
        handles.insert(1, fitted)
    if handles:
        legend = figure.legend(
            handles=handles, loc="lower right", bbox_to_anchor=(0.992, 0.0), ncols=3, frameon=False
        )
        for line in legend.get_lines():
            line.set_linewidth(2)
    return figure


def plot_kiel(catalog: QTable, emulator: Emulator) -> Figure:
    """Measured stars in the Kiel diagram, coloured by [Fe/H], with the training set of the emulator in grey.

    Raises
    ------
    ValueError
        If the catalogue has no labels ``teff`` and ``logg``.
    """
    from maury.figure import Figure

    names = label_names(catalog)
    if not {"teff", "logg"} <= set(names):
        raise ValueError(f"catalog: a Kiel diagram needs the labels teff and logg, got {', '.join(names)}")
    teff, logg = column_values(catalog, "teff"), column_values(catalog, "logg")
    shown = np.isfinite(teff) & np.isfinite(logg)
    flagged = np.asarray(catalog["flags"]) != 0
    colour = column_values(catalog, "fe_h") if "fe_h" in names else np.zeros(len(catalog))

    figure = Figure(figsize=(8, 7), dpi=_DPI)
    axes = figure.add_axes((0.1, 0.15, 0.74, 0.79))
    training = np.asarray(emulator.training_labels, dtype=float)
    known_teff = known_logg = np.empty(0)
    if training.size and {"teff", "logg"} <= set(emulator.labels):
        known_teff = training[:, emulator.labels.index("teff")]
        known_logg = training[:, emulator.labels.index("logg")]
        axes.plot(known_teff, known_logg, ".", color="0.78", ms=4.5, mew=0, zorder=1, label="training set")
    if shown.sum() <= _MAX_ERROR_BARS:
        axes.errorbar(
            teff[shown],
            logg[shown],
            xerr=np.nan_to_num(column_values(catalog, "teff_err")[shown]),
            yerr=np.nan_to_num(column_values(catalog, "logg_err")[shown]),
            fmt="none",
            ecolor="0.55",
            elinewidth=0.7,
            zorder=2,
        )
    low, high = _colour_limits(colour[shown])
    style: dict[str, Any] = {"cmap": "viridis", "vmin": low, "vmax": high}
    size = 34 if shown.sum() <= _MAX_ERROR_BARS else 9
    good, doubtful = shown & ~flagged, shown & flagged
    points = axes.scatter(
        teff[good], logg[good], c=colour[good], s=size, edgecolors="0.2", linewidths=0.4, zorder=4,
        label="measured", **style,
    )  # fmt: skip
    ring: Any = points.cmap(points.norm(colour[doubtful]))
    axes.scatter(
        teff[doubtful], logg[doubtful], s=size, facecolors="white", edgecolors=ring, linewidths=1.3, zorder=3,
        label="measured, flagged",
    )  # fmt: skip
    _teff_axis(axes, np.concatenate([teff[shown], known_teff]))
    _logg_axis(axes, np.concatenate([logg[shown], known_logg]))
    if "fe_h" in names:
        some = colour[shown]
        below, above = bool((some < low).any()), bool((some > high).any())
        extend = "both" if below and above else "min" if below else "max" if above else "neither"
        bar = figure.colorbar(points, cax=figure.add_axes((0.865, 0.15, 0.025, 0.79)), extend=extend)
        bar.set_label(f"{find_label('fe_h').latex} [dex]")
    n_lost = int(np.sum(~shown))
    title = f"{int(shown.sum())} {'spectrum' if shown.sum() == 1 else 'spectra'}"
    axes.set_title(title + (f", {n_lost} without a fit not shown" if n_lost else ""), loc="left", fontsize=11)
    axes.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.08), ncols=3, frameon=False, fontsize=9)
    return figure


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Write a figure; the extension of `path` selects the format."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # names in other scripts
        figure.savefig(path)


_LONGEST_NAME = 200  # bytes of the name of a file, of at most 255


def picture_names(catalog: QTable) -> list[str]:
    """File name of the PNG of every row: star and visit in kebab-case, numbered if two would be the same."""
    taken: set[str] = set()
    names = []
    for row in catalog:
        stem = re.sub(r"[^0-9a-z]+", "-", row_name(row).lower().replace("+", "p")).strip("-")
        stem = stem[:_LONGEST_NAME] or "spectrum"
        name, number = stem, 1
        while name in taken or name == "kiel":
            number += 1
            name = f"{stem}-{number}"
        taken.add(name)
        names.append(f"{name}.png")
    return names


def _shade_gaps(axes: Axes, wave: Array, usable: NDArray[np.bool_]) -> None:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], ~usable, [False]])))
    step = np.gradient(wave)
    for first, last in zip(edges[::2], edges[1::2] - 1, strict=True):
        left, right = wave[first] - step[first] / 2, wave[last] + step[last] / 2
        axes.axvspan(left, right, color=_NO_DATA, lw=0, zorder=0)


def _flux_limits(observed: Array, model: Array) -> tuple[float, float]:
    """Limits that are insensitive to a few bad pixels; the whole model is shown."""
    seen = observed[np.isfinite(observed)]
    if not seen.size:
        return 0.0, 1.5
    low, high = np.percentile(seen, [0.3, 99.7])
    fitted = model[np.isfinite(model) & np.isfinite(observed)]
    if fitted.size:
        low, high = min(low, fitted.min()), max(high, fitted.max())
    margin = 0.06 * (high - low) or 0.1
    return float(low - margin), float(high + margin)


def _residual_limits(residual: Array, sigma: Array) -> tuple[float, float]:
    seen = np.abs(residual[np.isfinite(residual)])
    if not seen.size:
        seen = 2 * sigma[np.isfinite(sigma)]
    half = 1.4 * float(np.percentile(seen, 98)) if seen.size else 0.1
    half = max(half, 1e-3)
    return -half, half


def _mark_lines(axes: Axes) -> None:
    low, high = axes.get_xlim()
    for name, line in _LINES.items():
        if low < line < high:
            axes.axvline(line, ymin=0.975, color=_QUIET, lw=0.8)
            axes.text(
                line, 1.012, name, transform=axes.get_xaxis_transform(), ha=_LEAN.get(name, "center"),
                va="bottom", fontsize=8, color=_QUIET,
            )  # fmt: skip


def _write_head(figure: Figure, row: QTable.Row) -> None:
    """Name, labels and numbers at the top; names of the flags at the right."""
    names = label_names(row.table)
    figure.text(0.06, 0.945, row_name(row), fontsize=13, fontweight="bold", parse_math=False)
    parts = []
    for name in names:
        label = find_label(name)
        value, error = (row_value(row, key) for key in (name, f"{name}_err"))
        if np.isfinite(value):
            unit = " K" if label.unit == "K" else ""
            number = format_label(name, value).replace("-", "\N{MINUS SIGN}")
            parts.append(f"{label.latex} = {number} \N{PLUS-MINUS SIGN} {format_label(name, error)}{unit}")
    figure.text(0.06, 0.893, ",   ".join(parts) if parts else "no labels: the fit failed", fontsize=11)
    flags = flag_names(int(row["flags"]))
    figure.text(
        0.985, 0.945, ", ".join(flags) if flags else "no flags", ha="right", fontsize=11,
        color=_WARN if flags else _QUIET,
    )  # fmt: skip
    numbers = []
    if np.isfinite(row["rchi2"]):
        numbers.append(rf"$\chi^2_\nu$ = {row['rchi2']:.2f}")
    if np.isfinite(row["snr"]):
        numbers.append(f"S/N = {row['snr']:.0f}")
    numbers.append(f"{row['n_pixels']} pixels")
    figure.text(0.985, 0.893, ",   ".join(numbers), ha="right", fontsize=11)


def _colour_limits(values: Array) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    if not values.size:
        return -1.0, 0.5
    low, high = np.percentile(values, [2, 98])
    if high - low < 0.5:
        low, high = (low + high) / 2 - 0.25, (low + high) / 2 + 0.25
    return float(low), float(high)


def _teff_axis(axes: Axes, teff: Array) -> None:
    """Hot on the left; logarithmic if the stars span more than a factor of 2.5."""
    from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, ScalarFormatter

    teff = teff[np.isfinite(teff) & (teff > 0)]
    low, high = (teff.min(), teff.max()) if teff.size else (3500.0, 8000.0)
    if high > 2.5 * low:
        low, high = low / 1.06, high * 1.06
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(FixedLocator([tick for tick in _TEFF_TICKS if low <= tick <= high]))
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        margin = 0.05 * (high - low) or 100.0
        low, high = low - margin, high + margin
    axes.set_xlim(high, low)
    axes.set_xlabel(f"{find_label('teff').latex} [K]")
    axes.tick_params(direction="in", top=True, right=True)


def _logg_axis(axes: Axes, logg: Array) -> None:
    """Giants at the top."""
    logg = logg[np.isfinite(logg)]
    low, high = (logg.min(), logg.max()) if logg.size else (0.0, 5.0)
    margin = 0.05 * (high - low) or 0.25
    axes.set_ylim(high + margin, low - margin)
    axes.set_ylabel(f"{find_label('logg').latex} [dex, cgs]")
