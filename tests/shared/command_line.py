"""The command line, called as a user does."""

import inspect

from click.testing import CliRunner

from maury.cli.main import main

# click below 8.2 mixes stdout and stderr, unless it is told not to.
_APART = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}


def run(*words, code=0):
    """Return the outcome of a command, which ends with this code."""
    outcome = CliRunner(**_APART).invoke(main, [str(word) for word in words])
    if outcome.exception and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    assert outcome.exit_code == code, outcome.stdout + outcome.stderr
    return outcome


def fit(*words, code=0):
    """Run ``maury fit`` with the emulator that the tests of it write."""
    return run("fit", *words, "--emulator", "small.onnx", code=code)
