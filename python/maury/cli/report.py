"""The command ``maury report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from maury.cli.inputs import photometry_option, sources_option
from maury.output import LOG, one_line

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.emulator.emulator import Emulator


@click.command("report", short_help="Make one HTML page to explore a catalogue.")
@click.argument("catalogue")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="report.html",
    show_default=True,
    help="Page to write.",
)
@sources_option
@click.option(
    "--max-spectra",
    type=click.IntRange(min=0),
    default=300,
    show_default=True,
    help="Maximum number of spectra in the page; 20 to 30 kB each.",
)
@click.option(
    "--emulator",
    metavar="F.onnx",
    help="The emulator of the catalogue; by default the built-in.",
)
@click.option(
    "--cmd",
    nargs=2,
    metavar="COLOUR MAGNITUDE",
    help="Columns of the colour-magnitude diagram, as in bp_rp m_g.",
)
@photometry_option
@click.option("--overwrite", is_flag=True, help="Replace an existing page.")
def report_command(
    catalogue: str,
    output: Path,
    sources: tuple[str, ...],
    max_spectra: int,
    emulator: str | None,
    cmd: tuple[str, str] | None,
    photometry: str | None,
    overwrite: bool,
) -> None:
    """Make one HTML page of CATALOGUE that opens offline. Needs bokeh: pip install "maury[report]".

    The page shows diagrams of all stars, coloured by any column. A click on a star shows its spectrum, model
    and residual, for at most --max-spectra stars: a third with the worst fits, a third with flags, some for
    each flag, and the others from all parts of the Kiel diagram.
    """
    from maury.catalog.table import read_catalog
    from maury.show.report.page import check_catalog, need_bokeh, write_report

    need_bokeh()
    if output.suffix.lower() not in (".html", ".htm"):
        raise click.UsageError(f"{output}: the extension of a report must be .html")
    if output.exists() and not overwrite:
        raise FileExistsError(f"{output} exists; choose another name, or pass --overwrite")
    if not output.parent.is_dir():
        raise FileNotFoundError(
            f"{output.parent}: no such folder to write {output.name} into; create it first"
        )
    catalog = read_catalog(catalogue)
    check_catalog(catalog)
    if photometry is not None:
        from astropy.table import Table

        from maury.measure.colours import with_photometry

        catalog = with_photometry(catalog, Table.read(photometry))
    model = _emulator(catalog, emulator, bool(sources or emulator))
    spectra = _spectra(catalog, sources, max_spectra, model) if max_spectra and model is not None else {}
    write_report(catalog, output, spectra, cmd, title=Path(catalogue).name, emulator=model)
    size = output.stat().st_size / 1e6
    click.echo(
        f"{len(catalog)} rows, {len(spectra)} of them with a spectrum. Written to {output} ({size:.1f} MB)."
    )


def _emulator(catalog: QTable, emulator: str | None, needed: bool) -> Emulator | None:
    """Return the emulator of the catalogue; None if that is not known and not needed."""
    from maury.measure.best_fit import emulator_of_catalog

    try:
        return emulator_of_catalog(catalog, emulator)
    except ValueError as error:
        if needed:
            raise
        LOG.warning("no spectra and no training stars in the page: %s", one_line(error))
        return None


def _spectra(
    catalog: QTable, sources: tuple[str, ...], max_spectra: int, emulator: Emulator
) -> dict[int, str]:
    """Spectra as requested; if none were requested, missing files are not an error."""
    if catalog.meta.get("ROWS") == "stars":
        click.echo(
            "No spectra in the page: its rows are stars; make a report of the visits instead.", err=True
        )
        return {}
    from maury.show.report.spectra import pack_spectra

    try:
        return pack_spectra(catalog, emulator, sources or None, max_spectra)
    except ValueError as error:
        if sources:
            raise
        LOG.warning("no spectra in the page: %s", one_line(error))
        return {}
