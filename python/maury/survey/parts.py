"""Finished blocks of a run, in a folder beside the catalogue, from which an interrupted run resumes.

One file per block, NumPy's .npz, either complete or absent; ``run.json``, which describes the run; and
``lock.json``, which identifies the process that is writing there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from maury.catalog.columns import Columns
from maury.catalog.table import remove_drafts
from maury.survey.lock import InUseError, Lock

_BLOCKS = "[0-9]*.npz"


class Parts:
    """The folder of a run; see `open`."""

    def __init__(self, output: Path) -> None:
        """Parts of the catalogue that will be written to `output`; nothing is created yet."""
        self.output = output
        self._run = ""
        self.folder = output.with_name(f"{output.name}.parts")
        self._lock = Lock(self.folder / "lock.json", str(output))

    @property
    def held(self) -> bool:
        """Whether this run has locked the folder: between `open` and `close`, or `remove`."""
        return self._lock.held

    def wrote(self, run: Mapping[str, Any]) -> bool:
        """Whether the same run was interrupted while, or just before, its catalogue was written."""
        return self._mark.is_file() and not self._differences(run)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Mark that the catalogue is being written, so that a run interrupted here can replace it."""
        self._mark.touch()
        try:
            yield
        except FileExistsError:  # it is not the catalogue of this run
            self._mark.unlink(missing_ok=True)
            raise

    def are_none(self) -> bool:
        """Whether no block is finished yet."""
        return not any(self.folder.glob(_BLOCKS))

    def open(self, run: Mapping[str, Any], overwrite: bool = False) -> dict[int, Columns]:
        """Create the folder, or find the finished blocks in it, by number; `close` or `remove` it later.

        The folder is locked from then on, even if this raises any error other than InUseError.

        Parameters
        ----------
        run : mapping
            Everything that determines the result, as JSON values: files, emulator, options.
        overwrite : bool
            Discard the parts of another run.

        Raises
        ------
        InUseError
            If another process has locked the folder.
        ValueError
            If the folder belongs to another run and `overwrite` is False.
        OSError
            If the folder is not writable.
        """
        try:
            self._lock.take()
        except InUseError:
            raise
        except OSError as error:
            text = f"{error.strerror}: cannot write beside the catalogue; choose another folder"
            raise OSError(error.errno, text, str(self.folder)) from error
        other = self._differences(run)
        if other and not overwrite and not self.are_none():
            raise ValueError(
                f"{self.folder} contains an unfinished run with other {', '.join(other)}: repeat that "
                "command to finish it, pass overwrite=True to discard it, or choose another output"
            )
        if other:
            self._empty()
        if not self._description.is_file():
            draft = self.folder / f".run-{os.getpid()}.json"
            draft.write_text(json.dumps(run, indent=1), encoding="utf-8")
            os.replace(draft, self._description)
        for draft in self.folder.glob(".*"):
            draft.unlink(missing_ok=True)
        remove_drafts(self.output)  # of a run that was killed while it wrote the catalogue
        self._run = json.dumps(run, sort_keys=True)
        paths = [path for path in sorted(self.folder.glob(_BLOCKS)) if path.stem.isdecimal()]
        known = {int(path.stem): _read(path, self._mark_of(int(path.stem))) for path in paths}
        return {number: columns for number, columns in known.items() if columns is not None}

    def save(self, number: int, columns: Columns) -> None:
        """Store a finished block."""
        draft = self.folder / f".{number:08d}-{os.getpid()}.npz"
        try:
            with draft.open("wb") as file:
                np.savez(file, np.array([self._mark_of(number), *columns]), *columns.values())
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.folder / f"{number:08d}.npz")
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror} (block {number})", str(draft)) from error

    def remove(self) -> None:
        """Delete all parts, and release the folder to other runs."""
        self._empty()
        self.close()
        with suppress(OSError):  # another run has started there
            self.folder.rmdir()

    def close(self) -> None:
        """Release the folder to other runs; finished blocks are kept."""
        self._lock.release()

    def _mark_of(self, number: int) -> str:
        """Return what is stored in a block of this run, so that a copy of any other block is not accepted."""
        return sha256(f"{number} {self._run}".encode()).hexdigest()

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
        """Names of the entries in which another run differs; empty if there is no other run."""
        try:
            other = json.loads(self._description.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        except (ValueError, RecursionError):
            other = None
        if not isinstance(other, dict):
            return ["contents (its run.json is damaged)"]
        mine = json.loads(json.dumps(run))
        return [key for key in {**mine, **other} if mine.get(key) != other.get(key)]


def _read(path: Path, mark: str) -> Columns | None:
    """Columns of a block, by the names in the first array; None if it is damaged, or of another run."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            told, *values = (arrays[key] for key in arrays.files)
            found, *names = told.tolist()
            return dict(zip(names, values, strict=True)) if found == mark else None
    except Exception:  # zipfile and numpy raise many errors for a damaged file
        return None
