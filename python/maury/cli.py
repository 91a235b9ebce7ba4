"""The command ``maury``. Heavy imports wait inside the commands, so that ``maury --help`` is quick."""

from __future__ import annotations

import errno
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maury.reference_cli import reference

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.emulator import Emulator
    from maury.spectra import Spectra


class _Commands(click.Group):
    """Turns what a user can mend into one line on stderr and exit code 1; our own faults keep a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                return super().invoke(ctx)
            except (ValueError, OSError, ImportError) as error:
                if isinstance(error, OSError) and error.errno == errno.EPIPE:
                    raise
                raise click.ClickException(" ".join(str(error).split())) from error


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    click.echo("Warning: " + " ".join(str(message).split()), err=True)


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        import maury

        click.echo(f"maury {maury.__version__}")
        ctx.exit()


# \b keeps click from filling the lines of a paragraph.
_HELP = """Measure stellar parameters from stellar spectra.

\b
maury demo                          try it on stars that come with it
maury fit spec-*.fits --plot plots  make a catalogue and pictures
maury info maury_catalog.fits       what is in a catalogue, or an emulator
"""


@click.group(cls=_Commands, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Measure stellar parameters from stellar spectra."""


main.add_command(reference)

_emulator = click.option(
    "--emulator",
    default="default",
    show_default=True,
    metavar="F.onnx",
    help="Emulator file; or the built-in.",
)
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
        click.option("--steps", type=click.IntRange(min=1), help="Training steps."),
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
    ):
        command = option(command)
    return command


@main.command("fit", short_help="Measure spectra and write a catalogue.")
@click.argument("files", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="maury_catalog.fits",
    show_default=True,
    help="Catalogue to write: .fits, .ecsv or .parquet.",
)
@_emulator
@_plot
@click.option("--format", "kind", metavar="NAME", help="Format of the files, where guessing fails.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads; all cores by default.")
@click.option("--overwrite", is_flag=True, help="Replace a catalogue that exists.")
def fit_command(
    files: tuple[str, ...],
    output: Path,
    emulator: str,
    plot: Path | None,
    kind: str | None,
    threads: int | None,
    overwrite: bool,
) -> None:
    """Measure the stars in FILES and write a catalogue.

    A file that cannot be read becomes a flagged row; the others are not harmed.
    """
    import maury
    from maury.catalog import check_output, write_catalog
    from maury.show.tables import summary_sentence, summary_table

    check_output(output, overwrite)
    model = maury.Emulator.load(emulator)
    spectra = _read(files, kind)
    catalog = maury.fit(spectra, model, threads=threads, progress=True)
    write_catalog(catalog, output, overwrite)
    click.echo(summary_table(catalog))
    click.echo()
    click.echo(f"{summary_sentence(catalog)} Written to {output}.")
    if plot is not None:
        _draw(spectra, catalog, model, plot)


@main.command(short_help="Measure stars that come with maury and have known labels.")
@_emulator
@_plot
def demo(emulator: str, plot: Path | None) -> None:
    """Measure some stars of the MILES library that come with maury, and compare with their known labels."""
    import maury
    from maury.show.tables import comparison_table, summary_sentence

    model = maury.Emulator.load(emulator)
    spectra = _demo_stars()
    catalog = maury.fit(spectra, model, progress=True)
    click.echo("Stars of the MILES library (Sanchez-Blazquez et al. 2006; labels of Cenarro et al. 2007)\n")
    click.echo(comparison_table(catalog, spectra.labels))
    click.echo()
    click.echo(summary_sentence(catalog))
    if plot is not None:
        _draw(spectra, catalog, model, plot)


@main.command(short_help="Describe an emulator or a catalogue in words.")
@click.argument("file")
def info(file: str) -> None:
    """Describe FILE in words: an emulator (.onnx, or "default") or a catalogue."""
    import maury

    if file == "default" or file.lower().endswith(".onnx"):
        click.echo(maury.Emulator.load(file).describe())
    else:
        from maury.catalog import describe_catalog

        click.echo(describe_catalog(maury.read_catalog(file)))


