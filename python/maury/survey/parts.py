"""What an unfinished run has measured: a folder beside the catalogue, so that the run can go on.

One file per block, NumPy's .npz, which appears whole or not at all; ``run.json``, which describes the run;
and ``lock.json``, which names the process that writes there.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from maury.catalog.columns import Columns
from maury.survey.lock import InUseError, Lock

_BLOCKS = "[0-9]*.npz"


class Parts:
    """The folder of a run; see `open`."""

    def __init__(self, output: Path) -> None:
        """Parts of the catalogue that will be written to `output`; nothing is touched."""
        self.output = output
        self.folder = output.with_name(f"{output.name}.parts")
        self._lock = Lock(self.folder / "lock.json", str(output))

    @property
    def held(self) -> bool:
        """Whether this run holds the folder: between `open` and `close`, or `remove`."""
        return self._lock.held

    def wrote(self, run: Mapping[str, Any]) -> bool:
        """Whether this very run was ended when its catalogue was written, or about to be."""
        return self._mark.is_file() and not self._differences(run)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Remember that the catalogue is being written, so that a run that is ended there may replace it."""
        self._mark.touch()
        try:
            yield
        except FileExistsError:  # it is not the catalogue of this run
            self._mark.unlink(missing_ok=True)
            raise

    def are_none(self) -> bool:
        """Whether no block is done yet."""
        return not any(self.folder.glob(_BLOCKS))

    def open(self, run: Mapping[str, Any], overwrite: bool = False) -> dict[int, Columns]:
        """Make the folder, or find in it the blocks that are done, by number; `close` or `remove` it later.

        The folder is held from then on, also where this raises anything but InUseError.

        Parameters
        ----------
        run : mapping
            What decides the result, as JSON knows it: files, emulator, options.
        overwrite : bool
            Throw the parts of another run away.

        Raises
        ------
        InUseError
            If another process holds the folder.
        ValueError
            If the folder is of another run and `overwrite` is False.
        OSError
            If nothing can be written there.
        """
        try:
            self._lock.take()
        except InUseError:
            raise
        except OSError as error:
            text = f"{error.strerror}: nothing can be written beside the catalogue; choose another folder"
            raise OSError(error.errno, text, str(self.folder)) from error
        other = self._differences(run)
        if other and not overwrite and not self.are_none():
            raise ValueError(
                f"{self.folder} holds an unfinished run with other {', '.join(other)}: repeat that command "
                "to finish it, pass overwrite=True to begin anew, or choose another output"
            )
        if other:
            self._empty()
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
        """Throw all of it away, and let other runs write there."""
        self._empty()
        self.close()
        with suppress(OSError):  # another run has begun there
            self.folder.rmdir()

    def close(self) -> None:
        """Let other runs write there; what is done stays."""
        self._lock.release()

    def _empty(self) -> None:
        for path in self.folder.glob("*"):
            if path != self._lock.path:
                path.unlink(missing_ok=True)

    @property
    def _description(self) -> Path:
        return self.folder / "run.json"

    @property
    def _mark(self) -> Path:
        return self.folder / "writing"

    def _differences(self, run: Mapping[str, Any]) -> list[str]:
        """Names of what another run has otherwise; none where there is no other run."""
        try:
            other = json.loads(self._description.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
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
