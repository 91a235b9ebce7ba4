"""The catalogue: one row per spectrum, with units, flags and a header with the provenance."""

from __future__ import annotations

import errno
import glob
import json
import os
import shutil
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury._version import __version__, maker
from maury.catalog.columns import Columns, label_names
from maury.catalog.flags import Flag
from maury.labels import LABELS, find_label
from maury.output import check_new_file, new_file, one_line
from maury.readers._fits_file import open_file

if TYPE_CHECKING:
    from astropy.table import QTable

_DESCRIPTIONS = {
    "star_id": "name of the star",
    "visit_id": "name of the exposure",
    "file": "file of the spectrum",
    "format": "format of the file, as in maury fit --format",
    "ra": "right ascension, ICRS; NaN = unknown",
    "dec": "declination, ICRS; NaN = unknown",
    "chi2": "chi2, including the scatter of the emulator",
    "chi2_prior": "what the prior on the labels adds to chi2, which does not include it",
    "fitted_labels": "labels of the emulator at the minimum; the others include the photometric prior",
    "rchi2": "chi2 divided by the degrees of freedom",
    "rchi2_noise": "reduced chi2 from the noise of the spectrum alone",
    "n_pixels": "number of pixels in the fit",
    "n_clipped": "number of pixels rejected as outliers",
    "snr": "signal-to-noise ratio from the file, else of the fitted pixels",
    "mjdqual": "quality bits of the survey: MJDQUAL of MaStar; 0 = none",
    "rv": "velocity c z, fitted where rv_err is finite; NaN = unknown",
    "rv_err": "error of rv",
    "rv_err_formal": "error of rv from the covariance alone",
    "arm_rv": "velocities of the other arms minus that of the first",
    "broadening": "sigma of the broadening in addition to the line-spread function",
    "broadening_err": "error of broadening",
    "converged": "whether the fit found a minimum",
    "status": "why the fit ended",
    "flags": "sum of the bits FLAG0, FLAG1, ... of the header; 0 = no flag set",
    "valid": "whether the row may be published: no bit of DO_NOT_USE",
    "training_distance": "distance to the training stars; above 1 = outside",
    "start": "how the fit was started",
    "n_starts": "number of starts that were followed",
    "n_agree": "number of starts that ended in this minimum",
    "problem": "why the file could not be read",
    "covariance": "covariance of the labels, noise and model, in their units",
    "covariance_formal": "covariance of the labels in the fit, in their units",
}
_PRINTED = {
    **dict.fromkeys(("snr",), ".0f"),
    **dict.fromkeys(("rv", "rv_err", "rv_err_formal", "broadening", "broadening_err", "chi2"), ".1f"),
    **dict.fromkeys(("rchi2", "rchi2_noise", "training_distance"), ".2f"),
    **dict.fromkeys(("ra", "dec"), ".5f"),
    **dict.fromkeys(("covariance", "covariance_formal"), ".3g"),
}
_FORMATS = {
    ".fits": "fits",
    ".fits.gz": "fits",
    ".fit": "fits",
    ".ecsv": "ascii.ecsv",
    ".parquet": "parquet",
}


def catalog_table(columns: Columns, units: Mapping[str, str], origin: Mapping[str, Any]) -> QTable:
    """Make the catalogue of N fitted spectra from its columns, with units, descriptions and header.

    Parameters
    ----------
    columns : dict of (N, ...) arrays
        From `maury.measure.columns.catalog_columns`.
    units : dict
        Names of the labels, in order, and their units.
    origin : mapping
        Entries of the header that describe the fit and its errors; keys of at most eight characters, as FITS
        requires.

    Returns
    -------
    QTable
        ``covariance`` and ``covariance_formal`` are (N, L, L), labels in the order of ``meta["LABELS"]``, in
        their units.
    """
    from astropy import units as u
    from astropy.table import QTable

    described = dict(_DESCRIPTIONS)
    unit_of = dict.fromkeys(
        ("rv", "rv_err", "rv_err_formal", "arm_rv", "broadening", "broadening_err"), "km/s"
    )
    unit_of |= {"ra": "deg", "dec": "deg"}
    for name, unit in units.items():
        described[name] = find_label(name).description
        described[f"{name}_err"] = f"error of {name}"
        described[f"{name}_err_formal"] = f"error of {name} from the covariance of the fit alone"
        described[f"{name}_err_model"] = (
            f"model error of {name}, that of the emulator on stars not used for training"
        )
        unit_of |= dict.fromkeys([name, *(f"{name}_err{end}" for end in ("", "_formal", "_model"))], unit)
    table = QTable()
    for name, values in columns.items():
        own_unit = unit_of.get(name)
        _add(table, name, values, described[name], u.Unit(own_unit) if own_unit else None)
    table.meta.update(_provenance(units, origin))
    set_formats(table)
    return table


