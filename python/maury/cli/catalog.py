"""Commands that work on catalogues: ``maury errors``, ``maury compare``, ``maury stars``."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import click
from click.core import ParameterSource

from maury.cli.inputs import can_draw

_overwrite = click.option("--overwrite", is_flag=True, help="Replace an existing file.")
_plot = click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=can_draw,
    metavar="F.png",
    help="Figure to write.",
)


def _column_map(_: click.Context, option: click.Parameter, text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    parts = [part.partition("=") for part in text.split(",")]
    if not all(ours.strip() and theirs.strip() for ours, _, theirs in parts):
        raise click.BadParameter(
            f"{text!r}: expected ours=theirs separated by commas, as in teff=Teff,logg=LOGG"
        )
    return {ours.strip(): theirs.strip() for ours, _, theirs in parts}


@click.command("errors", short_help="Learn errors from stars with repeat visits.")
@click.argument("catalogue")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="F.ecsv", help="File of errors to write."
)
@click.option(
    "--method",
    type=click.Choice(["likelihood", "paper"]),
    default="likelihood",
    show_default=True,
    help="The method of the paper gives errors that are too small by a third.",
)
@_plot
@_overwrite
def errors_command(
    catalogue: str, output: Path | None, method: str, plot: Path | None, overwrite: bool
) -> None:
    """Learn the errors of CATALOGUE from its repeat visits, and print them beside the formal errors.

    Use the output file with maury fit --errors.
    """
    from maury.catalog import read_catalog
    from maury.catalog.error_file import check_error_output, write_errors
    from maury.catalog.repeats import METHODS, calibrate_errors
    from maury.show.pulls import error_table, plot_pulls, pull_table

    if output is not None:
        check_error_output(output, overwrite)
    catalog = read_catalog(catalogue)
    model = calibrate_errors(catalog, method, progress=True)
    models = {method: model}
    for other in METHODS:
        if other != method:
            with suppress(ValueError):  # too few pairs for this method
                models[other] = calibrate_errors(catalog, other, progress=True)
    models = {name: models[name] for name in METHODS if name in models}
    click.echo(f"Errors from {model.words}.\n")
    click.echo(error_table(catalog, model))
    click.echo("\nWidth of the pulls of stars left out of the calibration (1 if the errors are correct):")
    click.echo(pull_table(catalog, list(models.values())))
    if output is not None:
        write_errors(model, output, overwrite)
        click.echo(f"\nWritten to {output}.")
    if plot is not None:
        from maury.show.plots import save_figure

        save_figure(plot_pulls(catalog, model), plot)
        click.echo(f"Figure in {plot}.")


@click.command("compare", short_help="Compare a catalogue with others.")
@click.argument("catalogue")
@click.argument("others", nargs=-1, required=True)
@click.option(
    "--by",
    type=click.Choice(["id", "file", "position"]),
    help="How to match; by default id if the tables have names in common, else position.",
)
@click.option(
    "--radius",
    type=click.FloatRange(min=0, min_open=True),
    default=3.0,
    show_default=True,
    help="Largest separation [arcsec] in matches by position.",
)
@click.option(
    "--columns",
    callback=_column_map,
    metavar="OURS=THEIRS,...",
    help="Columns of the other table, as in teff=Teff,fe_h=FeH,ra=RAJ2000,dec=DEJ2000.",
)
@click.option(
    "--positions",
    metavar="TABLE",
    help="If CATALOGUE has no positions: a table with star_id, ra, dec (or MANGAID, RA, DEC).",
)
@_plot
@click.option(
    "--calibrate",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="F.ecsv",
    help="Write zero points of CATALOGUE on the scale of the other table, for maury fit --calibration.",
)
@_overwrite
def compare_command(
    catalogue: str,
    others: tuple[str, ...],
    by: str | None,
    radius: float,
    columns: dict[str, str] | None,
    positions: str | None,
    plot: Path | None,
    calibrate: Path | None,
    overwrite: bool,
) -> None:
    """Compare CATALOGUE with one other table, or with several other catalogues of the same stars.

    One other table: a catalogue of maury, LAMOST, SEGUE, APOGEE or MaStar DR17, or any table with --columns.
    Stars are matched; offset, scatter and MAD of the differences are printed. Several catalogues: each is
    compared with the median of all, as for spectra at several resolutions.
    """
    from maury.catalog.compare import (
        POSITIONS,
        add_positions,
        differences,
        match_tables,
        read_table,
        spread_of,
    )
    from maury.catalog.formats import formats_of
    from maury.catalog.table import read_catalog
    from maury.catalog.zero_points import learn_zero_points, write_zero_points
    from maury.output import check_new_file
    from maury.show.compare_plots import plot_one_to_one, plot_spread
    from maury.show.compare_tables import differences_table, spread_table

    _refuse_idle_options(len(others), by)
    if calibrate is not None:
        check_new_file(calibrate, overwrite)
    ours, _ = read_table(catalogue)
    if len(others) > 1:
        names = [Path(path).name for path in (catalogue, *others)]
        if len(set(names)) < len(names):  # files of the same name in several folders
            names = [catalogue, *others]
        spread = spread_of([ours, *(read_table(path, columns)[0] for path in others)], names)
        click.echo(
            f"{len(spread.median)} stars in all of {len(names)} catalogues; deviation from their median:"
        )
        click.echo(spread_table(spread))
    else:
        if positions is not None:
            ours = add_positions(ours, read_table(positions, POSITIONS)[0])
            by = by or "position"
        matched = match_tables(ours, *read_table(others[0], columns), by, radius)
        click.echo(
            f"{len(matched.ours)} rows in common with {matched.other} by {matched.by}; ours minus theirs:"
        )
        click.echo(differences_table(differences(matched)))
        if calibrate is not None:
            whole = read_catalog(catalogue)
            learnt = learn_zero_points(matched, str(whole.meta["EMUHASH"]), formats_of(whole))
            write_zero_points(learnt, calibrate, overwrite)
            click.echo(f"Zero points in {calibrate}.")
    if plot is not None:
        from maury.show.plots import save_figure

        save_figure(plot_spread(spread) if len(others) > 1 else plot_one_to_one(matched), plot)
        click.echo(f"Figure in {plot}.")


def _refuse_idle_options(n_others: int, by: str | None) -> None:
    """Raise a usage error for options of `maury compare` that have no effect in this comparison."""
    source = click.get_current_context().get_parameter_source
    given = [
        name
        for name in ("by", "radius", "positions", "calibrate")
        if source(name) == ParameterSource.COMMANDLINE
    ]
    if n_others > 1 and given:
        raise click.UsageError(
            f"--{given[0]} applies to a comparison with one other table, got {n_others} others: catalogues "
            f"of the same stars are matched by star_id. Omit --{given[0]}, or compare with one table "
            "at a time"
        )
    idle = [name for name in given if name in ("radius", "positions")]
    if by in ("id", "file") and idle:
        raise click.UsageError(
            f"--{idle[0]} applies to a match by position, got --by {by}. Omit --{idle[0]}, or pass "
            "--by position"
        )


@click.command("stars", short_help="Combine the visits of each star.")
@click.argument("catalogue")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, help="Table: .fits, .ecsv or .parquet."
)
@click.option("--dr17-names", is_flag=True, help="Add TEFF_JI, ..., as in the tables of MaStar DR17.")
@_overwrite
def stars_command(catalogue: str, output: Path, dr17_names: bool, overwrite: bool) -> None:
    """Combine the visits of each star in CATALOGUE, with weights 1/error^2: one row per star."""
    import numpy as np

    from maury.catalog import read_catalog
    from maury.catalog.dr17 import add_dr17_names
    from maury.catalog.stars import combine_visits
    from maury.catalog.table import check_output, write_catalog

    check_output(output, overwrite)
    visits = read_catalog(catalogue)
    stars = combine_visits(visits)
    write_catalog(add_dr17_names(stars) if dr17_names else stars, output, overwrite)
    odd = int(np.sum(np.asarray(stars["discrepant"]) != ""))
    click.echo(
        f"{len(visits)} visits of {len(stars)} stars; visits of {odd} stars disagree. Written to {output}."
    )


COMMANDS = (errors_command, compare_command, stars_command)
