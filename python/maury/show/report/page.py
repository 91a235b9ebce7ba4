"""One HTML page of a catalogue, which opens offline: diagrams, a spectrum at a click, errors, flags."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.catalog.columns import label_names
from maury.catalog.flags import DO_NOT_USE, Flag, flag_names, is_valid
from maury.catalog.repeats import repeat_pairs
from maury.show.figures import plot_chi2, plot_errors, plot_reported_pulls
from maury.show.report import data as data
from maury.show.report.plots import star_diagrams, star_figures

if TYPE_CHECKING:
    from astropy.table import QTable
    from matplotlib.figure import Figure

    from maury.emulator.emulator import Emulator

Array = NDArray[np.float64]
_NUMBERS = (("rchi2", "rchi2", 2), ("S/N", "snr", 0), ("rv [km/s]", "rv", 1))
_TEXTS = ("status", "file", "problem")


def write_report(
    catalog: QTable,
    path: str | os.PathLike[str],
    spectra: Mapping[int, str] | None = None,
    cmd: tuple[str, str] | None = None,
    title: str = "maury catalogue",
    emulator: Emulator | None = None,
) -> None:
    """Write a catalogue as one self-contained HTML file, which needs no network.

    Parameters
    ----------
    catalog : QTable
        N rows, from `maury.fit` or `maury.read_catalog`; columns may have been added.
    path : path
        The .html file, which is either complete or absent.
    spectra : mapping, optional
        Packed spectra by row number, from `maury.show.report.spectra.pack_spectra`.
    cmd : (str, str), optional
        Columns with the colour and the magnitude of the colour-magnitude diagram. By default they are found
        by the names in `maury.show.report.plots.COLOURS` and ``MAGNITUDES``; without them there is no such
        diagram.
    title : str
        Title of the page.
    emulator : Emulator, optional
        Of the catalogue: its training stars are drawn behind the others.

    Raises
    ------
    ImportError
        If bokeh is not installed.
    ValueError
        If the catalogue has no rows, no labels ``teff`` and ``logg``, or `cmd` names columns without numbers.
    """
    need_bokeh()
    check_catalog(catalog)
    path = Path(path)
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.write_text(_page(catalog, spectra or {}, cmd, title, _training(emulator)), encoding="utf-8")
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def need_bokeh() -> None:
    """Raise ImportError with instructions if bokeh, or matplotlib, is not installed."""
    from importlib.util import find_spec

    for name in ("bokeh", "matplotlib"):
        if find_spec(name) is None:
            raise ImportError(f'a report requires {name}: pip install "maury[report]"')


def check_catalog(catalog: QTable) -> None:
    """Raise ValueError if there is nothing to show in a report."""
    names = label_names(catalog)
    if not {"teff", "logg"} <= set(names):
        raise ValueError(f"catalog: a report needs the labels teff and logg, got {', '.join(names)}")
    if not len(catalog):
        raise ValueError("catalog: it has no rows, so there is nothing to show")


def _training(emulator: Emulator | None) -> dict[str, Array]:
    """Labels (M,) of the training stars by name."""
    if emulator is None or emulator.training_labels is None:
        return {}
    return dict(zip(emulator.labels, np.asarray(emulator.training_labels).T, strict=True))


def _page(
    catalog: QTable,
    spectra: Mapping[int, str],
    cmd: tuple[str, str] | None,
    title: str,
    training: Mapping[str, Array],
) -> str:
    from bokeh.embed import components
    from bokeh.resources import Resources
    from jinja2 import Environment
    from markupsafe import Markup

    columns = data.shown_columns(catalog)
    colour = next(name for name in ("fe_h", "rchi2", *columns) if name in columns)
    diagrams, axes = star_diagrams(catalog, columns, colour, cmd, training)
    script, parts = components(diagrams | star_figures(), wrap_script=True)
    flags = np.asarray(catalog["flags"])
    counts = data.flag_counts(flags)
    here = files("maury.show.report")
    words = _spectra_words(len(spectra), len(catalog))
    drawn = {name for pair in axes.values() for name in pair} | set(label_names(catalog))
    more = {name: data.pack_column(c.values) for name, c in columns.items() if name not in drawn}
    facts = _facts(catalog, columns, axes, words) | {"with_spectra": sorted(spectra)}
    page = Environment(autoescape=True).from_string(here.joinpath("page.html").read_text("utf-8"))
    return page.render(
        title=title,
        summary=_summary(catalog),
        errors=catalog.meta["ERRORS"],
        made=f"maury {catalog.meta['MAURYVER']}, emulator {catalog.meta['EMULATOR'] or '(no name)'} "
        f"{catalog.meta['EMUHASH'][:12]}",
        library=Markup(Resources(mode="inline", components=["bokeh"]).render()),
        css=Markup(here.joinpath("page.css").read_text("utf-8")),
        js=Markup(here.joinpath("page.js").read_text("utf-8")),
        script=Markup(script),
        parts={name: Markup(part) for name, part in parts.items()},
        facts=Markup(data.json_for_page(facts)),
        columns=Markup(data.json_for_page(more)),
        spectra=Markup(data.json_for_page({str(row): packed for row, packed in spectra.items()})),
        spectra_words=words,
        colours=list(columns),
        colour=colour,
        counts=counts,
        unset=", ".join(flag_names(bit)[0] for bit in Flag if not any(bit == found for found, *_ in counts)),
        n_valid=int(is_valid(flags).sum()),
        n_clean=int(np.sum(flags == 0)),
        training=bool(training),
        n_rows=len(catalog),
        diagrams=list(diagrams),
        pictures={name: _picture(plot(catalog)) for name, plot in _pictures(catalog).items()},
    )  # fmt: skip


def _pictures(catalog: QTable) -> dict[str, Callable[[QTable], Figure]]:
    """Select the plots for which the catalogue has data: a table of stars has no chi-square and no visits."""
    pictures: dict[str, Callable[[QTable], Figure]] = {"errors": plot_errors}
    if "rchi2" in catalog.colnames:
        pictures["chi2"] = plot_chi2
    if catalog.meta.get("ROWS") != "stars" and len(repeat_pairs(catalog, label_names(catalog))):
        pictures["pulls"] = plot_reported_pulls
    return pictures


def _picture(figure: Figure) -> str:
    """SVG as the source of an <img>, in which no script can run."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="svg")
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.getvalue()).decode()}"


