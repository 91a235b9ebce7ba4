"""Spectra of a training set, normalised as the fit does it.

A running median depends on the noise, the slope and the resolution of a spectrum. The emulator that is
trained in the end therefore learns from spectra that are divided by the continuum of a fit, the local lines
through data / model, with the model of a first emulator at the given labels. (At fitted labels the errors of
the fit would be in the continuum.) Fits with free labels give the velocity of each arm.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from maury.learn.select import TrainingSet
from maury.measure.fit import FitResult, Models, fit_spectra
from maury.measure.options import Options
from maury.prepare import running_median, to_grid
from maury.spectra import SPEED_OF_LIGHT, Spectra

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator

Array = NDArray[np.float64]

_ROWS = 100  # spectra in memory with their models


@dataclass(frozen=True)
class Fitted:
    """Fits of U spectra: see `maury.measure.fit.FitResult`; NaN labels where the fit failed."""

    labels: Array
    covariance: Array
    chi2: Array
    n_pixels: NDArray[np.integer]


def as_fitted(
    chosen: TrainingSet, used: NDArray[np.bool_], emulator: Emulator, labels: Array
) -> tuple[TrainingSet, Fitted]:
    """Fit the spectra of a training set, and normalise them as the fits do.

    Parameters
    ----------
    chosen : TrainingSet
    used : (N,) bool
        Spectra to fit, U of them; the others, and those whose fit fails, stay as they are.
    emulator : Emulator
        A first one, trained on them.
    labels : (U, L)
        Those of the model; NaN = unknown, then the fitted ones.

    Returns
    -------
    TrainingSet
        With other `flux` and `ivar`.
    Fitted
    """
    rows = np.flatnonzero(used)
    parts: list[FitResult] = []
    flux, ivar = chosen.flux.copy(), chosen.ivar.copy()
    for first in range(0, len(rows), _ROWS):
        part = rows[first : first + _ROWS]
        own = chosen.spectra[part]
        result, models = fit_spectra(emulator, own, Options())
        parts.append(result)
        given = labels[first : first + _ROWS]
        given = np.where(np.isfinite(given), given, result.labels)
        model = chosen.instruments[part].see(emulator.predict(given))
        outlier = (models.ivar > 0) & (models.weight <= 0) & np.isfinite(models.model)
        rest = _at_rest(own, result, models)
        new_flux, new_ivar = _normalised(rest, outlier, model, emulator)
        good = result.converged & (new_ivar > 0).any(axis=1)
        flux[part[good]], ivar[part[good]] = new_flux[good], new_ivar[good]
    fitted = (np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Fitted))
    return replace(chosen, flux=flux, ivar=ivar), Fitted(*fitted)


def _at_rest(spectra: Spectra, result: FitResult, models: Models) -> Spectra:
    """Return the data that were fitted at rest, each arm by its own velocity.

    Data that were convolved for the fit, since they are sharper than the emulator, stay convolved.
    """
    velocity = np.nan_to_num(cast("Array", result.rv))[:, None]
    if result.arm_rv is not None and spectra.arm is not None:
        arms = np.column_stack([np.zeros(len(spectra)), np.nan_to_num(result.arm_rv)])
        of_pixel = np.broadcast_to(spectra.arm, spectra.flux.shape)
        velocity = velocity + np.take_along_axis(arms, of_pixel, axis=1)
    return replace(
        spectra,
        wavelength=spectra.wavelength / (1.0 + velocity / SPEED_OF_LIGHT),
        flux=models.flux,
        ivar=np.nan_to_num(models.ivar),
        mask=~(models.ivar > 0),
        rv=np.zeros(len(spectra)),
    )


def _normalised(
    spectra: Spectra, outlier: NDArray[np.bool_], model: Array, emulator: Emulator
) -> tuple[Array, Array]:
    """Flux and ivar (N, P) on a grid, divided by the local lines through data / model of each arm.

    Pixels that the fit rejected, `outlier`, do not tell the continuum.
    """
    wavelength, window, scatter = emulator.wavelength, emulator.window, emulator.scatter
    flux, ivar = np.zeros(model.shape), np.zeros(model.shape)
    arm = np.zeros(spectra.flux.shape, dtype=int) if spectra.arm is None else spectra.arm
    arm = np.broadcast_to(arm, spectra.flux.shape)
    for number in np.unique(arm):
        data = to_grid(replace(spectra, mask=spectra.mask | (arm != number)), wavelength)
        median = running_median(data.flux, window, data.ivar <= 0)
        median[~(median > 0)] = 1.0
        good = data.ivar > 0
        noise = np.where(good, 1.0 / np.where(good, data.ivar, 1.0), 1.0)
        weight = np.where(good, 1.0 / (noise + (scatter * median) ** 2), 0.0)
        for i in np.flatnonzero((outlier & (arm == number)).any(axis=1)):
            mine = (arm[i] == number) & np.isfinite(spectra.wavelength[i])
            near = np.interp(wavelength, spectra.wavelength[i][mine], outlier[i][mine].astype(float))
            weight[i, near > 0] = 0.0
        continuum = local_lines(data.flux, weight, model, half_window(window))
        known = (continuum > 0) & good
        continuum[~known] = 1.0
        own = np.where(known, data.ivar * continuum**2, 0.0)
        flux += own * data.flux / continuum
        ivar += own
    some = ivar > 0
    return np.where(some, flux / np.where(some, ivar, 1.0), 1.0), ivar


def half_window(window: int) -> int:
    """Pixels on each side of the local lines of a fit, as in ``cpp/src/finish.cpp``."""
    return window // 4


def local_lines(data: Array, weight: Array, model: Array, half: int) -> Array:
    """Weighted straight lines through data / model within `half` pixels of each pixel, (N, P).

    c_p = a_p of the line a + b (q - p) that makes sum_q w_q (d_q - m_q (a + b (q - p)))^2 least,
    |q - p| <= half; NaN where fewer than two pixels tell it. All arguments (N, P); weight and model may be
    (1, P).
    """
    n = data.shape[1]
    first, last = np.maximum(np.arange(n) - half, 0), np.minimum(np.arange(n) + half + 1, n)
    q = (np.arange(n) - 0.5 * n) / half

    def within(values: Array) -> Array:
        total = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
        return np.asarray(total[:, last] - total[:, first])

    w, wd = weight * model**2, weight * model * data
    s0, s1, s2, d0, d1 = (within(v) for v in (w, w * q, w * q**2, wd, wd * q))
    determinant = s0 * s2 - s1**2
    known = determinant > 1e-9 * s0**2
    scale = np.where(known, determinant, 1.0)
    line = (s2 * d0 - s1 * d1 + (s0 * d1 - s1 * d0) * q) / scale
    return np.where(known, line, np.nan)
