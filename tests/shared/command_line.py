"""The command line, called as a user does."""

from click.testing import CliRunner

from maury.cli.main import main


def run(*words, code=0):
    """Return the outcome of a command, which ends with this code."""
    outcome = CliRunner().invoke(main, [str(word) for word in words])
    if outcome.exception and not isinstance(outcome.exception, SystemExit):
        raise outcome.exception
    assert outcome.exit_code == code, outcome.output
    return outcome


def fit(*words, code=0):
    """Run ``maury fit`` with the emulator that the tests of it write."""
    return run("fit", *words, "--emulator", "small.onnx", code=code)
