"""The commands ``maury train``, ``validate`` and ``twins``: from a reference set to an emulator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maury.cli.inputs import can_draw, plot_option

if TYPE_CHECKING:
    from maury.learn.validate import Validation
    from maury.reference.load import Library


def _whole_numbers(_: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(number) for number in text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r}: expected whole numbers separated by commas, as in 128,128"
        ) from None


def _recipe(command: Any) -> Any:
    """Options of the training; defaults are those of `maury.train`."""
    for option in (
        click.option("--seed", type=int, help="Seed of the random split and of the first weights."),
        click.option("--cycles", type=click.IntRange(min=1), help="Maximum number of cycles."),
        click.option("--steps", type=click.IntRange(min=1), help="Training steps per cycle."),
        click.option("--coefficients", type=click.IntRange(min=1), help="K, the rank of the last layer."),
        click.option("--modes", type=click.IntRange(min=0), help="Maximum number of residual modes."),
        click.option("--hidden", callback=_whole_numbers, metavar="H,H", help="Units of the hidden layers."),
        click.option("--teff-max", type=float, help="Exclude hotter stars [K]."),
        click.option(
            "--wavelength",
            type=(float, float),
            metavar="MIN MAX",
            help="Range of training [vacuum Angstrom].",
        ),
        click.option("--labels", metavar="A,B", help="Labels to train, as in teff,logg,fe_h."),
        click.option(
            "--reference-scale",
            metavar="SOURCE",
            help="Source of labels whose scale the emulator has; by default the one with the most spectra.",
        ),
        click.option(
            "--bounds",
            type=click.Choice(["training", "paper"]),
            help="Bounds of a fit: near the training labels, or paper (default for stars with models).",
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
@click.option(
    "--ensemble", type=click.IntRange(min=1), metavar="N", help="Train N networks, keep their mean."
)
@click.option(
    "--folds",
    type=click.IntRange(min=0),
    default=5,
    show_default=True,
    help="Networks trained without a part of the stars, to estimate the model error; 0 = none.",
)
@click.option("--name", help="Name of the emulator; by default the name of the file.")
@click.option("--overwrite", is_flag=True, help="Replace an existing emulator.")
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
    and columns teff, logg, fe_h, ..., optionally with their errors teff_err, ... and their source. The table
    F.stars.ecsv, beside the emulator F.onnx, lists how each spectrum was used, or why it was left out.
    """
    from maury.learn import need_torch

    need_torch()
    from maury.learn.recipe import Recipe
    from maury.learn.stars import star_table, stars_path, write_stars
    from maury.learn.train import train_recipe
    from maury.learn.validate import validate_unseen
    from maury.output import check_new_file
    from maury.reference.load import open_reference
    from maury.show.tables import doubt_words, training_words, validation_table

    if output.suffix.lower() != ".onnx":
        raise click.UsageError(f"{output}: the extension of an emulator file must be .onnx")
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
        f"\nStars withheld from training ({len(unseen.known)} spectra), measured against their labels:"
    )
    click.echo(validation_table(unseen.summary(), unseen.names))
    click.echo(f"\nWritten to {output}; use of each spectrum in {stars_path(output)}.")


@click.command("validate", short_help="Cross-validate the training.")
@click.argument("reference")
@_recipe
@click.option(
    "--emulator",
    metavar="F.onnx",
    help="Skip training: measure the stars withheld from that of this emulator.",
)
@click.option(
    "--folds", type=click.IntRange(min=2), help="Without --emulator: number of folds.  [default: 5]"
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Table of all stars: .ecsv, .fits or .parquet."
)
@plot_option
@click.option("--overwrite", is_flag=True, help="Replace an existing table.")
def validate(
    reference: str,
    emulator: str | None,
    folds: int | None,
    output: Path | None,
    plot: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Train without one part of REFERENCE and measure that part, for each part in turn; see "maury train".

    With --emulator, made by "maury train REFERENCE", measure the stars withheld from its training.
    """
    from maury.catalog.table import check_output, write_catalog
    from maury.emulator import Emulator
    from maury.learn import need_torch
    from maury.learn.recipe import Recipe
    from maury.learn.validate import cross_validate, validate_unseen
    from maury.reference.load import load_reference, open_reference
    from maury.show.tables import flux_error_table, validation_table

    idle = [name for name, value in {**options, "folds": folds}.items() if value is not None]
    if emulator is not None and idle:
        raise click.UsageError(
            f"--{idle[0].replace('_', '-')} applies to training, and --emulator skips training"
        )
    if output is not None:
        check_output(output, overwrite)
    if emulator is None:
        need_torch()
    if emulator is not None:
        done = validate_unseen(Emulator.load(emulator), load_reference(reference))
        click.echo(f"{len(done.known)} spectra of stars withheld from the training of {emulator}:")
    else:
        stars = open_reference(reference)
        chosen, recipe = _choice(stars.library, options)
        done = cross_validate(
            stars.spectra,
            recipe=Recipe(**recipe),
            folds=folds or 5,
            label_errors=stars.label_errors,
            progress=True,
            **chosen,
        )
        click.echo(f"{len(done.known)} spectra, each measured by a network trained without its star:")
    click.echo(validation_table(done.summary(), done.names))
    click.echo("\nFlux at the known labels, |emulator - spectrum|:")
    click.echo(flux_error_table(done.flux))
    if output is not None:
        write_catalog(done.table(), output, overwrite)
        click.echo(f"Written to {output}.")
    if plot is not None:
        _draw_validation(done, f"{reference}, withheld stars", plot)


@click.command("twins", short_help="Compare emulators trained on stars and on models.")
@click.argument("reference")
@click.argument("twin")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    callback=can_draw,
    metavar="DIR",
    help="Folder for both emulators, a table and figures.",
)
@_recipe
def twins(reference: str, twin: str, output: Path, **options: Any) -> None:
    """Train two emulators on different spectra of the same stars, and fit the same observed stars with both.

    REFERENCE contains observed stars (and models), TWIN models of the same stars, as made by
    "maury reference theory GRID --at REFERENCE".
    """
    from maury.learn import need_torch

    need_torch()
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
    click.echo(f"{len(done.known)} observed spectra used to train neither emulator:")
    click.echo(twin_table(done))
    save_figure(plot_twin_labels(done), output / "labels.png")
    if {"teff", "logg"} <= set(done.names):
        save_figure(plot_twin_fits(done), output / "fits.png")
    click.echo(f"Emulators, table and figures are in {output}.")


def _choice(known: Library | None, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split `options` into selection of stars and pixels, with defaults of a known library, and recipe."""
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
    click.echo(f"2 figures in {folder}.")
