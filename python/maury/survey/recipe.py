"""How the blocks of a run are measured; description of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from maury._version import maker
from maury.catalog.columns import Columns
from maury.emulator.emulator import Emulator
from maury.measure.options import Options
from maury.measure.photometric_prior import named_priors
from maury.measure.photometry import named_labels
from maury.measure.pipeline import measure
from maury.measure.prior import PriorLike, checked_prior
from maury.measure.star_prior import StarPrior
from maury.spectra import Spectra


@dataclass(frozen=True)
class Recipe:
    """How to measure the spectra of a block.

    Attributes
    ----------
    emulator : Emulator
    options : Options
    photometric_labels : mapping, optional
        Labels (L,) by star_id, an additional start for these stars; see
        `maury.measure.photometry.labels_by_name`.
    prior : (mean, covariance), or mapping, optional
        Of the labels of every spectrum; see `maury.measure.prior.checked_prior`.
    photometric_priors : mapping, optional
        Instead, priors by star_id; see `maury.measure.photometric_prior.priors_by_name`.
    """

    emulator: Emulator
    options: Options
    photometric_labels: Mapping[str, NDArray[np.float64]] | None = None
    prior: PriorLike | None = None
    photometric_priors: Mapping[str, NDArray[np.float64]] | None = None

    def __call__(
        self, spectra: Spectra, threads: int | None, progress: Callable[[int], object] | None = None
    ) -> Columns:
        """Return the columns of the catalogue."""
        n_labels = len(self.emulator.labels)
        photometric = None
        prior: PriorLike | StarPrior | None = self.prior
        if self.photometric_labels is not None:
            photometric = named_labels(spectra.star_id, self.photometric_labels, n_labels)
        if self.photometric_priors is not None:
            prior = named_priors(spectra.star_id, self.photometric_priors, n_labels)
        return measure(spectra, self.emulator, self.options, None, photometric, prior, threads, progress)


def describe_run(paths: Sequence[Path], rows: Sequence[int], recipe: Recipe) -> dict[str, Any]:
    """Return everything that determines the result, as JSON values; rows: see `rows_of_files`."""
    prior = checked_prior(recipe.prior, 1, recipe.emulator)
    return {
        **maker(),
        "emulator": recipe.emulator.file_hash,
        "options": recipe.options.as_dict(),
        "prior": prior and [np.nan_to_num(prior.mean).tolist(), prior.precision.tolist()],
        "photometry": _hash(recipe.photometric_labels),
        "photometric priors": _hash(recipe.photometric_priors),
        "files": [[str(path), n, *_state(path)] for path, n in zip(paths, rows, strict=True)],
    }


def _hash(stars: Mapping[str, NDArray[np.float64]] | None) -> str:
    return sha256(repr([(n, x.tolist()) for n, x in (stars or {}).items()]).encode()).hexdigest()


def _state(path: Path) -> tuple[int, int] | tuple[()]:
    try:
        state = path.stat()
    except OSError:
        return ()
    return state.st_size, state.st_mtime_ns
