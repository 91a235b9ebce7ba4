"""Files given on the command line, and folders for figures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import click

T = TypeVar("T")


def can_draw(_context: click.Context, _option: click.Parameter, path: T) -> T:
    """Raise ImportError if a figure is wanted and matplotlib is not installed, before the work starts."""
    if path is not None:
        import maury.figure  # noqa: F401
    return path


#: Colours and magnitudes for the diagrams of a catalogue.
photometry_option = click.option(
    "--photometry",
    type=click.Path(exists=True, dir_okay=False),
    metavar="TABLE",
    help="Gaia photometry by star_id, for colour-magnitude diagrams.",
)

#: Figures of a command that can do without.
plot_option = click.option(
    "--plot",
    type=click.Path(file_okay=False, path_type=Path),
    callback=can_draw,
    metavar="DIR",
    help="Folder for figures.",
)

#: The spectra of the rows of a catalogue.
sources_option = click.option(
    "--spectra",
    "sources",
    multiple=True,
    metavar="PATH",
    help="File or folder of spectra; may be given more than once. By default the files of the catalogue.",
)


def listed(files: Iterable[str]) -> list[str]:
    """Replace @LIST by the paths in the text file LIST, one per line; lines with # are comments."""
    paths: list[str] = []
    for file in files:
        if not file.startswith("@"):
            paths.append(file)
            continue
        try:
            lines = Path(file[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise click.UsageError(f"{file}: expected a text file with one path per line ({error})") from None
        found = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        if not found:
            raise click.UsageError(f"{file}: the list has no paths")
        paths += found
    return paths
