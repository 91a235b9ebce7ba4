"""What an unfinished run has measured: a folder beside the catalogue, so that the run can go on.

One file a block, NumPy's .npz, which appears whole or not at all; and ``run.json``, which says of what run.
"""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from maury.catalog.columns import Columns

_BLOCKS = "[0-9]*.npz"


class Parts:
    """The folder of a run; see `open`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, output: Path) -> Parts:
        """Parts of the catalogue that will be written to `output`; nothing is touched."""
        return cls(output.with_name(f"{output.name}.parts"))

    def exist(self, run: Mapping[str, Any]) -> bool:
        """Whether there are parts of this very run."""
        return not self._differences(run) and self._description.is_file()

    def are_none(self) -> bool:
        """Whether no block is done yet."""
        return not any(self.folder.glob(_BLOCKS))

    def open(self, run: Mapping[str, Any], overwrite: bool = False) -> dict[int, Columns]:
        """Make the folder, or find in it the blocks that are done, by number.

        Parameters
        ----------
        run : mapping
            What decides the result, as JSON knows it: files, emulator, options.
        overwrite : bool
            Throw the parts of another run away.

        Raises
        ------
        ValueError
            If the folder is of another run and `overwrite` is False.
        OSError
            If nothing can be written there.
        """
        other = self._differences(run)
        if other and not overwrite and not self.are_none():
            raise ValueError(
                f"{self.folder} holds an unfinished run with other {', '.join(other)}: repeat that command "
                "to finish it, say overwrite to begin anew, or choose another output"
            )
        if other:
            self.remove()
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            text = f"{error.strerror}: nothing can be written beside the catalogue; choose another folder"
            raise OSError(error.errno, text, str(self.folder)) from error
        if not self._description.is_file():
            draft = self.folder / f".run-{os.getpid()}.json"
            draft.write_text(json.dumps(run, indent=1), encoding="utf-8")
            os.replace(draft, self._description)
        for draft in self.folder.glob(".*"):
            draft.unlink(missing_ok=True)
        known = {int(path.stem): _read(path) for path in sorted(self.folder.glob(_BLOCKS))}
        return {number: columns for number, columns in known.items() if columns is not None}

    def save(self, number: int, columns: Columns) -> None:
        """Keep a block that is done."""
        draft = self.folder / f".{number:08d}-{os.getpid()}.npz"
        try:
            with draft.open("wb") as file:
                np.savez(file, np.array(list(columns)), *columns.values())
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.folder / f"{number:08d}.npz")
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror} (block {number})", str(draft)) from error

    def remove(self) -> None:
        """Throw all of it away."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _description(self) -> Path:
        return self.folder / "run.json"

    def _differences(self, run: Mapping[str, Any]) -> list[str]:
        """Names of what another run has otherwise; none where there is no other run."""
        if not self._description.is_file():
            return []
        try:
            other = json.loads(self._description.read_text(encoding="utf-8"))
        except ValueError:
            return ["contents (its run.json is damaged)"]
        mine = json.loads(json.dumps(run))
        return [key for key in {**mine, **other} if mine.get(key) != other.get(key)]


def _read(path: Path) -> Columns | None:
    """Columns of a block, of which the first array has the names; None if the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            names, *values = (arrays[key] for key in arrays.files)
            return dict(zip(names.tolist(), values, strict=True))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
