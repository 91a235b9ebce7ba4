"""Jobs of a batch on threads, with progress, which end when one fails or on Ctrl-C."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from typing import TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


class _Ended(Exception):
    """Another job has failed, or Ctrl-C was pressed."""


def available_threads() -> int:
    """Return the number of processors available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


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
        Number of threads; by default all available processors. With one job or thread, it runs in this
        thread.
    progress : callable, optional
        Called with the additional amount done; never from two threads at once.
    """
    ended, lock = Event(), Lock()

    def run(job: Job) -> Result:
        so_far = 0

        def show(n: int) -> None:
            nonlocal so_far
            if ended.is_set():
                raise _Ended
            if progress is not None:
                with lock:
                    progress(n - so_far)
            so_far = n

        return work(job, show)

    n_threads = min(len(jobs), threads or available_threads())
    if n_threads <= 1:
        return [run(job) for job in jobs]
    with ThreadPoolExecutor(n_threads) as pool:
        futures = [pool.submit(run, job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            ended.set()
            pool.shutdown(cancel_futures=True)
            raise
