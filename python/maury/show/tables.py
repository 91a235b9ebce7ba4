"""Text for a terminal: the summary after a fit and the comparison with known labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.catalog.columns import column_values, label_names, row_value
from maury.catalog.flags import flag_names
from maury.labels import TEFF_BINS
from maury.learn.stars import DOUBTFUL

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.emulator.emulator import Emulator
    from maury.learn.flux_errors import FluxErrors

_WIDTH_ID = 28
_SHOWN = 20  # maximum number of stars listed


def format_label(name: str, value: float) -> str:
    """Format a value with its significant digits: whole kelvins, hundredths of a dex; "-" for NaN."""
    return "-" if not np.isfinite(value) else f"{value:.0f}" if name == "teff" else f"{value:.2f}"


def row_name(row: QTable.Row) -> str:
    """Name a row: star and visit if they differ, else the file."""
    star, visit = str(row["star_id"]), str(row["visit_id"])
    if visit and visit != star:
        return f"{star} {visit}".strip()
    return star or str(row["file"])


def summary_table(catalog: QTable, n_rows: int = 20) -> str:
    """Show the first rows of a catalogue: names, labels +- errors, reduced chi2, names of the flags."""
    names = label_names(catalog)
    head = ["star", *names, "rchi2", "flags"]
    rows = []
    for row in catalog[:n_rows]:
        cells = [_shorten(row_name(row), _WIDTH_ID)]
        for name in names:
            value, error = (format_label(name, row_value(row, key)) for key in (name, f"{name}_err"))
            cells.append("-" if value == "-" else f"{value} +- {error}")
        rchi2 = float(row["rchi2"])
        cells.append(f"{rchi2:.2f}" if np.isfinite(rchi2) else "-")
        cells.append(", ".join(flag_names(int(row["flags"]))))
        rows.append(cells)
    text = columns_text(head, rows)
    left = len(catalog) - n_rows
    return f"{text}\n... and {left} more" if left > 0 else text


def summary_sentence(catalog: QTable) -> str:
    """Return the numbers of spectra, of converged fits, and of rows with a flag, as text."""
    n, converged = len(catalog), int(np.sum(catalog["converged"]))
    flagged = int(np.sum(np.asarray(catalog["flags"]) != 0))
    spectra = "1 spectrum" if n == 1 else f"{n} spectra"
    return f"{spectra}: {converged} converged, {flagged} flagged."


def comparison_table(catalog: QTable, known: Mapping[str, NDArray[np.float64]]) -> str:
    """Measured labels beside known labels, and the median absolute differences below.

    Parameters
    ----------
    catalog : QTable
        N rows.
    known : mapping of (N,) arrays
        Known labels by name, NaN where missing; names that are not in the catalogue are ignored.
    """
    names = [name for name in label_names(catalog) if name in known]
    head = ["star"]
    for name in names:
        head += [name, "known"]
    rows = []
    for i, row in enumerate(catalog):
        cells = [_shorten(row_name(row), _WIDTH_ID)]
        for name in names:
            cells += [
                format_label(name, row_value(row, name)),
                format_label(name, float(known[name][i])),
            ]
        rows.append(cells)
    medians = ["median |difference|"]
    for name in names:
        difference = np.abs(column_values(catalog, name) - known[name])
        some = np.isfinite(difference).any()
        medians += [format_label(name, float(np.nanmedian(difference))) if some else "-", ""]
    return columns_text(head, [*rows, medians])


def training_words(emulator: Emulator) -> str:
    """Describe how `maury.train` used its stars: numbers by use, and numbers rejected by reason."""
    meta = emulator.meta
    stars = ", ".join(f"{count} for {use}" for use, count in meta["stars"].items())
    left_out = [f"  {count} {reason}" for reason, count in meta["left_out"].items() if count]
    lines = [f"{emulator!r}", f"Stars: {stars}, {len(meta['validation_stars'])} for validation."]
    if left_out:
        lines += ["Rejected:", *left_out]
    lines += convergence_words(meta)
    return "\n".join(lines)


def doubt_words(stars: QTable) -> str:
    """List the first twenty stars that training rejected as doubtful; "" if there are none.

    Parameters
    ----------
    stars : QTable
        From `maury.learn.stars.star_table`.
    """
    found = [
        (str(row["star_id"]), str(row["reason"]).partition(": ")[2])
        for row in stars
        if str(row["reason"]).startswith(DOUBTFUL)
    ]
    lines = [f"  {star}: {why}" for star, why in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"  ... and {len(found) - _SHOWN} more; see the table of stars")
    return "\n".join(["Doubtful labels:", *lines]) if found else ""


def convergence_words(meta: Mapping[str, Any]) -> list[str]:
    """Describe whether the training converged, and the spread between the networks of an ensemble.

    Parameters
    ----------
    meta : mapping
        Of an emulator.
    """
    lines = []
    losses = meta.get("cycles", [])
    if losses:
        told = ", ".join(f"{loss:.4f}" for loss in losses)
        verdict = (
            "converged: the last cycle gained less than 1 %"
            if meta["converged"]
            else "not converged: the last cycle still gained 1 % or more; increase cycles (--cycles)"
        )
        lines.append(f"Rms flux error of the stopping set after each cycle: {told}; {verdict}.")
    spread = meta.get("spread")
    if spread:
        names = [name for name in spread if name not in ("members", "teff_edges", "stars")]
        edges = [None, *spread["teff_edges"], None]
        lines.append(f"Spread of the labels between {spread['members']} networks:")
        rows = []
        for b, stars in enumerate(spread["stars"]):
            if stars:
                cells = [format_small(name, spread[name][b]) for name in names]
                rows.append([teff_words(edges[b], edges[b + 1]), str(stars), *cells])
        lines.append(columns_text(["teff", "stars", *names], rows))
    return lines


def format_small(name: str, value: float) -> str:
    """Format an error with one digit more than its label."""
    return f"{value:.1f}" if name == "teff" else f"{value:.3f}"


def teff_words(low: float | None, high: float | None) -> str:
    """Format a range of Teff that may be open at either end."""
    if low is None:
        return "all" if high is None else f"below {high:.0f} K"
    return f"above {low:.0f} K" if high is None else f"{low:.0f}-{high:.0f} K"


def validation_table(summary: QTable, names: Sequence[str]) -> str:
    """Offset and MAD of every label in ranges of Teff, from `Validation.summary`."""
    rows = []
    for row in summary:
        low, high = (row_value(row, key) for key in ("teff_min", "teff_max"))
        cells = [teff_words(low or None, high if np.isfinite(high) else None), str(row["n"])]
        for name in names:
            cells += [format_label(name, row_value(row, f"{name}_{what}")) for what in ("offset", "mad")]
        rows.append(cells)
    head = ["teff", "stars"]
    for name in names:
        head += [f"{name} offset", "MAD"]
    return columns_text(head, rows)


def flux_error_table(found: FluxErrors) -> str:
    """Errors not exceeded by half, 90 % and 99 % of the pixels, in ranges of Teff."""
    parts = (0.5, 0.9, 0.99)
    limits = [found.within(part) for part in parts]
    rows = [
        [teff_words(low, high), str(n), *(f"{limit[b]:.4f}" for limit in limits)]
        for b, (low, high, n) in enumerate(zip(TEFF_BINS, TEFF_BINS[1:], found.spectra, strict=False))
        if n
    ]
    return columns_text(["teff", "spectra", *(f"{100 * part:.0f} %" for part in parts)], rows)


def _shorten(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def columns_text(head: list[str], rows: list[list[str]]) -> str:
    """Lines of a table; the first column, "unit" and "flags" are text, the others numbers."""
    from astropy.table import Table

    table = Table(rows=[head, *rows], names=[str(j) for j in range(len(head))])  # names in head may repeat
    align = ["<" if j == 0 or name in ("flags", "unit") else ">" for j, name in enumerate(head)]
    lines = table.pformat(max_lines=-1, max_width=-1, show_name=False, align=align)
    return "\n".join(line.rstrip() for line in lines)
