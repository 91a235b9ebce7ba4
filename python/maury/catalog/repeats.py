"""Errors from repeat visits: a quadratic fitted to their differences (Imig et al. 2021, sec. 4.4).

These are noise errors: the model error of the emulator is the same in each visit, and cancels in a
difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maury.catalog.columns import column_values, label_names
from maury.catalog.errors import (
    EXTRA_TERMS,
    VARIABLES,
    Array,
    ErrorModel,
    error_terms,
    errors_of_fit,
    is_hot,
    is_sharper,
    visit_variables,
)
from maury.catalog.flags import DO_NOT_USE, Flag
from maury.catalog.formats import formats_of
from maury.catalog.likelihood import MOST_OUTLIERS, pull_width
from maury.catalog.ln_sigma import (
    FEW_OUTLIERS,
    FOLDS,
    Pairs,
    choose_terms,
    find_pairs,
    fit_ln_sigma,
    pulls_left_out,
)
from maury.output import progress as show_progress

if TYPE_CHECKING:
    from astropy.table import QTable

METHODS = ("likelihood", "paper")
#: T coefficients from n independent differences leave an rms error of sqrt(T / 2n) in ln sigma.
MAX_ERROR = 0.2
MIN_DIFFERENCES = 30  # for one factor per label
MAX_ERROR_APART = 0.1  # of hot stars and of the others, to have coefficients of their own
_NOT_USED = DO_NOT_USE | Flag.AT_BOUND | Flag.TOO_FEW_PIXELS


def repeat_pairs(catalog: QTable, labels: list[str]) -> Pairs:
    """Pairs of visits that can be used to estimate errors.

    Excluded are fits that failed, ended at a bound or have no formal error, and pairs that agree to the last
    digit in a label (the same spectrum read twice).
    """
    values = _values(catalog, labels)
    usable = (np.asarray(catalog["flags"]) & int(_NOT_USED)) == 0
    usable &= np.isfinite(values).all(axis=1) & np.isfinite(
        visit_variables(catalog, variables_of(labels))
    ).all(axis=1)
    usable &= (errors_of_fit(catalog, labels, [""] * len(labels)) > 0).all(axis=1)
    pairs = find_pairs(catalog["star_id"], usable)
    return pairs[(values[pairs.first] != values[pairs.second]).all(axis=1)]


def variables_of(labels: list[str]) -> tuple[str, ...]:
    """Keys of `VARIABLES` that a catalogue with these labels has."""
    return tuple(name for name in VARIABLES if name in labels or name == "snr")


def calibrate_errors(catalog: QTable, method: str = "likelihood", *, progress: bool = False) -> ErrorModel:
    """Learn the noise part of the errors of a catalogue from stars that were visited more than once.

    From 30 independent differences on there is one factor per label (relative to the formal error), from
    63 on a straight line in each variable, from 188 on a quadratic, from 250 on all terms. Of those that
    can be told the number is taken for which the stars left out are most likely, for each label.

    Parameters
    ----------
    catalog : QTable
        From `maury.fit`; visits of a star share their ``star_id``.
    method : str
        "likelihood" is the default, since its pulls have width 1. "paper" is the method of Imig et al.
        (2021), whose errors are too small by a third.
    progress : bool
        Show progress on stderr.

    Raises
    ------
    ValueError
        If `method` is unknown, or there are too few pairs; the message says how many there are.
    """
    if method not in METHODS:
        raise ValueError(f"method: expected {' or '.join(METHODS)}, got {method!r}")
    labels = label_names(catalog)
    variables = variables_of(labels)
    relative = method == "likelihood"
    extra = EXTRA_TERMS if relative and variables[0] == "teff" else ()
    n_quadratic = (len(variables) + 1) * (len(variables) + 2) // 2
    n_terms = n_quadratic + len(extra)
    pairs = repeat_pairs(catalog, labels)
    sizes = _affordable(
        [1, 1 + len(variables), n_quadratic, n_terms] if relative else [n_terms], pairs, variables
    )
    most_outliers = MOST_OUTLIERS if sizes[-1] == n_terms else FEW_OUTLIERS
    raw = _star_medians(visit_variables(catalog, variables), pairs, variables)
    used = np.unique(np.concatenate([pairs.first, pairs.second]))
    centre = np.median(raw[used], axis=0)
    scale = np.std(raw[used], axis=0)
    scale = np.where(scale > 1e-9 * (1 + np.abs(centre)), scale, 1.0)
    terms = error_terms(raw, is_sharper(catalog), centre, scale, extra)
    values = _values(catalog, labels)
    units = tuple(str(catalog[name].unit or "") for name in labels)
    with np.errstate(divide="ignore"):  # for rows that are in no pair
        ln_base = np.log(errors_of_fit(catalog, labels, units)) if relative else np.zeros(values.shape)

    hot = is_hot(raw, extra)
    groups = [pairs[~hot[pairs.first]], pairs[hot[pairs.first]]]
    if min(group.weight.sum() for group in groups) < n_terms / (2 * MAX_ERROR_APART**2):
        groups = [pairs]
    coefficients = np.empty((len(groups), n_terms, len(labels)))
    outliers, width = np.empty(len(labels)), np.empty(len(labels))
    n_fits = len(labels) * len(groups) * (1 + FOLDS) * len(sizes)
    with show_progress(n_fits, f"errors by {method}", "fit", progress) as bar:
        for j in range(len(labels)):
            pulls, parts = [], []
            for g, group in enumerate(groups):
                difference = values[group.first, j] - values[group.second, j]
                if relative:
                    fitted, own = choose_terms(
                        difference, terms, group, sizes, ln_base[:, j], bar.update, most_outliers
                    )
                else:
                    fitted = fit_ln_sigma(difference, terms, group, method, ln_base[:, j])
                    bar.update(1)
                    own = pulls_left_out(difference, terms, group, method, fitted, ln_base[:, j], bar.update)
                coefficients[g, :, j] = fitted.coefficients
                parts.append(fitted.outliers)
                pulls.append(own)
            weights = [group.weight for group in groups]
            outliers[j] = np.average(parts, weights=[weight.sum() for weight in weights])
            width[j] = pull_width(np.concatenate(pulls), np.concatenate(weights), most_outliers)
    ln_sigma = terms[used] @ coefficients[0]
    if len(groups) > 1:
        ln_sigma[hot[used]] = terms[used[hot[used]]] @ coefficients[1]
    return ErrorModel(
        method=method,
        labels=tuple(labels),
        units=units,
        variables=variables,
        centre=centre,
        scale=scale,
        low=raw[used].min(axis=0),
        high=raw[used].max(axis=0),
        relative=relative,
        extra=extra,
        coefficients=coefficients[0],
        hot_coefficients=coefficients[1] if len(groups) > 1 else coefficients[0][:0],
        ln_sigma_range=np.percentile(ln_sigma, [0.1, 99.9], axis=0),
        n_pairs=len(pairs),
        n_stars=len(np.unique(pairs.star)),
        outliers=outliers,
        pull_width=width,
        emulator_hash=str(catalog.meta.get("EMUHASH", "")),
        formats=formats_of(catalog, used),
        rv=_velocity_factor(catalog, pairs) if relative else None,
    )


def _velocity_factor(catalog: QTable, pairs: Pairs) -> tuple[float, float] | None:
    """Return the factor of the formal error of the velocity, and the width of pulls of stars left out."""
    if not {"rv", "rv_err_formal"} <= set(catalog.colnames):
        return None
    value, formal = column_values(catalog, "rv"), column_values(catalog, "rv_err_formal")
    known = np.isfinite(value) & (formal > 0)
    pairs = pairs[known[pairs.first] & known[pairs.second]]
    if pairs.weight.sum() < MIN_DIFFERENCES:
        return None
    difference, one = value[pairs.first] - value[pairs.second], np.ones((len(value), 1))
    base = np.log(np.where(known, formal, 1.0))
    fitted, pulls = choose_terms(difference, one, pairs, [1], base, None, FEW_OUTLIERS)
    return float(np.exp(fitted.coefficients[0])), pull_width(pulls, pairs.weight, FEW_OUTLIERS)


def _affordable(sizes: list[int], pairs: Pairs, variables: tuple[str, ...]) -> list[int]:
    """Return the numbers of terms for which there are enough pairs; raises if there are none."""
    independent = pairs.weight.sum()
    needed = [max(MIN_DIFFERENCES, np.ceil(size / (2 * MAX_ERROR**2))) for size in sizes]
    if independent < needed[0]:
        what = "one factor per label requires"
        if sizes[0] > 1:
            what = f"{sizes[0]} coefficients of {', '.join(variables)} require"
        raise ValueError(
            f"catalog: {len(np.unique(pairs.star))} stars with repeat visits give {independent:.0f} "
            f"independent differences; {what} {needed[0]:.0f} for errors good to {MAX_ERROR:.0%}. Visits of "
            "a star need the same star_id; alternatively use the errors of a larger catalogue of the same "
            "emulator"
        )
    return [size for size, least in zip(sizes, needed, strict=True) if independent >= least]


def _star_medians(raw: Array, pairs: Pairs, variables: tuple[str, ...]) -> Array:
    """Replace labels by the median of their star, so that one bad visit does not determine its own error."""
    smooth: Array = raw.copy()
    rows, where = np.unique(np.concatenate([pairs.first, pairs.second]), return_index=True)
    star = np.concatenate([pairs.star, pairs.star])[where]
    rows = rows[np.argsort(star, kind="stable")]
    _, begin, counts = np.unique(np.sort(star), return_index=True, return_counts=True)
    for n in np.unique(counts):
        visits = rows[begin[counts == n, None] + np.arange(n)]
        for i, name in enumerate(variables):
            if name != "snr":
                smooth[visits, i] = np.median(raw[visits, i], axis=1, keepdims=True)
    return smooth


def _values(catalog: QTable, labels: list[str]) -> Array:
    return np.column_stack([column_values(catalog, name) for name in labels])
