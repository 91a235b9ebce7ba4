"""The catalogue: one row a spectrum, with units, flags and a header that says where it came from."""

from __future__ import annotations

import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.labels import find_label
from maury.measure.errors import formal_errors, scaled_errors
from maury.measure.quality import Flag, flag_names, is_valid, reduced, set_flags, training_distance
from maury.output import check_new_file

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.emulator import Emulator
    from maury.measure.fit import FitResult
    from maury.spectra import Spectra

_NUISANCES = {
    "arm_rv": "velocities of the second arm on, less that of the first",
    "broadening": "sigma of the broadening beyond the line-spread function",
    "broadening_err": "error of broadening",
}
_FORMATS = {
    ".fits": "fits",
    ".fits.gz": "fits",
    ".fit": "fits",
    ".ecsv": "ascii.ecsv",
    ".parquet": "parquet",
}


def build_catalog(
    result: FitResult,
    spectra: Spectra,
    emulator: Emulator,
    options: Mapping[str, Any] | None = None,
    sharper: NDArray[np.bool_] | bool = False,
    emission: NDArray[np.bool_] | bool = False,
    misfit: NDArray[np.bool_] | bool = False,
) -> QTable:
    """Make the catalogue of N fitted spectra.

    Parameters
    ----------
    result : FitResult
        The fit of the N spectra, in their order.
    spectra : Spectra
        As read. Its `snr`, `rv` and `problem` go into columns and flags.
    emulator : Emulator
        The one that was fitted; names and units of the labels come from it.
    options : mapping, optional
        What the user chose, written into the header as JSON under ``OPTIONS``.
    sharper : (N,) bool
        Whether a spectrum is sharper than the emulator.
    emission : (N,) bool
        Whether emission lines were found; see `maury.measure.emission`.
    misfit : (N,) bool
        Whether the fit differs from the spectrum over many pixels; see `maury.measure.misfit`.

    Returns
    -------
    QTable
        Errors ``<label>_err_formal`` are from the covariance, ``<label>_err`` are those times
        ``sqrt(rchi2)`` where that is above 1. ``covariance`` is (N, L, L), labels in the order of
        ``meta["LABELS"]``, in their units.
    """
    from astropy import units as u
    from astropy.table import QTable

    from maury.measure.fit import Status  # needs the compiled core, which a catalogue to read does not

    n_labels = len(emulator.labels)
    n_pixels = np.asarray(result.n_pixels)
    max_rv = (options or {}).get("max_rv", np.inf)
    flags = set_flags(result, spectra, emulator, sharper, max_rv, emission, misfit)
    formal = formal_errors(result.covariance)
    rchi2 = reduced(result.chi2, n_pixels, n_labels)
    reported = scaled_errors(formal, rchi2)

    table = QTable()
    _add(table, "star_id", np.asarray(spectra.star_id, dtype=str), "name of the star")
    _add(table, "visit_id", np.asarray(spectra.visit_id, dtype=str), "name of the exposure")
    _add(table, "file", np.asarray(spectra.file, dtype=str), "where the spectrum came from")
    for j, name in enumerate(emulator.labels):
        unit = u.Unit(emulator.units[j]) if emulator.units[j] else None
        _add(table, name, result.labels[:, j], find_label(name).description, unit)
        _add(table, f"{name}_err", reported[:, j], f"error of {name}", unit)
        _add(table, f"{name}_err_formal", formal[:, j], f"error of {name} from the covariance alone", unit)
    _add(table, "chi2", result.chi2, "chi2 with the scatter of the emulator")
    _add(table, "rchi2", rchi2, "chi2 over degrees of freedom")
    rchi2_noise = reduced(result.chi2_noise, n_pixels, n_labels)
    _add(table, "rchi2_noise", rchi2_noise, "the same from the noise of the spectrum alone")
    _add(table, "n_pixels", n_pixels.astype(np.int32), "pixels in the fit")
    _add(table, "n_clipped", np.asarray(result.n_clipped, dtype=np.int32), "outliers that were left out")
    _add(
        table,
        "snr",
        np.asarray(spectra.snr, dtype=float),
        "signal-to-noise ratio of the file, else of the pixels fitted",
    )
    nothing = np.full(len(n_pixels), np.nan)
    rv, rv_err = (nothing if value is None else value for value in (result.rv, result.rv_err))
    rv = np.where(np.isfinite(rv_err), rv, spectra.rv)
    _add(table, "rv", rv, "velocity c z, fitted where rv_err tells; NaN = not known", u.km / u.s)
    _add(table, "rv_err", rv_err, "error of rv", u.km / u.s)
    for name, description in _NUISANCES.items():
        values = getattr(result, name)
        if values is not None:
            _add(table, name, values, description, u.km / u.s)
    _add(table, "converged", np.asarray(result.converged, dtype=bool), "whether the fit found a minimum")
    status = [Status(code).name.lower().replace("_", " ") for code in result.status]
    _add(table, "status", np.array(status, dtype=str), "why the fit ended")
    _add(table, "flags", flags, "sum of the bits FLAG0, FLAG1, ... of the header; 0 = no complaint")
    _add(table, "valid", is_valid(flags), "whether the paper would have published it")
    distance = training_distance(result.labels, emulator)
    _add(table, "training_distance", distance, "distance to training stars; above 1 = outside")
    _add(table, "start", np.asarray(result.start, dtype=str), "how the fit was started")
    _add(table, "n_starts", np.asarray(result.n_starts, dtype=np.int32), "starts that were followed")
    _add(
        table,
        "n_agree",
        np.asarray(result.n_agree, dtype=np.int32),
        "of them, those that ended in this minimum",
    )
    _add(table, "problem", np.asarray(spectra.problem, dtype=str), "why a file could not be read")
    _add(table, "covariance", np.asarray(result.covariance, dtype=float), "of the labels, in their units")
    table.meta.update(_provenance(emulator, options or {}))
    return table


