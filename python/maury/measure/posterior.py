"""Posterior of labels and velocities, sampled with emcee from the exact chi-square of the core."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import maury._core as _core
from maury._version import __version__
from maury.emulator.builtin import emulator_of_formats
from maury.emulator.emulator import Emulator
from maury.emulator.grid import pixel_velocity
from maury.measure.fit import FitResult, core_options, core_spectra, fit_spectra
from maury.measure.lsf import with_lsf
from maury.measure.options import Options
from maury.measure.plan import fit_plan, template_labels
from maury.measure.prior import Prior, PriorLike, checked_prior
from maury.output import progress as show_progress
from maury.spectra import Spectra

if TYPE_CHECKING:
    from arviz import InferenceData

Array = NDArray[np.float64]

_DEEPEST = 16.0  # chi-square above the minimum up to which other minima get walkers
_SAME = 9.0  # squared formal errors: nearer minima are one, with other outliers
_NEEDS = "posterior requires emcee and ArviZ, which are not installed: pip install 'maury[posterior]'"


def posterior(
    spectra: Spectra,
    emulator: Emulator | str | PathLike[str] | None = None,
    *,
    prior: PriorLike | None = None,
    walkers: int = 32,
    tune: int = 200,
    draws: int = 500,
    seed: int = 0,
    progress: bool = False,
    **options: Any,
) -> InferenceData:
    """Sample the posterior of the labels and velocities of spectra.

    The likelihood is exp(-chi2 / 2) of the fit, its continuum the best one for each set of parameters, with
    the weights and without the outliers of the best fit. The prior is uniform inside the bounds, times
    `prior`. The samples show what noise and scatter allow, including bounds and other minima; the model error
    is not included.

    Parameters
    ----------
    spectra : Spectra
        N spectra; each takes some seconds.
    emulator : Emulator or path, optional
        By default that of the format of the files, as in `maury.fit`.
    prior : (mean, covariance), or mapping, optional
        Gaussian prior on the labels, as in `maury.fit`.
    walkers, tune, draws : int
        Walkers, and steps of each before and after the first sample that is kept.
    seed : int
        The same seed gives the same samples.
    progress : bool
        Show a progress bar.
    **options
        See `maury.measure.options.Options`.

    Returns
    -------
    arviz.InferenceData
        `posterior`: the labels by name, and what was fitted besides: `rv`, `arm_rv_1` (of the second arm
        relative to the first), ... and `broadening` [km/s], all of dimensions (chain, draw, spectrum), where
        the chains are the walkers. `sample_stats`: `lp`, the logarithm of the posterior but for a constant.
        A spectrum that cannot be fitted is NaN. A fixed label has no samples.

    Raises
    ------
    ImportError
        If emcee or ArviZ is not installed.
    ValueError
        If an option or the prior is invalid, or there are too few walkers.
    """
    try:
        import arviz
        import emcee
    except ImportError as error:
        raise ImportError(_NEEDS) from error
    if emulator is None:
        emulator = emulator_of_formats(spectra.format)
    if not isinstance(emulator, Emulator):
        emulator = Emulator.load(emulator)
    chosen = Options(**options)
    spectra = with_lsf(spectra, chosen)
    moving = chosen.velocity == "fit" and bool((spectra.rv != 0).any())
    plan = fit_plan(emulator, chosen.box(emulator), velocity=moving)
    priors = checked_prior(prior, len(spectra), emulator)
    problems = [
        _problem(spectra[i], emulator, chosen, plan, None if priors is None else priors[i : i + 1])
        for i in range(len(spectra))
    ]
    most = max((len(one.names) for one in problems if one is not None), default=0)
    if walkers < 2 * most:
        raise ValueError(
            f"walkers: expected at least {2 * most}, twice the number of parameters, got {walkers}"
        )
    names = list(dict.fromkeys(name for one in problems if one is not None for name in one.names))
    samples = {name: np.full((walkers, draws, len(spectra)), np.nan) for name in [*names, "lp"]}
    moves = [
        (emcee.moves.DEMove(), 0.8),
        (emcee.moves.DEMove(gamma0=1.0), 0.1),  # between minima
        (emcee.moves.StretchMove(), 0.1),
    ]
    rng = np.random.default_rng(seed)
    with show_progress(len(spectra) * (tune + draws), "sampling", "step", progress) as bar:
        for i, problem in enumerate(problems):
            if problem is None:
                bar.update(tune + draws)
                continue
            sampler = emcee.EnsembleSampler(
                walkers, len(problem.names), problem.log_posterior, moves=moves, vectorize=True
            )
            state = emcee.State(problem.start(walkers, rng), random_state=np.random.MT19937(seed + i).state)
            for _ in sampler.sample(state, iterations=tune + draws):
                bar.update()
            chains = sampler.get_chain(discard=tune)
            for k, name in enumerate(problem.names):
                samples[name][:, :, i] = chains[:, :, k].T
            samples["lp"][:, :, i] = sampler.get_log_prob(discard=tune).T
    return arviz.from_dict(
        posterior={name: samples[name] for name in names},
        sample_stats={"lp": samples["lp"]},
        dims={name: ["spectrum"] for name in [*names, "lp"]},
        coords={"spectrum": [str(name) for name in spectra.visit_id]},
        attrs={
            "emulator": emulator.name,
            "emulator_hash": emulator.file_hash,
            "options": json.dumps(chosen.as_dict()),
            "created_by": f"maury {__version__}",
        },
    )


@dataclass(frozen=True)
class _Problem:
    """The posterior of one spectrum.

    Attributes
    ----------
    names : list of str
        Of the D parameters.
    lower, upper : (D,) float64
        Bounds.
    minima, chi2 : (M, D), (M,) float64
        Where walkers start.
    spread : (D, D) float64
        Covariance with which they are scattered.
    log_probability : callable
        (W, D) -> (W,), inside the bounds
    """

    names: list[str]
    lower: Array
    upper: Array
    minima: Array
    chi2: Array
    spread: Array
    log_probability: Callable[[Array], Array]

    def log_posterior(self, points: Array) -> Array:
        """Logarithm (W,) of the posterior at points (W, D), but for a constant."""
        inside = ((points >= self.lower) & (points <= self.upper)).all(axis=1)
        value = np.full(len(points), -np.inf)
        if inside.any():
            value[inside] = self.log_probability(points[inside])
        return value

    def start(self, walkers: int, rng: np.random.Generator) -> Array:
        """Points (W, D) about the minima, more about the deeper ones."""
        share = np.exp((self.chi2.min() - self.chi2) / 4.0)  # softened, so that each minimum gets some
        which = rng.choice(len(share), walkers, p=share / share.sum())
        points = self.minima[which] + rng.multivariate_normal(np.zeros(len(self.names)), self.spread, walkers)
        # A point beyond a bound is reflected; walkers on one plane would never leave it.
        width = self.upper - self.lower
        away = np.abs(np.mod(points - self.lower + width, 2.0 * width) - width)
        return np.asarray(self.lower + away)


def _problem(
    spectrum: Spectra, emulator: Emulator, options: Options, plan: _core.Plan, prior: Prior | None
) -> _Problem | None:
    """Fit one spectrum, and set up its posterior; None if it cannot be fitted."""
    best, models = fit_spectra(emulator, spectrum, options, prior=prior)
    if not best.converged[0]:
        return None
    starts = template_labels(emulator)
    rows = np.zeros(len(starts), dtype=int)
    own = None if prior is None else prior[rows]
    others, _ = fit_spectra(emulator, spectrum[rows], options, starts[:, None, :], prior=own)
    names, solution, error, lower, upper = _parameters(best, emulator, options)
    n_all = len(emulator.labels)
    free = np.isfinite(solution[0]) & (lower < upper)
    n_labels = int(free[:n_all].sum())
    spread = np.diag(np.nan_to_num(error[free], nan=1.0) ** 2)
    spread[:n_labels, :n_labels] = best.covariance[0][np.ix_(free[:n_all], free[:n_all])]
    seen = replace(
        spectrum, rv=np.nan_to_num(np.asarray(best.rv)), mask=spectrum.mask | ~(models.weight > 0)
    )  # outliers stay out
    core = core_spectra(
        seen,
        emulator,
        fit_rv=np.array([True]) if "rv" in names else None,
        fit_arms=np.array([True]) if "arm_rv_1" in names else None,
    )

    def log_probability(points: Array) -> Array:
        full = np.tile(np.nan_to_num(solution), (1, len(points), 1))  # an arm not in use has velocity 0
        full[0, :, free] = points.T
        chi2 = _core.chi2(plan, core, core_options(options), full, threads=1)[0]
        if prior is not None:
            away = np.nan_to_num(full[0, :, :n_all] - prior.mean)
            chi2 += np.einsum("wk,kl,wl->w", away, prior.precision[0], away)
        return np.where(np.isfinite(chi2), -0.5 * chi2, -np.inf)

    minima = np.vstack([solution, _parameters(others, emulator, options)[1][others.converged]])[:, free]
    minima = np.clip(minima, lower[free], upper[free])
    chi2 = -2.0 * log_probability(minima)
    order = [0, *(1 + np.argsort(chi2[1:]))]
    distinct: list[int] = []
    inverse = np.linalg.pinv(spread[:n_labels, :n_labels])
    for i in order:
        away = minima[distinct][:, :n_labels] - minima[i, :n_labels]
        squared = np.einsum("ij,jk,ik->i", away, inverse, away)
        if chi2[i] < chi2.min() + _DEEPEST and not (squared < _SAME).any():
            distinct.append(i)
    return _Problem(
        [name for name, here in zip(names, free, strict=True) if here],
        lower[free], upper[free], minima[distinct], chi2[distinct], spread, log_probability,
    )  # fmt: skip


def _parameters(
    result: FitResult, emulator: Emulator, options: Options
) -> tuple[list[str], Array, Array, Array, Array]:
    """Names (Q), values (N, Q), errors of the first (Q,) and bounds (Q,) of all that was fitted."""
    box = options.box(emulator)
    names = list(emulator.labels)
    columns = [*result.labels.T]
    errors = [*np.sqrt(np.diagonal(result.covariance[0]))]
    bounds = [*box]
    pixel = pixel_velocity(emulator)

    def add(name: str, values: Array, error: float, low: float, high: float) -> None:
        names.append(name)
        columns.append(values)
        errors.append(error)
        bounds.append(np.array([low, high]))

    rv_err = np.nan if result.rv_err is None else float(result.rv_err[0])
    if np.isfinite(rv_err):
        add("rv", np.asarray(result.rv), rv_err, -options.max_rv, options.max_rv)
    if result.arm_rv is not None:
        most = _core.MOST_ARM_SHIFT * pixel
        for arm, values in enumerate(result.arm_rv.T, 1):
            add(f"arm_rv_{arm}", values, rv_err, -most, most)
    if result.broadening is not None and result.broadening_err is not None:
        most = _core.MOST_BROADENING * pixel
        add("broadening", result.broadening, float(result.broadening_err[0]), -most, most)
    low, high = np.array(bounds).T
    return names, np.column_stack(columns), np.array(errors), low, high
