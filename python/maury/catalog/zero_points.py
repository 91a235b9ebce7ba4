"""Zero points: offset and slope of each label against trusted labels, by kind of star, as a small file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.columns import column_values, label_names
from maury.catalog.compare import Matched
from maury.catalog.formats import check_formats
from maury.output import check_new_file

if TYPE_CHECKING:
    from astropy.table import QTable, Table

Array = NDArray[np.float64]

#: Installed files, for the emulator "default" (labels of "lamost" are on that scale); written by
#: tools/lamost_zero_points.py.
BUILT_IN = {"lamost": "lamost_zero_points_default.ecsv"}
KINDS = ("giants", "dwarfs", "hot")
HOT, GIANT = 8000.0, 3.8  # K; log g below which a star that is not hot is a giant
MIN_STARS = 30  # of a kind
_CLIP = 3.0  # sigma
_ROUNDS = 10
_KIND = "maury zero points"
_COLUMNS = ("offset", "offset_err", "slope", "slope_err", "centre", "low", "high")


@dataclass(frozen=True, eq=False)
class ZeroPoints:
    """theirs = ours + offset + slope (ours - centre), ours limited to low and high, for each kind and label.

    Attributes
    ----------
    table : Table
        Columns kind, label, n, offset, offset_err, slope, slope_err, centre, low, high; one row per kind of
        star and label with enough stars.
    other : str
        Name of the table with trusted labels.
    emulator_hash : str
        SHA-256 of the file of the emulator; "" if unknown.
    formats : tuple of str
        Formats of the files of the catalogue, names as in ``maury fit --format``; empty if unknown.
    """

    table: Table
    other: str
    emulator_hash: str = ""
    formats: tuple[str, ...] = ()

    def check_formats(self, formats: ArrayLike) -> None:
        """Refuse spectra of another instrument; see `maury.catalog.formats.check_formats`."""
        check_formats(
            self.formats,
            formats,
            "calibration: these zero points are of",
            "whose labels differ in other ways; make them from a catalogue of such files (maury compare CAT "
            "OTHER --calibrate FILE), or fit without --calibration",
        )

    @property
    def words(self) -> str:
        """One line for the header of a catalogue."""
        kinds = [kind for kind in KINDS if kind in set(self.table["kind"])]
        return f"labels on the scale of {self.other}: {', '.join(kinds)}"


def kind_of_star(labels: Array, names: Sequence[str]) -> NDArray[np.str_]:
    """Return the kind (N,), one of `KINDS`, of stars with labels (N, L); "" if Teff is unknown."""
    names = list(names)
    if "teff" not in names:
        return np.full(len(labels), "", dtype="U6")
    teff = labels[:, names.index("teff")]
    giant = labels[:, names.index("logg")] < GIANT if "logg" in names else np.zeros(len(labels), dtype=bool)
    kind = np.where(teff >= HOT, "hot", np.where(giant, "giants", "dwarfs"))
    return np.where(np.isfinite(teff), kind, "")


def learn_zero_points(matched: Matched, emulator_hash: str = "", formats: tuple[str, ...] = ()) -> ZeroPoints:
    """Fit zero points to stars with trusted labels.

    Straight lines by least squares, with rejection beyond 3 sigma; the trusted labels are assumed to be
    exact, and define the kind of a star.

    Parameters
    ----------
    matched : Matched
        From `maury.catalog.compare.match_tables`.
    emulator_hash : str
        Of the emulator that measured the catalogue.
    formats : tuple of str
        Of the files of the catalogue; see `maury.catalog.formats.formats_of`.

    Raises
    ------
    ValueError
        If there are fewer than 30 stars of each kind.
    """
    from astropy.table import Table

    kinds = kind_of_star(matched.theirs, matched.names)
    rows, counts = [], []
    for kind in KINDS:
        for j, label in enumerate(matched.names):
            ours, theirs = matched.ours[:, j], matched.theirs[:, j]
            here = (kinds == kind) & np.isfinite(ours) & np.isfinite(theirs)
            counts.append(int(here.sum()))
            if counts[-1] >= MIN_STARS:
                rows.append((kind, label, counts[-1], *_line(ours[here], theirs[here])))
    if not rows:
        raise ValueError(
            f"{matched.other}: {max(counts, default=0)} stars in common with the catalogue, but zero points "
            f"of a kind of star (giants, dwarfs, hot) require {MIN_STARS}; compare with a larger table"
        )
    table = Table(rows=rows, names=("kind", "label", "n", *_COLUMNS))
    return ZeroPoints(table, matched.other, emulator_hash, formats)


def _line(ours: Array, theirs: Array) -> tuple[float, ...]:
    """Return offset, its error, slope, its error, centre, low, high of theirs - ours as a line in ours.

    ours = theirs + a + b (theirs - c) is fitted, and solved for theirs: our labels have noise, and a
    regression on them would bias all labels towards the mean.
    """
    from astropy.stats import mad_std

    difference, middle = ours - theirs, float(np.median(theirs))
    design = np.column_stack([np.ones(len(ours)), theirs - middle])
    used = np.abs(difference - np.median(difference)) <= _CLIP * mad_std(difference)
    for _ in range(_ROUNDS):
        line = np.linalg.lstsq(design[used], difference[used], rcond=None)[0]
        residual = difference - design @ line
        sigma = np.sqrt(np.sum(residual[used] ** 2) / max(used.sum() - 2, 1))
        again = np.abs(residual) <= _CLIP * sigma
        if (again == used).all() or again.sum() < MIN_STARS // 2:
            break
        used = again
    (a, b), error = line, sigma * np.sqrt(np.diag(np.linalg.pinv(design[used].T @ design[used])))
    stretch = max(1.0 + float(b), 0.1)
    low, high = np.percentile(ours[used], [1, 99])
    numbers = (-a, error[0], 1 / stretch - 1, error[1] / stretch**2, middle + a, low, high)
    return tuple(float(number) for number in numbers)


def write_zero_points(zero_points: ZeroPoints, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write zero points as ECSV.

    Raises
    ------
    ValueError
        If `path` does not end in .ecsv.
    FileExistsError
        If the file exists and `overwrite` is False.
    """
    path = Path(path)
    if path.suffix.lower() != ".ecsv":
        raise ValueError(f"{path}: a file of zero points ends in .ecsv")
    check_new_file(path, overwrite)
    table = zero_points.table.copy()
    table.meta.update(
        {
            "kind": _KIND,
            "other": zero_points.other,
            "emulator": zero_points.emulator_hash,
            "formats": list(zero_points.formats),
            "equation": "theirs = ours + offset + slope * (ours - centre), ours kept within low and high; "
            f"hot: teff >= {HOT:.0f} K; giants: logg < {GIANT} and not hot; dwarfs: the others",
        }
    )
    table.write(path, format="ascii.ecsv", overwrite=overwrite)


