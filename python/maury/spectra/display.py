"""Spectra as a table in a notebook, and as a plain figure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from maury.labels import find_label

if TYPE_CHECKING:
    from maury.figure import Figure

_ROWS = 10


def html_of_spectra(spectra: Any) -> str:
    """Return the summary and a table of the first spectra as HTML."""
    head = ["star", "visit", "pixels", "wavelength [A]", "S/N", "rv [km/s]", *spectra.labels, "problem"]
    rows = []
    for one in spectra[:_ROWS]:
        seen = one.wavelength[np.isfinite(one.wavelength)]
        rows.append(
            [
                str(one.star_id[0]),
                str(one.visit_id[0]),
                f"{int((~one.mask).sum())}",
                f"{seen.min():.0f}-{seen.max():.0f}" if seen.size else "-",
                *(f"{value:.0f}" if np.isfinite(value) else "-" for value in (one.snr[0], one.rv[0])),
                *(_label(name, values[0]) for name, values in one.labels.items()),
                str(one.problem[0]),
            ]
        )
    return html_table(repr(spectra), head, rows, len(spectra))


def html_table(caption: str, head: list[str], rows: list[list[str]], total: int) -> str:
    """Return a table of text as HTML, with the number of rows that are not shown."""

    def line(tag: str, cells: list[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    more = f"<p>... and {total - len(rows)} more</p>" if total > len(rows) else ""
    body = "".join(line("td", cells) for cells in rows)
    return f"<p>{escape(caption)}</p><table>{line('th', head)}{body}</table>{more}"


def _label(name: str, value: float) -> str:
    if not np.isfinite(value):
        return "-"
    return f"{value:.0f}" if find_label(name).unit == "K" else f"{value:.2f}"


def plot_spectra(spectra: Any, n: int) -> Figure:
    """Return a figure with a panel for each of the first n spectra."""
    from maury.figure import Figure

    if n < 1 or not len(spectra):
        raise ValueError(f"n: expected at least 1 spectrum to draw, got {min(n, len(spectra))}")
    shown = list(spectra[:n])
    figure = Figure(figsize=(11, 1.2 + 1.9 * len(shown)), dpi=110, layout="constrained")
    panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for axes, one in zip(panels, shown, strict=True):
        wavelength = np.atleast_2d(one.wavelength)[0]
        arm = np.zeros(len(wavelength)) if one.arm is None else np.atleast_2d(one.arm)[0]
        flux = np.where(one.mask, np.nan, one.flux)[0]
        for number in np.unique(arm):  # arms may overlap
            axes.plot(wavelength[arm == number], flux[arm == number], color="#333333", lw=0.6)
        title = f"{one.star_id[0]} {one.visit_id[0]}".strip()
        axes.set_title(title, loc="left", fontsize=9, parse_math=False)
        axes.set_ylabel(f"flux [{one.unit[0]}]" if one.unit[0] else "flux")
        axes.tick_params(direction="in", top=True, right=True)
    panels[-1].set_xlabel("wavelength in vacuum [Å]")
    return figure
