"""The commands ``maury fit``, ``maury demo`` and ``maury info``."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maury._version import use_simd
from maury.cli.inputs import listed, plot_option
from maury.cli.plot import draw
from maury.output import LOG

if TYPE_CHECKING:
    from collections.abc import Iterator

    from maury.spectra import Spectra

_SHOWN = 20  # number of problems printed


def _how_to_see(command: Any) -> Any:
    """Options for the instrument, and for what is fitted besides the labels."""
    for option in (
        click.option(
            "--leave-out",
            multiple=True,
            metavar="NAME",
            help="Region to exclude: telluric, balmer, sodium, interstellar; may be given more than once.",
        ),
        click.option(
            "--arm-rv/--no-arm-rv",
            default=None,
            help="Fit a velocity for each arm; the default for files with several arms.",
        ),
        click.option("--broadening", is_flag=True, help="Fit an additional broadening for each spectrum."),
        click.option(
            "--fix",
            "fixed",
            multiple=True,
            metavar="LABEL=VALUE",
            help="Hold a label at a value, e.g. fe_h=0.0; may be given more than once.",
        ),
        click.option(
            "--max-rv",
            type=float,
            default=1000.0,
            show_default=True,
            help="Limit of the velocity search [km/s].",
        ),
        click.option(
            "--velocity",
            "--rv",
            "velocity",
            type=click.Choice(["fit", "given"]),
            default="fit",
            show_default=True,
            help="Fit velocities, except for rest-frame spectra; or keep those of the files.",
        ),
        click.option(
            "--reject",
            multiple=True,
            metavar="BIT",
            help="MaStar visits with this bit of MJDQUAL are not valid; may be given more than once. "
            "[default: SKYSUBBAD, HIGHSCAT, BADHELIORV, MANUAL, NONSTELLAR, LOWSN]",
        ),
        click.option("--keep-all", is_flag=True, help="Ignore MJDQUAL of MaStar visits."),
        click.option("--errors", metavar="F.ecsv", help="Errors from repeat visits; or lamost."),
        click.option(
            "--calibration",
            metavar="F.ecsv",
            help="Zero points of labels, from maury compare --calibrate; or lamost.",
        ),
        click.option(
            "--isochrones",
            type=click.Path(exists=True, dir_okay=False),
            multiple=True,
            metavar="FILE",
            help="PARSEC or BaSTI isochrones for --photometry; may be given more than once.",
        ),
        click.option(
            "--photometry",
            type=click.Path(exists=True, dir_okay=False),
            metavar="TABLE",
            help="Gaia photometry by star_id: an additional start for these stars.",
        ),
        click.option(
            "--prior",
            "photometric_prior",
            is_flag=True,
            help="Use --photometry and --isochrones also as a prior on Teff and log g.",
        ),
        click.option(
            "--resolution",
            type=float,
            metavar="R",
            help="Resolution of files that give none, as R = wavelength / FWHM.",
        ),
        click.option("--fwhm", type=float, help="Resolution of files that give none, as FWHM [Angstrom]."),
    ):
        command = option(command)
    return command


@click.command("fit", short_help="Measure spectra and write a catalogue.")
@click.argument("files", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default="maury_catalog.fits",
    show_default=True,
    help="Catalogue to write: .fits, .ecsv or .parquet.",
)
@click.option(
    "--emulator",
    metavar="F.onnx",
    help="Emulator file, default or lamost.  [default: lamost for LAMOST files, default for all others]",
)
@plot_option
@click.option("--format", metavar="NAME", help="Format of the files, if it is not detected.")
@click.option("--threads", type=click.IntRange(min=1), help="Number of threads; by default all cores.")
@click.option("--overwrite", is_flag=True, help="Replace an existing catalogue or unfinished run.")
@click.option(
    "--models", type=click.Path(path_type=Path), metavar="M.fits", help="Best-fit spectra to write."
)
@click.option(
    "--summary",
    type=click.Path(path_type=Path),
    metavar="S.json",
    help="Counts of rows and flags, ranges of labels, and problems, to write as JSON.",
)
@click.option("--strict", is_flag=True, help="Exit with code 3 unless every row is valid.")
@click.option("-q", "--quiet", is_flag=True, help="Print only warnings and errors.")
@click.option(
    "-v", "--verbose", is_flag=True, help="Print every row, every problem, and the steps of the run."
)
@click.option("--scheduler", metavar="ADDRESS", help="Use a Dask cluster: its address, or scheduler file.")
@click.option(
    "--simd",
    type=click.Choice(["baseline", "avx2", "avx512", "neon"]),
    help="Instruction set, here and on a cluster; by default the best of this machine.",
)
@_how_to_see
def fit_command(
    files: tuple[str, ...],
    output: Path,
    emulator: str | None,
    plot: Path | None,
    photometry: str | None,
    isochrones: tuple[str, ...],
    keep_all: bool,
    fixed: tuple[str, ...],
    photometric_prior: bool,
    models: Path | None,
    summary: Path | None,
    strict: bool,
    quiet: bool,
    verbose: bool,
    simd: str | None,
    **options: Any,
) -> None:
    """Measure the stars in FILES and write a catalogue.

    FILES may include folders, and @LIST, a text file with one path per line.
    A file that cannot be read becomes a flagged row and does not affect the others. Interrupted runs resume
    where they stopped: give the same command again.
    """
    if simd is not None:  # before the core is loaded
        use_simd(simd)
    from maury.catalog.summary import write_summary
    from maury.emulator import Emulator
    from maury.emulator.builtin import DEFAULT
    from maury.output import check_new_file
    from maury.readers import ReadWarning
    from maury.show.tables import summary_sentence, summary_table
    from maury.survey import fit_files
    from maury.survey.models import check_models_path, write_models
    from maury.survey.run import emulator_of_files

    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose: give one of them, got both")
    LOG.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    paths = listed(files)
    if emulator is None:
        emulator = emulator_of_files(paths, options["format"])
        if emulator != DEFAULT and not quiet:
            click.echo(f"Emulator: {emulator}, by the format of the files; another with --emulator", err=True)
    model = Emulator.load(emulator)
    if models is not None:
        check_models_path(models, options["overwrite"])
    if summary is not None:
        check_new_file(summary, options["overwrite"])
    options["fixed"] = _fixed(fixed)
    if keep_all and options["reject"]:
        raise click.UsageError("--reject and --keep-all: give one of them, got both")
    if not options["reject"] and not keep_all:
        del options["reject"]  # those of the paper
    if (photometry is None) != (not isochrones):
        raise click.UsageError("--photometry and --isochrones must be given together")
    if photometric_prior:
        if photometry is None:
            raise click.UsageError("--prior requires --photometry and --isochrones")
        options["prior"] = "photometry"
    if photometry is not None:
        from astropy.table import Table

        from maury.readers.isochrones import read_isochrones

        options["photometry"] = Table.read(photometry)
        options["isochrones"] = read_isochrones(list(isochrones))
    click.get_current_context().meta["maury.interrupted"] = (
        "Interrupted. Finished blocks are kept: the same command resumes the run."
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadWarning)  # for the first bad file only; all are listed here
        catalog = fit_files(paths, output, model, progress=not quiet, **options)
    del click.get_current_context().meta["maury.interrupted"]
    problems = catalog["problem"][catalog["problem"] != ""]
    shown = len(catalog) if verbose else _SHOWN
    for problem in problems[:shown]:
        LOG.warning("%s", problem)
    if len(problems) > shown:
        LOG.warning("... and %d more; see the column problem", len(problems) - shown)
    if not quiet:
        click.echo(summary_table(catalog, shown))
        click.echo()
        click.echo(f"{summary_sentence(catalog)} Written to {output}.")
    if summary is not None:
        write_summary(catalog, summary, options["overwrite"])
    if models is not None:
        write_models(catalog, _blocks(paths, options), model, models, options["overwrite"])
    if plot is not None:
        spectra = (one for block in _blocks(paths, options) for one in block)
        drawn = draw(enumerate(spectra), catalog, model, plot, not quiet, threads=options["threads"])
        if not quiet:
            click.echo(drawn)
    invalid = int((~catalog["valid"]).sum())
    if strict and invalid:
        click.echo(f"Error: {invalid} of {len(catalog)} rows are not valid", err=True)
        click.get_current_context().exit(3)


def _fixed(pairs: tuple[str, ...]) -> dict[str, float]:
    try:
        return {name.strip(): float(value) for name, value in (pair.split("=") for pair in pairs)}
    except ValueError:
        raise click.UsageError(f"--fix: expected LABEL=VALUE, got {' '.join(pairs)}") from None


@click.command("demo", short_help="Measure stars with known labels that come with maury.")
@click.option(
    "--emulator",
    default="default",
    show_default=True,
    metavar="F.onnx",
    help="Emulator file; by default the built-in emulator.",
)
@plot_option
@click.option("--check", is_flag=True, help="Exit with code 1 unless the results are those of the release.")
def demo(emulator: str, plot: Path | None, check: bool) -> None:
    """Measure stars of the MILES library that come with maury, and compare them with their known labels."""
    from maury._version import maker
    from maury.cli.check import TOLERANCE, difference, stored_answers
    from maury.emulator import Emulator
    from maury.measure.pipeline import fit
    from maury.show.tables import comparison_table, summary_sentence

    if check and emulator != "default":
        raise click.UsageError("--check and --emulator: the stored results are of the built-in emulator")
    model = Emulator.load(emulator)
    spectra = _demo_stars()
    catalog = fit(spectra, model, progress=True)
    click.echo("Stars of the MILES library (Sanchez-Blazquez et al. 2006; labels of Cenarro et al. 2007)\n")
    click.echo(comparison_table(catalog, spectra.labels))
    click.echo()
    click.echo(summary_sentence(catalog))
    if plot is not None:
        click.echo(draw(enumerate(spectra), catalog, model, plot))
    if check:
        off = difference(catalog, stored_answers())
        click.echo(
            f"SIMD level {maker()['SIMD level']}: labels within {off:.1e} formal errors of the release"
        )
        if off > TOLERANCE:
            raise click.ClickException(f"expected {TOLERANCE:g} formal errors at most, and the same flags")


@click.command("info", short_help="Describe an emulator or a catalogue.")
@click.argument("file")
def info(file: str) -> None:
    """Describe FILE: an emulator (.onnx, "default" or "lamost") or a catalogue."""
    from maury.catalog import read_catalog
    from maury.emulator import Emulator
    from maury.emulator.builtin import BUILT_IN

    if file in BUILT_IN or file.lower().endswith(".onnx"):
        click.echo(Emulator.load(file).describe())
    else:
        from maury.catalog.text import describe_catalog

        click.echo(describe_catalog(read_catalog(file)))


def _blocks(paths: list[str], options: dict[str, Any]) -> Iterator[Spectra]:
    """Spectra in the order of the catalogue, with few in memory at a time."""
    from maury.readers.blocks import spectra_blocks

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # given when they were measured
        for block in spectra_blocks(paths, options["format"]):
            yield block.read()


def _demo_stars() -> Spectra:
    from importlib.resources import as_file, files

    from maury.readers import read_spectra

    with as_file(files("maury") / "data" / "demo") as folder:
        return read_spectra(folder)
