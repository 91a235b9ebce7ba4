"""Accuracy of the labels of stars withheld from training (Imig et al. 2021, sec. 3.3, Table 1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.labels import find_label, offset_and_mad
from maury.learn.flux_errors import FluxErrors, flux_errors
from maury.learn.folds import fold_emulators
from maury.learn.normalise import as_fitted
from maury.learn.recipe import Recipe
from maury.learn.select import TrainingSet, select
from maury.learn.zero_points import on_reference_scale, to_one_scale
from maury.measure.quality import reduced
from maury.spectra import Spectra

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.emulator.emulator import Emulator

Array = NDArray[np.float64]

_COLUMNS = ("star_id", "known", "fitted", "error", "rchi2", "fold")
# Teff ranges [K] of the table: FGK stars, and the two ranges of Table 1 of the paper.
RANGES = ((4000.0, 6500.0), (0.0, 6000.0), (6000.0, np.inf))


@dataclass(frozen=True)
class Validation:
    """Known and fitted labels of withheld stars.

    Attributes
    ----------
    names : tuple of str, L
    star_id : (N,) str
    known, fitted, error : (N, L) float64
        Labels of the reference set, NaN = missing, those fitted, and the formal error of the fit.
    rchi2 : (N,) float64
        Chi-square of the fit divided by the degrees of freedom, with the scatter of the emulator.
    fold : (N,) int
        Index of the emulator that measured it; 0 if there is only one.
    flux : FluxErrors
        For the spectra of stars with all labels, at these.
    """

    names: tuple[str, ...]
    star_id: NDArray[np.str_]
    known: Array
    fitted: Array
    error: Array
    rchi2: Array
    fold: NDArray[np.int64]
    flux: FluxErrors

    def summary(self) -> QTable:
        """Offset and scatter of every label in ranges of known Teff, as in Table 1 of the paper.

        ``offset`` is the median of fitted - known, ``mad`` the median absolute deviation from that
        median. One row per range.
        """
        from astropy import units as u
        from astropy.table import QTable

        table = QTable()
        difference = self.fitted - self.known
        teff = self.known[:, self.names.index("teff")] if "teff" in self.names else np.zeros(len(self.known))
        rows = [(low, high, (teff >= low) & (teff < high)) for low, high in RANGES]
        rows = [row for row in rows if row[2].any()]
        table["teff_min"] = [low for low, _, _ in rows] * u.K
        table["teff_max"] = [high for _, high, _ in rows] * u.K
        table["n"] = [int(inside.sum()) for _, _, inside in rows]
        for j, name in enumerate(self.names):
            unit = u.Unit(find_label(name).unit)
            inside = [difference[row, j] for _, _, row in rows]
            table[f"{name}_offset"], table[f"{name}_mad"] = (
                np.transpose([offset_and_mad(d) for d in inside]) * unit
            )
        return table

    def table(self) -> QTable:
        """One row per star: known and fitted labels, formal errors, fold."""
        from astropy import units as u
        from astropy.table import QTable

        table = QTable({"star_id": self.star_id, "fold": self.fold})
        for j, name in enumerate(self.names):
            unit = u.Unit(find_label(name).unit)
            table[f"{name}_known"] = self.known[:, j] * unit
            table[name] = self.fitted[:, j] * unit
            table[f"{name}_err_formal"] = self.error[:, j] * unit
        table["rchi2"] = self.rchi2
        return table


def cross_validate(
    reference: Spectra,
    recipe: Recipe | None = None,
    *,
    folds: int = 5,
    labels: list[str] | None = None,
    wavelength: ArrayLike | None = None,
    teff_max: float | None = None,
    label_errors: Mapping[str, ArrayLike] | None = None,
    progress: bool = False,
) -> Validation:
    """Train `folds` emulators, each without one part of the stars, and fit that part.

    Parameters
    ----------
    reference : Spectra
        With `labels`.
    recipe : Recipe, optional
        Its ``validation_fraction`` is not used: the fold left out serves as validation.
    folds : int
        2 or more; visits of a star stay in one fold.
    labels, wavelength, teff_max, label_errors
        See `maury.learn.select.select`.
    progress : bool
        Show the progress of every training on stderr.

    Raises
    ------
    ValueError
        If there are fewer stars than folds.
    """
    recipe = recipe or Recipe()
    chosen = select(
        reference, labels, wavelength, recipe.window, teff_max, label_errors, recipe.reference_scale
    )
    n_stars = len(np.unique(chosen.star_id))
    if not 2 <= folds <= n_stars:
        raise ValueError(f"folds: expected 2 to {n_stars}, the number of stars, got {folds}")
    fold = np.zeros(len(chosen.labels), dtype=np.int64)
    done = []
    everything = np.ones(len(fold), dtype=bool)
    chosen, _ = to_one_scale(chosen, everything, recipe, progress)
    for k, (left_out, trained) in enumerate(fold_emulators(chosen, everything, recipe, folds, progress)):
        done.append(_measure(trained.emulator, chosen, left_out, k))
        fold[left_out] = k
    back = np.argsort(np.concatenate([np.flatnonzero(fold == k) for k in range(folds)]))
    columns = {name: np.concatenate([getattr(part, name) for part in done])[back] for name in _COLUMNS}
    flux = sum((part.flux for part in done[1:]), done[0].flux)
    return Validation(names=chosen.names, **columns, flux=flux)


def validate_unseen(emulator: Emulator, reference: Spectra) -> Validation:
    """Fit the stars of a reference set that were withheld from the training of an emulator.

    Parameters
    ----------
    emulator : Emulator
        An emulator trained by `maury.train` on this set.
    reference : Spectra
        With its `labels`.

    Raises
    ------
    ValueError
        If the emulator names no such stars, or none of them is in the set.
    """
    held = emulator.meta.get("validation_stars", [])
    mine = np.isin(reference.star_id, held)
    if not mine.any():
        raise ValueError(
            f"reference: has none of the {len(held)} stars withheld from the training of this emulator; "
            "use the set it was trained on"
        )
    chosen = select(
        reference[np.flatnonzero(mine)], emulator.labels, emulator.wavelength, emulator.window,
        emulator.meta.get("teff_max"),
    )  # fmt: skip
    labels = on_reference_scale(chosen.labels, chosen.source, chosen.names, emulator.meta)
    chosen = replace(chosen, labels=labels)
    return _measure(emulator, chosen, np.ones(len(chosen.labels), dtype=bool), 0)


def _measure(emulator: Emulator, chosen: TrainingSet, rows: NDArray[np.bool_], fold: int) -> Validation:
    chosen, result = as_fitted(chosen, rows, emulator, chosen.labels[rows])
    known, names = chosen.labels[rows], chosen.names
    teff = known[:, names.index("teff")] if "teff" in names else np.zeros(len(known))
    complete = np.asarray(np.isfinite(known).all(axis=1))
    return Validation(
        names,
        chosen.star_id[rows],
        known,
        result.labels,
        np.sqrt(np.diagonal(result.covariance, axis1=1, axis2=2)),
        reduced(result.chi2, result.n_pixels, len(names)),
        np.full(len(known), fold),
        flux_errors(
            chosen.flux[rows][complete],
            chosen.ivar[rows][complete],
            chosen.instruments[rows][complete].see(emulator.predict(known[complete])),
            teff[complete],
        ),
    )
