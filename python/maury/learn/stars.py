"""How every spectrum of a reference set was used: the table that `maury train` writes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maury.labels import find_label
from maury.output import check_new_file, new_file

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.spectra import Spectra

TRAINING, STOPPING, VALIDATION = "training", "stopping", "withheld for validation"
DOUBTFUL = "label doubtful"  # followed by a colon and the reason


def star_table(reference: Spectra, use: NDArray[np.str_], origin: NDArray[np.str_] | None = None) -> QTable:
    """Return how the spectra of a reference set were used, one row per spectrum, in the same order.

    Parameters
    ----------
    reference : Spectra
        N spectra with `labels`.
    use : (N,) str
        `TRAINING`, `STOPPING`, `VALIDATION`, or why the spectrum was left out; see
        `maury.learn.build.Trained`.
    origin : (N,) str, optional
        "empirical" or "theoretical".

    Returns
    -------
    QTable
        ``star_id``; ``visit_id``, ``file``, ``origin`` and ``source`` if known; the labels with their units;
        ``used``, True for spectra used for training or for stopping; ``reason``, as `use`.
    """
    from astropy import units as u
    from astropy.table import QTable

    table = QTable({"star_id": reference.star_id})
    for name in ("visit_id", "file"):
        values = np.asarray(getattr(reference, name), dtype=str)
        if (values != "").any():
            table[name] = values
    if origin is not None:
        table["origin"] = origin
    if (reference.source != "").any():
        table["source"] = reference.source
    for name, values in reference.labels.items():
        unit = find_label(name).unit
        table[name] = np.asarray(values, dtype=float) * u.Unit(unit) if unit else values
    table["used"] = np.isin(use, (TRAINING, STOPPING))
    table["reason"] = use
    table["used"].info.description = "whether it was used for training or for stopping"
    table["reason"].info.description = "how it was used, or why it was left out"
    return table


def stars_path(emulator: str | os.PathLike[str]) -> Path:
    """Return the name of the table of stars of an emulator file: ``F.stars.ecsv`` beside ``F.onnx``."""
    return Path(emulator).with_suffix(".stars.ecsv")


def write_stars(table: QTable, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write `star_table` as ECSV; the file is either complete or absent.

    Raises
    ------
    FileExistsError, FileNotFoundError, ValueError
        As `maury.output.check_new_file`.
    """
    path = check_new_file(path, overwrite)
    with new_file(path, "stars.ecsv", overwrite) as draft:
        table.write(draft, format="ascii.ecsv")
