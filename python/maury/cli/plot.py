"""The command ``maury plot``, and the figures of ``maury fit --plot``."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maury.cli.inputs import can_draw, sources_option

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.emulator.emulator import Emulator
    from maury.spectra import Spectra


@click.command("plot", short_help="Draw the spectra of a catalogue with their fits.")
@click.argument("catalogue")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default="plots",
    show_default=True,
    callback=can_draw,
    metavar="DIR",
    help="Folder for figures.",
)
@click.option("--star", "stars", multiple=True, metavar="NAME", help="Only stars of this name (star_id).")
@click.option(
    "--max-spectra",
    type=click.IntRange(min=0),
    default=100,
    show_default=True,
    help="Maximum number of spectra.",
)
@sources_option
@click.option(
    "--emulator",
    default="default",
    show_default=True,
    metavar="F.onnx",
    help="The emulator of the catalogue.",
)
def plot_command(
    catalogue: str,
    output: Path,
    stars: tuple[str, ...],
    max_spectra: int,
    sources: tuple[str, ...],
    emulator: str,
) -> None:
    """Draw spectra of CATALOGUE with their fits, and the Kiel diagram of all its stars."""
    import numpy as np

    from maury.catalog import read_catalog
    from maury.emulator import Emulator
    from maury.measure.best_fit import check_emulator
    from maury.show.rows import files_of_rows, spectra_of_rows

    catalog = read_catalog(catalogue)
    model = Emulator.load(emulator)
    check_emulator(catalog, model)
    names = np.asarray(catalog["star_id"]).astype(str)
    unknown = sorted(set(stars) - set(names.tolist()))
    if unknown:
        raise ValueError(f"stars: the catalogue has no {', '.join(unknown)}; star_id gives its names")
    paths = files_of_rows(catalog, sources or None)
    wanted = [row for row in sorted(paths) if not stars or names[row] in stars]
    rows = list(islice(wanted, max_spectra))
    if max_spectra and not rows:
        click.echo("Warning: no files of spectra found; pass them with --spectra", err=True)
    drawn = draw(spectra_of_rows(catalog, rows, paths), catalog, model, output, n=len(rows))
    click.echo(drawn)
    if len(wanted) > len(rows) > 0:
        click.echo(f"{len(rows)} of {len(wanted)} spectra drawn; see --max-spectra and --star.")


def draw(
    spectra: Iterable[tuple[int, Spectra]],
    catalog: QTable,
    emulator: Emulator,
    folder: Path,
    show: bool = True,
    n: int | None = None,
) -> str:
    """Write a figure for each spectrum, given with its row, and the Kiel diagram; say what was written.

    `n` is the number of spectra, by default all rows; `show` shows progress.
    """
    from maury.measure.best_fit import fit_of_row
    from maury.output import progress
    from maury.show.plots import picture_names, plot_kiel, plot_star, save_figure

    folder.mkdir(parents=True, exist_ok=True)
    names, drawn = picture_names(catalog), 0
    with progress(len(catalog) if n is None else n, "drawing", "figure", show) as bar:
        for i, spectrum in spectra:
            shown, row = fit_of_row(spectrum, emulator, catalog[i]), catalog[i]
            figure = plot_star(shown.wavelength, shown.flux, shown.ivar, shown.model, row, shown.scatter)
            save_figure(figure, folder / names[i])
            drawn += 1
            bar.update()
    if {"teff", "logg"} <= set(emulator.labels):
        save_figure(plot_kiel(catalog, emulator), folder / "kiel.png")
        drawn += 1
    return f"{drawn} {'figure' if drawn == 1 else 'figures'} in {folder}."
