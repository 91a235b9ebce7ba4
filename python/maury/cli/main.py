"""The command ``maury``. Heavy imports are inside the commands, so that ``maury --help`` is fast."""

from __future__ import annotations

import errno
import logging
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from maury.cli.catalog import COMMANDS
from maury.cli.fit import demo, fit_command, info
from maury.cli.plot import plot_command
from maury.cli.reference import reference
from maury.cli.report import report_command
from maury.cli.train import train, twins, validate
from maury.output import LOG, one_line

_LONGEST = 2000  # characters of a message


class _Commands(click.Group):
    """Prints errors that the user can correct as one line, with exit code 1; others keep a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        with warnings.catch_warnings(), _log_on_stderr():
            warnings.showwarning = _log_warning
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt:
                click.echo(f"\n{ctx.meta.get('maury.interrupted', 'Interrupted.')}", err=True)
                ctx.exit(128 + signal.SIGINT)
            except (ValueError, OSError, ImportError) as error:
                if isinstance(error, OSError) and error.errno == errno.EPIPE:
                    raise
                raise click.ClickException(_as_typed(error, _options(self, ctx))) from error


def _options(group: click.Group, ctx: click.Context) -> dict[str, str]:
    """Options of the command that was called, as typed, by the name of their argument in Python."""
    command = group.get_command(ctx, ctx.invoked_subcommand or "")
    commands = command.commands.values() if isinstance(command, click.Group) else [command]
    return {
        str(option.name): max(option.opts, key=len)
        for each in commands
        if each is not None
        for option in each.params
        if isinstance(option, click.Option)
    }


def _as_typed(error: Exception, options: dict[str, str]) -> str:
    """One line, with arguments of Python named as the options of the command."""
    text = one_line(error, _LONGEST)
    if isinstance(error, OSError) and error.strerror and text.startswith("[Errno"):
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    head, colon, rest = text.partition(": ")
    names = head.split(", ")
    if colon and all(name in options for name in names):
        text = f"{', '.join(options[name] for name in names)}: {rest}"
    return text.replace("pass overwrite=True", "pass --overwrite")


def _log_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    LOG.warning("%s", message)


class _Stderr(logging.Handler):
    """Prints each message as one line."""

    def emit(self, record: logging.LogRecord) -> None:
        word = "Warning: " if record.levelno >= logging.WARNING else ""
        click.echo(word + one_line(record.getMessage(), _LONGEST), err=True)


@contextmanager
def _log_on_stderr() -> Iterator[None]:
    """Print what maury logs, from INFO on; ``maury fit`` has options for less and more."""
    handler, level = _Stderr(), LOG.level
    LOG.addHandler(handler)
    LOG.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOG.removeHandler(handler)
        LOG.setLevel(level)


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted:
        from maury._version import maker

        try:
            made = maker()
        except ImportError as error:
            raise click.ClickException(one_line(error, _LONGEST)) from error
        click.echo(f"maury {made['version of maury']} (SIMD level {made['SIMD level']})")
        ctx.exit()


# \b prevents click from rewrapping the paragraph.
_HELP = """Measure stellar parameters from stellar spectra.

\b
maury demo                          measure example stars that come with maury
maury fit spec-*.fits --plot plots  write a catalogue and figures
maury info maury_catalog.fits       describe a catalogue or an emulator
"""


@click.group(cls=_Commands, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_show_version,
    help="Show version and SIMD level, and exit.",
)
def main() -> None:
    """Measure stellar parameters from stellar spectra."""


for _command in (
    fit_command,
    demo,
    info,
    reference,
    train,
    validate,
    twins,
    *COMMANDS,
    plot_command,
    report_command,
):
    main.add_command(_command)
