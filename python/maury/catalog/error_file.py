"""The file of an `ErrorModel`: a small ECSV table that can be read, compared and edited by hand."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from maury.catalog.errors import (
    AND,
    EXTRA_TERMS,
    HOT,
    VARIABLES,
    ErrorModel,
    model_part,
    term_names,
    total_covariance,
)
from maury.output import check_new_file

if TYPE_CHECKING:
    from astropy.table import QTable

#: Installed files of errors, one for each built-in emulator; written by tools/lamost_errors.py.
BUILT_IN = {"lamost": ("lamost_errors.ecsv", "lamost_errors_default.ecsv")}
_HOT = "hot:"
_KIND = "maury errors from repeat visits"
_ERROR_OF_FIT = "label_err_formal * sqrt(max(1, rchi2))"


def write_errors(model: ErrorModel, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write an error model as ECSV: one row per term of the quadratic, one column per label.

    Raises
    ------
    ValueError
        If `path` does not end in .ecsv.
    FileExistsError
        If the file exists and `overwrite` is False.
    """
    from astropy.table import Table

    path = check_error_output(path, overwrite)
    terms = [*term_names(model.variables), *model.extra]
    coefficients = np.concatenate([model.coefficients, model.hot_coefficients])
    if len(coefficients) > len(terms):
        terms += [_HOT + term for term in terms]
    table = Table({"term": terms})
    for j, name in enumerate(model.labels):
        table[name] = coefficients[:, j]
    table.meta.update(
        {
            "kind": _KIND,
            "method": model.method,
            "pairs": model.n_pairs,
            "stars": model.n_stars,
            "emulator": model.emulator_hash,
            "formats": list(model.formats),
            "rv": None if model.rv is None else dict(zip(("factor", "pull_width"), model.rv, strict=True)),
            "units": dict(zip(model.labels, model.units, strict=True)),
            "equation": "ln sigma = ln sigma_0 + sum of coefficient * term; a variable v enters as "
            "(v - centre) / scale, kept within low and high; the sum is kept within ln_sigma_range; sharper "
            "is 1 for spectra with that flag, else 0; teff>K is (log10 teff - log10 K) / scale, at least 0; "
            f"terms that begin with {_HOT}, if any, stand in place of the others for teff > {HOT:.0f}",
            "sigma_0": _ERROR_OF_FIT if model.relative else "1",
            "variables": {
                name: {
                    "log10": VARIABLES[name],
                    **{key: float(getattr(model, key)[i]) for key in ("centre", "scale", "low", "high")},
                }
                for i, name in enumerate(model.variables)
            },
            "ln_sigma_range": {n: model.ln_sigma_range[:, j].tolist() for j, n in enumerate(model.labels)},
            "outliers": dict(zip(model.labels, model.outliers.tolist(), strict=True)),
            "pull_width": dict(zip(model.labels, model.pull_width.tolist(), strict=True)),
        }
    )
    table.write(path, format="ascii.ecsv", overwrite=overwrite)


