"""One-to-one plots of matched catalogues, and the spread of several (Imig et al. 2021, figs. 12 and 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from maury.catalog.compare import Matched, Spread
from maury.labels import find_label
from maury.show.tables import format_label

if TYPE_CHECKING:
    from maury.figure import Figure

_DPI = 130
_LINE = "0.5"
_COLOURS = ("#3b6fb6", "#3f9b5c", "#e3b505", "#d1342f", "#7a4fa3", "#666666")
_FEW = 200  # stars that are drawn as single points
_KEPT = (0.5, 99.5)  # percentiles of the points that define the ends of an axis


def plot_one_to_one(matched: Matched) -> Figure:
    """Theirs against ours, one panel per label; the line is one to one.

    Points with error bars, as far as errors are known, or for many stars cells coloured by their number.
    """
    from maury.figure import Figure, LogNorm

    n = len(matched.names)
    other = matched.other.replace("$", r"\$")
    figure = Figure(figsize=(4.3 * n, 4.3), dpi=_DPI, layout="constrained")
    for j, (axes, name) in enumerate(zip(np.atleast_1d(figure.subplots(1, n)), matched.names, strict=True)):
        both = np.isfinite(matched.ours[:, j]) & np.isfinite(matched.theirs[:, j])
        ours, theirs = matched.ours[both, j], matched.theirs[both, j]
        label = find_label(name)
        unit = f" [{label.unit}]" if label.unit else ""
        axes.set_xlabel(f"{label.latex}{unit}, ours")
        axes.set_ylabel(f"{label.latex}{unit}, {other}")
        axes.tick_params(direction="in", top=True, right=True)
        if not both.any():
            axes.set_title("no star in common", fontsize=10)
            continue
        low, high = _ends(np.concatenate([ours, theirs]))
        if len(ours) > _FEW:
            axes.hexbin(
                ours, theirs, gridsize=60, extent=(low, high, low, high), norm=LogNorm(), mincnt=1,
                cmap="viridis", linewidths=0.2,
            )  # fmt: skip
        else:
            x_err, y_err = (
                None if errors is None else np.nan_to_num(errors[both, j])
                for errors in (matched.ours_err, matched.theirs_err)
            )
            axes.errorbar(
                ours, theirs, yerr=y_err, xerr=x_err, fmt="o", ms=4, color=_COLOURS[0], ecolor="0.6",
                elinewidth=0.8, mec="white", mew=0.4,
            )  # fmt: skip
        axes.plot([low, high], [low, high], color=_LINE, lw=1)
        axes.set_xlim(low, high)
        axes.set_ylim(low, high)
        axes.set_aspect("equal")
        offset, scatter = float(np.median(ours - theirs)), float(np.std(ours - theirs))
        numbers = [format_label(name, value).replace("-", "\N{MINUS SIGN}") for value in (offset, scatter)]
        axes.set_title(f"{both.sum()} stars, offset {numbers[0]}, scatter {numbers[1]}", fontsize=10)
    return figure


def plot_spread(spread: Spread) -> Figure:
    """Deviation of each catalogue from the median of all, against that median, with histograms."""
    from maury.figure import Figure

    n = len(spread.names)
    figure = Figure(figsize=(10, 1 + 2.1 * n), dpi=_DPI, layout="constrained")
    grid: Any = figure.subplots(n, 2, width_ratios=[3, 1], sharey="row", squeeze=False)
    for j, name in enumerate(spread.names):
        left, right = grid[j]
        label = find_label(name)
        low, high = _ends(spread.deviation[..., j].ravel())
        bins = np.linspace(low, high, 61)
        for c, catalog in enumerate(spread.catalogs):
            colour = _COLOURS[c % len(_COLOURS)]
            deviation = spread.deviation[c, :, j]
            left.plot(
                spread.median[:, j], deviation, ".", ms=2, alpha=0.5, color=colour, label=catalog,
                rasterized=True,
            )  # fmt: skip
            right.hist(
                deviation[np.isfinite(deviation)], bins=bins, orientation="horizontal", histtype="step",
                color=colour, label=catalog,
            )  # fmt: skip
        left.axhline(0, color=_LINE, lw=1, zorder=0)
        left.set_ylim(low, high)
        left.set_xlim(*_ends(spread.median[:, j]))
        left.set_xlabel(f"median {label.latex}" + (f" [{label.unit}]" if label.unit else ""))
        left.set_ylabel(r"$\Delta$" + label.latex)
        for axes in (left, right):
            axes.tick_params(direction="in", top=True, right=True)
    grid[0, 1].legend(fontsize=8, frameon=False)
    grid[-1, 1].set_xlabel("stars")
    return figure


def _ends(values: Any) -> tuple[float, float]:
    """Return ends of an axis that are insensitive to a few outliers."""
    known = values[np.isfinite(values)]
    if not known.size:
        return -1.0, 1.0
    low, high = np.percentile(known, _KEPT)
    margin = 0.08 * (high - low) or 0.1 * max(abs(float(high)), 1e-3)
    return float(low - margin), float(high + margin)
