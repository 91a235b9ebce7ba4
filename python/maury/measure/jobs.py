"""Jobs on threads, with progress, which all end when one fails or on Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event, Lock
from types import TracebackType
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


class Ended(Exception):
    """Another job has failed, or Ctrl-C was pressed."""


def available_threads() -> int:
    """Return the number of processors available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """A pool of threads; an exception in the `with` block ends the jobs that run, and starts no other."""

    def __init__(self, n_threads: int) -> None:
        self._pool = ThreadPoolExecutor(n_threads)
        self._ended = Event()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, _: Any, __: TracebackType | None) -> None:
        if kind is not None:
            self._ended.set()
        self._pool.shutdown(cancel_futures=kind is not None)

    def submit(self, work: Callable[..., Result], *arguments: Any) -> Future[Result]:
        """Have ``work(*arguments)`` done."""
        return self._pool.submit(work, *arguments)

    def check(self) -> None:
        """Raise `Ended` where the others have ended; a job calls it from time to time."""
        if self._ended.is_set():
            raise Ended


def run_jobs(
    work: Callable[[Job, Callable[[int], None]], Result],
    jobs: Sequence[Job],
    threads: int | None,
    progress: Callable[[int], object] | None = None,
) -> list[Result]:
    """Return ``work(job, show)`` of each job, in order.

    Parameters
    ----------
    work : callable
        Calls ``show(n)`` at intervals, where n is the total that it has done so far.
    jobs : sequence
    threads : int, optional
        Number of threads; by default all available processors.
    progress : callable, optional
        Called with the additional amount done; never from two threads at once. With one job or thread, all
        runs in the thread of the caller.
    """
    lock = Lock()

    def run(job: Job, check: Callable[[], None]) -> Result:
        so_far = 0

        def show(n: int) -> None:
            nonlocal so_far
            check()
            if progress is not None:
                with lock:
                    progress(n - so_far)
            so_far = n

        return work(job, show)

    n_threads = min(len(jobs), threads or available_threads())
    if n_threads <= 1:
        return [run(job, lambda: None) for job in jobs]
    with Workers(n_threads) as workers:
        return [future.result() for future in [workers.submit(run, job, workers.check) for job in jobs]]