def _facts(
    catalog: QTable, columns: Mapping[str, data.Shown], axes: Mapping[str, tuple[str, str]], words: str
) -> dict[str, Any]:
    """Collect the data required by the script of the page."""
    labels = [
        {
            "name": name,
            "title": name,
            "unit": str(catalog[name].unit or ""),
            "digits": 0 if name == "teff" else 3,
        }
        for name in label_names(catalog)
    ]
    texts = {name: data.text(catalog, name) for name in _TEXTS}
    return {
        "axes": axes,
        "diagrams": list(axes),
        "columns": {
            name: {"low": shown.low, "high": shown.high, "log": shown.log, "title": shown.title}
            for name, shown in columns.items()
        },
        "labels": labels,
        "numbers": [numbers for numbers in _NUMBERS if numbers[1] in columns],
        "flags": [(int(bit), flag_names(bit)[0]) for bit in Flag],
        "texts": data.pack(json.dumps(texts).encode()),
        "spectra_words": words,
        "do_not_use": int(DO_NOT_USE),
        "step": data.STEP,
        "lowest": data.LOWEST,
        "missing": data.MISSING,
        "wave_step": data.WAVE_STEP,
    }


def _summary(catalog: QTable) -> str:
    if catalog.meta.get("ROWS") == "stars":
        return f"{len(catalog)} stars of {int(np.sum(catalog['n_visits']))} visits."
    n_stars = len(set(data.text(catalog, "star_id")))
    flags = np.asarray(catalog["flags"])
    return (
        f"{len(catalog)} spectra with {n_stars} star names: {int(is_valid(flags).sum())} are valid, and "
        f"{int(np.sum(flags == 0))} of these have no flag at all."
    )


def _spectra_words(n: int, of: int) -> str:
    if n in (0, of):
        return f"The page has {'all' if n else 'no'} spectra."
    return (
        f"The page has {n} of {of} spectra: the worst fits, some for each flag, and others from all parts of "
        'the Kiel diagram; select them in "Show". For more: maury report --max-spectra.'
    )
