"""Spectra for the report: which rows, from which files, each with its best fit."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from maury.measure.best_fit import check_emulator, fit_of_row
from maury.show.report import data as data
from maury.show.rows import files_of_rows, spectra_of_rows

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.emulator.emulator import Emulator

N_SPECTRA = 300


def pack_spectra(
    catalog: QTable,
    emulator: Emulator,
    sources: Iterable[str | os.PathLike[str]] | None = None,
    n: int = N_SPECTRA,
) -> dict[int, str]:
    """Read the spectra to be shown in a report, and compute their fits at the labels of the catalogue.

    Only one block of spectra of a large file is in memory at a time.

    Parameters
    ----------
    catalog : QTable
        From `maury.fit`.
    emulator : Emulator
        The emulator of the catalogue.
    sources : iterable of paths, optional
        See `maury.show.rows.files_of_rows`.
    n : int
        Maximum number; see `maury.show.report.data.choose_rows`.

    Returns
    -------
    dict
        Packed spectra by row number. A file that cannot be read, or does not contain the star, gives none.

    Raises
    ------
    ValueError
        If the catalogue was made with another emulator.
    FileNotFoundError
        If one of `sources` does not exist.
    """
    check_emulator(catalog, emulator)
    paths = files_of_rows(catalog, sources)
    rows = data.choose_rows(catalog, sorted(paths), n)
    return {
        row: data.pack_spectrum(fit_of_row(spectrum, emulator, catalog[row]))
        for row, spectrum in spectra_of_rows(catalog, rows, paths)
    }
