"""Read survey files into `Spectra`: one module a format, and `read_spectra`, which finds the right one.

A format module has ``matches(path, hdus)`` and ``read(path, hdus)``; a library, one folder of many files,
also has ``library_files(folder)``. To add a format, write such a module and name it in `_FITS_READERS`.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from maury.readers import desi, generic, lamost, mastar, mastarhc, miles, sdss, stelib
from maury.readers._fits import ReadError, ReadWarning, is_fits, open_fits, stem
from maury.spectra import Spectra

_FITS_READERS = {
    "miles": miles,
    "stelib": stelib,
    "sdss": sdss,
    "lamost": lamost,
    "mastar": mastar,
    "mastarhc": mastarhc,
    "desi": desi,
}
_LIBRARIES = {"miles": miles, "stelib": stelib, mastarhc.FOLDER: mastarhc}
FORMATS = (*_FITS_READERS, "generic")

PathLike = str | os.PathLike[str]


def read_spectra(path: PathLike | Iterable[PathLike], format: str | None = None) -> Spectra:
    """Read one file, or several, of any known survey format.

    Parameters
    ----------
    path
        A file, or a list of files. The folder of the MILES or STELIB library is read as a whole, with its
        labels; of "mastarhc_v2_noism", the files of single stars. These three words alone mean the library
        inside the installed package sdss-mangadap. Files may be gzip-compressed. All of a file is held in
        memory; for the large files of MaStar there is `maury.readers.mastar.read_blocks`.
    format
        One of `maury.readers.FORMATS`; None = found from each file. "generic" is whatever specutils can read.

    Returns
    -------
    Spectra
        All spectra in the order given. Of a list, a file that cannot be read becomes one row, all masked,
        with the reason in `Spectra.problem`, and a `ReadWarning`.

    Raises
    ------
    ReadError
        A single path cannot be read, or none of a list can.
    ValueError
        `format` is not a known name.
    """
    check_format(format)
    with warnings.catch_warnings(record=True) as notes:
        warnings.filterwarnings("always", category=ReadWarning)
        spectra = _read_all(path, format)
    # A thousand files of one kind have one thing to say, not a thousand.
    for category, text in dict.fromkeys((note.category, str(note.message)) for note in notes):
        warnings.warn(text, category, stacklevel=2)
    return spectra


def _read_all(path: PathLike | Iterable[PathLike], format: str | None) -> Spectra:
    files = list_files(path)
    if isinstance(path, str | os.PathLike) and files == [Path(path).expanduser()]:
        return _read(files[0], format)
    parts = [_read_or_explain(file, format) for file in files]
    failed = [str(part.problem[0]) for part in parts if (part.problem != "").all()]
    if failed and len(failed) == len(parts):
        raise none_readable(len(parts), failed[0])
    if failed:
        warnings.warn(
            f"{len(failed)} of {len(parts)} files cannot be read, see Spectra.problem; {failed[0]}",
            ReadWarning,
            stacklevel=2,
        )
    return Spectra.concatenate(parts)


def check_format(format: str | None) -> None:
    """Raise ValueError if there is no format of this name."""
    if format is not None and format not in FORMATS:
        raise ValueError(f"format: expected one of {', '.join(FORMATS)} or None, got {format!r}")


def read_each(files: Sequence[Path], format: str | None = None) -> Spectra:
    """Read some files; one that cannot be read is a row with a `problem`."""
    return Spectra.concatenate([_read_or_explain(file, format) for file in files])


def none_readable(n: int, first: str) -> ReadError:
    """Return the error for n files of which none can be read, the first for this reason."""
    return ReadError((f"none of the {n} files can be read; " if n > 1 else "") + first)


def list_files(path: PathLike | Iterable[PathLike]) -> list[Path]:
    """Files that a path, a list of paths, the folder of a library, or its name, stand for."""
    if isinstance(path, str | os.PathLike):
        return _files(path)
    files = [file for item in path for file in _files(item)]
    if not files:
        raise ReadError("no files given; pass at least one")
    return files


def _files(path: PathLike) -> list[Path]:
    folder = _installed(path) if path in _LIBRARIES else Path(path).expanduser()
    if not folder.is_dir():
        return [folder]
    for library in _LIBRARIES.values():
        files: list[Path] = library.library_files(folder)
        if files:
            return files
    raise ReadError(
        f"{folder}: this folder is not that of the MILES, STELIB or MaStarHC library; "
        "pass the spectra themselves, as a list of files"
    )


def _installed(library: str | os.PathLike[str]) -> Path:
    spec = importlib.util.find_spec("mangadap")  # found, never imported: it has many requirements of its own
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place, "data", "spectral_templates", library)
        if folder.is_dir():
            return folder
    raise ReadError(
        f"{library}: the library of this name comes with the package sdss-mangadap, which is not installed; "
        f"pip install --no-deps sdss-mangadap, or pass the folder of the library (./{library} if right here)"
    )


def _read_or_explain(path: Path, format: str | None) -> Spectra:
    try:
        return _read(path, format)
    except ReadError as error:
        return unreadable(path, str(error))


def unreadable(path: Path, problem: str) -> Spectra:
    """One row that says why there is no spectrum."""
    return Spectra([np.nan], [np.nan], [0.0], star_id=path.name, file=str(path), problem=problem)


def _read(path: Path, format: str | None) -> Spectra:
    try:
        spectra = _read_with(path, format)
    except ReadError as error:
        text = str(error).removeprefix(f"{path}: ")  # readers that open the file themselves name it too
        raise ReadError(f"{path}: {text}") from error.__cause__
    except Exception as error:  # a damaged file can make astropy raise anything
        cut = isinstance(error, EOFError) or "truncated" in str(error) or "validating header" in str(error)
        what = "it is cut short" if cut else f"it cannot be read ({type(error).__name__}: {error})"
        raise ReadError(f"{path}: {what}; get the file again, or name its format") from error
    explain_empty(spectra, path)
    if (spectra.problem != "").all():
        raise ReadError(str(spectra.problem[0]) + ", so nothing can be measured; leave it out")
    return spectra


def explain_empty(spectra: Spectra, path: Path) -> None:
    """Give spectra without a single usable pixel their `problem`."""
    empty = ~(~spectra.mask & (spectra.flux != 0)).any(axis=1) & (spectra.problem == "")
    if empty.any():
        why = [f"{path}: {_why_empty(spectra[i])}" if empty[i] else "" for i in range(len(spectra))]
        spectra.problem = np.where(empty, why, spectra.problem)


def _read_with(path: Path, format: str | None) -> Spectra:
    if not path.exists():
        raise ReadError("no such file; check the path")
    if path.stat().st_size == 0:
        raise ReadError("the file is empty; get it again")
    fits = is_fits(path)
    named_fits = stem(path) != path.name
    if not fits and (named_fits or format in _FITS_READERS):
        raise ReadError(
            "this is not a FITS file, whatever its name; get it again, or give it its right ending"
        )
    if fits and format != "generic":
        with open_fits(path) as hdus:
            for name, reader in _FITS_READERS.items():
                if name == format or (format is None and reader.matches(path, hdus)):
                    spectra: Spectra = reader.read(path, hdus)
                    return spectra
    return generic.read(path)


def _why_empty(spectra: Spectra) -> str:
    if not np.isfinite(spectra.flux).any():
        return "its flux is NaN in every pixel"
    if not np.nan_to_num(spectra.flux).any():
        return "its flux is 0 in every pixel"
    return "every pixel is masked or has no inverse variance"
