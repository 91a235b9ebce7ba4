"""A lock file that prevents two runs from writing the same output.

The file is created with O_CREAT | O_EXCL, which succeeds for one process only, also on NFS (version 3 and
later) and on cluster file systems where flock is disabled or is local to one host. Its drawback is that it
remains after a run is killed. It therefore contains the host, the process id and the start time of the
process, and the next run on that host takes it over if the process no longer exists.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

_TRIES = 10
_PAUSE = 0.2  # seconds


class InUseError(OSError):
    """Another run is writing the same output."""


class Lock:
    """A lock file, held from `take` until `release`."""

    def __init__(self, path: Path, output: str) -> None:
        """Describe the lock at `path` that protects `output`; nothing is created yet."""
        self.path = path
        self.output = output
        self.held = False

    def take(self) -> None:
        """Create the lock file, and its folder if needed.

        Raises
        ------
        InUseError
            If another run holds it, or may hold it on another host; the message names the run and what to do.
        OSError
            If no file can be created there.
        """
        for _ in range(_TRIES):
            self.path.parent.mkdir(exist_ok=True)
            try:
                handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                self._take_over()
                continue
            except FileNotFoundError:  # a run that has just finished has removed the folder
                continue
            self.held = True
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(_owner(), file)
            return
        raise InUseError(
            f"{self.output}: other runs are starting to write it; choose another output, or repeat "
            "this command"
        )

    def release(self) -> None:
        """Remove the lock file, if it is held."""
        if self.held:
            self.path.unlink(missing_ok=True)
            self.held = False

    def _take_over(self) -> None:
        """Remove the lock of a process that has ended; raise InUseError if it is running."""
        owner = _read(self.path)
        if owner == {}:  # it may be being written
            time.sleep(_PAUSE)
            owner = _read(self.path)
        if owner is None:
            return
        if not is_gone(owner):
            raise InUseError(self._refusal(owner))
        aside = self.path.with_name(f".lock-{socket.gethostname()}-{os.getpid()}")
        with suppress(FileNotFoundError):  # another run was faster
            os.rename(self.path, aside)
            if _read(aside) != owner:  # that run now holds the lock: restore it
                os.rename(aside, self.path)
            else:
                aside.unlink()

    def _refusal(self, owner: Mapping[str, Any]) -> str:
        if not owner:
            return (
                f"{self.output}: the lock file {self.path} exists, so another run may be writing it, but the "
                "file is empty or damaged. If no other run is active, delete that file and repeat this "
                "command; otherwise choose another output"
            )
        who = f"process {owner['pid']} on host {owner['host']}, started {owner['since']}"
        if _can_look_at(owner):
            return (
                f"{self.output}: another run is writing it ({who}). Wait until it has finished, stop it, or "
                "choose another output"
            )
        return (
            f"{self.output}: another run is writing it ({who}). Whether it is still running cannot be "
            f"determined from this host, {socket.gethostname()}. If it is, wait until it has finished, or "
            f"choose another output; if it has ended, delete {self.path} and repeat this command"
        )


def is_gone(owner: Mapping[str, Any]) -> bool:
    """Whether the process of a lock has certainly ended; False for a process on another host."""
    if not owner or not _can_look_at(owner):
        return False
    pid = owner["pid"]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it is running, as another user
        pass
    began = _began(pid)
    return (
        began != "" and owner["began"] != "" and began != owner["began"]
    )  # its process id is now that of another process


def _can_look_at(owner: Mapping[str, Any]) -> bool:
    """Whether the process is on this host, where it can be checked."""
    return owner.get("host") == socket.gethostname() and os.name == "posix"


def _owner() -> dict[str, Any]:
    since = datetime.now(timezone.utc).isoformat(sep=" ", timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "began": _began(os.getpid()), "since": since}


def _began(pid: int) -> str:
    """Start time of a process in clock ticks since the start of the system; "" if unknown."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = text.rpartition(")")[2].split()  # the name of the program may contain anything
    return "ended" if state == "Z" else fields[18]


def _read(path: Path) -> dict[str, Any] | None:
    """Return the owner of a lock file; None if it does not exist, {} if it names no owner."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    known = isinstance(owner, dict) and {"host", "pid", "began", "since"} <= set(owner)
    return owner if known and isinstance(owner["pid"], int) and owner["pid"] > 0 else {}
