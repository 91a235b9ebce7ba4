"""The same run on a Dask cluster: blocks are sent to its workers, columns are returned.

The process that starts the run reads the files and writes the catalogue, so workers need no shared disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from distributed import Client

    from maury.catalog.columns import Columns
    from maury.emulator.emulator import Emulator
    from maury.spectra import Spectra
    from maury.survey.recipe import Recipe

_AHEAD = 2  # blocks queued per thread of the cluster
_TRIES = 5  # for a block whose worker was lost


@contextmanager
def workers_of(
    scheduler: str | Path | Client, recipe: Recipe
) -> Iterator[tuple[Callable[[Spectra], Future[Columns]], int]]:
    """Return a function that measures spectra on a cluster, and the number of blocks that may be queued.

    Parameters
    ----------
    scheduler : str, path or dask.distributed.Client
        Address ``tcp://host:8786``, scheduler file (``.json``), or a client.
    recipe : maury.survey.recipe.Recipe

    Raises
    ------
    ValueError
        If Dask is not installed, or the cluster has no workers.
    OSError
        If the address does not respond.
    """
    with _client_of(scheduler) as client:
        n_threads = sum(client.nthreads().values())
        if n_threads == 0:
            raise ValueError(
                f"scheduler: the cluster at {scheduler} has no workers; start some before the run"
            )
        import dask

        data = recipe.emulator.to_bytes()
        bare = replace(recipe, emulator=cast("Any", None))
        executor = client.get_executor(pure=False, retries=_TRIES)
        # Spectra are sent to the scheduler with their task, so that they are not lost with a worker.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
            yield lambda spectra: executor.submit(_measure_here, spectra, bare, data), _AHEAD * n_threads


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
    with Client(**where, set_as_default=False) as client:
        yield client


def _measure_here(spectra: Spectra, recipe: Recipe, emulator: bytes) -> Columns:
    """Run on a worker, one thread per block."""
    return replace(recipe, emulator=_emulator(emulator))(spectra, 1)


@lru_cache(maxsize=2)
def _emulator(data: bytes) -> Emulator:
    from maury.emulator.emulator import Emulator

    return Emulator.from_bytes(data, "the emulator of the run")
