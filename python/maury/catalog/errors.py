"""Reported errors, from a covariance or from a model calibrated on repeat visits."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.flags import Flag
from maury.catalog.formats import check_formats
from maury.labels import TEFF_BINS, covariance_of, weighted_sum

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable

Array = NDArray[np.float64]

#: Text of the header key ERRORS for the noise, and for an emulator whose model error is unknown.
NOISE_WORDS = "noise: formal, times sqrt(rchi2) where above 1"
NO_MODEL_WORDS = "noise only: the model error of the emulator is unknown"
#: Separates the texts for the noise and for the model.
AND = "; "

#: Variables on which an error may depend (Imig et al. 2021, sec. 4.4), and whether log10 is taken: errors
#: follow powers of the temperature and of the signal-to-noise ratio.
VARIABLES = {"teff": True, "logg": False, "fe_h": False, "snr": True}

#: Terms in addition to the quadratic, by name: whether the spectrum is sharper than the emulator, and changes
#: of slope in log10 Teff, since one quadratic cannot describe dwarfs of both 3000 and 30,000 K.
EXTRA_TERMS = ("sharper", *(f"teff>{knot:.0f}" for knot in TEFF_BINS[1:-1]))

#: Stars above this Teff [K] have separate coefficients if there are enough of them: in a joint fit they
#: would be outweighed by the cooler stars.
HOT = TEFF_BINS[2]


def formal_errors(covariance: ArrayLike) -> Array:
    """Square roots of the diagonals of (N, L, L): (N, L), NaN where a variance is NaN or negative."""
    variance = np.diagonal(np.asarray(covariance, dtype=float), axis1=-2, axis2=-1)
    return np.sqrt(np.where(variance >= 0, variance, np.nan))


def scaled_errors(formal: ArrayLike, rchi2: ArrayLike) -> Array:
    """Formal errors (N, L) times sqrt(max(1, rchi2)) (N,): larger where the fit is worse than the noise."""
    factor: Array = np.sqrt(np.fmax(1.0, np.asarray(rchi2, dtype=float)))
    return np.asarray(formal, dtype=float) * factor[:, None]


def total_covariance(formal: Array, noise: Array, model: Array, correlation: Array | None) -> Array:
    """Total covariance (N, L, L) of labels, noise and model.

    Parameters
    ----------
    formal : (N, L, L)
        Covariance of the fit; the noise has the same correlations.
    noise, model : (N, L)
        Standard deviations of the noise, as reported, and of the model error; NaN in `model` counts
        as 0.
    correlation : (L, L) or None
        Of the model errors; None if they are unknown.
    """
    width = formal_errors(formal)
    with np.errstate(invalid="ignore", divide="ignore"):
        factor = np.where(width > 0, noise / width, 1.0)
    covariance = covariance_of(formal, factor)
    if correlation is not None:
        covariance = covariance + covariance_of(correlation, np.nan_to_num(model))
    return covariance


def model_part(catalog: QTable, labels: Sequence[str]) -> tuple[Array, Array | None]:
    """Model errors (N, L) of a catalogue, in its units, and their correlation (L, L).

    NaN and None if they are unknown, as in catalogues of earlier versions. Without the header key MODELCOR
    the correlation is that of independent errors.
    """
    from maury.catalog.columns import column_values

    names = [f"{name}_err_model" for name in labels]
    if not set(names) <= set(catalog.colnames):
        return np.full((len(catalog), len(labels)), np.nan), None
    model = np.column_stack([column_values(catalog, name) for name in names])
    if "MODELCOR" not in catalog.meta:
        return model, np.eye(len(labels))
    return model, np.array(json.loads(str(catalog.meta["MODELCOR"])), dtype=float)


def noise_errors(catalog: QTable, labels: Sequence[str]) -> Array:
    """Noise errors (N, L) of a catalogue, in its units: reported minus model error, in quadrature."""
    from maury.catalog.columns import column_values

    total = np.column_stack([column_values(catalog, f"{name}_err") for name in labels])
    model = np.nan_to_num(model_part(catalog, labels)[0])
    return np.where(model > 0, np.sqrt(np.maximum(total**2 - model**2, 0.0)), total)


def errors_of_fit(catalog: QTable, labels: Sequence[str], units: Sequence[str]) -> Array:
    """Errors (N, L) of the rows of a catalogue from the fit, `scaled_errors`, in these units."""
    from astropy import units as u

    formal = [
        u.Quantity(catalog[f"{name}_err_formal"]).to_value(unit) if unit else catalog[f"{name}_err_formal"]
        for name, unit in zip(labels, units, strict=True)
    ]
    return scaled_errors(np.column_stack([np.asarray(column) for column in formal]), catalog["rchi2"])


def visit_variables(catalog: QTable, variables: Sequence[str]) -> Array:
    """Columns of a catalogue on which errors depend, (N, D), in log10 where set in `VARIABLES`.

    Raises
    ------
    ValueError
        If the catalogue has no such column.
    """
    from maury.catalog.columns import column_values

    missing = [name for name in variables if name not in catalog.colnames]
    if missing:
        raise ValueError(
            f"catalog: these errors depend on {', '.join(variables)}, and the catalogue has no column "
            f"{', '.join(missing)}; calibrate on a catalogue of the same emulator"
        )
    values = np.empty((len(catalog), len(variables)))
    for i, name in enumerate(variables):
        column = column_values(catalog, name)
        values[:, i] = np.log10(np.where(column > 0, column, np.nan)) if VARIABLES[name] else column
    return values


def quadratic_terms(z: Array) -> Array:
    """All terms of a quadratic of z (N, D): 1, z_i, z_i z_j with i <= j; (N, T), T = (D + 1)(D + 2)/2."""
    i, j = np.triu_indices(z.shape[1])
    return np.column_stack([np.ones(len(z)), z, z[:, i] * z[:, j]])


def term_names(variables: Sequence[str]) -> list[str]:
    """Names of the terms of `quadratic_terms`: ``["1", "teff", ..., "teff*logg", ...]``."""
    n = len(variables)
    return ["1", *variables, *(f"{variables[i]}*{variables[j]}" for i in range(n) for j in range(i, n))]


def extra_terms(names: Sequence[str], log_teff: Array, sharper: NDArray[np.bool_], scale: float) -> Array:
    """Terms of `EXTRA_TERMS` (N, E): 1 where sharper, else 0; max(0, log10 Teff - log10 knot) / scale."""
    columns = [
        np.asarray(sharper, dtype=float)
        if name == "sharper"
        else np.maximum(0.0, log_teff - np.log10(float(name.removeprefix("teff>")))) / scale
        for name in names
    ]
    return np.column_stack([np.empty((len(sharper), 0)), *columns])


def error_terms(
    values: Array, sharper: NDArray[np.bool_], centre: Array, scale: Array, extra: Sequence[str]
) -> Array:
    """All terms (N, T) of visits with variables (N, D); teff is the first of them if `extra` is used."""
    return np.column_stack([
        quadratic_terms((values - centre) / scale), extra_terms(extra, values[:, 0], sharper, float(scale[0]))
    ])  # fmt: skip


def is_hot(values: Array, extra: Sequence[str]) -> NDArray[np.bool_]:
    """Whether visits with variables (N, D) are hotter than `HOT`; False without `extra` terms."""
    return np.asarray(values[:, 0] > np.log10(HOT)) if extra else np.zeros(len(values), dtype=bool)


def is_sharper(catalog: QTable) -> NDArray[np.bool_]:
    """Whether spectra (N,) of a catalogue are sharper than its emulator."""
    return np.asarray((np.asarray(catalog["flags"]) & int(Flag.SHARPER)) != 0)


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """Errors of labels from repeat visits.

    ln sigma = ln sigma_0 + c . terms(z), z = (v - centre) / scale, v the `VARIABLES` of a visit

    (Imig et al. 2021, sec. 4.4, where sigma_0 is 1). A quadratic does not extrapolate: v is kept within `low`
    and `high`, the range of the visits it was calibrated on, and c . terms within `ln_sigma_range`.

    Attributes
    ----------
    method : str
        "likelihood" or "paper"; see `maury.catalog.repeats.calibrate_errors`.
    labels, units : tuple of str, L
        The labels that have errors, and their units.
    variables : tuple of str, D
        Keys of `VARIABLES`.
    centre, scale, low, high : (D,)
        Of the variables, in log10 where set in `VARIABLES`.
    relative : bool
        Whether sigma_0 is the error of the fit, `errors_of_fit`; else it is 1.
    extra : tuple of str
        The terms of `EXTRA_TERMS` that follow the quadratic.
    coefficients : (T, L)
        c, terms in the order of `quadratic_terms`, then of `extra`.
    hot_coefficients : (T, L) or (0, L)
        The same for visits above `HOT`; if empty, `coefficients` apply to all.
    ln_sigma_range : (2, L)
        Least and largest value of c . terms.
    n_pairs, n_stars : int
        Number of pairs of visits, and of their stars.
    outliers : (L,)
        Fraction of pairs that differ by more than the errors explain; NaN if the method does not fit it.
    pull_width : (L,)
        Width of (x1 - x2) / sqrt(sigma1^2 + sigma2^2) for stars left out of the calibration; 1 if correct.
    emulator_hash : str
        SHA-256 of the file of the emulator that measured the visits; "" if unknown.
    formats : tuple of str
        Formats of the files of the visits, names as in ``maury fit --format``; empty if unknown.
    rv : (factor, width) or None
        Factor by which ``rv_err_formal`` is multiplied, and width of the pulls of stars left out; None if
        unknown.
    """

    method: str
    labels: tuple[str, ...]
    units: tuple[str, ...]
    variables: tuple[str, ...]
    centre: Array
    scale: Array
    low: Array
    high: Array
    relative: bool
    extra: tuple[str, ...]
    coefficients: Array
    hot_coefficients: Array
    ln_sigma_range: Array
    n_pairs: int
    n_stars: int
    outliers: Array
    pull_width: Array
    emulator_hash: str = ""
    formats: tuple[str, ...] = ()
    rv: tuple[float, float] | None = None

    def predict(self, catalog: QTable) -> Array:
        """Errors (N, L) of the rows of a catalogue, in `units`; NaN where a variable is NaN."""
        values = np.clip(visit_variables(catalog, self.variables), self.low, self.high)
        terms = error_terms(values, is_sharper(catalog), self.centre, self.scale, self.extra)
        ln_sigma = weighted_sum(terms, self.coefficients)
        if len(self.hot_coefficients):
            hot = is_hot(values, self.extra)
            ln_sigma[hot] = weighted_sum(terms[hot], self.hot_coefficients)
        sigma: Array = np.exp(np.clip(ln_sigma, *self.ln_sigma_range))
        return sigma * errors_of_fit(catalog, self.labels, self.units) if self.relative else sigma

    def check(self, labels: Sequence[str], emulator_hash: str, where: str = "errors") -> None:
        """Raise an error unless these errors were calibrated with this emulator.

        Parameters
        ----------
        labels : sequence of str, L
            Labels of the emulator.
        emulator_hash : str
            SHA-256 of its file; "" if unknown: only the labels are compared.
        where : str
            Name of the file or argument, for the message.

        Raises
        ------
        ValueError
            If the emulator or the labels differ.
        """
        mend = (
            "errors are valid for one emulator only: calibrate them on a catalogue of this emulator "
            "(maury errors CATALOGUE -o F.ecsv), or fit with the emulator that they belong to"
        )
        missing = [name for name in labels if name not in self.labels]
        further = [name for name in self.labels if name not in labels]
        same = bool(self.emulator_hash) and self.emulator_hash == emulator_hash
        if missing or (further and not same):
            raise ValueError(
                f"{where}: these are errors of {', '.join(self.labels)}, but the emulator has the labels "
                f"{', '.join(labels)}; {mend}"
            )
        if self.emulator_hash and emulator_hash and not same:
            raise ValueError(
                f"{where}: these errors were calibrated with the emulator whose file hash begins with "
                f"{self.emulator_hash[:12]}, but that of this emulator begins with {emulator_hash[:12]}; "
                f"{mend}"
            )

    def check_formats(self, formats: ArrayLike) -> None:
        """Refuse spectra of another instrument than that on which these errors were calibrated.

        See `maury.catalog.formats.check_formats`.
        """
        check_formats(
            self.formats,
            formats,
            "errors: these errors were calibrated on",
            "whose noise is different; calibrate them on repeat visits of that instrument (maury errors "
            "CATALOGUE -o F.ecsv), or fit without --errors",
        )

    @property
    def words(self) -> str:
        """One line for the header of a catalogue."""
        how = {
            "likelihood": "maximum likelihood of the differences",
            "paper": "least squares, as in the paper",
        }
        return (
            f"repeat visits, {how[self.method]} ({self.method}): {self.n_pairs} pairs of {self.n_stars} stars"
        )
