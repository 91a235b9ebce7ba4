"""Progress on stderr: lines in a log file, a bar in a terminal, nothing where it is not wanted."""

import os
import subprocess
import sys
import time

import pytest

import maury.output
from maury.output import progress


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(maury.output, "INTERVAL", 0.05)


def work(wanted=True, steps=8, pause=0.04, **more):
    with progress(steps, "fitting", "spectra", wanted, **more) as bar:
        for _ in range(steps):
            time.sleep(pause)
            bar.update(1)


def test_a_log_file_gets_a_line_from_time_to_time(often, capsys):
    work()
    text = capsys.readouterr().err
    assert "\r" not in text and text.isascii()
    lines = text.splitlines()
    assert 3 <= len(lines) <= 8 and all(lines), text
    assert all(line.startswith("fitting:") and "/8 [" in line and "spectra" in line for line in lines)
    done = [int(line.split("| ")[1].split("/")[0]) for line in lines]
    assert done == sorted(done) and done[-1] == 8


def test_the_line_says_how_long_it_will_take(often, capsys):
    work()
    first = capsys.readouterr().err.splitlines()[0]
    assert "<00:00" in first and "spectra/s]" in first


def test_a_short_run_writes_nothing_into_a_log(capsys):
    work(steps=2, pause=0.0)
    assert capsys.readouterr().err == ""
    assert maury.output.INTERVAL == 30


def test_what_an_earlier_run_did_counts(often, capsys):
    with progress(100, "fitting", "spectra", done=90) as bar:
        for _ in range(10):
            time.sleep(0.02)
            bar.update(1)
    assert "100/100 [" in capsys.readouterr().err.splitlines()[-1]


def test_not_wanted(often, capsys):
    work(wanted=False)
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminal")
def test_a_terminal_gets_a_bar_that_moves():
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    code = (
        "from maury.output import progress\n"
        "with progress(3, 'fitting', 'spectra') as bar:\n"
        "    bar.update(3)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=theirs) as process:
        os.close(theirs)
        assert process.wait() == 0
    text = os.read(ours, 100_000).decode()
    os.close(ours)
    assert text.startswith("\rfitting:") and "3/3 [" in text
