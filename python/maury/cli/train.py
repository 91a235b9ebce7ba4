"""The commands ``maury train``, ``validate`` and ``twins``: from a reference set to an emulator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from maury.learn.validate import Validation
    from maury.reference.load import Library

_plot = click.option(
    "--plot", type=click.Path(file_okay=False, path_type=Path), metavar="DIR", help="Folder for pictures."
)


def _whole_numbers(_: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(number) for number in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r}: expected whole numbers with commas, as in 128,128") from None


def _recipe(command: Any) -> Any:
    """Options that say how to train; what is not given is left to `maury.train`."""
    for option in (
        click.option("--seed", type=int, help="Of the random split and first weights."),
        click.option("--cycles", type=click.IntRange(min=1), help="Cycles of the rate, at most."),
        click.option("--steps", type=click.IntRange(min=1), help="Training steps in a cycle."),
        click.option("--coefficients", type=click.IntRange(min=1), help="K, the rank of the last layer."),
        click.option("--hidden", callback=_whole_numbers, metavar="H,H", help="Units of the hidden layers."),
        click.option("--teff-max", type=float, help="Leave hotter stars out [K]."),
        click.option(
            "--wavelength",
            type=(float, float),
            metavar="MIN MAX",
            help="Range to train on [vacuum Angstrom].",
        ),
        click.option("--labels", metavar="A,B", help="Labels to train, as in teff,logg,fe_h."),
        click.option(
            "--bounds",
            type=click.Choice(["training", "paper"]),
            help="Of a fit: near the training labels, or Imig et al. 2021 (if stars and models are in one).",
        ),
    ):
        command = option(command)
    return command


@click.command("train", short_help="Train an emulator on labelled spectra.")
@click.argument("reference")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="F.onnx",
    help="Emulator to write.",
)
@_recipe
@click.option("--ensemble", type=click.IntRange(min=1), metavar="N", help="Networks; their spread is kept.")
@click.option(
    "--folds",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Networks that each leave out a part, to tell the errors on stars never seen; 0 = none.",
)
@click.option("--name", help="What to call the emulator; the name of the file by default.")
@click.option("--overwrite", is_flag=True, help="Replace an emulator that exists.")
def train(
    reference: str,
    output: Path,
    folds: int,
    name: str | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Train an emulator on REFERENCE. Needs torch: pip install "maury[train]".

    REFERENCE is "miles" or "stelib", the folder of one of these libraries, or a table with a column "file"
    and columns teff, logg, fe_h, ... Beside the emulator F.onnx the table F.stars.ecsv tells for each
    spectrum what it was used for, or why it was left out.
    """
    from maury.learn.build import Recipe
    from maury.learn.stars import star_table, stars_path, write_stars
    from maury.learn.train import train_recipe
    from maury.learn.validate import validate_unseen
    from maury.output import check_new_file
    from maury.reference.load import open_reference
    from maury.show.tables import doubt_words, training_words, validation_table

    if output.suffix.lower() != ".onnx":
        raise click.UsageError(f"{output}: an emulator file ends in .onnx")
    for path in (output, stars_path(output)):
        check_new_file(path, overwrite)
    stars = open_reference(reference)
    known = stars.library
    chosen, recipe = _choice(known, options)
    origin = {"training_data": known.training_data, "citation": known.citation} if known else {}
    done = train_recipe(
        stars.spectra,
        Recipe(**recipe),
        folds=folds,
        label_errors=stars.label_errors,
        meta={"name": name or output.stem, "training_data": reference, **origin},
        progress=True,
        **chosen,
    )
    done.emulator.save(output)
    table = star_table(stars.spectra, done.use, stars.origin)
    write_stars(table, stars_path(output), overwrite)
    click.echo(training_words(done.emulator))
    doubtful = doubt_words(table)
    if doubtful:
        click.echo(doubtful)
    unseen = validate_unseen(done.emulator, stars.spectra)
    click.echo(
        f"\nStars that training never saw ({len(unseen.known)} spectra), measured against their labels:"
    )
    click.echo(validation_table(unseen.summary(), unseen.names))
    click.echo(f"\nWritten to {output}; what became of each spectrum to {stars_path(output)}.")


