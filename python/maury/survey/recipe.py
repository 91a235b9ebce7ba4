"""How the blocks of a run are measured, and what describes the run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from maury._version import __version__
from maury.catalog.columns import Columns
from maury.emulator.emulator import Emulator
from maury.measure.lsf import with_resolution
from maury.measure.options import Settings
from maury.measure.photometry import named_starts
from maury.measure.pipeline import measure
from maury.spectra import Spectra


@dataclass(frozen=True)
class Recipe:
    """How to measure the spectra of a block."""

    emulator: Emulator
    settings: Settings
    resolution: float | None = None
    fwhm: float | None = None
    starts: dict[str, Any] | None = None  # by star_id

    def __call__(
        self, spectra: Spectra, threads: int | None, progress: Callable[[int], object] | None = None
    ) -> Columns:
        """Return the columns of the catalogue."""
        spectra = with_resolution(spectra, self.resolution, self.fwhm)
        guess = None
        if self.starts is not None:
            guess = named_starts(spectra.star_id, self.starts, len(self.emulator.labels))
        return measure(spectra, self.emulator, self.settings, None, guess, threads, progress)


def describe_run(paths: Sequence[Path], recipe: Recipe, format: str | None) -> dict[str, Any]:
    """Say all that decides the result."""
    bounds = recipe.settings.bounds
    starts = recipe.starts or {}
    return {
        "version of maury": __version__,
        "emulator": recipe.emulator.file_hash,
        "options": recipe.settings.header(False, recipe.starts is not None)
        | {"bounds": None if bounds is None else np.asarray(bounds).tolist()}
        | {"format": format, "resolution": recipe.resolution, "fwhm": recipe.fwhm},
        "photometry": sha256(repr([(n, x.tolist()) for n, x in starts.items()]).encode()).hexdigest(),
        "files": [[str(path), *_state(path)] for path in paths],
    }


def _state(path: Path) -> tuple[int, int] | tuple[()]:
    try:
        state = path.stat()
    except OSError:
        return ()
    return state.st_size, state.st_mtime_ns
