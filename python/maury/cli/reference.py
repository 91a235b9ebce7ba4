"""The commands ``maury reference ...``: build the reference set of an emulator, as one file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from maury.cli.inputs import plot_option

if TYPE_CHECKING:
    from maury.reference.file import Reference

_output = click.option(
    "-o", "--output", type=click.Path(path_type=Path), required=True, metavar="OUT.fits", help="Output file."
)
_overwrite = click.option("--overwrite", is_flag=True, help="Replace an existing file.")


@click.group(short_help="Build a reference set for training.")
def reference() -> None:
    """Build a reference set: labelled spectra to train an emulator on, in one file."""


@reference.command("mastar-apogee", short_help="Stars of MaStar with the labels of APOGEE.")
@click.argument("goodspec")
@click.argument("mastarall")
@click.argument("allstar")
@_output
@click.option("--gaia", metavar="FILE", help="Gaia cross-match of MaStar; else stars match by position.")
@click.option("--radius", type=float, help="Radius of a match by position [arcsec].  [default: 3]")
@click.option("--snr-min", type=float, help="Minimum S/N of a visit.  [default: 15]")
@click.option("--reject", multiple=True, metavar="BIT", help="MASTAR_QUAL bits, in place of the default.")
@click.option("--aspcap", multiple=True, metavar="BIT", help="ASPCAPFLAG bits, in place of the default.")
@click.option("--star", multiple=True, metavar="BIT", help="STARFLAG bits, in place of the default.")
@click.option("--vscatter-max", type=float, help="Velocity scatter of a binary [km/s].  [default: 1]")
@plot_option
@_overwrite
def mastar_apogee(
    goodspec: str,
    mastarall: str,
    allstar: str,
    output: Path,
    plot: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Match the stars of MaStar with those of APOGEE, and stack their visits.

    GOODSPEC and MASTARALL are files of MaStar, ALLSTAR is the table of APOGEE, all from SDSS DR17. All
    rejected stars are counted.
    """
    from maury.reference.file import check_reference_path, write_reference
    from maury.reference.mastar_apogee import build_mastar_apogee

    check_reference_path(output, overwrite)
    given = {name: value for name, value in options.items() if value not in (None, ())}
    made = build_mastar_apogee(goodspec, mastarall, allstar, **given)
    write_reference(made, output, overwrite)
    for stage, counts in made.provenance["counts"].items():
        click.echo(f"{stage}:")
        for what, number in counts.items():
            if number:
                click.echo(f"  {number:7d} {what}")
    click.echo("Regions that are sparsely covered according to the paper:")
    for region, number in made.provenance["coverage"].items():
        click.echo(f"  {number:7d} {region}")
    click.echo(f"{len(made.spectra)} stars written to {output}.")
    if plot is not None:
        _draw(made, plot)


