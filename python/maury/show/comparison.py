"""Measured labels against known labels (Imig et al. 2021, fig. 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.labels import find_label, offset_and_mad
from maury.show.tables import format_label

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from maury.figure import Figure

_LINE = "#d1342f"
_TEFF_TICKS = (3000, 4000, 6000, 10000, 20000, 30000)
_PANEL, _LEFT, _RIGHT = 4.4, 0.8, 1.1  # inches


def plot_comparison(
    names: Sequence[str],
    known: ArrayLike,
    measured: ArrayLike,
    title: str = "",
    rchi2: ArrayLike | None = None,
) -> Figure:
    """Two panels per label: measured against known, and the difference below.

    Points are coloured by the reduced chi-square of their fits, or else by known Teff.

    Parameters
    ----------
    names : sequence of str, L
        Labels.
    known, measured : (N, L)
        In physical units; NaN = missing.
    title : str
        Title of the figure.
    rchi2 : (N,), optional
        Reduced chi-square.
    """
    from maury.figure import Figure, LogNorm

    known, measured = np.asarray(known, dtype=float), np.asarray(measured, dtype=float)
    width = _LEFT + _PANEL * len(names) + _RIGHT
    figure = Figure(figsize=(width, 6.2), dpi=130)
    grid = figure.add_gridspec(
        2, len(names), height_ratios=[2.4, 1], hspace=0.07, wspace=0.3, left=_LEFT / width,
        right=1 - _RIGHT / width, top=0.86, bottom=0.1,
    )  # fmt: skip
    by_teff = rchi2 is None and "teff" in names
    if rchi2 is not None:
        colour = np.asarray(rchi2, dtype=float)
    else:
        colour = known[:, list(names).index("teff")] if by_teff else np.full(len(known), 5000.0)
    spread = colour[np.isfinite(colour) & (colour > 0)]
    low, high = np.percentile(spread, [2, 98]) if spread.size else (1.0, 10.0)
    style: dict[str, Any] = {
        "cmap": "RdYlBu" if by_teff else "viridis",
        "norm": LogNorm(low, max(high, 1.01 * low)),
    }
    style |= {"s": 15, "edgecolors": "0.25", "linewidths": 0.3}
    points = None
    for j, name in enumerate(names):
        top = figure.add_subplot(grid[0, j])
        bottom = figure.add_subplot(grid[1, j], sharex=top)
        both = np.isfinite(known[:, j]) & np.isfinite(measured[:, j])
        points = _draw(top, bottom, name, known[both, j], measured[both, j], style | {"c": colour[both]})
        figure.align_ylabels([top, bottom])
    if (by_teff or rchi2 is not None) and points is not None:
        place = figure.add_axes((1 - 0.85 * _RIGHT / width, 0.1, 0.16 / width, 0.76))
        bar = figure.colorbar(points, cax=place, extend="both")
        if by_teff:
            bar.set_label(f"known {find_label('teff').latex} [K]")
            _plain_ticks(bar.ax.yaxis)
        else:
            bar.set_label(r"$\chi^2_\nu$")
    figure.suptitle(title, x=_LEFT / width, ha="left", fontsize=13, fontweight="bold")
    return figure


def _draw(
    top: Axes,
    bottom: Axes,
    name: str,
    known: NDArray[np.float64],
    measured: NDArray[np.float64],
    style: dict[str, Any],
) -> Any:
    """Fill the two panels of one label; returns the points, for the colour bar."""
    label = find_label(name)
    unit = f" {label.unit}" if label.unit else ""
    in_unit = f" [{label.unit}]" if label.unit else ""
    difference = measured - known
    points = top.scatter(known, measured, **style)
    bottom.scatter(known, difference, **style)
    bottom.axhline(0, color=_LINE, lw=1)
    top.set_ylabel(f"measured {label.latex}{in_unit}")
    bottom.set_xlabel(f"known {label.latex}{in_unit}")
    bottom.set_ylabel(f"difference{in_unit}")
    top.tick_params(direction="in", top=True, right=True, labelbottom=False)
    bottom.tick_params(direction="in", top=True, right=True)
    if not len(known):
        top.set_title("no star in common", fontsize=10)
        return points
    ends = [min(known.min(), measured.min()), max(known.max(), measured.max())]
    top.plot(ends, ends, color=_LINE, lw=1, zorder=0)
    if name == "teff" and ends[0] > 0 and ends[1] > 2.5 * ends[0]:
        top.set_xscale("log")
        top.set_yscale("log")
        for axis in (top.xaxis, top.yaxis, bottom.xaxis):
            _plain_ticks(axis)
    half = 1.2 * float(np.percentile(np.abs(difference), 97)) or 1.0
    bottom.set_ylim(-half, half)
    numbers = [
        format_label(name, value).replace("-", "\N{MINUS SIGN}") for value in offset_and_mad(difference)
    ]
    text = f"{len(known)} stars, offset {numbers[0]}{unit}, MAD {numbers[1]}{unit}"
    top.set_title(text, fontsize=10)
    return points


def _plain_ticks(axis: Any) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

    axis.set_major_locator(FixedLocator(_TEFF_TICKS))
    axis.set_major_formatter(ScalarFormatter())
    axis.set_minor_formatter(NullFormatter())
