"""A lock file that keeps two runs from writing the same output.

The file is made with O_CREAT | O_EXCL, which one process alone can do, also on NFS (version 3 and later) and
on cluster file systems where flock is switched off or holds on one host only. In return it outlives a run
that is killed. It therefore holds the host, the process id and the time the process began, and the next run
on that host takes it over when the process is gone.
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
        """Describe the lock at `path` that protects `output`; nothing is touched."""
        self.path = path
        self.output = output
        self.held = False

    def take(self) -> None:
        """Make the lock file, and its folder where there is none.

        Raises
        ------
        InUseError
            If another run holds it, or may hold it on another host; the message says which, and how to mend.
        OSError
            If no file can be made there.
        """
        for _ in range(_TRIES):
            self.path.parent.mkdir(exist_ok=True)
            try:
                handle = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
            except FileExistsError:
                self._take_over()
                continue
            except FileNotFoundError:  # a run that ended has removed the folder just now
                continue
            self.held = True
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(_owner(), file)
            return
        raise InUseError(
            f"{self.output}: other runs are starting to write it; choose another output, or run "
            "this once more"
        )

    def release(self) -> None:
        """Remove the lock file, if it is held."""
        if self.held:
            self.path.unlink(missing_ok=True)
            self.held = False

    def _take_over(self) -> None:
        """Remove the lock of a process that is gone; refuse if it is not."""
        owner = _read(self.path)
        if owner == {}:  # perhaps it is being written
            time.sleep(_PAUSE)
            owner = _read(self.path)
        if owner is None:
            return
        if not is_gone(owner):
            raise InUseError(self._refusal(owner))
        aside = self.path.with_name(f".lock-{socket.gethostname()}-{os.getpid()}")
        with suppress(FileNotFoundError):  # another run was quicker
            os.rename(self.path, aside)
            if _read(aside) != owner:  # that run holds the lock by now: give it back
                os.rename(aside, self.path)
            else:
                aside.unlink()

    def _refusal(self, owner: Mapping[str, Any]) -> str:
        if not owner:
            return (
                f"{self.output}: {self.path} says that another run is writing it, but not which: the file is "
                "empty or damaged. If no other run is at work, delete that file and run this once more; else "
                "choose another output"
            )
        who = f"process {owner['pid']} on host {owner['host']}, begun {owner['since']}"
        if _can_look_at(owner):
            return (
                f"{self.output}: another run is writing it ({who}). Wait until it has finished, end it, or "
                "choose another output"
            )
        return (
            f"{self.output}: another run is writing it ({who}). Whether it is still at work cannot be seen "
            f"from this host, {socket.gethostname()}. If it is, wait until it has finished, or choose "
            f"another output; if it was ended, delete {self.path} and run this once more"
        )


def is_gone(owner: Mapping[str, Any]) -> bool:
    """Whether the process of a lock has ended for certain: false for one on another host."""
    if not owner or not _can_look_at(owner):
        return False
    pid = owner["pid"]
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it runs, as another user
        pass
    began = _began(pid)
    return began != "" and owner["began"] != "" and began != owner["began"]  # another process has its number


def _can_look_at(owner: Mapping[str, Any]) -> bool:
    """Whether the process is one of this host, of which can be told if it runs."""
    return owner.get("host") == socket.gethostname() and os.name == "posix"


def _owner() -> dict[str, Any]:
    since = datetime.now(timezone.utc).isoformat(sep=" ", timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "began": _began(os.getpid()), "since": since}


def _began(pid: int) -> str:
    """Tell when a process began, in clock ticks since the start of the system; "" where that is not known."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *fields = text.rpartition(")")[2].split()  # the name of the program may hold anything
    return "ended" if state == "Z" else fields[18]


def _read(path: Path) -> dict[str, Any] | None:
    """Return the owner of a lock file; None if it is not there, {} if it does not tell one."""
    try:
        owner = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    known = isinstance(owner, dict) and {"host", "pid", "began", "since"} <= set(owner)
    return owner if known and isinstance(owner["pid"], int) and owner["pid"] > 0 else {}