@reference.command("theory", short_help="Model spectra at points of isochrones.")
@click.argument("grid")
@_output
@click.option(
    "--isochrones", multiple=True, metavar="FILE", help="PARSEC or BaSTI file for the labels; repeatable."
)
@click.option("--at", metavar="REFERENCE", help="Alternatively: models at the labels of these spectra.")
@click.option("--join", metavar="REFERENCE", help="Set to append models to, as many as it has stars.")
@click.option("--n", type=click.IntRange(min=1), help="Number of models.  [default: 1675, or see --join]")
@click.option("--teff-min", type=float, help="Minimum Teff of the models [K].  [default: 6000]")
@click.option("--seed", type=int, help="Seed of the random draw.  [default: 0]")
@click.option("--lsf", metavar="FILE|SIGMA", help="Target sigma [A].  [default: of --join, else MaStar]")
@click.option("--resolution", type=float, help="R of the models, if not given in the file.")
@click.option("--air/--vacuum", default=None, help="Wavelengths of the models, if not given in the file.")
@click.option("--wavelength", type=(float, float), metavar="LOW HIGH", help="Range [vacuum Angstrom].")
@click.option("--method", type=click.Choice(["cubic", "quadratic", "linear"]), help="Interpolation.")
@click.option("--snr", type=float, help="Assumed signal-to-noise ratio.  [default: 100]")
@plot_option
@_overwrite
def theory(
    grid: str,
    output: Path,
    isochrones: tuple[str, ...],
    at: str | None,
    join: str | None,
    n: int | None,
    lsf: str | None,
    resolution: float | None,
    air: bool | None,
    plot: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Interpolate spectra in GRID, a grid of models, at the resolution of a survey.

    Labels are points of isochrones above a minimum temperature, each with random [alpha/Fe] and
    microturbulence. With --at they are those of a reference set, without its spectra outside the grid.
    """
    from maury.reference.file import Reference, check_reference_path, read_reference, write_reference
    from maury.reference.grid import read_grid
    from maury.reference.theory import build_theory, build_twin

    if bool(isochrones) == bool(at):
        raise click.UsageError("labels of the models are required: --isochrones FILE, or --at REFERENCE")
    drawing = {"--n": n, "--teff-min": options["teff_min"], "--seed": options["seed"], "--join": join}
    idle = [name for name, value in drawing.items() if at and value is not None]
    if idle:
        raise click.UsageError(
            f"{idle[0]} applies to models drawn from isochrones, and cannot be used with --at"
        )
    check_reference_path(output, overwrite)
    given = {name: value for name, value in options.items() if value is not None}
    if lsf is not None:
        given["lsf"] = float(lsf) if lsf.replace(".", "", 1).isdigit() else lsf
    models = read_grid(grid, resolution=resolution, air=air)
    if at:
        given_set = read_reference(at)
        made = build_twin(models, given_set, **given)
        click.echo(f"{len(given_set.spectra) - len(made.spectra)} spectra of {at} are outside the grid.")
    else:
        stars = read_reference(join) if join else None
        provenance = {
            "kind": "models at points of isochrones",
            "files": {"grid": Path(grid).name, "isochrones": [Path(name).name for name in isochrones]},
            "options": {**given, "resolution": resolution, "air": air},
        }
        if n is not None:
            given["n"] = n
        elif stars is not None:
            given["n"] = stars.spectra
        if stars is not None and lsf is None:
            given |= _median_lsf(stars)
        made = Reference.of_theory(build_theory(models, list(isochrones), **given), provenance)
        if stars is not None:
            made = Reference.concatenate([stars, made])
    write_reference(made, output, overwrite)
    click.echo(f"{_words(made)} written to {output}.")
    if plot is not None:
        _draw(made, plot)


def _median_lsf(stars: Reference) -> dict[str, Any]:
    """Line-spread function of the stars, for models to be joined with them; None if the stars have none."""
    import numpy as np

    spectra = stars.spectra
    if spectra.lsf is None or spectra.wavelength.ndim != 1:
        return {}
    known = np.isfinite(spectra.lsf).any(axis=0) & np.isfinite(spectra.wavelength)
    return {"lsf": (spectra.wavelength[known], np.nanmedian(spectra.lsf[:, known], axis=0))}


def _words(made: Reference) -> str:
    counts = [(int((made.origin == kind).sum()), kind) for kind in ("empirical", "theoretical")]
    return " and ".join(f"{n} {kind} spectra" for n, kind in counts if n)


def _draw(made: Reference, folder: Path) -> None:
    from maury.show.plots import save_figure
    from maury.show.reference import plot_label_errors, plot_reference

    folder.mkdir(parents=True, exist_ok=True)
    save_figure(plot_reference(made), folder / "reference.png")
    if not made.label_errors:  # models have none
        click.echo(f"1 figure in {folder}.")
        return
    save_figure(plot_label_errors(made), folder / "label_errors.png")
    click.echo(f"2 figures in {folder}.")
