"""Fit labels to spectra: the arguments are checked here, the fit is done by the C++ core."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

import maury._core as _core
from maury.measure.options import Options
from maury.measure.plan import fit_plan
from maury.measure.prior import Prior, PriorLike, checked_prior
from maury.measure.regions import REGIONS
from maury.measure.result import Rows
from maury.measure.starts import N_CANDIDATES
from maury.spectra.units import flux_in_one_unit, plain, sigma_in_angstrom

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator
    from maury.spectra import Spectra

Array = NDArray[np.float64]

#: Why a fit ended; the values and meanings are those of ``cpp/include/maury/codes.h``.
Status = IntEnum("Status", {name: value for name, (value, _) in _core.STATUS.items()})  # type: ignore[misc]


@dataclass(frozen=True)
class FitResult(Rows):
    """Result of the fit of N spectra; a failed fit is a row with NaN labels or `converged` False.

    Attributes
    ----------
    labels : (N, L) float64
        Labels at the minimum of chi-square inside the bounds, physical units.
    covariance : (N, L, L) float64
        Inverse of J' V^-1 J + C^-1 at the solution, V the covariance of the pixels, with the residual modes,
        and C that of the prior, physical units; the bounds are not included. 0 for a fixed label.
    noise_covariance : (N, L, L) float64
        The part of it that is due to noise, diag(V) without the modes: what differs between visits of a star.
    chi2, chi2_noise : (N,) float64
        Chi-square of the data that was minimised, without what the residual modes explain, and that of the
        noise (ivar) alone.
    n_pixels : (N,) int
        Pixels used in the fit.
    converged : (N,) bool
    status : (N,) int
        A `Status`.
    n_evaluations : (N,) int
        Evaluations of the exact chi-square.
    at_bound : (N, L) bool
        False for a fixed label.
    n_starts, n_agree : (N,) int
        Starts that were followed, and how many of them ended in this minimum.
    n_clipped : (N,) int
        Pixels rejected as outliers; they are not included in `n_pixels`.
    start : (N,) str
        ``"given"``; ``"search"`` if the start was found by the search; or ``"photometry"`` if the photometric
        start gave a lower chi-square than the search.
    sharper : (N,) bool or None
        Whether at least a tenth of the pixels in use had a higher resolution than the emulator, and were
        convolved to match it.
    rv, rv_err : (N,) float64 or None
        Velocity, c*z [km/s], and its error if it was fitted.
    arm_rv : (N, A - 1) float64 or None
        Velocities of the second and further arms relative to the first in use [km/s]; NaN for an arm that is
        not in use.
    broadening, broadening_err : (N,) float64 or None
        Gaussian sigma of the broadening in addition to the line-spread function of the spectrum, or that of
        the emulator if the former is unknown; negative if the spectrum is narrower [km/s].
    chi2_prior : (N,) float64 or None
        What the prior adds to `chi2`, which does not include it; 0 for a spectrum without a prior, and None
        if no prior was given.
    fitted_labels : (N, L) float64 or None
        Labels of the emulator at the minimum, where `labels` are those of the star; see
        `maury.measure.star_prior`.
    model_covariance : (N, L, L) float64 or None
        Covariance of the model error in that case; NaN without a prior.
    names : tuple of str
        Names of the labels.
    """

    labels: Array
    covariance: Array
    noise_covariance: Array
    chi2: Array
    chi2_noise: Array
    n_pixels: NDArray[np.integer]
    converged: NDArray[np.bool_]
    status: NDArray[np.integer]
    n_evaluations: NDArray[np.integer]
    at_bound: NDArray[np.bool_]
    n_starts: NDArray[np.integer]
    n_agree: NDArray[np.integer]
    n_clipped: NDArray[np.integer]
    start: NDArray[np.str_]
    sharper: NDArray[np.bool_] | None = None
    rv: Array | None = None
    rv_err: Array | None = None
    arm_rv: Array | None = None
    broadening: Array | None = None
    broadening_err: Array | None = None
    chi2_prior: Array | None = None
    fitted_labels: Array | None = None
    model_covariance: Array | None = None
    names: tuple[str, ...] = ()


def fit_normalized(
    emulator: Emulator,
    flux: ArrayLike,
    ivar: ArrayLike,
    start: ArrayLike | None = None,
    bounds: ArrayLike | None = None,
    lsf: ArrayLike | None = None,
    use_scatter: bool = True,
    threads: int | None = None,
    *,
    prior: PriorLike | None = None,
    n_starts: int = 6,
    progress: Callable[[int], None] | None = None,
) -> FitResult:
    """Fit the labels of normalised spectra on the grid of the emulator (Imig et al. 2021, sec. 3.2).

    Minimises chi2(x) = r' V^-1 r, r = flux - model(x), by the Levenberg-Marquardt method with bounds.
    V = diag(1/ivar + scatter^2) for an emulator without residual modes U, else diag(1/ivar + scatter_rest^2)
    + U U' (`docs/method.md`). Pixels with ivar <= 0 or with a value that is not finite are
    excluded. A spectrum that cannot be fitted is given a status and raises no exception.

    Parameters
    ----------
    emulator : Emulator
    flux, ivar : (P,) or (N, P)
        Flux divided by its running median, and the inverse variance of that ratio.
    start : (L,), (N, L) or (N, S, L), optional
        Labels to start from, in physical units: one set for all spectra, or one or several sets per spectrum.
        Without it, or where it is NaN, the search compares many sets of labels and follows the best of them.
    bounds : (L, 2), optional
        Lower and upper bound of each label; `Emulator.bounds` by default.
    lsf : (P,) or (N, P), optional
        Line-spread function of the spectra: Gaussian sigma, Angstrom at rest, on the pixels of the emulator.
        The model of each spectrum is broadened to it where it is known (not NaN) and wider than that of the
        emulator; where it is narrower, the spectrum is convolved to match the emulator.
    use_scatter : bool
        Include the scatter of the emulator in the weights, and its residual modes.
    threads : int, optional
        Threads over spectra; all available cores by default. The result does not depend on it.
    prior : (mean, covariance), or mapping, optional
        Gaussian prior on the labels: (x - mean)' C^-1 (x - mean) is added to chi2. See
        `maury.measure.prior.checked_prior`.
    n_starts : int
        Number of starts of the search that are followed to their minimum; more if the noise does not
        distinguish them.
    progress : callable, optional
        Called at intervals with the number of spectra completed so far.

    Returns
    -------
    FitResult

    Raises
    ------
    ValueError
        If a shape does not match the emulator, an interval of the bounds is empty or not finite, a covariance
        is not positive definite, or `lsf` is given and the line-spread function of the emulator is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> import maury
    >>> emulator = maury.Emulator.load("default")
    >>> flux = emulator.predict(teff=5772, logg=4.44, fe_h=0.0)
    >>> result = maury.fit_normalized(emulator, flux, np.full(flux.shape, 1e4))  # S/N 100
    >>> result.table()["teff", "logg", "converged"].pprint()
    teff logg converged
     K   dex
    ---- ---- ---------
    5772 4.44      True
    """
    flux, ivar, _ = flux_in_one_unit(flux, ivar)
    data, weight = (_rows(name, values, emulator) for name, values in (("flux", flux), ("ivar", ivar)))
    if data.shape != weight.shape:
        raise ValueError(f"ivar: expected the shape of flux {data.shape}, got {weight.shape}")
    if lsf is not None and emulator.lsf is None:
        raise ValueError(
            "lsf: the line-spread function of the emulator is unknown, so it cannot be broadened"
        )
    sigma = None
    if lsf is not None:
        sigma = _rows("lsf", sigma_in_angstrom("lsf", lsf, emulator.wavelength), emulator)
    if sigma is not None:
        sigma = np.ascontiguousarray(np.broadcast_to(sigma, data.shape))
    options = Options(
        velocity="given", bounds=cast("Any", bounds), use_scatter=use_scatter, n_starts=n_starts, clip=0.0
    )
    starts = checked_start(start, len(data), len(emulator.labels))
    workers = checked_threads(threads)
    known = checked_prior(prior, len(data), emulator)
    core = _core.Spectra(
        wavelength=np.ascontiguousarray(emulator.wavelength),
        flux=data,
        ivar=weight,
        lsf=sigma,
        starts=starts,
        n_labels=len(emulator.labels),
        **_core_prior(known),
    )
    out = _core.measure(
        fit_plan(emulator, options.box(emulator), workers),
        core,
        core_options(options) | {"continuum": False},
        threads=workers,
        progress=progress,
    )
    result = replace(_result(out, starts, known), names=tuple(emulator.labels))
    return replace(result, rv=None, rv_err=None)


@dataclass(frozen=True)
class Models:
    """Models of N spectra on their own pixels.

    Attributes
    ----------
    model : (N, P) float64
        The emulator at the resolution, velocity and pixels of the spectrum, multiplied by the continuum; NaN
        outside the wavelength range of the emulator.
    continuum : (N, P) float64
        Local straight lines fitted to the ratio of data and emulator; NaN where it is not constrained.
    weight : (N, P) float64
        Weights of the fit; 0 = excluded, or rejected as an outlier.
    flux, ivar : (N, P) float64
        The data that were fitted, convolved where their resolution is higher than that of the emulator;
        `ivar` 0 = bad.
    """

    model: Array
    continuum: Array
    weight: Array
    flux: Array
    ivar: Array


def fit_spectra(
    emulator: Emulator,
    spectra: Spectra,
    options: Options,
    starts: Array | None = None,
    guess: Array | None = None,
    prior: Prior | None = None,
    threads: int = 0,
    progress: Callable[[int], None] | None = None,
) -> tuple[FitResult, Models]:
    """Fit spectra on their own pixels, each at its own resolution and velocity, together with its continuum.

    Parameters
    ----------
    emulator : Emulator
    spectra : Spectra
    options : Options
    starts : (N, S, L) float64, optional
        As from `checked_start`.
    guess : (N, L) float64, optional
        An additional start besides the search; NaN where unknown.
    prior : Prior, optional
        As from `checked_prior`.
    threads : int
        0 = all available cores.
    progress : callable, optional
    """
    moving = np.full(len(spectra), options.velocity == "fit") & (spectra.rv != 0)
    arms = moving & (spectra.arm is not None)
    if options.arm_rv is not None:
        arms = np.full(len(spectra), options.arm_rv)
    core = core_spectra(
        spectra, emulator, fit_rv=moving, fit_arms=arms, starts=starts, guess=guess, **_core_prior(prior)
    )
    out = _core.measure(
        fit_plan(emulator, options.box(emulator), threads, bool(moving.any())),
        core,
        core_options(options),
        threads=threads,
        progress=progress,
        models=True,
    )
    result = replace(_result(out, starts, prior), names=tuple(emulator.labels))
    arm_rv = out["arm_rv"] if arms.any() and out["arm_rv"].shape[1] else None
    broadening = (out["broadening"], out["broadening_err"]) if options.broadening else (None, None)
    result = replace(result, arm_rv=arm_rv, broadening=broadening[0], broadening_err=broadening[1])
    models = Models(out["model"], out["continuum"], out["weight"], out["flux"], out["ivar"])
    return result, models


def core_spectra(spectra: Spectra, emulator: Emulator, **more: Any) -> _core.Spectra:
    """Convert spectra to the arrays of the core."""
    arm = None if spectra.arm is None else np.ascontiguousarray(spectra.arm, dtype=np.int32)
    return _core.Spectra(
        wavelength=_contiguous(spectra.wavelength),
        flux=_contiguous(spectra.flux),
        ivar=_contiguous(spectra.ivar),
        mask=np.ascontiguousarray(spectra.mask),
        lsf=None if spectra.lsf is None else _contiguous(spectra.lsf),
        resolution=None if spectra.resolution is None else _contiguous(spectra.resolution),
        arm=arm,
        rv=_contiguous(spectra.rv),
        n_labels=len(emulator.labels),
        **more,
    )


def core_options(options: Options) -> dict[str, Any]:
    """Convert options to those of the core."""
    regions = [(low, high, REGIONS[name][0]) for name in options.leave_out for low, high in REGIONS[name][1]]
    return {
        "use_scatter": options.use_scatter,
        "broadening": options.broadening,
        "max_rv": options.max_rv,
        "clip": options.clip,
        "n_starts": min(options.n_starts, N_CANDIDATES),
        "leave_out": regions,
    }


def _contiguous(values: Array) -> Array:
    return np.ascontiguousarray(values, dtype=np.float64)


def _core_prior(prior: Prior | None) -> dict[str, Any]:
    return {} if prior is None else {"prior_mean": prior.mean, "prior_precision": prior.precision}


def _result(out: Mapping[str, Any], starts: Array | None, prior: Prior | None) -> FitResult:
    start = np.where(out["guessed"], "photometry", "search")
    if starts is not None:
        start[np.any(np.isfinite(starts).all(axis=2), axis=1)] = "given"
    named = {f.name: out[f.name] for f in fields(FitResult) if f.name in out and f.name not in _OPTIONAL}
    added = None if prior is None else out["chi2_prior"]
    converged = np.isin(out["status"], _CONVERGED)
    return FitResult(**named, converged=converged, start=start, chi2_prior=added)


_OPTIONAL = ("arm_rv", "broadening", "broadening_err", "chi2_prior")
_CONVERGED = [_core.STATUS[name][0] for name in ("COST", "STEP", "GRADIENT")]


def _rows(name: str, values: ArrayLike, emulator: Emulator) -> Array:
    """Check an array (P,) or (N, P)."""
    array = np.ascontiguousarray(np.atleast_2d(np.asarray(values, dtype=np.float64)))
    n_pixels = len(emulator.wavelength)
    if array.ndim != 2 or array.shape[1] != n_pixels:
        raise ValueError(
            f"{name}: expected shape (N, {n_pixels}) on the wavelengths of the emulator, got "
            f"{np.shape(values)}; use maury.fit for spectra that are not normalised or have other wavelengths"
        )
    return array


def checked_threads(threads: int | None) -> int:
    """Return the number of threads in the convention of the core: 0 = all available cores.

    Raises
    ------
    ValueError
        If it is below 1.
    """
    if threads is not None and threads < 1:
        raise ValueError(f"threads: expected at least 1, or None for all cores, got {threads}")
    return threads or 0


def checked_start(start: ArrayLike | None, n_spectra: int, n_labels: int) -> Array | None:
    """Return the starts as (N, S, L), or None.

    Raises
    ------
    ValueError
        If their shape is none of (L,), (N, L) and (N, S, L).
    """
    if start is None:
        return None
    given = np.asarray(plain("start", start), dtype=np.float64)
    if given.shape == (n_labels,):
        given = np.broadcast_to(given, (n_spectra, 1, n_labels))
    elif given.shape == (n_spectra, n_labels):
        given = given[:, None, :]
    elif given.ndim != 3 or given.shape[0] != n_spectra or given.shape[2] != n_labels:
        raise ValueError(
            f"start: expected shape ({n_labels},), ({n_spectra}, {n_labels}) or "
            f"({n_spectra}, S, {n_labels}), got {given.shape}"
        )
    return np.ascontiguousarray(given)
