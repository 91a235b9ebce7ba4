"""The command ``maury``. Heavy imports wait inside the commands, so that ``maury --help`` is quick."""

from __future__ import annotations

import errno
import warnings
from typing import Any

import click

from maury.cli.catalog import COMMANDS
from maury.cli.fit import demo, fit_command, info
from maury.cli.reference import reference
from maury.cli.report import report_command
from maury.cli.train import train, twins, validate


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
        from maury._version import __version__

        click.echo(f"maury {__version__}")
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


for _command in (fit_command, demo, info, reference, train, validate, twins, *COMMANDS, report_command):
    main.add_command(_command)
