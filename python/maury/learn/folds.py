"""Cross-validation: networks trained without a part of the stars, and the labels measured for that part."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from maury.catalog.flags import Flag
from maury.labels import offset_and_mad
from maury.learn.build import Trained, train_on
from maury.learn.model_error import MIN_STARS, Residuals
from maury.learn.modes import RULES
from maury.learn.recipe import Recipe
from maury.learn.select import TrainingSet, split_stars
from maury.learn.sources import sources_of
from maury.measure.options import Options
from maury.measure.pipeline import measure
from maury.spectra import Spectra

Array = NDArray[np.float64]
Rows = NDArray[np.bool_]

# Fits that failed or ended at a bound.
_NOT_USED = Flag.NOT_CONVERGED | Flag.AT_BOUND | Flag.TOO_FEW_PIXELS | Flag.BAD_CHI2 | Flag.UNREADABLE


def fold_emulators(
    chosen: TrainingSet, rows: Rows, recipe: Recipe, folds: int, progress: bool = False, name: str = ""
) -> Iterator[tuple[Rows, Trained]]:
    """Train `folds` emulators, each without one part of the stars; visits of a star stay in one part.

    Parameters
    ----------
    chosen : TrainingSet
    rows : (N,) bool
        Spectra to use.
    recipe : Recipe
    folds : int
    progress, name
        See `maury.learn.build.train_on`.

    Yields
    ------
    (N,) bool, Trained
        The part that was left out, and what was trained without it.
    """
    parts = split_stars(chosen.star_id[rows], [1 / folds] * (folds - 1), recipe.seed)
    parts.append(~np.logical_or.reduce(parts))
    for k, part in enumerate(parts):
        left_out, stop = np.zeros_like(rows), np.zeros_like(rows)
        left_out[rows] = part
        seen = rows & ~left_out
        (stop[seen],) = split_stars(chosen.star_id[seen], [recipe.stop_fraction], recipe.seed + k)
        what = f"{name}fold {k + 1} of {folds}, "
        yield left_out, train_on(chosen, stop, seen & ~stop, recipe, progress=progress, name=what)


def check_folds(folds: int, n_stars: int) -> None:
    """Check the number of folds before the training.

    Raises
    ------
    ValueError
        If `folds` is neither 0 nor 2 or more, or there are too few stars.
    """
    if folds == 0:
        return
    if folds < 2:
        raise ValueError(f"folds: expected 2 or more, or 0 for none, got {folds}")
    if n_stars < max(MIN_STARS, folds):
        raise ValueError(
            f"folds: {n_stars} stars with all labels are too few to estimate the model error, which "
            f"requires {max(MIN_STARS, folds)}; pass a larger reference set, or folds=0 to omit it"
        )


def residuals_unseen(
    reference: Spectra,
    chosen: TrainingSet,
    rows: Rows,
    recipe: Recipe,
    folds: int,
    *,
    progress: bool = False,
    name: str = "",
) -> Residuals:
    """Measure every spectrum as `maury.fit` does, with an emulator trained without its star.

    If the reference set is from several sources, only those of the source of the emulator are measured. If
    the recipe has residual modes, the labels are measured without them, and with the modes by each rule; the
    result is that of the smallest MADs. If the recipe names a rule, they are measured by this one only.

    Parameters
    ----------
    reference : Spectra
        M spectra.
    chosen : TrainingSet
        N of the M spectra.
    rows : (N,) bool
        Spectra to use.
    recipe : Recipe
        That of the emulator; the networks are trained with fewer steps.
    folds : int
    progress, name
        See `maury.learn.build.train_on`.
    """
    quick = recipe.quick()
    rules = RULES if recipe.modes_at is None else (recipe.modes_at,)
    shape = (len(rules), *chosen.labels.shape)
    fitted, distance = np.full(shape, np.nan), np.full(shape[:2], np.nan)
    noise = np.full((*shape, len(chosen.names)), np.nan)
    log10 = np.zeros(len(chosen.names), dtype=bool)
    own = chosen.source == sources_of(chosen.source, recipe.reference_scale)[0]
    for left_out, trained in fold_emulators(chosen, rows, quick, folds, progress, name):
        left_out = left_out & own
        for k, rule in enumerate(rules):
            modes = trained.modes[RULES.index(rule)]
            if k > 0 and not modes.size:  # as the first, which are none
                for values in (fitted, noise, distance):
                    values[k, left_out] = values[0, left_out]
                continue
            version = trained.emulator.with_modes(modes)
            columns = measure(reference[chosen.rows[left_out]], version, Options())
            good = (np.asarray(columns["flags"]) & int(_NOT_USED)) == 0
            labels = np.column_stack([columns[label] for label in chosen.names])
            fitted[k, left_out] = np.where(good[:, None], labels, np.nan)
            noise[k, left_out] = columns["covariance"]  # these emulators have no model error
            distance[k, left_out] = columns["training_distance"]
        log10 = np.array([transform == "log10" for transform in trained.emulator.transforms])
    best = _closest(fitted[:, rows] - chosen.labels[rows])
    return Residuals(
        names=chosen.names,
        log10=log10,
        star_id=chosen.star_id,
        given=chosen.labels,
        given_error=chosen.label_error,
        fitted=fitted[best],
        noise=noise[best],
        distance=distance[best],
        folds=folds,
        modes=RULES.index(rules[best]),
    )[rows]


def _closest(differences: Array) -> int:
    """Which of V differences (V, N, L) has the smallest MADs, in the geometric mean over the labels."""
    finite = np.isfinite(differences).all(axis=0)
    differences = np.where(finite, differences, np.nan)[:, :, finite.any(axis=0)]
    mads = [[offset_and_mad(column)[1] for column in part.T] for part in differences]
    with np.errstate(divide="ignore", invalid="ignore"):
        return int(np.argmin(np.log(mads).sum(axis=1)))
