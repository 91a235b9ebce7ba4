"""Whether a file can be written: asked before the work, not after."""

from __future__ import annotations

from os import PathLike
from pathlib import Path


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
        raise ValueError(f"{path} is a folder; give the name of a file")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; choose another name, or pass overwrite=True")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path.parent}: no such folder to write {path.name} into; make it first")
    return path