@click.command("validate", short_help="Test training on stars left out of it.")
@click.argument("reference")
@_recipe
@click.option("--emulator", metavar="F.onnx", help="Train none: measure the stars that this one never saw.")
@click.option(
    "--folds", type=click.IntRange(min=2), help="Otherwise: parts to leave out in turn.  [default: 5]"
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Table of all stars: .ecsv, .fits or .parquet."
)
@_plot
@click.option("--overwrite", is_flag=True, help="Replace a table that exists.")
def validate(
    reference: str,
    emulator: str | None,
    folds: int | None,
    output: Path | None,
    plot: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Train on parts of REFERENCE and measure the part left out; see "maury train".

    With --emulator, made by "maury train REFERENCE", measure the stars that it never saw.
    """
    from maury.catalog.table import check_output, write_catalog
    from maury.emulator import Emulator
    from maury.learn.build import Recipe
    from maury.learn.validate import cross_validate, validate_unseen
    from maury.reference.load import load_reference, open_reference
    from maury.show.tables import flux_error_table, validation_table

    idle = [name for name, value in {**options, "folds": folds}.items() if value is not None]
    if emulator is not None and idle:
        raise click.UsageError(f"--{idle[0].replace('_', '-')} says how to train; --emulator trains nothing")
    if output is not None:
        check_output(output, overwrite)
    if emulator is not None:
        done = validate_unseen(Emulator.load(emulator), load_reference(reference))
        click.echo(f"{len(done.known)} spectra of stars that {emulator} never saw:")
    else:
        stars = open_reference(reference)
        chosen, recipe = _choice(stars.library, options)
        done = cross_validate(
            stars.spectra, recipe=Recipe(**recipe), folds=folds or 5, progress=True, **chosen
        )
        click.echo(f"{len(done.known)} spectra, each measured by a network that never saw its star:")
    click.echo(validation_table(done.summary(), done.names))
    click.echo("\nFlux at the known labels, |emulator - spectrum|:")
    click.echo(flux_error_table(done.flux))
    if output is not None:
        write_catalog(done.table(), output, overwrite)
        click.echo(f"Written to {output}.")
    if plot is not None:
        _draw_validation(done, f"{reference}, stars never seen", plot)


@click.command("twins", short_help="Compare emulators trained on stars and on models.")
@click.argument("reference")
@click.argument("twin")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder for both emulators, a table and pictures.",
)
@_recipe
def twins(reference: str, twin: str, output: Path, **options: Any) -> None:
    """Train two emulators that differ in their spectra only, and fit the same observed stars by both.

    REFERENCE holds observed stars (and models), TWIN models for the same stars, as made by
    "maury reference theory GRID --at REFERENCE".
    """
    from maury.catalog.table import write_catalog
    from maury.learn.twins import train_twins
    from maury.reference.file import read_reference
    from maury.reference.load import library_of
    from maury.show.plots import save_figure
    from maury.show.twins import plot_twin_fits, plot_twin_labels, twin_table

    stars = read_reference(reference)
    chosen, recipe = _choice(library_of(stars, Path(reference).name), options)
    output.mkdir(parents=True, exist_ok=True)
    done = train_twins(stars, read_reference(twin), progress=True, **chosen, **recipe)
    for emulator in done.emulators:
        emulator.save(output / f"{emulator.name}.onnx")
    write_catalog(done.table(), output / "twins.ecsv", overwrite=True)
    click.echo(f"{len(done.known)} observed spectra that neither emulator was trained on:")
    click.echo(twin_table(done))
    save_figure(plot_twin_labels(done), output / "labels.png")
    if {"teff", "logg"} <= set(done.names):
        save_figure(plot_twin_fits(done), output / "fits.png")
    click.echo(f"Emulators, table and pictures are in {output}.")


def _choice(known: Library | None, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split `options`: what chooses stars and pixels, where a known library fills in, and the recipe."""
    given = {name: value for name, value in options.items() if value is not None}
    names = given.pop("labels", None)
    chosen = {
        "labels": None if names is None else [name.strip() for name in names.split(",")],
        "wavelength": given.pop("wavelength", known and known.wavelength),
        "teff_max": given.pop("teff_max", known and known.teff_max),
    }
    return chosen, ({"bounds": known.bounds} if known else {}) | given


def _draw_validation(done: Validation, title: str, folder: Path) -> None:
    from maury.show.comparison import plot_comparison
    from maury.show.flux_errors import plot_flux_errors
    from maury.show.plots import save_figure

    folder.mkdir(parents=True, exist_ok=True)
    figure = plot_comparison(done.names, done.known, done.fitted, title, done.rchi2)
    save_figure(figure, folder / "validation.png")
    save_figure(plot_flux_errors(done.flux, title), folder / "flux_errors.png")
    click.echo(f"2 pictures in {folder}.")
