"""The interactive plots of the report, in bokeh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import maury._core as _core
from maury.catalog.columns import label_names
from maury.catalog.flags import is_valid
from maury.show.report import data as data

if TYPE_CHECKING:
    from astropy.table import QTable

Array = NDArray[np.float64]

# Columns used for the colour-magnitude diagram if present; Gaia, dereddened first.
COLOURS = ("bp_rp0", "bp_rp")
MAGNITUDES = ("m_g", "phot_g_mean_mag")

_ALPHA = "\N{GREEK SMALL LETTER ALPHA}"
_TITLES = {
    "teff": "Teff [K]",
    "logg": "log g [dex, cgs]",
    "fe_h": "[Fe/H] [dex]",
    "alpha_fe": f"[{_ALPHA}/Fe] [dex]",
    "log_vmicro": "log vmicro [dex, km/s]",
    "snr": "S/N per pixel",
    "rchi2": "reduced chi-square",
}
_OBSERVED, _MODEL, _BAND = "#333333", "#d1342f", "#7fb0e0"
_FIRST_CELLS = (170, 180)  # until the size of the page is known
_LOG = ("snr", "rchi2")  # columns on logarithmic axes
_LOG_TICKS = {"mantissas": [1, 2, 5], "num_minor_ticks": 0}
_TEFF_TICKS = [2500, 3000, 4000, 5000, 6000, 8000, 10000, 15000, 20000, 30000]
# Vacuum Angstrom; the others are those that are searched for emission, of which one in a group has its name.
_LINES = {"Mg b": 5176.6, "Na D": 5893.6}
_UNNAMED = ("Ca II H", "Ca II 8500", "Ca II 8665")


def star_diagrams(
    catalog: QTable,
    columns: Mapping[str, data.Shown],
    colour: str,
    cmd: tuple[str, str] | None,
    training: Mapping[str, Array],
) -> tuple[dict[str, Any], dict[str, tuple[str, str]]]:
    """Diagrams of all stars over one set of columns: figures by name, and the columns on their axes.

    The training stars, labels (M,) by name, are drawn behind where both axes are labels.
    """
    from bokeh.models import ColumnDataSource, LinearColorMapper

    axes = {"kiel": ("teff", "logg")}
    if {"fe_h", "alpha_fe"} <= set(columns):
        axes["alpha"] = ("fe_h", "alpha_fe")
    cmd = _checked_cmd(columns, cmd)
    if cmd is not None:
        axes["cmd"] = cmd
    if {"snr", "rchi2"} <= set(columns):
        axes["chi2"] = ("snr", "rchi2")
    needed = {name for pair in axes.values() for name in pair} | set(label_names(catalog))
    nothing = np.full(len(catalog), np.nan, dtype=np.float32)
    values: dict[str, Any] = {name: columns[name].values if name in columns else nothing for name in needed}
    # The columns of the catalogue may have any names except these.
    shown = columns[colour]
    values["_colour"] = np.log10(shown.values) if shown.log else shown.values
    values["_flags"] = np.asarray(catalog["flags"]).astype(np.int32)
    values["_name"] = data.star_names(catalog)
    stars = ColumnDataSource(values, name="stars")
    picked = ColumnDataSource({name: [] for name in needed}, name="picked")
    mapper = LinearColorMapper(
        "Viridis256", low=shown.low, high=shown.high, nan_color="#c8c8c8", name="colours"
    )
    title = f"log10 {shown.title}" if shown.log else shown.title
    tips = [("", "@_name")] + [
        (name, f"@{name}{{0}}" if name == "teff" else f"@{name}{{0.00}}") for name in label_names(catalog)
    ]
    heads = {"kiel": "Kiel diagram", "alpha": f"[{_ALPHA}/Fe] and [Fe/H]", "cmd": "Colour and magnitude"}
    heads["chi2"] = "Reduced chi-square and S/N"
    figures = {
        name: _diagram(name, heads[name], pair, stars, picked, training, mapper, title, tips)
        for name, pair in axes.items()
    }
    return figures, axes


def _checked_cmd(columns: Mapping[str, data.Shown], cmd: tuple[str, str] | None) -> tuple[str, str] | None:
    if cmd is None:
        colour, magnitude = (next((n for n in ns if n in columns), None) for ns in (COLOURS, MAGNITUDES))
        return None if colour is None or magnitude is None else (colour, magnitude)
    for name in cmd:
        if name not in columns:
            raise ValueError(
                f"cmd: the catalogue has no numbers in a column {name!r}; it has {', '.join(columns)}"
            )
    return cmd


def _diagram(
    name: str, head: str, pair: tuple[str, str], stars: Any, picked: Any, training: Mapping[str, Array],
    mapper: Any, title: str, tips: list[tuple[str, str]],
) -> Any:  # fmt: skip
    from bokeh.models import (
        BasicTickFormatter,
        BoxSelectTool,
        CDSView,
        ColorBar,
        FixedTicker,
        HoverTool,
        IndexFilter,
        LogTicker,
    )  # fmt: skip

    x, y = (np.asarray(stars.data[column], dtype=float) for column in pair)
    log, y_log = (c in _LOG or (c == "teff" and _spans(v)) for c, v in zip(pair, (x, y), strict=True))
    x_ends, y_ends = _ends(x, log, reverse=pair[0] == "teff"), _ends(y, y_log, name in ("kiel", "cmd"))
    figure = _figure(
        name=name, title=head, height=440, x_axis_type="log" if log else "linear", x_range=x_ends,
        y_axis_type="log" if y_log else "linear", y_range=y_ends,
        tools="pan,box_zoom,wheel_zoom,reset,save", active_drag="box_zoom",
    )  # fmt: skip
    if set(pair) <= set(training):
        figure.scatter(*(training[column] for column in pair), size=3, color="#b0b0b0", alpha=0.5)
    small = len(x) <= 2000
    drawn = data.thin_rows(_along(x, x_ends, log), _along(y, y_ends, y_log), _FIRST_CELLS)
    valid = is_valid(stars.data["_flags"])[drawn]
    views = [
        CDSView(filter=IndexFilter(drawn[rows].tolist(), name=f"{name}_{kind}"))
        for kind, rows in (("valid", valid), ("not_valid", ~valid))
    ]
    by_colour = {"field": "_colour", "transform": mapper}
    points = figure.scatter(
        *pair, source=stars, view=views[0], size=6 if small else 3.5, line_color=None, fill_color=by_colour,
        fill_alpha=0.9 if small else 0.7,
    )  # fmt: skip
    crosses = figure.scatter(
        *pair, source=stars, view=views[1], marker="x", size=8 if small else 5, line_color=by_colour,
        line_width=1.7 if small else 1.2,
    )  # fmt: skip
    ring = {"fill_color": None, "line_color": "#e0007a", "line_width": 2.5, "level": "overlay"}
    figure.scatter(*pair, source=picked, size=14, **ring)
    figure.add_tools(HoverTool(renderers=[points, crosses], tooltips=tips, limit=1))
    figure.add_tools(BoxSelectTool(renderers=[]))  # the page finds the rows, those hidden behind others too
    figure.add_layout(ColorBar(color_mapper=mapper, title=title, name=f"{name}_bar", width=12), "right")
    figure.xaxis.axis_label, figure.yaxis.axis_label = (_TITLES.get(column, column) for column in pair)
    for axis, column, on in zip((figure.xaxis, figure.yaxis), pair, (log, y_log), strict=True):
        if on:
            axis.formatter = BasicTickFormatter(use_scientific=False)
            axis.ticker = FixedTicker(ticks=_TEFF_TICKS) if column == "teff" else LogTicker(**_LOG_TICKS)
    return figure


def star_figures() -> dict[str, Any]:
    """Make the empty plots of one star, spectrum and residual, which are filled by the script of the page."""
    from bokeh.models import ColumnDataSource, LabelSet, Range1d, Span

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
    lines = sorted((_LINES | _core.EMISSION_LINES).items(), key=lambda line: line[1])
    for _, at in lines:
        top.add_layout(Span(location=at, dimension="height", line_color="#d0d0d0", level="underlay"))
    names = ColumnDataSource(
        {"at": [at for _, at in lines], "name": ["" if name in _UNNAMED else name for name, _ in lines]}
    )
    top.add_layout(
        LabelSet(
            x="at", y=4, y_units="screen", text="name", source=names, angle=np.pi / 2, x_offset=-3,
            text_font_size="10px", text_color="#777777",
        )
    )  # fmt: skip
    for figure in (top, bottom):
        figure.min_border_left = 80  # so that the two are aligned
    return {"spectrum": top, "residual": bottom}


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


def _along(values: Array, ends: tuple[float, float], log: bool) -> Array:
    """Position between the ends of an axis, 0 to 1; NaN if outside or missing."""
    start, end = np.log(ends) if log else ends
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(((np.log(values) if log else values) - start) / (end - start))


def _ends(values: Array, log: bool, reverse: bool) -> tuple[float, float]:
    """Return ends of an axis that include all values."""
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
