"""Reference sets: labelled spectra to train on."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from maury.labels import LABELS
from maury.readers import ReadError, read_spectra
from maury.spectra import Spectra

_LIBRARIES = ("miles", "stelib")


def load_reference(reference: str | PathLike[str]) -> Spectra:
    """Read a reference set: spectra whose `labels` are known.

    Parameters
    ----------
    reference : str or path
        ``"miles"`` or ``"stelib"`` (from the installed package sdss-mangadap), a folder that holds
        one of the two, or a table (CSV, ECSV, FITS, Parquet) with a column ``file`` of spectra,
        relative to the table, and one column a label, named as in maury (``teff``, ``logg``, ...);
        an empty or NaN cell is a missing label. A column ``star_id`` keeps visits of one star together.

    Returns
    -------
    Spectra

    Raises
    ------
    ReadError
        If nothing can be read, or the table lacks ``file`` or every label.
    """
    path = Path(reference)
    if str(reference) in _LIBRARIES or path.is_dir():
        spectra = read_spectra(reference)
    else:
        spectra = _read_labelled_table(path)
    if not spectra.labels:
        raise ReadError(
            f"{reference}: no labels come with these spectra; write a table with the columns file, "
            f"{', '.join(LABELS)} (those you know) and pass that"
        )
    return spectra


def _read_labelled_table(path: Path) -> Spectra:
    from astropy.table import Table

    try:
        table = Table.read(path)
    except Exception as error:  # astropy raises many kinds for one cause
        raise ReadError(f"{path}: cannot be read as a table of reference spectra ({error})") from error
    names = [name for name in LABELS if name in table.colnames]
    if "file" not in table.colnames or not names:
        raise ReadError(
            f"{path}: expected the columns file and one or more of {', '.join(LABELS)}, got "
            f"{', '.join(table.colnames)}"
        )
    spectra = read_spectra([path.parent / str(name) for name in table["file"]])
    if len(spectra) != len(table):
        raise ReadError(f"{path}: {len(table)} rows but {len(spectra)} spectra; name one spectrum a file")
    for name in names:
        values = np.ma.filled(np.ma.asarray(table[name], dtype=np.float64), np.nan)
        spectra.labels[name] = np.asarray(values, dtype=np.float64)
    if "star_id" in table.colnames:
        spectra.star_id = np.asarray(table["star_id"], dtype=str)
    return spectra
