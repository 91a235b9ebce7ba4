"""The reference set as one FITS file: spectra, labels and their errors, origin, names, provenance.

| HDU | holds |
|---|---|
| primary | MAURYREF (version of this layout), MAURYVER, DATE, and PROV: how it was made, JSON |
| STARS | one row per spectrum: star_id, visit_id, file, origin, label_id, rv, snr, the labels, `<label>_err`,
and optionally source |
| WAVELENGTH | (P,), or (N, P) where grids differ: vacuum Angstrom |
| FLUX, IVAR, LSF | (N, P) float32; a masked pixel has IVAR 0; LSF, sigma [Angstrom], only where known |
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from maury._version import __version__
from maury.labels import LABELS, find_label
from maury.output import check_new_file, new_file
from maury.readers import ReadError
from maury.readers._fits import is_fits
from maury.readers._fits_file import open_fits
from maury.spectra import Floats, Spectra

VERSION = 1
ORIGINS = ("empirical", "theoretical")
_PRIMARY, _STARS = "MAURYREF", "STARS"
_TEXT = ("star_id", "visit_id", "file", "origin", "label_id")
_SOURCE = "source"  # optional, as in tables
_NUMBERS = {"rv": "km/s", "snr": ""}


@dataclass(frozen=True)
class Reference:
    """Labelled spectra for training.

    Attributes
    ----------
    spectra : Spectra
        N spectra with `labels`.
    label_errors : dict of str to (N,) float64
        By the names of the labels; NaN = unknown.
    origin : (N,) str
        One of `ORIGINS` each.
    label_id : (N,) str
        Name of the star, or model, in the source of the labels, as in APOGEE_ID; "" = the same as star_id.
    provenance : dict
        How the set was made: files, options, counts. Only values that JSON can represent.
    """

    spectra: Spectra
    label_errors: dict[str, Floats]
    origin: NDArray[np.str_]
    label_id: NDArray[np.str_]
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.spectra)
        if not self.spectra.labels:
            raise ValueError(
                "spectra: expected labels, got none; a reference set consists of labelled spectra"
            )
        unknown = [name for name in self.label_errors if name not in self.spectra.labels]
        if unknown:
            raise ValueError(
                f"label_errors: expected names among {', '.join(self.spectra.labels)}, the labels of the "
                f"spectra, got {', '.join(unknown)}"
            )
        for name, values in (
            *self.label_errors.items(),
            ("origin", self.origin),
            ("label_id", self.label_id),
        ):
            if np.shape(values) != (n,):
                raise ValueError(f"{name}: expected shape ({n},), one per spectrum, got {np.shape(values)}")
        if not np.isin(self.origin, ORIGINS).all():
            strange = str(next(o for o in self.origin if o not in ORIGINS))
            raise ValueError(f"origin: expected {' or '.join(ORIGINS)}, got {strange!r}")

    @staticmethod
    def of_theory(spectra: Spectra, provenance: dict[str, Any] | None = None) -> Reference:
        """Model spectra with labels, as a reference set: the labels have no errors."""
        n = len(spectra)
        return Reference(spectra, {}, np.full(n, "theoretical"), np.full(n, ""), provenance or {})

    @staticmethod
    def concatenate(parts: Sequence[Reference]) -> Reference:
        """All spectra of the parts, in order; label errors that a part does not have are NaN there."""
        spectra = Spectra.concatenate([part.spectra for part in parts])
        names = dict.fromkeys(name for part in parts for name in part.label_errors)
        errors = {
            name: np.concatenate([p.label_errors.get(name, np.full(len(p.spectra), np.nan)) for p in parts])
            for name in names
        }
        origin, label_id = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("origin", "label_id")
        )
        return Reference(spectra, errors, origin, label_id, {"parts": [part.provenance for part in parts]})


def write_reference(reference: Reference, path: str | PathLike[str], overwrite: bool = False) -> None:
    """Write a reference set; the file is either complete or absent.

    Raises
    ------
    ValueError
        The extension is not .fits or .fits.gz.
    FileExistsError, FileNotFoundError
        The file already exists, or its folder does not.
    """
    ending = check_reference_path(path, overwrite)
    path = Path(path)
    primary = fits.PrimaryHDU()
    primary.header[_PRIMARY] = (VERSION, "layout of this reference set")
    primary.header["MAURYVER"] = __version__
    primary.header["DATE"] = datetime.now(timezone.utc).isoformat(timespec="seconds")
    primary.header["PROV"] = json.dumps(reference.provenance, default=str)
    spectra = reference.spectra
    images: dict[str, Any] = {
        "WAVELENGTH": spectra.wavelength,
        "FLUX": spectra.flux.astype(np.float32),
        "IVAR": np.where(spectra.mask, 0.0, spectra.ivar).astype(np.float32),
    }
    if spectra.lsf is not None:
        images["LSF"] = spectra.lsf.astype(np.float32)
    hdus = [primary, _star_table(reference)]
    for name, array in images.items():
        hdus.append(fits.ImageHDU(array, name=name))
        if name in ("WAVELENGTH", "LSF"):
            hdus[-1].header["BUNIT"] = "Angstrom"
    with new_file(path, f"reference{ending}", overwrite) as draft:
        fits.HDUList(hdus).writeto(draft)


def check_reference_path(path: str | PathLike[str], overwrite: bool = False) -> str:
    """Return the extension of `path` if a reference set can be written there; to be called first.

    Raises
    ------
    ValueError, FileExistsError, FileNotFoundError
        See `write_reference`.
    """
    path = Path(path)
    ending = next((e for e in (".fits", ".fits.gz") if path.name.lower().endswith(e)), None)
    if ending is None:
        raise ValueError(f"{path}: a reference set is a FITS file; its extension must be .fits or .fits.gz")
    check_new_file(path, overwrite)
    return ending


def is_reference(path: str | PathLike[str]) -> bool:
    """Whether a file is a reference set written by `write_reference`."""
    try:
        return is_fits(Path(path)) and _PRIMARY in fits.getheader(path, 0)
    except (OSError, EOFError):
        return False


def read_reference(path: str | PathLike[str]) -> Reference:
    """Read a reference set written by `write_reference`.

    Raises
    ------
    ReadError
        The file is not a reference set, or is damaged; the message gives the reason.
    """
    path = Path(path)
    if not path.is_file():
        raise ReadError(f"{path}: no such file; check the path")
    try:
        with open_fits(path) as hdus:
            return _unpacked(hdus)
    except ReadError as error:
        raise ReadError(f"{path}: {error}") from None
    except Exception as error:  # a damaged file can make astropy raise any exception
        raise ReadError(f"{path}: the reference set cannot be read ({error}); make it again") from error


def _star_table(reference: Reference) -> fits.BinTableHDU:
    from astropy import units as u

    spectra = reference.spectra
    held = []
    for name in (*_TEXT, *([_SOURCE] if (spectra.source != "").any() else [])):
        values = getattr(spectra if hasattr(spectra, name) else reference, name)
        text = np.char.encode(np.asarray(values, dtype=str), "ascii", "backslashreplace")
        held.append(fits.Column(name, f"{max(1, text.dtype.itemsize)}A", array=text))
    for name, unit in _NUMBERS.items():
        held.append(fits.Column(name, "D", unit=unit or None, array=getattr(spectra, name)))
    for name, values in spectra.labels.items():
        own = find_label(name).unit
        in_fits = own if own and u.Unit(own) != u.dex else None  # FITS has no unit dex
        held.append(fits.Column(name, "D", unit=in_fits, array=values))
        if name in reference.label_errors:
            held.append(fits.Column(f"{name}_err", "D", unit=in_fits, array=reference.label_errors[name]))
    return fits.BinTableHDU.from_columns(held, name=_STARS)


def _unpacked(hdus: fits.HDUList) -> Reference:
    header = hdus[0].header
    if _PRIMARY not in header:
        raise ReadError("not a reference set of maury (no MAURYREF in its header)")
    if header[_PRIMARY] != VERSION:
        raise ReadError(
            f"its layout has version {header[_PRIMARY]}, this maury reads {VERSION}; "
            "use the version of maury that wrote it, or make it again"
        )
    missing = [name for name in (_STARS, "WAVELENGTH", "FLUX", "IVAR") if name not in hdus]
    if missing:
        raise ReadError(f"it has no {' and no '.join(missing)}; make it again")
    table = {name: hdus[_STARS].data.field(name) for name in hdus[_STARS].columns.names}
    lost = [name for name in (*_TEXT, *_NUMBERS) if name not in table]
    if lost:
        raise ReadError(f"its table {_STARS} has no {' and no '.join(lost)}; make it again")
    shape = np.shape(hdus["FLUX"].data)
    for name in ("IVAR", "LSF", "WAVELENGTH"):
        wanted = (shape, shape[1:]) if name == "WAVELENGTH" else (shape,)
        if name in hdus and np.shape(hdus[name].data) not in wanted:
            raise ReadError(f"{name} has the shape {np.shape(hdus[name].data)}, FLUX {shape}; make it again")
    if shape[0] != len(table["star_id"]):
        raise ReadError(f"{shape[0]} spectra but {len(table['star_id'])} rows in {_STARS}; make it again")
    names = [n for n in table if n not in (*_TEXT, _SOURCE, *_NUMBERS) and not n.endswith("_err")]
    labels = sorted(names, key=lambda name: list(LABELS).index(name) if name in LABELS else len(LABELS))
    return Reference(
        Spectra(
            hdus["WAVELENGTH"].data,
            hdus["FLUX"].data,
            hdus["IVAR"].data,
            lsf=hdus["LSF"].data if "LSF" in hdus else None,
            star_id=table["star_id"].astype(str),
            visit_id=table["visit_id"].astype(str),
            file=table["file"].astype(str),
            rv=table["rv"],
            snr=table["snr"],
            labels={name: table[name] for name in labels},
            source=table[_SOURCE].astype(str) if _SOURCE in table else "",
        ),
        {name: table[f"{name}_err"].astype(np.float64) for name in labels if f"{name}_err" in table},
        table["origin"].astype(str),
        table["label_id"].astype(str),
        json.loads(header.get("PROV", "{}")),
    )
