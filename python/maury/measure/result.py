"""The rows of a fit: their number, some of them, and as a table."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

import maury._core as _core
from maury.catalog.errors import formal_errors
from maury.catalog.table import set_formats
from maury.labels import find_label

if TYPE_CHECKING:
    from astropy.table import QTable

Self = TypeVar("Self", bound="Rows")


class Rows:
    """Length, index and table of a `maury.measure.fit.FitResult`."""

    def __len__(self) -> int:
        """N, the number of spectra."""
        return len(self.__dict__["labels"])

    def __getitem__(self: Self, index: Any) -> Self:
        """Rows selected by index (result of length 1), slice, list of indices or (N,) mask."""
        own = cast("Any", self)
        rows = np.atleast_1d(np.arange(len(self))[index])
        values = {f.name: getattr(own, f.name) for f in fields(own)}
        arrays = {name: value[rows] for name, value in values.items() if isinstance(value, np.ndarray)}
        return cast("Self", replace(own, **arrays))

    def table(self) -> QTable:
        """Return labels and their formal errors, chi-square and status as a QTable of N rows."""
        from astropy import units as u
        from astropy.table import QTable

        values = self.__dict__
        table = QTable()
        errors = formal_errors(values["covariance"])
        for j, name in enumerate(values["names"]):
            unit = u.Unit(find_label(name).unit)
            table[name], table[f"{name}_err_formal"] = values["labels"][:, j] * unit, errors[:, j] * unit
        for name in ("rv", "rv_err"):
            if values[name] is not None:
                table[name] = values[name] * u.km / u.s
        for name in ("chi2", "n_pixels", "converged"):
            table[name] = values[name]
        words = {code: name.lower().replace("_", " ") for name, (code, _) in _core.STATUS.items()}
        table["status"] = np.array([words[int(code)] for code in values["status"]], dtype=str)
        set_formats(table)
        return table

    def _repr_html_(self) -> str:
        html: str = self.table()._repr_html_()
        return html
