"""Figures of Imig et al. (2021): abundances, isochrones, chi-square, colours, errors, examples, resolution.

Figures are made without pyplot, so that no window opens and no global state changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.columns import column_values, label_names, row_value
from maury.catalog.errors import noise_errors
from maury.catalog.likelihood import pull_width
from maury.catalog.repeats import repeat_pairs
from maury.labels import find_label
from maury.show.report import data as data
from maury.show.tables import format_label, row_name

if TYPE_CHECKING:
    from astropy.table import QTable, Table
    from matplotlib.axes import Axes

    from maury.figure import Figure
    from maury.measure.best_fit import BestFit

Array = NDArray[np.float64]

_OBSERVED, _MODEL, _BAR, _FORMAL = "#333333", "#2f6fb0", "#7fb0e0", "#999999"
_REPORTED = "#d1342f"
_TEFF_TICKS = (3000, 4000, 5000, 6000, 8000, 10000, 15000, 20000, 30000)
_FEW_TICKS = (3000, 6000, 12000, 30000)
_AGE_STYLES = ("-", "--", ":", "-.")
_PULL_EDGES = np.linspace(-5, 5, 41)


def plot_abundances(catalog: QTable) -> Figure:
    """[alpha/Fe] against [Fe/H], coloured by Teff (fig. 7, right).

    Raises
    ------
    ValueError
        If the catalogue has no labels ``fe_h`` and ``alpha_fe``.
    """
    _need(catalog, ("fe_h", "alpha_fe"), "an abundance plane")
    figure, (axes,) = _panels(1, 7.2, 5.4)
    _scatter(figure, axes, catalog, ("fe_h", "alpha_fe"), "teff")
    return figure


def plot_isochrones(catalog: QTable, isochrones: Table) -> Figure:
    """Kiel diagram coloured by [Fe/H], with isochrones in the same colours, one line style per age (fig. 8).

    Parameters
    ----------
    catalog : QTable
    isochrones : Table
        From `maury.readers.isochrones.read_isochrones`; if there are many, select those to be drawn.

    Raises
    ------
    ValueError
        If the catalogue has no labels ``teff``, ``logg`` and ``fe_h``.
    """
    _need(catalog, ("teff", "logg", "fe_h"), "a Kiel diagram with isochrones")
    figure, (axes,) = _panels(1, 7.5, 6.2)
    points = _scatter(figure, axes, catalog, ("teff", "logg"), "fe_h")
    teff, logg, fe_h, age = (np.asarray(isochrones[n], dtype=float) for n in ("teff", "logg", "fe_h", "age"))
    styles = dict(zip(np.unique(age).tolist(), cycle(_AGE_STYLES), strict=False))
    for metals, years in dict.fromkeys(zip(fe_h.tolist(), age.tolist(), strict=True)):
        line = (fe_h == metals) & (age == years)
        axes.plot(teff[line], logg[line], color="white", lw=2.6)
        colour = points.cmap(points.norm(metals))
        axes.plot(teff[line], logg[line], color=colour, lw=1.3, ls=styles[years])
    for years, style in styles.items():
        axes.plot([], [], color="0.3", lw=1.3, ls=style, label=f"{years:.3g} Gyr")
    axes.legend(frameon=False, fontsize=8)
    _kiel_axes(axes, catalog)
    return figure


def plot_chi2(catalog: QTable) -> Figure:
    """Median reduced chi-square in cells of the Kiel diagram, and its histogram (fig. 9).

    Raises
    ------
    ValueError
        If the catalogue has no labels ``teff`` and ``logg``.
    """
    from maury.figure import LogNorm

    _need(catalog, ("teff", "logg"), "a Kiel diagram")
    figure, (left, right) = _panels(2, 6.2, 4.8)
    teff, logg, rchi2 = (column_values(catalog, name) for name in ("teff", "logg", "rchi2"))
    good = rchi2[np.isfinite(rchi2) & (rchi2 > 0)]
    low, high = np.percentile(good, [2, 98]) if good.size else (0.5, 2.0)
    teff_edges, logg_edges, median = data.chi2_map(teff, logg, rchi2)
    cells = left.pcolormesh(
        teff_edges,
        logg_edges,
        median.T,
        cmap="magma",
        norm=LogNorm(low, max(high, 1.01 * low)),
        rasterized=True,
    )
    bar = figure.colorbar(cells, ax=left, label=r"median reduced $\chi^2$", extend="both")
    for which in ("major", "minor"):  # 0.6, not 6 x 10^-1
        bar.ax.yaxis.set_tick_params(which=which, labelsize=8)
        getattr(bar.ax.yaxis, f"set_{which}_formatter")("{x:g}")
    _kiel_axes(left, catalog)
    if good.size:
        edges = 10 ** np.histogram_bin_edges(np.log10(good), 60)
        edges[0], edges[-1] = good.min(), good.max()  # rounding must not exclude the extremes
        right.hist(good, list(edges), color=_BAR)
    right.set_xscale("log")
    right.set_xlabel(r"reduced $\chi^2$")
    right.set_ylabel("rows")
    return figure


def plot_colour_magnitude(catalog: QTable, colour: str, magnitude: str) -> Figure:
    """Colour-magnitude diagrams, one coloured by each label (fig. 11).

    Parameters
    ----------
    catalog : QTable
    colour, magnitude : str
        Names of columns, as in ``bp_rp`` and ``m_g``.

    Raises
    ------
    ValueError
        If there are no such columns.
    """
    _need(catalog, (colour, magnitude), "a colour-magnitude diagram")
    names = label_names(catalog)
    figure, panels = _panels(len(names), 5.0, 4.6)
    for axes, name in zip(panels, names, strict=True):
        _scatter(figure, axes, catalog, (colour, magnitude), name)
        axes.invert_yaxis()
    return figure


def plot_errors(catalog: QTable) -> Figure:
    """Median errors along Teff, reported, formal and of the model, one panel per label (Table 3).

    A catalogue of stars has only reported errors, so it has one curve per panel.
    """
    names = label_names(catalog)
    kinds = {"reported": "_err", "formal": "_err_formal", "model": "_err_model"}
    kinds = {kind: end for kind, end in kinds.items() if f"{names[0]}{end}" in catalog.colnames}
    if "model" in kinds and not np.isfinite(column_values(catalog, f"{names[0]}_err_model")).any():
        del kinds["model"]  # the model error of the emulator is unknown
    figure, panels = _panels(len(names), 3.9, 3.2)
    for axes, name in zip(panels, names, strict=True):
        errors = [column_values(catalog, name + end) for end in kinds.values()]
        teff, curves = data.error_curves(column_values(catalog, "teff"), errors)
        axes.set_ylabel(f"error of {_title(catalog, name)}")
        _teff_axis(axes)
        if not teff.size:
            axes.set_title("too few rows", fontsize=9)
            continue
        for curve, kind, style in zip(curves, kinds, (_REPORTED, _FORMAL, _BAR), strict=False):
            axes.plot(teff, curve, "o-", color=style, ms=3.5, label=kind)
        axes.set_yscale("log")
        axes.legend(frameon=False, fontsize=8)
    return figure


def plot_reported_pulls(catalog: QTable) -> Figure:
    """Differences of visits of a star divided by their joint reported error, beside a Gaussian of width 1.

    The errors are the noise errors of the catalogue, since the model error is the same in each visit of a
    star; `maury.show.pulls.plot_pulls` uses those of an `ErrorModel`. The rows are those of
    `maury.catalog.repeats.repeat_pairs`.
    """
    names = label_names(catalog)
    pairs, errors = repeat_pairs(catalog, names), noise_errors(catalog, names)
    figure, panels = _panels(len(names), 3.9, 3.2)
    x = np.linspace(-5, 5, 201)
    for axes, name in zip(panels, names, strict=True):
        value, error = column_values(catalog, name), errors[:, names.index(name)]
        joint = np.hypot(error[pairs.first], error[pairs.second])
        pulls = (value[pairs.first] - value[pairs.second]) / joint
        known = np.isfinite(pulls)
        axes.set_xlabel(f"pull of {find_label(name).latex}")
        axes.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), color=_REPORTED, lw=1.3)
        if not known.any():
            axes.set_title("no star has two usable visits", fontsize=9)
            continue
        # The last bins contain all pulls beyond them.
        inside = np.clip(pulls[known], -4.99, 4.99)
        axes.hist(inside, list(_PULL_EDGES), weights=pairs.weight[known], density=True, color=_BAR)
        width = pull_width(pulls[known], pairs.weight[known])
        words = f"width {width:.2f}" if np.isfinite(width) else "too few for a width"
        axes.set_title(f"{words}, {known.sum()} pairs", fontsize=9)
    return figure


def plot_examples(fits: Sequence[BestFit], rows: Sequence[QTable.Row], labels: Sequence[str]) -> Figure:
    """Spectra with their models and residuals, and the position of each star in the Kiel diagram (fig. 10).

    Parameters
    ----------
    fits : sequence of BestFit
        From `maury.measure.best_fit.fit_of_row`.
    rows : sequence of QTable.Row
        Their rows of the catalogue, which is shown in the Kiel diagram.
    labels : sequence of str
        Labels to print above each.
    """
    from maury.figure import Figure

    if len(fits) != len(rows) or not fits:
        raise ValueError(f"fits, rows: expected equal numbers, at least one, got {len(fits)} and {len(rows)}")
    _need(rows[0].table, ("teff", "logg"), "a Kiel diagram")
    figure = Figure(figsize=(13, 2.9 * len(fits)), dpi=110, layout="constrained")
    grid = figure.add_gridspec(2 * len(fits), 2, height_ratios=[3, 1] * len(fits), width_ratios=[4, 1])
    for k, (fit, row) in enumerate(zip(fits, rows, strict=True)):
        top = figure.add_subplot(grid[2 * k, 0])
        bottom = figure.add_subplot(grid[2 * k + 1, 0], sharex=top)
        _mark_star(figure.add_subplot(grid[2 * k : 2 * k + 2, 1]), row)
        flux = np.where(fit.ivar > 0, fit.flux, np.nan)
        top.plot(fit.wavelength, flux, color=_OBSERVED, lw=0.7, label="observed")
        top.plot(fit.wavelength, fit.model, color=_MODEL, lw=0.8, label="model")
        bottom.plot(fit.wavelength, fit.model - flux, color="0.35", lw=0.5)
        bottom.axhline(0, color=_MODEL, lw=0.8)
        top.tick_params(labelbottom=False)
        values = (row_value(row, name) for name in labels)
        words = [f"{find_label(n).latex} = {format_label(n, v)}" for n, v in zip(labels, values, strict=True)]
        top.set_title(",  ".join(words), loc="right", fontsize=9)
        top.set_title(row_name(row), loc="left", fontsize=9, parse_math=False)
        top.set_ylabel("flux")
        bottom.set_ylabel("residual")
    bottom.set_xlabel("rest wavelength in vacuum [Å]")
    figure.axes[0].legend(frameon=False, ncols=2, fontsize=8)
    return figure


def _mark_star(axes: Axes, row: QTable.Row) -> None:
    """Kiel diagram of the catalogue with one of its stars highlighted."""
    catalog = row.table
    x, y = (column_values(catalog, name) for name in ("teff", "logg"))
    axes.plot(x, y, ".", color="0.75", ms=1.5, rasterized=True)
    axes.plot(x[row.index], y[row.index], "*", color=_REPORTED, ms=13, mec="white")
    _kiel_axes(axes, catalog, _FEW_TICKS)


def plot_resolution(curves: Mapping[str, tuple[ArrayLike, ArrayLike]]) -> Figure:
    """Line-spread functions (fig. 13).

    Parameters
    ----------
    curves : mapping
        By name: wavelengths (P,) and Gaussian sigma (P,) [Angstrom].
    """
    figure, (axes,) = _panels(1, 7.5, 4.2)
    for name, (wavelength, sigma) in curves.items():
        axes.plot(np.asarray(wavelength, dtype=float), np.asarray(sigma, dtype=float), label=name)
    axes.set_xlabel("wavelength in vacuum [Å]")
    axes.set_ylabel(r"line-spread function, $\sigma$ [Å]")
    axes.legend(frameon=False)
    return figure


def _need(catalog: QTable, names: Sequence[str], what: str) -> None:
    missing = [name for name in names if name not in catalog.colnames]
    if missing:
        have = ", ".join(data.shown_columns(catalog))
        raise ValueError(f"catalog: {what} needs the columns {', '.join(names)}; it has {have}")


def _panels(n: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """`n` panels, at most three per row."""
    from maury.figure import Figure

    n_columns = min(n, 3)
    n_lines = -(-n // n_columns)
    figure = Figure(figsize=(width * n_columns, height * n_lines), dpi=110, layout="constrained")
    panels = [figure.add_subplot(n_lines, n_columns, i + 1) for i in range(n)]
    for axes in panels:
        axes.tick_params(direction="in", top=True, right=True)
    return figure, panels


def _scatter(figure: Figure, axes: Axes, catalog: QTable, pair: tuple[str, str], colour: str) -> Any:
    """Points coloured by a column, drawn in order of their distance from its median, extremes last."""
    x, y, c = (column_values(catalog, name) for name in (*pair, colour))
    shown = np.flatnonzero(np.isfinite(x) & np.isfinite(y) & np.isfinite(c))
    finite = c[shown]
    low, high = np.percentile(finite, [2, 98]) if finite.size else (0.0, 1.0)
    order = shown[np.argsort(np.abs(finite - np.median(finite)))] if finite.size else shown
    style: dict[str, Any] = {
        "cmap": "viridis",
        "vmin": low,
        "vmax": high,
        "linewidths": 0,
        "rasterized": True,
    }
    points = axes.scatter(x[order], y[order], c=c[order], s=14 if len(order) < 2000 else 3, **style)
    figure.colorbar(points, ax=axes, label=_title(catalog, colour), extend="both")
    axes.set_xlabel(_title(catalog, pair[0]))
    axes.set_ylabel(_title(catalog, pair[1]))
    return points


def _title(catalog: QTable, name: str) -> str:
    unit = str(catalog[name].unit or "")
    latex = find_label(name).latex
    return f"{latex} [{unit}]" if unit else latex


def _kiel_axes(axes: Axes, catalog: QTable, ticks: Sequence[float] = _TEFF_TICKS) -> None:
    """Hot on the left, giants at the top."""
    _teff_axis(axes, ticks)
    axes.invert_xaxis()
    axes.invert_yaxis()
    axes.set_ylabel(_title(catalog, "logg"))


def _teff_axis(axes: Axes, ticks: Sequence[float] = _TEFF_TICKS) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(ticks)))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", labelsize=8)
    axes.set_xlabel(f"{find_label('teff').latex} [K]")
