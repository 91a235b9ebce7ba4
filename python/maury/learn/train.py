"""Train an emulator on a reference set (Imig et al. 2021, sec. 3).

Data flow: select -> split by star -> one network (`maury.learn.build`) -> networks trained without a part of
the stars (`maury.learn.folds`) -> model error of the emulator (`maury.learn.model_error`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from maury.emulator.emulator import Emulator
from maury.learn.build import Trained, train_on
from maury.learn.folds import check_folds, residuals_unseen
from maury.learn.model_error import fit_model_error
from maury.learn.recipe import Recipe
from maury.learn.select import select, split_stars
from maury.learn.stars import VALIDATION
from maury.learn.zero_points import to_one_scale
from maury.spectra import Spectra


def train(
    reference: Spectra,
    hidden: Sequence[int] = Recipe.hidden,
    coefficients: int | None = Recipe.coefficients,
    *,
    labels: Sequence[str] | None = None,
    wavelength: ArrayLike | None = None,
    teff_max: float | None = None,
    activation: str = Recipe.activation,
    window: int = Recipe.window,
    steps: int = Recipe.steps,
    cycles: int = Recipe.cycles,
    learning_rate: float = Recipe.learning_rate,
    doubt: float | None = Recipe.doubt,
    stop_fraction: float = Recipe.stop_fraction,
    validation_fraction: float = Recipe.validation_fraction,
    seed: int = Recipe.seed,
    bounds: str = Recipe.bounds,
    ensemble: int = Recipe.ensemble,
    modes: int = Recipe.modes,
    reference_scale: str | None = Recipe.reference_scale,
    folds: int = 5,
    label_errors: Mapping[str, ArrayLike] | None = None,
    meta: Mapping[str, Any] | None = None,
    progress: bool | str = False,
) -> Emulator:
    """Train an emulator on labelled spectra.

    Parameters
    ----------
    reference : Spectra
        With `labels`; visits of one star share a `star_id` and stay in one part.
    hidden, coefficients, activation, window, steps, cycles, learning_rate, doubt
        See `Recipe`.
    stop_fraction, validation_fraction, seed, bounds, ensemble, modes, reference_scale
        See `Recipe`. With `folds`, the residual modes are kept if the labels of stars that a network was not
        trained on are closer to the given ones with them. The same seed gives the same emulator on the same
        machine.
    labels, wavelength, teff_max
        See `maury.learn.select.select`.
    folds : int
        Number of additional networks, each trained without one part of the stars, from which the error on
        stars outside the training set is estimated; see `maury.Emulator.model_error`. If 0, the model error
        of the emulator is unknown.
    label_errors : mapping of str to (M,), optional
        Errors of the labels of the M spectra of `reference`, by name; NaN = unknown. A label with an error is
        fitted along with the network, within its error, and the error is subtracted in quadrature when the
        model error is estimated.
    meta : mapping, optional
        Name, training data and citation, stored in the file.
    progress : bool or str
        Show progress on stderr; a string is printed before the name of each step.

    Returns
    -------
    Emulator
        Its `meta` has the numbers of stars, the numbers rejected by reason, and the names of the validation
        stars and of the stars with doubtful labels.

    Raises
    ------
    ImportError
        If torch is not installed.
    ValueError
        If too few stars are left for the training, or for the model error.
    """
    recipe = Recipe(
        tuple(hidden), coefficients, activation, window, steps, cycles, learning_rate, doubt,
        stop_fraction, validation_fraction, seed, bounds, ensemble, modes, reference_scale,
    )  # fmt: skip
    return train_recipe(
        reference,
        recipe,
        labels=labels,
        wavelength=wavelength,
        teff_max=teff_max,
        folds=folds,
        label_errors=label_errors,
        meta=meta,
        progress=progress,
    ).emulator


def train_recipe(
    reference: Spectra,
    recipe: Recipe,
    *,
    labels: Sequence[str] | None = None,
    wavelength: ArrayLike | None = None,
    teff_max: float | None = None,
    folds: int = 5,
    label_errors: Mapping[str, ArrayLike] | None = None,
    meta: Mapping[str, Any] | None = None,
    progress: bool | str = False,
) -> Trained:
    """Train as `train` does, and return how each spectrum of the reference set was used; see there."""
    chosen = select(
        reference, labels, wavelength, recipe.window, teff_max, label_errors, recipe.reference_scale
    )
    parts = (recipe.stop_fraction, recipe.validation_fraction)
    stop, validation = split_stars(chosen.star_id, parts, recipe.seed)
    origin = {
        **(meta or {}),
        "teff_max": teff_max,
        "validation_stars": sorted(set(chosen.star_id[validation].tolist())),
    }
    name = progress if isinstance(progress, str) else ""
    rows = ~(stop | validation)
    check_folds(folds, len(np.unique(chosen.star_id[~validation])))
    chosen, zero_points = to_one_scale(chosen, ~validation, recipe, bool(progress), name)
    origin |= zero_points
    done = train_on(chosen, stop, rows, recipe, meta=origin, progress=bool(progress), name=name)
    use = chosen.reasons.astype(object)
    use[chosen.rows] = np.where(validation, VALIDATION, done.use)
    emulator, residuals = done.emulator, None
    if folds:  # validation stars are excluded here, too
        residuals = residuals_unseen(
            reference, chosen, ~validation, recipe, folds,
            progress=bool(progress), name=name,
        )  # fmt: skip
        emulator = emulator.with_modes(done.modes[residuals.modes])
        emulator = emulator.with_model_error(fit_model_error(residuals))
    return Trained(emulator, done.modes, use.astype(str), residuals)
