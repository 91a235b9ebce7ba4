"""Reference sets: labelled spectra for training."""

from __future__ import annotations

from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from maury.labels import LABELS
from maury.readers import ReadError, miles, read_spectra, stelib
from maury.reference.file import ORIGINS, Reference, is_reference, read_reference
from maury.spectra import Spectra


@dataclass(frozen=True)
class Library:
    """Known properties of a library: how to train on it, and what to cite.

    Attributes
    ----------
    wavelength : (float, float) or None
        Range for training, vacuum Angstrom; None = the range covered by the stars.
    teff_max : float or None
        [K]; hotter stars are too few for training.
    training_data, citation : str
    bounds : str
        Of a fit, see `maury.learn.recipe.Recipe`.
    """

    wavelength: tuple[float, float] | None
    teff_max: float | None
    training_data: str
    citation: str
    bounds: str = "training"


LIBRARIES = {
    "miles": Library(
        (3600.0, 7400.0),
        32000.0,
        "MILES 9.1, 985 stars, as in sdss-mangadap 4.5.0",
        "Sanchez-Blazquez et al. 2006, MNRAS 371, 703; Cenarro et al. 2007, MNRAS 374, 664; "
        "Falcon-Barroso et al. 2011, A&A 532, A95",
    ),
    "stelib": Library(
        None,
        32000.0,
        "STELIB 3.2, 255 stars, as in sdss-mangadap 4.5.0",
        "Le Borgne et al. 2003, A&A 402, 433",
    ),
}
# Of the method used to make sets in one file.
_CITATION = "Imig et al. 2021, AJ 163, 56"
_FOLDERS = {"miles": miles.library_files, "stelib": stelib.library_files}


@dataclass(frozen=True)
class Labelled:
    """What `open_reference` returns.

    Attributes
    ----------
    spectra : Spectra
        N spectra with `labels`.
    origin : (N,) str or None
        "empirical" or "theoretical" for each spectrum; None if the reference does not specify it.
    library : Library or None
        Training defaults, for a reference known to maury.
    label_errors : dict of str to (N,)
        Errors of the labels, if the reference has them; NaN = unknown.
    """

    spectra: Spectra
    origin: NDArray[np.str_] | None = None
    library: Library | None = None
    label_errors: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def _library(reference: str | PathLike[str]) -> Library | None:
    """Return the properties of a library, by its name or folder."""
    folder = Path(reference)
    for name, known in LIBRARIES.items():
        if str(reference) == name or (folder.is_dir() and _FOLDERS[name](folder)):
            return known
    return None


def library_of(made: Reference, name: str) -> Library:
    """Return the properties of a reference set in this file; stars with models fill the paper's bounds."""
    counts = {kind: int((made.origin == kind).sum()) for kind in ORIGINS}
    words = " and ".join(f"{n} {kind}" for kind, n in counts.items() if n)
    bounds = "paper" if all(counts.values()) else "training"
    return Library(None, None, f"{name}: {words} spectra", _CITATION, bounds)


def load_reference(reference: str | PathLike[str]) -> Spectra:
    """Read a reference set: spectra with known `labels`.

    Parameters
    ----------
    reference : str or path
        ``"miles"`` or ``"stelib"`` (from the installed package sdss-mangadap), a folder with one of the two,
        or a table (CSV, ECSV, FITS, Parquet) with a column ``file`` of spectra, relative to the table, and
        one column per label, named as in maury (``teff``, ``logg``, ...); an empty or NaN cell is a missing
        label. Columns ``<label>_err`` are errors of the labels. A column ``star_id`` keeps visits of one star
        together; a column ``source`` names where the labels are from, for their zero points. Alternatively,
        a whole set in one file, written by `maury.reference.file.write_reference`.

    Returns
    -------
    Spectra

    Raises
    ------
    ReadError
        If nothing can be read, or the table has no column ``file`` or no label.
    """
    return open_reference(reference).spectra


def open_reference(reference: str | PathLike[str]) -> Labelled:
    """Read a reference set once, with all that is known of it; arguments and errors as `load_reference`."""
    path = Path(reference)
    if is_reference(path):
        made = read_reference(path)
        library = library_of(made, path.name)
        return Labelled(made.spectra, made.origin, library, made.label_errors)
    known = _library(reference)
    if str(reference) in LIBRARIES or path.is_dir():
        spectra = read_spectra(reference)
    else:
        return _read_labelled_table(path)
    if not spectra.labels:
        raise ReadError(
            f"{reference}: these spectra have no labels; write a table with the columns file, "
            f"{', '.join(LABELS)} (those that are known) and pass the table"
        )
    return Labelled(spectra, library=known)


def _read_labelled_table(path: Path) -> Labelled:
    from astropy.table import Table

    try:
        table = Table.read(path)
    except Exception as error:  # astropy raises many kinds of exceptions here
        raise ReadError(f"{path}: cannot be read as a table of reference spectra ({error})") from error
    names = [name for name in LABELS if name in table.colnames]
    if "file" not in table.colnames or not names:
        raise ReadError(
            f"{path}: expected the columns file and one or more of {', '.join(LABELS)}, got "
            f"{', '.join(table.colnames)}"
        )
    spectra = read_spectra([path.parent / str(name) for name in table["file"]])
    if len(spectra) != len(table):
        raise ReadError(f"{path}: {len(table)} rows but {len(spectra)} spectra; name one spectrum per file")

    def numbers(column: str) -> NDArray[np.float64]:
        values = np.ma.filled(np.ma.asarray(table[column], dtype=np.float64), np.nan)
        return np.asarray(values, dtype=np.float64)

    spectra.labels.update({name: numbers(name) for name in names})
    errors = {name: numbers(f"{name}_err") for name in names if f"{name}_err" in table.colnames}
    for name in ("star_id", "source"):
        if name in table.colnames:
            setattr(spectra, name, np.ma.filled(np.ma.asarray(table[name]).astype(str), ""))
    return Labelled(spectra, label_errors=errors)