def check_error_output(path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Return `path` if errors can be written there; raises as `write_errors`."""
    path = Path(path)
    if path.suffix.lower() != ".ecsv":
        raise ValueError(f"{path}: the extension of a file of errors must be .ecsv")
    return check_new_file(path, overwrite)


def read_errors(path: str | os.PathLike[str]) -> ErrorModel:
    """Read a file written by `write_errors`.

    A file without the hash of its emulator is read with a warning; only its labels can be compared.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not such a file; the message names the first fault found.
    """
    from astropy.table import Table

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; make it from a catalogue with `maury errors`")
    try:
        table = Table.read(path, format="ascii.ecsv")
    except Exception as error:  # the reader raises different errors for each kind of damage
        raise ValueError(f"{path}: not an ECSV table: {error}") from error
    meta = dict(table.meta)
    if meta.get("kind") != _KIND:
        raise ValueError(f"{path}: not a table of errors, which has the entry kind: {_KIND}")
    try:
        model = _model(table, meta)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{path}: damaged file of errors: {error!r}; make it again with maury errors"
        ) from error
    numbers = (
        *(model.centre, model.scale, model.low, model.high, model.ln_sigma_range),
        *(model.coefficients, model.hot_coefficients),
    )
    if not all(np.isfinite(array).all() for array in numbers) or not (model.scale > 0).all():
        raise ValueError(f"{path}: a number is missing, not finite, or a scale is not positive")
    if not model.emulator_hash:
        warnings.warn(
            f"{path}: this file of errors has no hash of its emulator, so only its labels are checked; "
            "make it again with maury errors",
            stacklevel=2,
        )
    return model


def errors_for(
    errors: ErrorModel | str | os.PathLike[str] | None, labels: Sequence[str], emulator_hash: str
) -> ErrorModel | None:
    """Read and check the errors specified by the user; to be called before the measurement.

    Parameters
    ----------
    errors : ErrorModel, path, name or None
        A name of `BUILT_IN` stands for files that are installed with maury, of which the one of the emulator
        is read. None is returned as None.
    labels : sequence of str, L
        Labels of the emulator.
    emulator_hash : str
        SHA-256 of the emulator file.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_errors`; or if they belong to another emulator, see `ErrorModel.check`.
    """
    if errors is None:
        return None
    if isinstance(errors, str) and errors in BUILT_IN:
        model = _built_in(errors, emulator_hash)
    else:
        model = errors if isinstance(errors, ErrorModel) else read_errors(errors)
    where = "errors" if isinstance(errors, ErrorModel) else f"errors: {os.fspath(errors)}"
    model.check(labels, emulator_hash, where)
    return model


def _built_in(name: str, emulator_hash: str) -> ErrorModel:
    """Return the installed errors for an emulator; if there are none, those for another one."""
    from importlib.resources import as_file, files

    for file in BUILT_IN[name]:
        with as_file(files("maury") / "data" / file) as path:
            model = read_errors(path)
        if model.emulator_hash == emulator_hash:
            break
    return model


def _velocity(told: dict[str, Any] | None) -> tuple[float, float] | None:
    if told is None:
        return None
    factor, width = float(told["factor"]), float(told["pull_width"])
    if not 0 < factor < np.inf:
        raise ValueError(f"rv: the factor of its errors is {factor}")
    return factor, width


def _model(table: Any, meta: dict[str, Any]) -> ErrorModel:
    variables = tuple(
        name for name in VARIABLES if name in meta["variables"]
    )  # sorted alphabetically in the file
    labels = tuple(name for name in table.colnames if name != "term")
    quadratic = term_names(variables)
    terms = [str(term) for term in table["term"]]
    hot = [term.removeprefix(_HOT) for term in terms if term.startswith(_HOT)]
    terms = terms[: len(terms) - len(hot)]
    if hot and hot != terms:
        raise ValueError(f"the terms that begin with {_HOT} differ from the others")
    extra = tuple(terms[len(quadratic) :])
    if len(variables) < len(meta["variables"]) or terms[: len(quadratic)] != quadratic:
        raise ValueError("the terms are not those of a quadratic of " + ", ".join(meta["variables"]))
    if not set(extra) <= set(EXTRA_TERMS) or (extra and variables[0] != "teff"):
        raise ValueError("unknown terms after the quadratic: " + ", ".join(extra))
    if meta["sigma_0"] not in ("1", _ERROR_OF_FIT):
        raise ValueError(f"unknown sigma_0 {meta['sigma_0']!r}")
    if meta["method"] not in ("likelihood", "paper"):
        raise ValueError(f"unknown method {meta['method']!r}")
    coefficients = np.column_stack([np.asarray(table[name], dtype=float) for name in labels])
    ends = {
        key: np.array([float(meta["variables"][name][key]) for name in variables])
        for key in ("centre", "scale", "low", "high")
    }
    return ErrorModel(
        method=str(meta["method"]),
        labels=labels,
        units=tuple(str(meta["units"][name]) for name in labels),
        variables=variables,
        relative=meta["sigma_0"] == _ERROR_OF_FIT,
        extra=extra,
        coefficients=coefficients[: len(terms)],
        hot_coefficients=coefficients[len(terms) :],
        ln_sigma_range=np.array([meta["ln_sigma_range"][name] for name in labels], dtype=float).T,
        n_pairs=int(meta["pairs"]),
        n_stars=int(meta["stars"]),
        outliers=np.array([float(meta["outliers"][name]) for name in labels]),
        pull_width=np.array([float(meta["pull_width"][name]) for name in labels]),
        emulator_hash=str(meta.get("emulator", "")),
        formats=tuple(str(name) for name in meta.get("formats", ())),
        rv=_velocity(meta.get("rv")),
        **ends,
    )


def apply_errors(catalog: QTable, model: ErrorModel) -> QTable:
    """Return a copy of a catalogue with noise errors from repeat visits.

    ``<label>_err`` and ``covariance`` change; they still include the model errors of the emulator,
    ``<label>_err_model``, which repeat visits do not measure. The header key ERRORS describes both. The
    error of a NaN label is NaN.

    Raises
    ------
    ValueError
        If the errors were calibrated with another emulator than that of the catalogue, for other labels, or
        on files of another format.
    """
    from astropy import units as u

    from maury.catalog.columns import label_names

    labels = label_names(catalog)
    model.check(labels, str(catalog.meta.get("EMUHASH", "")))
    if "format" in catalog.colnames:
        model.check_formats(catalog["format"])
    sigma = model.predict(catalog)[:, [model.labels.index(name) for name in labels]]
    units = [u.Unit(model.units[model.labels.index(name)] or u.dimensionless_unscaled) for name in labels]
    table = catalog.copy()
    emulator_part, correlation = model_part(catalog, labels)
    noise = np.empty_like(sigma)
    for j, name in enumerate(labels):
        own, old = table[name].unit, table[f"{name}_err"]
        told = sigma[:, j] if own is None else (sigma[:, j] * units[j]).to_value(own)
        noise[:, j] = np.where(np.isfinite(np.asarray(table[name].value)), told, np.nan)
        value = np.hypot(noise[:, j], np.nan_to_num(emulator_part[:, j]))
        table[f"{name}_err"] = value if old.unit is None else (value * own).to(old.unit)
        table[f"{name}_err"].info.description = old.info.description
    formal = np.asarray(table["covariance_formal" if "covariance_formal" in table.colnames else "covariance"])
    description = table["covariance"].info.description
    table["covariance"] = total_covariance(formal, noise, emulator_part, correlation)
    table["covariance"].info.description = description
    if model.rv is not None and "rv_err_formal" in table.colnames:
        description = table["rv_err"].info.description
        table["rv_err"] = table["rv_err_formal"] * model.rv[0]
        table["rv_err"].info.description = description
    _, _, model_words = str(table.meta["ERRORS"]).partition(AND)
    table.meta["ERRORS"] = model.words + (f"{AND}{model_words}" if model_words else "")
    return table