@main.command("train", short_help="Train an emulator on labelled spectra.")
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
@click.option("--name", help="What to call the emulator; the name of the file by default.")
@click.option("--overwrite", is_flag=True, help="Replace an emulator that exists.")
def train_command(
    reference: str,
    output: Path,
    name: str | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Train an emulator on REFERENCE. Needs torch: pip install "maury[train]".

    REFERENCE is "miles" or "stelib", the folder of one of these libraries, or a table with a column "file"
    and columns teff, logg, fe_h, ...
    """
    import numpy as np

    import maury
    from maury.learn.reference import library, load_reference
    from maury.show.tables import difference_table, training_words

    if output.suffix.lower() != ".onnx":
        raise click.UsageError(f"{output}: an emulator file ends in .onnx")
    if output.exists() and not overwrite:
        raise FileExistsError(f"{output} exists; choose another name, or say --overwrite")
    chosen, recipe = _choice(reference, options)
    stars = load_reference(reference)
    known = library(reference)
    origin = {"training_data": known.training_data, "citation": known.citation} if known else {}
    emulator = maury.train(
        stars,
        meta={"name": name or output.stem, "training_data": reference, **origin},
        progress=True,
        **chosen,
        **recipe,
    )
    emulator.save(output)
    click.echo(training_words(emulator))
    unseen = stars[np.isin(stars.star_id, emulator.meta["validation_stars"])]
    click.echo(f"\nStars that training never saw ({len(unseen)} spectra), measured against their labels:")
    click.echo(difference_table(maury.fit(unseen, emulator), unseen.labels))
    click.echo(f"\nWritten to {output}.")


@main.command(short_help="Test training on stars left out of it.")
@click.argument("reference")
@_recipe
@click.option(
    "--folds", type=click.IntRange(min=2), default=5, show_default=True, help="Parts to leave out in turn."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Table of all stars: .ecsv, .fits or .parquet."
)
@_plot
@click.option("--overwrite", is_flag=True, help="Replace a table that exists.")
def validate(
    reference: str,
    folds: int,
    output: Path | None,
    plot: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Train on parts of REFERENCE and measure the part left out; see "maury train"."""
    from maury.catalog import check_output, write_catalog
    from maury.learn.reference import load_reference
    from maury.learn.train import Recipe
    from maury.learn.validate import cross_validate
    from maury.show.tables import validation_table

    if output is not None:
        check_output(output, overwrite)
    chosen, recipe = _choice(reference, options)
    done = cross_validate(
        load_reference(reference), recipe=Recipe(**recipe), folds=folds, progress=True, **chosen
    )
    click.echo(f"{len(done.known)} spectra, each measured by a network that never saw its star:")
    click.echo(validation_table(done.summary(), done.names))
    if output is not None:
        write_catalog(done.table(), output, overwrite)
        click.echo(f"Written to {output}.")
    if plot is not None:
        from maury.show.comparison import plot_comparison
        from maury.show.plots import save_figure

        plot.mkdir(parents=True, exist_ok=True)
        figure = plot_comparison(done.names, done.known, done.fitted, f"{reference}, {folds} folds")
        save_figure(figure, plot / "validation.png")
        click.echo(f"1 picture in {plot}.")


def _read(files: tuple[str, ...], kind: str | None) -> Spectra:
    import maury

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", maury.ReadWarning)  # it names the first bad file; here all are named
        spectra = maury.read_spectra(files[0] if len(files) == 1 else list(files), format=kind)
    for problem in spectra.problem[spectra.problem != ""]:
        click.echo(f"Warning: {problem}", err=True)
    return spectra


def _demo_stars() -> Spectra:
    from importlib.resources import as_file, files

    import maury

    with as_file(files("maury") / "data" / "demo") as folder:
        return maury.read_spectra(folder)


def _choice(reference: str, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split `options`: what chooses stars and pixels, where a known library fills in, and the recipe."""
    from maury.learn.reference import library

    known = library(reference)
    given = {name: value for name, value in options.items() if value is not None}
    names = given.pop("labels", None)
    chosen = {
        "labels": None if names is None else [name.strip() for name in names.split(",")],
        "wavelength": given.pop("wavelength", known and known.wavelength),
        "teff_max": given.pop("teff_max", known and known.teff_max),
    }
    return chosen, given


def _draw(spectra: Spectra, catalog: QTable, emulator: Emulator, folder: Path) -> None:
    """One picture a spectrum, and the Kiel diagram."""
    import numpy as np

    from maury.measure.broaden import predict_broadened
    from maury.prepare import prepare
    from maury.show.plots import picture_names, plot_kiel, plot_star, save_figure

    folder.mkdir(parents=True, exist_ok=True)
    names = picture_names(catalog)
    with _bar(len(catalog), "drawing") as bar:
        for i, row in enumerate(catalog):
            prepared = prepare(spectra[i], emulator.wavelength, emulator.window)
            labels = np.array([[float(getattr(row[name], "value", row[name])) for name in emulator.labels]])
            model = predict_broadened(emulator, labels, prepared.lsf)[0]
            figure = plot_star(
                emulator.wavelength, prepared.flux[0], prepared.ivar[0], model, row, emulator.scatter
            )
            save_figure(figure, folder / names[i])
            bar.update()
    if {"teff", "logg"} <= set(emulator.labels):
        save_figure(plot_kiel(catalog, emulator), folder / "kiel.png")
        names.append("kiel.png")
    click.echo(f"{len(names)} pictures in {folder}.")


def _bar(total: int, what: str) -> Any:
    """Progress on stderr, in a terminal only."""
    from tqdm import tqdm

    return tqdm(total=total, desc=what, disable=None, leave=False)
