"""Output files: checked before the work starts, complete or absent; log, text and progress on a terminal."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

#: Of the standard logging: INFO for what a user wants to know, DEBUG for each step of a run.
LOG = logging.getLogger("maury")

#: Seconds between two lines in a log file; shorter runs write none.
INTERVAL = 30.0


def check_new_file(path: str | PathLike[str], overwrite: bool = False) -> Path:
    """Return `path` if a file can be written there.

    Raises
    ------
    ValueError
        If it is a folder.
    FileExistsError
        If the file exists and `overwrite` is False.
    FileNotFoundError
        If the folder does not exist.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder; pass the name of a file")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; choose another name, or pass overwrite=True")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder to write {path.name} into; create it first")
    return path


@contextmanager
def new_file(path: Path, name: str, overwrite: bool = False, prefix: str = ".maury-") -> Iterator[Path]:
    """Yield the path of a draft, which takes the place of `path` at the end; on an error there is no file.

    The draft is called `name`, and is in a folder beside `path` that is removed, for other temporary files,
    too; the name of the folder begins with `prefix`.

    Raises
    ------
    ValueError, FileExistsError, FileNotFoundError
        As `check_new_file`, if another process has written `path` by then.
    """
    from tempfile import TemporaryDirectory  # takes longer than all else here, and few commands write

    with TemporaryDirectory(prefix=prefix, dir=path.parent) as folder:
        draft = Path(folder) / name
        yield draft
        check_new_file(path, overwrite)
        os.replace(draft, path)


def printable(text: str) -> str:
    """Return the text with the escapes of Python for the characters that cannot be printed."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def one_line(text: object, most: int = 400) -> str:
    """Return a text of unknown origin as one printable line of at most so many characters."""
    line = printable(" ".join(str(text).split()))
    return line if len(line) <= most else f"{line[: most - 4]} ..."


class _Log:
    """Stderr, with a separate line for each update, which a terminal would overwrite."""

    def write(self, text: str) -> None:
        line = text.strip()
        if line:
            sys.stderr.write(f"{line}\n")

    def flush(self) -> None:
        sys.stderr.flush()


def _in_notebook() -> bool:
    """Whether a Jupyter kernel runs this."""
    shell = sys.modules.get("IPython")
    return shell is not None and hasattr(shell.get_ipython(), "kernel")


def progress(total: int, what: str, unit: str, wanted: bool = True, done: int = 0) -> tqdm[None]:
    """Return a progress bar on stderr, or lines in a log file; use it in a ``with`` and call ``update(n)``.

    Parameters
    ----------
    total : int
        Total number of units.
    what, unit : str
        Name of the task, and of the unit, as in "fitting" and "spectra".
    wanted : bool
        If False, show nothing.
    done : int
        Units finished in an earlier run.
    """
    from tqdm import tqdm

    common = {"total": total, "desc": what, "unit": unit, "initial": done, "disable": not wanted}
    if sys.stderr.isatty():
        return tqdm(**common)
    if _in_notebook():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # without ipywidgets it is a bar of text
            from tqdm import auto

            return auto.tqdm(**common)
    every = {"mininterval": INTERVAL, "maxinterval": INTERVAL, "delay": INTERVAL, "miniters": 1}
    return tqdm(**common, **every, file=_Log(), ascii=True, ncols=100)
