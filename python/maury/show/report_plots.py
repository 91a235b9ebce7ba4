"""The plots of the report, in bokeh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.catalog import label_names
from maury.show import report_data as data

if TYPE_CHECKING:
    from astropy.table import QTable

Array = NDArray[np.float64]

# Columns that make a colour-magnitude diagram where they are there; Gaia, dereddened first.
COLOURS = ("bp_rp0", "bp_rp")
MAGNITUDES = ("m_g", "phot_g_mean_mag")

_TITLES = {
    "teff": "Teff [K]",
    "logg": "log g [dex, cgs]",
    "fe_h": "[Fe/H] [dex]",
    "alpha_fe": "[α/Fe] [dex]",
    "log_vmicro": "log vmicro [dex, km/s]",
}
_OBSERVED, _MODEL, _BAND, _GREY = "#333333", "#d1342f", "#7fb0e0", "#999999"
_PALETTE = "Viridis256"
_PULL_EDGES = np.linspace(-5, 5, 41)


def star_diagrams(
    catalog: QTable, columns: Mapping[str, data.Shown], colour: str, cmd: tuple[str, str] | None
) -> tuple[dict[str, Any], dict[str, tuple[str, str]]]:
    """Diagrams of all stars over one set of columns: figures by name, and the columns on their axes."""
    from bokeh.models import BooleanFilter, CDSView, ColumnDataSource, LinearColorMapper

    axes = {"kiel": ("teff", "logg")}
    if {"fe_h", "alpha_fe"} <= set(columns):
        axes["alpha"] = ("fe_h", "alpha_fe")
    cmd = _checked_cmd(columns, cmd)
    if cmd is not None:
        axes["cmd"] = cmd
    needed = {name for pair in axes.values() for name in pair} | set(label_names(catalog))
    nothing = np.full(len(catalog), np.nan, dtype=np.float32)
    values: dict[str, Any] = {name: nothing for name in needed} | {n: c.values for n, c in columns.items()}
    values["flags"] = np.asarray(catalog["flags"]).astype(np.int32)
    shown = columns[colour]
    values["colour"] = np.log10(shown.values) if shown.log else shown.values
    values["name"] = data.star_names(catalog)
    stars = ColumnDataSource(values, name="stars")
    picked = ColumnDataSource({name: [] for name in needed}, name="picked")
    view = CDSView(filter=BooleanFilter(name="filter"))
    mapper = LinearColorMapper(_PALETTE, low=shown.low, high=shown.high, nan_color="#c8c8c8", name="colours")
    title = f"log10 {shown.title}" if shown.log else shown.title
    tips = [("", "@name")] + [
        (name, f"@{name}{{0}}" if name == "teff" else f"@{name}{{0.00}}") for name in label_names(catalog)
    ]
    heads = {"kiel": "Kiel diagram", "alpha": "[α/Fe] and [Fe/H]", "cmd": "Colour and magnitude"}
    figures = {
        name: _diagram(name, heads[name], pair, stars, picked, view, mapper, title, tips)
        for name, pair in axes.items()
    }
    return figures, axes


def _checked_cmd(columns: Mapping[str, data.Shown], cmd: tuple[str, str] | None) -> tuple[str, str] | None:
    if cmd is None:
        colour, magnitude = (next((n for n in ns if n in columns), None) for ns in (COLOURS, MAGNITUDES))
        return None if colour is None or magnitude is None else (colour, magnitude)
    for name in cmd:
        if name not in columns:
            raise ValueError(f"cmd: the catalogue has no numbers in a column {name!r}; it has {', '.join(columns)}")
    return cmd


def _diagram(
    name: str, head: str, pair: tuple[str, str], stars: Any, picked: Any, view: Any, mapper: Any, title: str,
    tips: list[tuple[str, str]],
) -> Any:  # fmt: skip
    from bokeh.models import ColorBar, HoverTool

    x, y = (np.asarray(stars.data[column], dtype=float) for column in pair)
    log = pair[0] == "teff" and _spans(x)
    figure = _figure(
        name=name, title=head, height=440, x_axis_type="log" if log else "linear",
        x_range=_ends(x, log, reverse=pair[0] == "teff"), y_range=_ends(y, False, reverse=name != "alpha"),
        tools="pan,box_zoom,wheel_zoom,reset,save", active_drag="box_zoom", output_backend="webgl",
    )  # fmt: skip
    small = len(x) <= 2000
    points = figure.scatter(
        *pair, source=stars, view=view, size=6 if small else 3, line_color=None,
        fill_color={"field": "colour", "transform": mapper}, fill_alpha=0.9 if small else 0.7,
    )  # fmt: skip
    ring = {"fill_color": None, "line_color": "#e0007a", "line_width": 2.5, "level": "overlay"}
    figure.scatter(*pair, source=picked, size=14, **ring)
    figure.add_tools(HoverTool(renderers=[points], tooltips=tips, limit=1))
    figure.add_layout(ColorBar(color_mapper=mapper, title=title, name=f"{name}_bar", width=12), "right")
    figure.xaxis.axis_label, figure.yaxis.axis_label = (_TITLES.get(column, column) for column in pair)
    if log:
        _teff_ticks(figure)
    return figure


def star_figures() -> dict[str, Any]:
    """The empty plots of one star, spectrum and residual; the script of the page fills them."""
    from bokeh.models import ColumnDataSource, Range1d

    keys = ("wave", "flux", "model", "residual", "upper", "lower")
    pixels = ColumnDataSource({key: [] for key in keys}, name="pixels")
    wave = Range1d(3500, 10500, name="wave_range")
    shape = {"x_range": wave, "tools": "pan,box_zoom,xwheel_zoom,reset,save", "active_drag": "box_zoom"}
    top = _figure(name="spectrum", height=280, y_range=Range1d(0, 1.5, name="flux_range"), **shape)
    bottom = _figure(name="residual", height=180, y_range=Range1d(-0.1, 0.1, name="residual_range"), **shape)
    top.line("wave", "flux", source=pixels, color=_OBSERVED)
    top.line("wave", "model", source=pixels, color=_MODEL, alpha=0.9)
    bottom.varea("wave", "lower", "upper", source=pixels, color=_BAND, alpha=0.6)
    bottom.line("wave", "residual", source=pixels, color=_OBSERVED)
    top.yaxis.axis_label, bottom.yaxis.axis_label = "normalised flux", "residual"
    bottom.xaxis.axis_label = "rest wavelength in vacuum [Å]"
    for figure in (top, bottom):
        figure.min_border_left = 60
    return {"spectrum": top, "residual": bottom}


def chi2_figures(catalog: QTable) -> dict[str, Any]:
    """Median reduced chi-square over the Kiel diagram, and its histogram (Imig et al. 2021, fig. 9)."""
    from bokeh.models import ColorBar, HoverTool, LogColorMapper

    teff, logg, rchi2 = (data.column(catalog, name) for name in ("teff", "logg", "rchi2"))
    good = rchi2[np.isfinite(rchi2) & (rchi2 > 0)]
    low, high = np.percentile(good, [2, 98]) if good.size else (0.5, 2.0)
    cells = data.chi2_map(teff, logg, rchi2)
    log = _spans(teff)
    chart = _figure(
        name="chi2_map", title="Median reduced chi-square", height=400, tools="pan,box_zoom,reset,save",
        x_axis_type="log" if log else "linear", x_range=_ends(teff, log, reverse=True),
        y_range=_ends(logg, False, reverse=True),
    )  # fmt: skip
    mapper = LogColorMapper("Magma256", low=low, high=max(high, 1.01 * low))
    quads = chart.quad(
        left="left", right="right", bottom="bottom", top="top", source=cells, line_color=None,
        fill_color={"field": "rchi2", "transform": mapper},
    )  # fmt: skip
    tips = [("rchi2", "@rchi2{0.00}"), ("rows", "@n{0}")]
    chart.add_tools(HoverTool(renderers=[quads], tooltips=tips))
    chart.add_layout(ColorBar(color_mapper=mapper, width=12), "right")
    chart.xaxis.axis_label, chart.yaxis.axis_label = _TITLES["teff"], _TITLES["logg"]
    if log:
        _teff_ticks(chart)
    edges = np.histogram_bin_edges(np.log10(good), 60) if good.size else np.linspace(-1, 1, 3)
    bars = _figure(
        name="chi2_histogram", title=f"Reduced chi-square of {good.size} rows", height=400, tools="save",
        x_axis_type="log",
    )  # fmt: skip
    counts = np.histogram(np.log10(good), edges)[0]
    bars.quad(left=10 ** edges[:-1], right=10 ** edges[1:], bottom=0, top=counts, color=_BAND)
    bars.xaxis.axis_label, bars.yaxis.axis_label = "rchi2", "rows"
    return {"chi2_map": chart, "chi2_histogram": bars}


def error_figures(catalog: QTable) -> tuple[dict[str, Any], dict[str, Any]]:
    """Errors along Teff, one figure a label, and the pulls of repeat visits where there are any."""
    teff = data.column(catalog, "teff")
    errors, pulls = {}, {}
    for name in label_names(catalog):
        reported, formal = (data.column(catalog, f"{name}_err{which}") for which in ("", "_formal"))
        centres, curves = data.error_curves(teff, (reported, formal))
        figure = _figure(
            name=f"error_{name}", title=f"Error of {_TITLES.get(name, name)}", height=260, tools="save",
            x_axis_type="log", y_axis_type="log",
        )  # fmt: skip
        for curve, words, colour in zip(curves, ("reported", "formal"), (_MODEL, _GREY), strict=True):
            figure.line(centres, curve, color=colour, line_width=2, legend_label=words)
            figure.scatter(centres, curve, color=colour, size=5, legend_label=words)
        figure.legend.background_fill_alpha = 0.6
        figure.xaxis.axis_label = _TITLES["teff"]
        _teff_ticks(figure)
        errors[f"error_{name}"] = figure
        pull = data.repeat_pulls(catalog, name)
        if pull.size:
            pulls[f"pull_{name}"] = _pull_figure(name, pull)
    return errors, pulls


def _pull_figure(name: str, pull: Array) -> Any:
    width = 1.4826 * float(np.median(np.abs(pull)))
    figure = _figure(
        name=f"pull_{name}", title=f"{name}: width {width:.2f}, {pull.size} pairs", height=260, tools="save"
    )
    counts = np.histogram(np.clip(pull, _PULL_EDGES[0], _PULL_EDGES[-1]), _PULL_EDGES)[0]
    step = _PULL_EDGES[1] - _PULL_EDGES[0]
    density = counts / (pull.size * step)
    figure.quad(left=_PULL_EDGES[:-1], right=_PULL_EDGES[1:], bottom=0, top=density, color=_BAND)
    x = np.linspace(-5, 5, 201)
    figure.line(x, np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi), color=_MODEL, line_width=2)
    figure.xaxis.axis_label = "pull; the last bins hold all beyond"
    return figure


def _figure(**options: Any) -> Any:
    from bokeh.plotting import figure

    made = figure(sizing_mode="stretch_width", **options)
    made.toolbar.logo = None
    made.toolbar.autohide = True
    made.axis.axis_label_text_font_style = "normal"
    return made


def _spans(teff: Array) -> bool:
    """Whether Teff is better shown on a logarithmic axis."""
    teff = teff[np.isfinite(teff) & (teff > 0)]
    return bool(teff.size and teff.max() > 2.5 * teff.min())


def _ends(values: Array, log: bool, reverse: bool) -> tuple[float, float]:
    """Ends of an axis that shows all values."""
    values = values[np.isfinite(values) & ((values > 0) | (not log))]
    if not values.size:
        return (1.0, 0.0) if reverse else (0.0, 1.0)
    low, high = float(values.min()), float(values.max())
    if log:
        low, high = low / 1.05, high * 1.05
    else:
        margin = 0.04 * (high - low) or 0.5
        low, high = low - margin, high + margin
    return (high, low) if reverse else (low, high)


def _teff_ticks(figure: Any) -> None:
    from bokeh.models import BasicTickFormatter, FixedTicker

    figure.xaxis.ticker = FixedTicker(ticks=[2500, 3000, 4000, 5000, 6000, 8000, 10000, 15000, 20000, 30000])
    figure.xaxis.formatter = BasicTickFormatter(use_scientific=False)