def read_zero_points(path: str | os.PathLike[str]) -> ZeroPoints:
    """Read a file of `write_zero_points`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a valid file of zero points.
    """
    from astropy.table import Table

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; maury compare CAT OTHER --calibrate FILE makes it")
    try:
        table = Table.read(path, format="ascii.ecsv")
    except Exception as error:  # the reader has errors of its own for every kind of damage
        raise ValueError(f"{path}: not an ECSV table: {error}") from error
    meta = dict(table.meta)
    missing = [name for name in ("kind", "label", *_COLUMNS) if name not in table.colnames]
    if meta.get("kind") != _KIND or missing:
        why = f"it has no column {missing[0]}" if missing else f"its header does not say kind: {_KIND}"
        raise ValueError(f"{path}: not a file of zero points: {why}; make it with maury compare --calibrate")
    if not all(np.isfinite(np.asarray(table[name], dtype=float)).all() for name in _COLUMNS):
        raise ValueError(f"{path}: a number is missing or not finite; make it again with maury compare")
    formats = tuple(str(name) for name in meta.get("formats", ()))
    return ZeroPoints(table, str(meta.get("other", path.name)), str(meta.get("emulator", "")), formats)


def zero_points_for(
    calibration: ZeroPoints | str | os.PathLike[str] | None, emulator_hash: str
) -> ZeroPoints | None:
    """Return the zero points of an option; None is returned as None.

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_zero_points`; also if they belong to another emulator.
    """
    if calibration is None:
        return None
    own = isinstance(calibration, ZeroPoints)
    if isinstance(calibration, str) and calibration in BUILT_IN:
        with as_file(files("maury") / "data" / BUILT_IN[calibration]) as path:
            model = read_zero_points(path)
    else:
        model = calibration if isinstance(calibration, ZeroPoints) else read_zero_points(calibration)
    if model.emulator_hash and emulator_hash and model.emulator_hash != emulator_hash:
        where = "calibration" if own else f"calibration: {os.fspath(calibration)}"  # type: ignore[arg-type]
        built_in = isinstance(calibration, str) and calibration in BUILT_IN
        raise ValueError(
            f"{where}: these zero points are of the emulator whose file hash begins with "
            f"{model.emulator_hash[:12]}, and this emulator has {emulator_hash[:12]}; "
            + (
                "pass the emulator default with them; labels of the emulator lamost have this scale already"
                if built_in
                else "make them from a catalogue of this emulator (maury compare CAT OTHER --calibrate FILE)"
            )
        )
    return model


def apply_zero_points(catalog: QTable, zero_points: ZeroPoints) -> QTable:
    """Return a copy of a catalogue with labels on the scale of the trusted ones.

    The errors of offset and slope are included in ``<label>_err`` and ``covariance``, and in
    ``<label>_err_model``, since they are the same in each visit. Kinds of stars and labels without a zero
    point are unchanged. The header key ZEROPNT describes the zero points.

    Raises
    ------
    ValueError
        If zero points have been applied already, or are of files of another format.
    """
    if "ZEROPNT" in catalog.meta:
        raise ValueError(
            f"catalog: it has zero points already ({catalog.meta['ZEROPNT']}); measure it without "
            "--calibration"
        )
    if "format" in catalog.colnames:
        zero_points.check_formats(catalog["format"])
    labels = label_names(catalog)
    values = np.column_stack([column_values(catalog, name) for name in labels])
    kinds = kind_of_star(values, labels)
    table = catalog.copy()
    errors = np.zeros(values.shape)
    for j, name in enumerate(labels):
        shift, error = np.zeros(len(table)), errors[:, j]
        for row in zero_points.table[np.asarray(zero_points.table["label"], dtype=str) == name]:
            here = kinds == row["kind"]
            way = np.clip(values[here, j], row["low"], row["high"]) - row["centre"]
            shift[here] = row["offset"] + row["slope"] * way
            error[here] = np.hypot(row["offset_err"], row["slope_err"] * way)
        _replace(table, name, values[:, j] + shift)
        for end in ("_err", "_err_model"):
            if name + end in table.colnames:
                _replace(table, name + end, np.hypot(column_values(table, name + end), error))
    if "covariance" in table.colnames:
        both = np.asarray(table["covariance"], dtype=float) + errors[:, :, None] ** 2 * np.eye(len(labels))
        _replace(table, "covariance", both)
    table.meta["ZEROPNT"] = zero_points.words
    return table


def _replace(table: QTable, name: str, values: Array) -> None:
    unit, description = table[name].unit, table[name].info.description
    table[name] = values if unit is None else values * unit
    table[name].info.description = description
