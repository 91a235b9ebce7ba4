"""The command ``maury plot``, and the figures of ``maury fit --plot``."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import click

from maury.cli.inputs import can_draw, photometry_option, sources_option
from maury.output import LOG

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.emulator.emulator import Emulator
    from maury.spectra import Spectra

_FEW = 20  # figures that are drawn before other processes have started


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
@click.option(
    "--isochrones",
    type=click.Path(exists=True, dir_okay=False),
    multiple=True,
    metavar="FILE",
    help="PARSEC or BaSTI isochrones to draw over the Kiel diagram; may be given more than once.",
)
@photometry_option
@click.option(
    "--resolution", is_flag=True, help="Also draw the line-spread functions of the spectra: percentiles."
)
@click.option("--threads", type=click.IntRange(min=1), help="Number of processes; by default all cores.")
def plot_command(
    catalogue: str,
    output: Path,
    stars: tuple[str, ...],
    max_spectra: int,
    sources: tuple[str, ...],
    emulator: str,
    isochrones: tuple[str, ...],
    photometry: str | None,
    resolution: bool,
    threads: int | None,
) -> None:
    """Draw spectra of CATALOGUE with their fits, and the Kiel diagram of all its stars.

    With --photometry also colour-magnitude diagrams; with --isochrones and --resolution see there. These are
    figures 11, 8 and 13 of Imig et al. (2021).
    """
    import numpy as np
    from astropy.table import Table

    from maury.catalog import read_catalog
    from maury.emulator import Emulator
    from maury.measure.best_fit import check_emulator
    from maury.measure.colours import COLOUR, MAGNITUDE, with_photometry
    from maury.show.figures import plot_colour_magnitude, plot_isochrones, plot_resolution
    from maury.show.plots import save_figure
    from maury.show.rows import files_of_rows, spectra_of_rows
    from maury.show.spectra import resolution_curves

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
        LOG.warning("no files of spectra found; pass them with --spectra")
    output.mkdir(parents=True, exist_ok=True)
    if isochrones:
        from maury.readers.isochrones import read_isochrones

        save_figure(plot_isochrones(catalog, read_isochrones(list(isochrones))), output / "isochrones.png")
    if photometry is not None:
        joined = with_photometry(catalog, Table.read(photometry))
        save_figure(plot_colour_magnitude(joined, COLOUR, MAGNITUDE), output / "colour_magnitude.png")
    if resolution:
        seen = (spectrum for _, spectrum in spectra_of_rows(catalog, rows, paths))
        save_figure(plot_resolution(resolution_curves(seen)), output / "resolution.png")
    drawn = draw(spectra_of_rows(catalog, rows, paths), catalog, model, output, n=len(rows), threads=threads)
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
    threads: int | None = None,
) -> str:
    """Write a figure for each spectrum, given with its row, and the Kiel diagram; say what was written.

    `n` is the number of spectra, by default all rows; `show` shows progress; `threads` is the number of
    processes, by default one per core.
    """
    from maury.measure.best_fit import fit_of_row
    from maury.measure.jobs import available_threads
    from maury.output import progress
    from maury.show.pictures import write_pictures
    from maury.show.plots import picture_names, plot_kiel, save_figure

    folder.mkdir(parents=True, exist_ok=True)
    names, drawn = picture_names(catalog), 0
    n = len(catalog) if n is None else n
    processes = (threads or available_threads()) if n > _FEW else 1
    pictures = (
        (fit_of_row(spectrum, emulator, catalog[i]), catalog[i : i + 1], folder / names[i])
        for i, spectrum in spectra
    )
    with progress(n, "drawing", "figure", show) as bar:
        for _ in write_pictures(pictures, processes):
            drawn += 1
            bar.update()
    if {"teff", "logg"} <= set(emulator.labels):
        save_figure(plot_kiel(catalog, emulator), folder / "kiel.png")
        drawn += 1
    return f"{drawn} {'figure' if drawn == 1 else 'figures'} in {folder}."
