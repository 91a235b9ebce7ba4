"""A catalogue in a few numbers, as JSON for pipelines."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from maury.catalog.columns import column_values, label_names
from maury.catalog.flags import Flag, flag_names, is_valid
from maury.output import check_new_file, new_file

if TYPE_CHECKING:
    from astropy.table import QTable


def summary_of(catalog: QTable) -> dict[str, Any]:
    """Return counts of rows and flags, the range of each label with its median error, and the problems."""
    flags = np.asarray(catalog["flags"])
    counts = {flag_names(bit)[0]: int(np.sum((flags & bit) != 0)) for bit in Flag}
    rows = zip(*(np.asarray(catalog[name]).astype(str).tolist() for name in ("file", "problem")), strict=True)
    return {
        "maury": catalog.meta["MAURYVER"],
        "emulator": catalog.meta["EMULATOR"],
        "emulator_hash": catalog.meta["EMUHASH"],
        "rows": len(catalog),
        "stars": len(set(catalog["star_id"])),
        "converged": int(np.sum(catalog["converged"])),
        "valid": int(np.sum(is_valid(flags))),
        "without_flags": int(np.sum(flags == 0)),
        "flags": {name: count for name, count in counts.items() if count},
        "labels": {name: _range_of(catalog, name) for name in label_names(catalog)},
        "problems": [{"file": file, "problem": problem} for file, problem in rows if problem],
    }


def _range_of(catalog: QTable, name: str) -> dict[str, float] | None:
    """Return lowest, median and highest value, and the median error; None if there is no value."""
    values, errors = (column_values(catalog, column) for column in (name, f"{name}_err"))
    known = np.isfinite(values)
    if not known.any():
        return None
    low, middle, high = np.percentile(values[known], [0, 50, 100]).tolist()
    found = {"lowest": low, "median": middle, "highest": high}
    some = errors[known & np.isfinite(errors)]
    return found | ({"median_error": float(np.median(some))} if some.size else {})


def write_summary(catalog: QTable, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write `summary_of` a catalogue as a JSON file.

    Raises
    ------
    ValueError, FileExistsError, FileNotFoundError
        As `maury.output.check_new_file`.
    """
    path = check_new_file(path, overwrite)
    with new_file(path, path.name, overwrite) as draft:
        draft.write_text(json.dumps(summary_of(catalog), indent=2, allow_nan=False) + "\n", encoding="utf-8")
