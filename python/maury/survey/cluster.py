"""The same run on a Dask cluster: blocks are sent to its workers, columns are returned.

The process that starts the run reads the files and writes the catalogue, so workers need no shared disk.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from maury._version import maker
from maury.output import one_line

if TYPE_CHECKING:
    from distributed import Client

    from maury.catalog.columns import Columns
    from maury.emulator.emulator import Emulator
    from maury.spectra import Spectra
    from maury.survey.recipe import Recipe

_AHEAD = 2  # blocks queued per thread of the cluster
_REMEDY = "install the same build on all machines, start new workers, or use --simd (MAURY_SIMD) baseline"
_LOGGERS = ("tornado.application", "distributed.client", "distributed.batched", "distributed.core")
_TRIES = 5  # for a block whose worker was lost


@contextmanager
def workers_of(
    scheduler: str | Path | Client, recipe: Recipe
) -> Iterator[tuple[Callable[[Spectra], _Waiting], int]]:
    """Return a function that measures spectra on a cluster, and the number of blocks that may be queued.

    Parameters
    ----------
    scheduler : str, path or dask.distributed.Client
        Address ``tcp://host:8786``, scheduler file (``.json``), or a client.
    recipe : maury.survey.recipe.Recipe

    Raises
    ------
    ValueError
        If Dask is not installed, or the cluster has no workers, or workers of another version or build.
    OSError
        If the address does not respond, or the scheduler ends during the run.
    """
    with _client_of(scheduler) as client:
        n_threads = sum(client.nthreads().values())
        if n_threads == 0:
            raise ValueError(
                f"scheduler: the cluster at {scheduler} has no workers; start some before the run"
            )
        import dask

        client.register_plugin(_same_level(maker()["SIMD level"]))
        _check_makers(client)
        data = recipe.emulator.to_bytes()
        bare = replace(recipe, emulator=cast("Any", None))
        executor = client.get_executor(pure=False, retries=_TRIES)

        def submit(spectra: Spectra) -> _Waiting:
            return _Waiting(executor.submit(_measure_here, spectra, bare, data, maker()), client)

        # Spectra are sent to the scheduler with their task, so that they are not lost with a worker.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
            yield submit, _AHEAD * n_threads


@dataclass(frozen=True)
class _Waiting:
    """The result of a block, for which distributed would wait for ever if the scheduler goes away."""

    future: Future[Columns]
    client: Client

    def result(self) -> Columns:
        while not wait([self.future], timeout=1).done:
            if self.client.status not in ("running", "connecting"):
                raise self._lost()
        try:
            return self.future.result()
        except CancelledError as error:
            raise self._lost() from error

    def _lost(self) -> ConnectionError:
        return ConnectionError(errno.ECONNRESET, "the connection to the scheduler was lost")


def _same_level(level: str) -> Any:
    """Plugin that has all workers, also those that join later, load the core with one SIMD level."""
    from distributed import WorkerPlugin

    class SameLevel(WorkerPlugin):  # type: ignore[misc]  # sent by value, so that nothing of maury is loaded
        name = "SIMD level of maury"

        def setup(self, worker: Any) -> None:
            if "maury._core" not in sys.modules:
                os.environ["MAURY_SIMD"] = level

    return SameLevel()


def _check_makers(client: Client) -> None:
    """Raise ValueError if the workers would not give the same bytes as this process."""
    for worker, found in client.run(maker, on_error="return").items():
        other = _other_maker(found)
        if other:
            raise ValueError(f"scheduler: the worker {worker} {other}; {_REMEDY}")


def _other_maker(found: Any) -> str:
    """Return in what a worker differs from this process; "" if in nothing."""
    if not isinstance(found, dict):
        return f"has no maury, or another version of it ({one_line(found, 200)})"
    different = [
        f"{key} {one_line(found.get(key), 40)} in place of {value}"
        for key, value in maker().items()
        if found.get(key) != value
    ]
    return f"has {', '.join(different)}" if different else ""


@contextmanager
def _client_of(scheduler: Any) -> Iterator[Client]:
    try:
        from distributed import Client
    except ImportError as error:
        raise ValueError('scheduler: requires Dask; pip install "maury[cluster]"') from error
    if isinstance(scheduler, Client):
        yield scheduler
        return
    file = str(scheduler).endswith(".json")
    where = {"scheduler_file": str(scheduler)} if file else {"address": str(scheduler)}
    with _quiet(), Client(**where, set_as_default=False) as client:
        yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask from printing tracebacks if the scheduler goes away: `_Waiting` says so in one sentence."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _measure_here(spectra: Spectra, recipe: Recipe, emulator: bytes, wanted: dict[str, str]) -> Columns:
    """Run on a worker, one thread per block; a worker that came later may be another maker."""
    if maker() != wanted:
        raise ValueError(f"scheduler: a worker has {maker()}, expected {wanted}; {_REMEDY}")
    return replace(recipe, emulator=_emulator(emulator))(spectra, 1)


@lru_cache(maxsize=2)
def _emulator(data: bytes) -> Emulator:
    from maury.emulator.emulator import Emulator

    return Emulator.from_bytes(data, "the emulator of the run")
