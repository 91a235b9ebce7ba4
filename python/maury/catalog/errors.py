"""From a covariance, or from a model learnt on repeat visits, to the error that is reported."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.flags import Flag
from maury.labels import TEFF_BINS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.table import QTable

Array = NDArray[np.float64]

#: What an error may depend on (Imig et al. 2021, sec. 4.4), and whether its log10 is taken: errors follow
#: powers of the temperature and the signal-to-noise ratio.
VARIABLES = {"teff": True, "logg": False, "fe_h": False, "snr": True}

#: Terms beside the quadratic, by name: whether the spectrum is sharper than the emulator, and bends of a
#: straight line in log10 Teff, since no quadratic serves dwarfs of 3000 and of 30,000 K.
EXTRA_TERMS = ("sharper", *(f"teff>{knot:.0f}" for knot in TEFF_BINS[1:-1]))

#: Above this Teff [K] stars have coefficients of their own, where there are enough of them: among the others
#: they are too few to be heard.
HOT = TEFF_BINS[2]


def formal_errors(covariance: ArrayLike) -> Array:
    """Square roots of the diagonals of (N, L, L): (N, L), NaN where a variance is NaN or negative."""
    variance = np.diagonal(np.asarray(covariance, dtype=float), axis1=-2, axis2=-1)
    return np.sqrt(np.where(variance >= 0, variance, np.nan))


def scaled_errors(formal: ArrayLike, rchi2: ArrayLike) -> Array:
    """Formal errors (N, L) times sqrt(max(1, rchi2)) (N,): a fit worse than its noise has larger errors."""
    factor: Array = np.sqrt(np.fmax(1.0, np.asarray(rchi2, dtype=float)))
    return np.asarray(formal, dtype=float) * factor[:, None]


def with_widths(covariance: ArrayLike, sigma: ArrayLike) -> Array:
    """Covariance (N, L, L) with the correlations of another (N, L, L) and the widths sigma (N, L).

    Where a variance is not positive, there is no correlation.
    """
    given, wanted = np.asarray(covariance, dtype=float), np.asarray(sigma, dtype=float)
    variance = np.diagonal(given, axis1=1, axis2=2)
    width = np.sqrt(np.where(variance > 0, variance, 0.0))
    both = width[:, :, None] * width[:, None, :]
    correlation = np.where(both > 0, given / np.where(both > 0, both, 1.0), np.eye(wanted.shape[1]))
    scaled: Array = np.clip(correlation, -1.0, 1.0) * wanted[:, :, None] * wanted[:, None, :]
    return scaled


def errors_of_fit(catalog: QTable, labels: Sequence[str], units: Sequence[str]) -> Array:
    """Errors (N, L) of the rows of a catalogue as the fit tells them, `scaled_errors`, in these units."""
    from astropy import units as u

    formal = [
        u.Quantity(catalog[f"{name}_err_formal"]).to_value(unit) if unit else catalog[f"{name}_err_formal"]
        for name, unit in zip(labels, units, strict=True)
    ]
    return scaled_errors(np.column_stack([np.asarray(column) for column in formal]), catalog["rchi2"])


def visit_variables(catalog: QTable, variables: Sequence[str]) -> Array:
    """Columns of a catalogue that errors depend on, (N, D), in log10 where `VARIABLES` says so.

    Raises
    ------
    ValueError
        If the catalogue lacks one of them.
    """
    from maury.catalog.columns import column_values

    missing = [name for name in variables if name not in catalog.colnames]
    if missing:
        raise ValueError(
            f"catalog: these errors depend on {', '.join(variables)}, and it has no column "
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
    """Name the terms of `quadratic_terms`: ``["1", "teff", ..., "teff*logg", ...]``."""
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
    """All terms (N, T) of visits with variables (N, D), teff the first of them where `extra` is used."""
    return np.column_stack([
        quadratic_terms((values - centre) / scale), extra_terms(extra, values[:, 0], sharper, float(scale[0]))
    ])  # fmt: skip


def is_hot(values: Array, extra: Sequence[str]) -> NDArray[np.bool_]:
    """Whether visits with variables (N, D) are hotter than `HOT`; none where there are no `extra` terms."""
    return np.asarray(values[:, 0] > np.log10(HOT)) if extra else np.zeros(len(values), dtype=bool)


def is_sharper(catalog: QTable) -> NDArray[np.bool_]:
    """Whether spectra (N,) of a catalogue are sharper than its emulator."""
    return np.asarray((np.asarray(catalog["flags"]) & int(Flag.SHARPER)) != 0)


@dataclass(frozen=True, eq=False)
class ErrorModel:
    """Errors of labels as repeat visits show them.

    ln sigma = ln sigma_0 + c . terms(z), z = (v - centre) / scale, v the `VARIABLES` of a visit

    (Imig et al. 2021, sec. 4.4, where sigma_0 is 1). Beyond the visits it was learnt from a quadratic is
    worth nothing: v is kept within `low` and `high`, c . terms within `ln_sigma_range`.

    Attributes
    ----------
    method : str
        "likelihood" or "paper"; see `maury.catalog.repeats.calibrate_errors`.
    labels, units : tuple of str, L
        What has errors, and their units.
    variables : tuple of str, D
        Keys of `VARIABLES`.
    centre, scale, low, high : (D,)
        Of the variables, in log10 where `VARIABLES` says so.
    relative : bool
        Whether sigma_0 is the error of the fit, `errors_of_fit`; else it is 1.
    extra : tuple of str
        Those of `EXTRA_TERMS` that follow the quadratic.
    coefficients : (T, L)
        c, terms in the order of `quadratic_terms`, then of `extra`.
    hot_coefficients : (T, L) or (0, L)
        The same for visits above `HOT`; without them `coefficients` serve all.
    ln_sigma_range : (2, L)
        Least and largest value of c . terms.
    n_pairs, n_stars : int
        Pairs of visits, and the stars they are of.
    outliers : (L,)
        Part of the pairs that differ by more than errors explain; NaN where the method does not tell.
    pull_width : (L,)
        Width of (x1 - x2) / sqrt(sigma1^2 + sigma2^2) of stars left out of the calibration; 1 is right.
    emulator_hash : str
        SHA-256 of the file of the emulator that measured the visits; "" = not known.
    formats : tuple of str
        Formats of the files of the visits, names as in ``maury fit --format``; empty = not known.
    rv : (factor, width) or None
        What ``rv_err_formal`` is multiplied by, and the width of pulls of stars left out; None = not known.
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
        ln_sigma = terms @ self.coefficients
        if len(self.hot_coefficients):
            hot = is_hot(values, self.extra)
            ln_sigma[hot] = terms[hot] @ self.hot_coefficients
        sigma: Array = np.exp(np.clip(ln_sigma, *self.ln_sigma_range))
        return sigma * errors_of_fit(catalog, self.labels, self.units) if self.relative else sigma

    def check(self, labels: Sequence[str], emulator_hash: str, where: str = "errors") -> None:
        """Refuse to serve an emulator that these errors were not learnt with.

        Parameters
        ----------
        labels : sequence of str, L
            What the emulator measures.
        emulator_hash : str
            SHA-256 of its file; "" = not known, then the labels alone are compared.
        where : str
            What the errors are, for the message: the file or the argument.

        Raises
        ------
        ValueError
            If the emulator is another one, or the labels differ.
        """
        mend = (
            "errors hold for one emulator only: learn them from a catalogue of this emulator "
            "(maury errors CATALOGUE -o F.ecsv), or fit with the emulator that they belong to"
        )
        missing = [name for name in labels if name not in self.labels]
        further = [name for name in self.labels if name not in labels]
        same = bool(self.emulator_hash) and self.emulator_hash == emulator_hash
        if missing or (further and not same):
            raise ValueError(
                f"{where}: these are errors of {', '.join(self.labels)}, and wanted are those of "
                f"{', '.join(labels)}; {mend}"
            )
        if self.emulator_hash and emulator_hash and not same:
            raise ValueError(
                f"{where}: these errors were learnt with the emulator whose file hash begins with "
                f"{self.emulator_hash[:12]}, and this emulator has {emulator_hash[:12]}; {mend}"
            )

    def check_formats(self, formats: ArrayLike, where: str = "errors") -> None:
        """Refuse spectra of an instrument that these errors were not learnt on.

        Parameters
        ----------
        formats : (N,) str
            Formats of the files; "" = not known, which is not refused.
        where : str
            What the errors are, for the message.

        Raises
        ------
        ValueError
            If a format is none of `formats` of the errors.
        """
        others = sorted(set(np.asarray(formats, dtype=str).tolist()) - {"", *self.formats})
        if self.formats and others:
            raise ValueError(
                f"{where}: these errors were learnt on files of format {', '.join(self.formats)}, got files "
                f"of format {', '.join(others)}, whose noise is another; learn them from repeat visits of "
                "that instrument (maury errors CATALOGUE -o F.ecsv), or fit its files without --errors"
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
