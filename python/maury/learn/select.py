"""Selection of the training set: prepared spectra with complete labels, split by star."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.emulator.checks import log10_wavelength
from maury.labels import LABELS
from maury.learn.instruments import (
    Instruments,
    broadened,
    instruments_of,
    same_instrument,
    sharpest,
    variances,
)
from maury.learn.sources import sources_of
from maury.prepare import prepare
from maury.spectra import SPEED_OF_LIGHT, Spectra

Array = NDArray[np.float64]

TOO_FEW = "too few pixels"
#: Minimum fraction of the grid covered by a star in the training set, or of the pixels that it could teach.
MIN_PIXEL_FRACTION = 0.5
# Fraction of the spectra without all labels from which on they are kept: on MILES, where 4 % lack [Fe/H],
# they taught nothing (MAD of FGK stars 65 K, .168, .093 with them and 64 K, .170, .086 without).
_MANY = 0.1
# Error floor in the weights: no pixel has more weight than at a S/N of 50.
_FLUX_FLOOR = 0.02
# Differences of variance below this fraction are ignored: the same instrument at another velocity.
_SHARPER = 0.01
_GRID_STEP = 1e-4  # dex, that of SDSS and MaStar


@dataclass(frozen=True)
class TrainingSet:
    """Normalised spectra with complete labels on one grid.

    Attributes
    ----------
    flux, ivar : (N, P) float64
        Normalised flux and its inverse variance, 0 = missing.
    labels, label_error : (N, L) float64
        NaN = missing; the error is 0 where it is unknown.
    names : tuple of str, L
    star_id, source : (N,) str
    wavelength : (P,) float64
    lsf : (P,) float64 or None
        Line-spread function of an emulator for these stars, Gaussian sigma [Angstrom].
    instruments : Instruments
        The broadening from it to that of each star.
    star_lsf : (N, P) float64 or None
        Line-spread function of each star, no sharper than `lsf`; NaN = unknown.
    rows : (N,) int
        Their rows in the reference set.
    spectra : Spectra
        These rows.
    reasons : (M,) str
        For each of the M spectra of the reference set, why it was rejected; "" = it is one of the N.
    left_out : dict of str to int
        Number of stars rejected for each reason.
    digest : str
        SHA-256 of labels, fluxes and grid.
    """

    flux: Array
    ivar: Array
    labels: Array
    label_error: Array
    names: tuple[str, ...]
    star_id: NDArray[np.str_]
    source: NDArray[np.str_]
    wavelength: Array
    lsf: Array | None
    instruments: Instruments
    star_lsf: Array | None
    rows: NDArray[np.intp]
    spectra: Spectra
    reasons: NDArray[np.str_]
    left_out: dict[str, int]
    digest: str

    def __getitem__(self, rows: NDArray[np.bool_]) -> TrainingSet:
        """Return the stars of a part, rows (N,) of bool."""
        names = (
            "flux",
            "ivar",
            "labels",
            "label_error",
            "star_id",
            "source",
            "instruments",
            "rows",
        )
        parts = {name: getattr(self, name)[rows] for name in names}
        star_lsf = None if self.star_lsf is None else self.star_lsf[rows]
        return replace(self, **parts, star_lsf=star_lsf, spectra=self.spectra[np.flatnonzero(rows)])


def select(
    reference: Spectra,
    labels: Sequence[str] | None,
    wavelength: ArrayLike | None,
    window: int,
    teff_max: float | None = None,
    label_errors: Mapping[str, ArrayLike] | None = None,
    reference_scale: str | None = None,
) -> TrainingSet:
    """Select the stars suitable for training and prepare their spectra.

    Rejected, with a reason, and counted by reason: stars with an unreadable spectrum or one that covers too
    little of the grid, stars hotter than `teff_max`, and stars without one of the labels. If these are a
    tenth of all or more, only those without `teff` (or without any label, if that is not trained) are
    rejected.

    Parameters
    ----------
    reference : Spectra
        With `labels`.
    labels : sequence of str, optional
        Labels to train; by default all labels of the reference set.
    wavelength : (P,) or (2,), optional
        The grid [vacuum Angstrom], or the two ends of one with a step of 1e-4 dex; by default the range
        covered by at least half of the stars.
    window : int
        Running median, pixels.
    teff_max : float, optional
        [K]
    label_errors : mapping of str to (M,), optional
        Errors of the labels of the M spectra, by name; NaN = unknown.
    reference_scale : str, optional
        The source whose instrument the emulator has, see `maury.learn.sources.sources_of`.

    Raises
    ------
    ValueError
        If a label does not exist, or the grid is invalid.
    """
    names = tuple(labels) if labels is not None else tuple(n for n in LABELS if n in reference.labels)
    unknown = [name for name in names if name not in reference.labels]
    if unknown or not names:
        raise ValueError(
            f"labels: the reference set has {', '.join(reference.labels) or 'none'}, requested were "
            f"{', '.join(unknown) or 'none'}"
        )
    grid = training_grid(reference, wavelength)
    values = np.column_stack([reference.labels[name] for name in names])
    left_out: dict[str, int] = {}
    reasons: list[str] = [""] * len(reference)

    def leave_out(reason: str, bad: NDArray[np.bool_], detail: Callable[[int], str] | None = None) -> None:
        new = [int(row) for row in np.flatnonzero(bad) if not reasons[row]]
        left_out[reason] = len(new)
        for row in new:
            reasons[row] = reason if detail is None else f"{reason}: {detail(row)}"

    def missing(row: int) -> str:
        return ", ".join(
            name for name, value in zip(names, values[row], strict=True) if not np.isfinite(value)
        )

    leave_out("unreadable", np.asarray(reference.problem != ""), lambda row: str(reference.problem[row]))
    known = np.isfinite(values)
    incomplete = ~known.all(axis=1)
    if incomplete.mean() >= _MANY:  # their missing labels are fitted along
        incomplete = ~(known[:, names.index("teff")] if "teff" in names else known.any(axis=1))
    leave_out("a label missing", np.asarray(incomplete), missing)
    if teff_max is not None and "teff" in names:
        leave_out(f"teff above {teff_max:g} K", np.asarray(reference.labels["teff"] > teff_max))
    rows = np.flatnonzero([not reason for reason in reasons])
    prepared = prepare(reference[rows], grid, window)
    part = np.zeros(len(reference))
    part[rows] = (prepared.ivar > 0).mean(axis=1)
    enough = part[rows] >= MIN_PIXEL_FRACTION
    leave_out(
        TOO_FEW,
        part < MIN_PIXEL_FRACTION,
        lambda row: f"{100 * part[row]:.0f} % of the grid; {100 * MIN_PIXEL_FRACTION:.0f} % are required",
    )
    rows = rows[enough]
    flux, ivar = prepared.flux[enough], prepared.ivar[enough]
    own_lsf = None if prepared.lsf is None else prepared.lsf[enough]
    lsf = None
    if own_lsf is not None:
        sources = sources_of(reference.source[rows], reference_scale)
        lsf = sharpest(own_lsf, ivar, reference.source[rows] == sources[0])
    instruments = same_instrument(len(rows))
    if own_lsf is not None and lsf is not None:
        flux, ivar = _no_sharper_than(lsf, flux, ivar, own_lsf, grid)
        instruments = instruments_of(own_lsf, lsf, grid)
        own_lsf = np.maximum(own_lsf, lsf)
    digest = hashlib.sha256()
    for array in (values[rows], flux, grid):
        digest.update(np.ascontiguousarray(array).tobytes())
    return TrainingSet(
        flux=flux,
        ivar=ivar,
        labels=values[rows],
        label_error=_errors(label_errors or {}, names, len(reference))[rows],
        names=names,
        star_id=reference.star_id[rows],
        source=reference.source[rows],
        wavelength=grid,
        lsf=lsf,
        instruments=instruments,
        star_lsf=own_lsf,
        rows=rows,
        spectra=reference[rows],
        reasons=np.array(reasons, dtype=str),
        left_out={reason: count for reason, count in left_out.items() if count},
        digest=digest.hexdigest(),
    )


def _errors(told: Mapping[str, ArrayLike], names: Sequence[str], n: int) -> Array:
    """Errors of labels (n, L), 0 where unknown."""
    errors = np.zeros((n, len(names)))
    for j, name in enumerate(names):
        values = np.asarray(told.get(name, np.zeros(n)), dtype=np.float64)
        if values.shape != (n,):
            raise ValueError(
                f"label_errors[{name!r}]: expected {n} values, one per spectrum, got {values.shape}"
            )
        errors[:, j] = np.where(np.isfinite(values) & (values > 0), values, 0.0)
    return errors


def weights(ivar: Array) -> Array:
    """Weights of pixels in the loss for their inverse variances (N, P)."""
    weight = np.zeros_like(ivar)
    good = ivar > 0
    weight[good] = 1.0 / (1.0 / ivar[good] + _FLUX_FLOOR**2)
    return weight


def split_stars(star_id: NDArray[np.str_], fractions: Sequence[float], seed: int) -> list[NDArray[np.bool_]]:
    """Draw disjoint random subsets of the stars, keeping visits of a star together.

    Parameters
    ----------
    star_id : (N,) str
    fractions : sequence of float
        Fraction of the stars in each draw; every draw has at least one star unless its fraction is 0.
    seed : int

    Returns
    -------
    list of (N,) bool
    """
    stars = np.unique(star_id)
    order = np.random.default_rng(seed).permutation(stars)
    parts, first = [], 0
    for fraction in fractions:
        size = max(1, round(fraction * len(stars))) if fraction > 0 else 0
        parts.append(np.isin(star_id, order[first : first + size]))
        first += size
    return parts


def training_grid(reference: Spectra, wavelength: ArrayLike | None) -> Array:
    """Grid of the training, from its points, its two ends, or the stars themselves."""
    if wavelength is not None:
        given = np.asarray(wavelength, dtype=np.float64)
        if given.ndim != 1 or given.size < 2 or not (np.isfinite(given).all() and (np.diff(given) > 0).all()):
            raise ValueError("wavelength: expected two or more finite, increasing values in vacuum Angstrom")
        if given.size > 2:
            return given
        low, high = given
    else:
        shift = 1.0 + np.where(np.isfinite(reference.rv), reference.rv, 0.0) / SPEED_OF_LIGHT
        rest = np.where(reference.mask, np.nan, reference.wavelength) / shift[:, None]
        some = rest[np.isfinite(rest).any(axis=1)]
        if not len(some):
            raise ValueError("reference: no spectrum has a usable pixel")
        low, high = np.median(np.nanmin(some, axis=1)), np.median(np.nanmax(some, axis=1))
    first = np.ceil(round(np.log10(low) / _GRID_STEP, 6)) * _GRID_STEP
    count = int((np.log10(high) - first) / _GRID_STEP + 1e-6) + 1
    return log10_wavelength(first, _GRID_STEP, count)


def _no_sharper_than(lsf: Array, flux: Array, ivar: Array, own: Array, grid: Array) -> tuple[Array, Array]:
    """Broaden the stars (N, P) whose line-spread functions `own` (N, P) are sharper than `lsf` (P,)."""
    flux, ivar = flux.copy(), ivar.copy()
    variance = variances(lsf, own, grid)
    for i in np.flatnonzero(((variance > _SHARPER * variances(lsf, 0 * lsf, grid)) & (ivar > 0)).any(axis=1)):
        flux[i], ivar[i] = broadened(flux[i], ivar[i], variance[i])
    return flux, ivar
