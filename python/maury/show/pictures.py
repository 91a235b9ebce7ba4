"""Pictures of many fits, drawn by several processes: matplotlib holds the lock of Python while it draws."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from maury.show.plots import plot_star, save_figure

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.measure.best_fit import BestFit

#: A fit, the catalogue of its row alone, and the file to write.
Picture = tuple["BestFit", "QTable", Path]


def write_pictures(pictures: Iterable[Picture], processes: int) -> Iterator[Path]:
    """Write figures in turn, and yield the path of each when it is written.

    `processes` is their number; with 1 figures are drawn here. At most three per process are in memory.
    """
    if processes == 1:
        for picture in pictures:
            yield _write(*picture)
        return
    # A copy of this process (fork) could be one in which a thread of the core holds a lock.
    with ProcessPoolExecutor(processes, get_context("spawn"), _leave_interrupts) as pool:
        waiting: deque[Future[Path]] = deque()
        for picture in pictures:
            waiting.append(pool.submit(_write, *picture))
            if len(waiting) > 3 * processes:
                yield waiting.popleft().result()
        for future in waiting:
            yield future.result()


def _leave_interrupts() -> None:
    """Ctrl-C is for the process that waits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _write(fit: BestFit, row: QTable, path: Path) -> Path:
    figure = plot_star(fit.wavelength, fit.flux, fit.ivar, fit.model, row[0], fit.scatter)
    save_figure(figure, path)
    return path
