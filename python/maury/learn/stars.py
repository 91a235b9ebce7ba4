"""What became of every spectrum of a reference set: the table that `maury train` writes."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from maury.labels import find_label
from maury.output import check_new_file

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.spectra import Spectra

TRAINING, STOPPING, VALIDATION = "training", "stopping", "held back for validation"
DOUBTFUL = "label doubtful"  # and why, after a colon


def star_table(reference: Spectra, use: NDArray[np.str_], origin: NDArray[np.str_] | None = None) -> QTable:
    """Tell what became of the spectra of a reference set, one row per spectrum, in their order.

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
        ``star_id``; ``visit_id``, ``file`` and ``origin`` where known; the labels with their units; ``used``,
        True for spectra that the network was trained on or stopped by; ``reason``, as `use`.
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
    for name, values in reference.labels.items():
        unit = find_label(name).unit
        table[name] = np.asarray(values, dtype=float) * u.Unit(unit) if unit else values
    table["used"] = np.isin(use, (TRAINING, STOPPING))
    table["reason"] = use
    table["used"].info.description = "whether the network was trained on it, or stopped by it"
    table["reason"].info.description = "what it was used for, or why it was left out"
    return table


def stars_path(emulator: str | os.PathLike[str]) -> Path:
    """Name the table of the stars of an emulator file: ``F.stars.ecsv`` beside ``F.onnx``."""
    return Path(emulator).with_suffix(".stars.ecsv")


def write_stars(table: QTable, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write `star_table` as ECSV; the file appears whole or not at all.

    Raises
    ------
    FileExistsError, FileNotFoundError, ValueError
        As `maury.output.check_new_file`.
    """
    path = check_new_file(path, overwrite)
    with TemporaryDirectory(prefix=".maury-", dir=path.parent) as folder:
        draft = Path(folder) / "stars.ecsv"
        table.write(draft, format="ascii.ecsv")
        os.replace(draft, path)