def _add(table: QTable, name: str, values: NDArray[Any], description: str, unit: Any = None) -> None:
    table[name] = values if unit is None else np.asarray(values, dtype=float) * unit
    table[name].info.description = description


def _provenance(emulator: Emulator, options: Mapping[str, Any]) -> dict[str, Any]:
    """Header keys of eight letters at most, so that FITS keeps them."""
    import maury

    meta: dict[str, Any] = {
        "MAURYVER": maury.__version__,
        "DATE": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "EMULATOR": emulator.name,
        "EMUHASH": emulator.file_hash,
        "LABELS": ",".join(emulator.labels),
        "ERRORS": "formal, times sqrt(rchi2) where above 1",
        "OPTIONS": json.dumps(dict(options), default=str),
    }
    for bit in Flag:
        meta[f"FLAG{bit.bit_length() - 1}"] = f"{bit.name}: {bit.meaning}"
    return meta


def check_output(path: str | os.PathLike[str], overwrite: bool = False) -> Path:
    """Return `path` if a catalogue can be written there; call it before the work, not after.

    Raises
    ------
    ValueError
        If the ending says no known format.
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
    """Write a catalogue as FITS, ECSV or Parquet, by the ending of `path`.

    Endings are .fits, .fits.gz, .fit, .ecsv and .parquet. The file appears whole or not at all. FITS knows
    no unit "dex", so such columns have their unit in the description (TCOMM) and in the header block of
    astropy, which gives it back on reading.

    Raises
    ------
    ValueError, FileExistsError, FileNotFoundError
        As `check_output`.
    """
    path = check_output(path, overwrite)
    ending = _ending(path)
    with tempfile.TemporaryDirectory(prefix=".maury-", dir=path.parent) as folder:
        draft = Path(folder) / f"catalog{ending}"
        if _FORMATS[ending] == "fits":
            _write_fits(table, draft)
        else:
            table.write(draft, format=_FORMATS[ending])
        os.replace(draft, path)


def read_catalog(path: str | os.PathLike[str]) -> QTable:
    """Read a catalogue that `write_catalog` wrote.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the ending says no known format, or the table in the file is not a catalogue of maury.
    """
    from astropy.table import QTable

    path = Path(path)
    kind = _FORMATS[_ending(path)]
    if kind == "parquet":
        _need_parquet()
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    options = {"character_as_bytes": False, "mask_invalid": False} if kind == "fits" else {}
    try:
        table = QTable.read(path, format=kind, **options)
    except Exception as error:  # each format has errors of its own for a file that is damaged
        raise ValueError(f"{path}: not a catalogue that can be read: {error}") from error
    if "MAURYVER" not in table.meta or "flags" not in table.colnames:
        raise ValueError(f"{path}: a table, but not a catalogue written by maury (no MAURYVER in its header)")
    for key in [key for key in table.meta if key.startswith("TCOMM")]:
        del table.meta[key]
    for name in table.colnames:
        # ECSV cannot tell an empty text from a missing one.
        if table[name].dtype.kind == "U" and hasattr(table[name], "filled"):
            description = table[name].info.description
            _add(table, name, np.asarray(table[name].filled(""), dtype=str), description)
    n_labels = len(label_names(table))
    covariance = np.asarray(table["covariance"])
    covariance = covariance.reshape(len(table), n_labels, n_labels)  # Parquet keeps it flat
    _add(table, "covariance", covariance, table["covariance"].info.description)
    return table


def column_values(catalog: QTable, name: str) -> NDArray[np.float64]:
    """Numbers of a column, without their unit."""
    return np.asarray(getattr(catalog[name], "value", catalog[name]), dtype=float)


def label_names(catalog: QTable) -> list[str]:
    """Names of the labels of a catalogue."""
    return str(catalog.meta["LABELS"]).split(",")


def describe_catalog(table: QTable) -> str:
    """Describe a catalogue in words: when, by which emulator, rows, label ranges, median errors, flags."""
    meta = table.meta
    n_rows, n_converged = len(table), int(np.sum(table["converged"]))
    if meta.get("ROWS") == "stars":
        head = f"{n_rows} {'star' if n_rows == 1 else 'stars'}, {int(np.sum(table['n_visits']))} visits"
    else:
        head = f"{n_rows} {'spectrum' if n_rows == 1 else 'spectra'}, {len(set(table['star_id']))} star names"
    lines = [
        f"maury catalogue: {head}, {n_converged} converged",
        f"  made      {meta['DATE']} by maury {meta['MAURYVER']}",
        f"  emulator  {meta['EMULATOR'] or '(no name)'}, {meta['EMUHASH'][:12]}",
        f"  errors    {meta['ERRORS']}",
    ]
    if meta["OPTIONS"] != "{}":
        lines.append(f"  options   {meta['OPTIONS']}")
    heads = ("lowest", "median", "highest", "median error")
    widths = (10, 10, 10, 14)
    lines += [
        "",
        f"  {'label':<12}{'unit':<6}" + "".join(f"{h:>{w}}" for h, w in zip(heads, widths, strict=True)),
    ]
    for name in label_names(table):
        unit = str(table[name].unit or "")
        values = np.asarray(table[name].value)
        errors = np.asarray(table[f"{name}_err"].value)
        digits = ".0f" if name == "teff" else ".3f"
        if np.isfinite(values).any():
            numbers = (np.nanmin(values), np.nanmedian(values), np.nanmax(values), np.nanmedian(errors))
            text = "".join(f"{x:>{w}{digits}}" for x, w in zip(numbers, widths, strict=True))
            lines.append(f"  {name:<12}{unit:<6}{text}")
        else:
            lines.append(f"  {name:<12}{unit:<6}{'no value':>10}")
    flags = np.asarray(table["flags"])
    lines += ["", f"  {int(np.sum(flags == 0))} rows without a flag"]
    for bit in Flag:
        count = int(np.sum((flags & bit) != 0))
        if count:
            lines.append(f"  {count} {flag_names(bit)[0]}: {bit.meaning}")
    return "\n".join(lines)


def _ending(path: Path) -> str:
    name = path.name.lower()
    for ending in _FORMATS:
        if name.endswith(ending):
            return ending
    raise ValueError(
        f"{path}: the ending {path.suffix!r} says no catalogue format; use one of {', '.join(_FORMATS)}"
    )


def _need_parquet() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("pyarrow", "pandas") if find_spec(name) is None]  # astropy wants both
    if missing:
        raise ValueError(
            f'Parquet files need {" and ".join(missing)}: pip install "maury[parquet]"; or write .fits'
        )


def _write_fits(table: QTable, path: Path) -> None:
    from astropy.io import fits

    table = table.copy(copy_data=False)
    for name in table.colnames:
        if table[name].dtype.kind == "U":
            # A FITS table holds ASCII: a file name with an accent must not cost the catalogue.
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