def set_formats(table: QTable) -> None:
    """Set how the numbers of a catalogue are printed; files of it have all digits."""
    for name in table.colnames:
        base = name.partition("_err")[0]
        if name in _PRINTED or base in LABELS:
            kelvin = base in LABELS and LABELS[base].unit == "K"
            table[name].info.format = _PRINTED.get(name, ".0f" if kelvin else ".2f")


def _add(table: QTable, name: str, values: NDArray[Any], description: str, unit: Any = None) -> None:
    table[name] = values if unit is None else np.asarray(values, dtype=float) * unit
    table[name].info.description = description


def _provenance(labels: Iterable[str], origin: Mapping[str, Any]) -> dict[str, Any]:
    """Return the header; identical input gives identical bytes."""
    meta: dict[str, Any] = {
        "MAURYVER": __version__,
        "CORE": maker()["core"],
        "SIMD": maker()["SIMD level"],
        **origin,
        "LABELS": ",".join(labels),
    }
    for bit in Flag:
        meta[f"FLAG{bit.bit_length() - 1}"] = f"{bit.name}: {bit.meaning}"
    return meta


def check_output(path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Return `path` if a catalogue can be written there; to be called before the work starts.

    Raises
    ------
    ValueError
        If the file extension is unknown.
    FileExistsError
        If the file exists and `overwrite` is False.
    FileNotFoundError
        If the folder does not exist.
    """
    path = Path(path)
    if _ending(path) == ".parquet":
        _need_parquet()
    return check_new_file(path, overwrite)


def write_catalog(table: QTable, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a catalogue as FITS, ECSV or Parquet, according to the extension of `path`.

    Extensions are .fits, .fits.gz, .fit, .ecsv and .parquet. The file is either complete or absent. FITS
    has no unit "dex"; the unit of such columns is in the description (TCOMM) and in the header block of
    astropy, from which it is restored on reading.

    Raises
    ------
    ValueError, FileExistsError, FileNotFoundError
        As `check_output`.

    Examples
    --------
    >>> from importlib.resources import files
    >>> import maury
    >>> catalog = maury.fit(files("maury") / "data" / "demo")
    >>> maury.write_catalog(catalog[catalog["valid"]], "good.ecsv")
    """
    path = check_output(path, overwrite)
    ending = _ending(path)
    with new_file(path, f"catalog{ending}", overwrite, _draft_prefix(path)) as draft:
        stored = table.copy(copy_data=False)
        stored.meta = {key: _stored(value) for key, value in table.meta.items()}
        try:
            if _FORMATS[ending] == "fits":
                _write_fits(stored, draft)
            else:
                stored.write(draft, format=_FORMATS[ending])
        except OSError as error:
            if error.errno is not None:
                raise
            # numpy: "47400 requested and 11200 written"
            text = f"{os.strerror(errno.ENOSPC)} for the catalogue ({error})"
            raise OSError(errno.ENOSPC, text, str(path)) from error
        if ending == ".ecsv":
            _quote_comments(draft)


def remove_drafts(path: Path) -> None:
    """Remove what `write_catalog` left beside `path` when it was killed; no other may be writing there."""
    for folder in path.parent.glob(glob.escape(_draft_prefix(path)) + "*"):
        shutil.rmtree(folder, ignore_errors=True)


def _draft_prefix(path: Path) -> str:
    return f".maury-{path.name[:100]}-"


def read_catalog(path: str | os.PathLike[str]) -> QTable:
    """Read a catalogue that `write_catalog` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file extension is unknown, or the table in the file is not a catalogue of maury.

    Examples
    --------
    >>> from importlib.resources import files
    >>> import maury
    >>> maury.write_catalog(maury.fit(files("maury") / "data" / "demo"), "stars.fits")
    >>> catalog = maury.read_catalog("stars.fits")
    >>> catalog["teff"].unit, catalog.meta["EMULATOR"]
    (Unit("K"), 'MILES')
    """
    from astropy.table import QTable

    path = Path(path)
    kind = _FORMATS[_ending(path)]
    if kind == "parquet":
        _need_parquet()
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    options = {"hdu": 1, "character_as_bytes": False, "mask_invalid": False} if kind == "fits" else {}
    try:
        with open_file(path) as file:
            if file is not None:
                file.check_headers()
        table = QTable.read(path, format=kind, **options)
    except Exception as error:  # each format raises different errors for a damaged file
        raise ValueError(f"{path}: the catalogue cannot be read: {error}") from error
    if "MAURYVER" not in table.meta or "flags" not in table.colnames:
        raise ValueError(f"{path}: a table, but not a catalogue written by maury (no MAURYVER in its header)")
    try:
        return _as_written(table)
    except (KeyError, TypeError, ValueError) as error:
        why = one_line(f"{type(error).__name__}: {error}")
        raise ValueError(f"{path}: a catalogue whose header or columns were changed ({why})") from error


def _as_written(table: QTable) -> QTable:
    """Restore what the formats change: header, empty strings, the shape of covariances."""
    for key in [key for key in table.meta if str(key).startswith("TCOMM")]:
        del table.meta[key]
    table.meta = {key: _restored(value) for key, value in table.meta.items()}
    for name in table.colnames:
        # ECSV cannot distinguish an empty string from a missing one.
        if table[name].dtype.kind == "U" and hasattr(table[name], "filled"):
            description = table[name].info.description
            _add(table, name, np.asarray(table[name].filled(""), dtype=str), description)
    n_labels = len(label_names(table))
    for name in {"covariance", "covariance_formal"} & set(table.colnames):
        covariance = np.asarray(table[name])
        covariance = covariance.reshape(len(table), n_labels, n_labels)  # flat in Parquet
        _add(table, name, covariance, table[name].info.description)
    set_formats(table)
    return table


def _stored(value: Any) -> Any:
    """Value of the header as every format can store it: text that one of them would change is JSON."""
    if not isinstance(value, str):
        return value
    plain = value.isascii() and value.isprintable() and value == value.strip() and value[:1] != '"'
    if plain and "'" not in value:  # astropy ends some texts in FITS at a quote
        return value
    return json.dumps(value).replace("'", r"\u0027")


def _restored(value: Any) -> Any:
    if isinstance(value, str) and value.startswith('"'):
        with suppress(ValueError):
            return json.loads(value)
    return value


def _quote_comments(path: Path) -> None:
    """Quote names that start with #, which a reader of ECSV takes for a comment at the start of a line."""
    lines = path.read_text(encoding="utf-8").split("\n")
    first = next(i for i, line in enumerate(lines) if not line.startswith("#")) + 1
    for i in range(first, len(lines)):
        if lines[i].startswith("#"):
            name, space, rest = lines[i].partition(" ")
            lines[i] = f'"{name}"{space}{rest}'
    path.write_text("\n".join(lines), encoding="utf-8", newline="\n")


def _ending(path: Path) -> str:
    name = path.name.lower()
    for ending in _FORMATS:
        if name.endswith(ending):
            return ending
    raise ValueError(
        f"{path}: unknown file extension {path.suffix!r} of a catalogue; use one of {', '.join(_FORMATS)}"
    )


def _need_parquet() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("pyarrow", "pandas") if find_spec(name) is None]  # astropy needs both
    if missing:
        raise ValueError(
            f'Parquet files need {" and ".join(missing)}: pip install "maury[parquet]"; or write .fits'
        )


def _write_fits(table: QTable, path: Path) -> None:
    from astropy.io import fits

    for name in table.colnames:
        if table[name].dtype.kind == "U":
            # FITS tables are limited to ASCII; other characters, as in a file name, are escaped.
            ascii_text = [text.encode("ascii", "backslashreplace").decode() for text in table[name]]
            _add(table, name, np.array(ascii_text, dtype=str), table[name].info.description)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*could not be saved in native FITS format")
        table.write(path, format="fits")
    with fits.open(path, mode="update") as hdus:
        header = hdus[1].header
        for i, name in enumerate(table.colnames, start=1):
            info = table[name].info
            words = [info.description or "", f"[{info.unit}]" if info.unit is not None else ""]
            header.set(f"TCOMM{i}", " ".join(filter(None, words)), after=f"TFORM{i}")
