"""Misfits that are smooth over tens of pixels: fringes, steps between arms, telluric bands, other objects.

The core finds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

import maury._core as _core
from maury.measure.emission import rows

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator

Array = NDArray[np.float64]

CELL = 20  # pixels of the emulator


def smooth_misfit(
    flux: ArrayLike,
    ivar: ArrayLike,
    model: ArrayLike,
    scatter: ArrayLike,
    cell: int = CELL,
    edge: int = 0,
) -> tuple[Array, Array]:
    """Rms of the residual in cells of several pixels, and its largest value.

    a = sum w r / sum w in a cell, r = flux - model, w = 1/(1/ivar + scatter^2); its variance is v = 1/sum w.
    The rms of M cells is sqrt(mean(a^2 - v) - 3 sqrt(2 sum v^2)/M), the largest value |a| - 3 sqrt(v): with
    3 sigma of the noise subtracted, noise alone rarely gives more than 0. Both are at least 0.

    Parameters
    ----------
    flux, ivar, model : (N, P)
        Normalised flux, its inverse variance, and that of the fit.
    scatter : (P,) or (N, P)
        Rms that the emulator cannot explain.
    cell, edge : int
        Pixels per cell, and pixels excluded at either end of a spectrum.

    Returns
    -------
    rms, worst : (N,)
        In units of the continuum.
    """
    data = rows(flux)
    noise = np.ascontiguousarray(np.broadcast_to(np.asarray(scatter, dtype=float), data.shape))
    return _core.smooth_misfit(data, rows(ivar), rows(model), noise, cell, edge)


def usual_error(emulator: Emulator) -> float:
    """Rms flux error of stars withheld from the training of the emulator; infinite if unknown.

    Not below the accuracy, 0.008, to which local lines reproduce the running median of training spectra.
    """
    return _core.usual_error(float((emulator.meta or {}).get("held_out_rms", np.inf)))


def unexplained_part(flux: ArrayLike, ivar: ArrayLike, model: ArrayLike, cell: int = CELL) -> Array:
    """Return rms of the residual over that of the features of spectra, (N,): near 0 for a star, else near 1.

    In cells of some pixels r is the median of flux - model, m the mean of model - 1. With
    weights g = 1/(v + 0.01^2), v the variance of r by the noise,

        part^2 = [<g^2 r^2> - <g^2 v> - 3 sqrt(2 <g^4 v^2>)] / max(<g^2 (r + m)^2> - <g^2 v>, <g^2 m^2>)

    It needs no unit and no noise floor: the lines of a hot star are few and weak, and so is what a fit leaves
    of them. A quasar, a galaxy or a carbon star shows features that no labels give; a spectrum without lines
    lacks those that any labels give. The median of a cell is blind to cosmic rays and narrow emission.

    Parameters
    ----------
    flux, ivar, model : (N, P)
        Normalised flux, its inverse variance, and that of the fit.
    cell : int
        Pixels per cell.
    """
    return _core.unexplained_part(rows(flux), rows(ivar), rows(model), cell)
