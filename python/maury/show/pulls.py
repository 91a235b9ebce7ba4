"""Errors of a catalogue as tables and figures: formal and repeat (Imig et al. 2021, table 3), and pulls."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.catalog.columns import column_values, label_names
from maury.catalog.errors import ErrorModel
from maury.catalog.flags import is_valid
from maury.catalog.likelihood import pull_width
from maury.catalog.repeats import repeat_pairs
from maury.labels import TEFF_BINS, find_label
from maury.show.tables import columns_text

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.figure import Figure

Array = NDArray[np.float64]

SNR_BINS = (0.0, 30.0, 60.0, 100.0, 200.0, np.inf)
_TICKS = (10, 20, 50, 100, 200, 400, 4000, 6000, 10000, 20000, 30000)
_KINDS = ("formal", "repeat")


def error_table(catalog: QTable, model: ErrorModel) -> str:
    """Median formal and repeat errors in ranges of Teff, as in table 3 of the paper."""
    names = label_names(catalog)
    teff = column_values(catalog, "teff") if "teff" in names else np.full(len(catalog), np.nan)
    repeat = model.predict(catalog)
    valid = is_valid(np.asarray(catalog["flags"]))
    rows = []
    for low, high in pairwise(TEFF_BINS):
        here = valid & (teff >= low) & (teff < high)
        for kind in _KINDS:
            cells = [f"{low:.0f}-{high:.0f} K" if kind == "formal" else "", kind, str(here.sum())]
            for name in names:
                sigma = (
                    column_values(catalog, f"{name}_err_formal")
                    if kind == "formal"
                    else repeat[:, model.labels.index(name)]
                )
                known = sigma[here & np.isfinite(sigma)]
                cells.append(_error(name, float(np.median(known))) if known.size else "-")
            rows.append(cells)
    return columns_text(["teff", "errors", "visits", *names], rows)


def pull_table(catalog: QTable, models: list[ErrorModel]) -> str:
    """Widths of pulls of stars left out of the calibration, one line per method; 1 if correct."""
    names = label_names(catalog)
    rows = [
        [model.method, *(f"{model.pull_width[model.labels.index(name)]:.2f}" for name in names)]
        for model in models
    ]
    return columns_text(["method", *names], rows)


def plot_pulls(catalog: QTable, model: ErrorModel) -> Figure:
    """Histogram of the pulls of repeat visits, and their width against Teff and S/N, one row per label.

    A pull is (x1 - x2) / sqrt(sigma1^2 + sigma2^2) of two visits of a star. The curve is the normal
    distribution, the grey band a width of 1.0 +- 0.1.
    """
    from maury.figure import Figure

    names = label_names(catalog)
    pairs = repeat_pairs(catalog, names)
    sigma = model.predict(catalog)
    snr = np.minimum(*(column_values(catalog, "snr")[rows] for rows in (pairs.first, pairs.second)))
    teff = column_values(catalog, "teff")[pairs.first] if "teff" in names else np.full(len(pairs), np.nan)
    figure = Figure(figsize=(11, 0.6 + 2.2 * len(names)), dpi=130, layout="constrained")
    grid: Any = figure.subplots(len(names), 3, squeeze=False)
    x = np.linspace(-5, 5, 201)
    for j, name in enumerate(names):
        value, error = column_values(catalog, name), sigma[:, model.labels.index(name)]
        pull = (value[pairs.first] - value[pairs.second]) / np.hypot(error[pairs.first], error[pairs.second])
        histogram, *widths = grid[j]
        histogram.hist(pull, bins=np.linspace(-5, 5, 51), density=True, color="#7fb0e0")
        histogram.plot(x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), color="#d1342f", lw=1)
        histogram.set_xlabel(f"pull of {find_label(name).latex}, width {pull_width(pull, pairs.weight):.2f}")
        for axes, by, bins, what in zip(
            widths, (teff, snr), (TEFF_BINS, SNR_BINS), (r"$T_{\rm eff}$ [K]", "S/N"), strict=True
        ):
            _draw_widths(axes, pull, pairs.weight, by, bins)
            axes.set_xlabel(what)
            axes.set_ylabel("width")
    return figure


def _draw_widths(axes: Any, pull: Array, weight: Array, by: Array, bins: tuple[float, ...]) -> None:
    from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

    axes.axhspan(0.9, 1.1, color="0.9", lw=0)
    axes.axhline(1, color="#d1342f", lw=1)
    for low, high in pairwise(bins):
        here = (by >= low) & (by < high)
        width = pull_width(pull[here], weight[here])
        if np.isfinite(width):
            # rms error of a width from n independent differences
            error = width / np.sqrt(2 * weight[here].sum())
            axes.errorbar(np.median(by[here]), width, error, fmt="o", color="0.2", ms=4)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(_TICKS))
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(0.4, 1.8)


def _error(name: str, sigma: float) -> str:
    return f"{sigma:.1f}" if name == "teff" else f"{sigma:.3f}"
