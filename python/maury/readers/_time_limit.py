"""A time limit on reading a file, so that one that hangs does not hang the run.

A thread cannot be killed. One that hangs is left behind: it keeps its file open, and computes on if the file
keeps it busy. It does not prevent the end of the process.
"""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from maury.readers._fits import ReadError

T = TypeVar("T")

#: Seconds for the header of a file, for a file of few spectra, or for one block of a large file.
SECONDS = 300.0
#: Maximum number of files that hang at the same time; more mean that a disk does not answer.
MOST = 8


class _Helper:
    """A thread that calls one function after the other."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self.answers: SimpleQueue[tuple[object, BaseException | None]] = SimpleQueue()
        self.thread = threading.Thread(target=self._serve, name="maury reading", daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        while (call := self.calls.get()) is not None:
            try:
                answer: tuple[object, BaseException | None] = call(), None
            except BaseException as error:
                answer = None, error
            self.answers.put(answer)
            del call, answer  # they hold spectra


_idle: list[_Helper] = []
_hanging: list[_Helper] = []
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_idle.clear)  # a child has none of the threads


def within_limit(path: Path, read: Callable[..., T], *arguments: object) -> T:
    """Return read(*arguments), called in another thread.

    Raises
    ------
    ReadError
        If it has not returned after `SECONDS`.
    TimeoutError
        If this is so for more than `MOST` files.
    """
    try:
        helper = _idle.pop()
    except IndexError:
        helper = _Helper()
    helper.calls.put(partial(copy_context().run, read, *arguments))  # warnings and numpy's state as here
    try:
        value, error = helper.answers.get(timeout=SECONDS)
    except Empty:
        _leave(helper)
        raise ReadError(
            f"{path}: it was not read within {SECONDS:g} s; check its disk, or get it again"
        ) from None
    _idle.append(helper)
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


def _leave(helper: _Helper) -> None:
    helper.calls.put(None)  # it ends if it returns after all
    _hanging[:] = [other for other in (*_hanging, helper) if other.thread.is_alive()]
    if len(_hanging) > MOST:
        raise TimeoutError(
            errno.ETIMEDOUT, f"{len(_hanging)} files were not read within {SECONDS:g} s; check their disk"
        )
