"""Helpers for files in no survey's format: names and units of columns; assumptions as warnings."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from maury.readers._fits import ReadWarning, stem

#: Names of columns, in lower case without their unit and "air" or "vac".
COLUMNS = {
    "wavelength": ("wavelength", "wave", "lambda", "lam", "wl", "waveobs", "spectral_axis"),
    "loglam": ("loglam", "log_wavelength", "logwave"),
    "flux": ("flux", "flux_density", "flam", "f_lambda", "intensity"),
    "ivar": ("ivar", "inverse_variance", "invvar"),
    "error": ("error", "err", "flux_err", "flux_error", "fluxerr", "e_flux", "uncertainty", "sigma", "std"),
    "mask": ("mask", "bad"),
}
_UNITS = {"a": "Angstrom", "aa": "Angstrom", "angstrom": "Angstrom", "nm": "nm", "um": "um", "micron": "um"}
_ENDING = re.compile(rf"[\s_]*[\[(]?({'|'.join(_UNITS)})[\])]?$")
_MEDIUM = re.compile(r"[\s_-]*(air|vac|vacuum)$")


def find_columns(names: Iterable[str]) -> dict[str, tuple[str, str, bool | None]]:
    """Return by kind (a key of `COLUMNS`): name of the column, unit that it ends with, and whether in air.

    {} if wavelength or flux is missing.
    """
    found: dict[str, tuple[str, str, bool | None]] = {}
    for name in names:
        plain, unit = name.strip().lower(), ""
        kind = _kind(plain)
        if kind is None and (ending := _ENDING.search(plain)):
            plain, unit = plain[: ending.start()], _UNITS[ending[1]]
        medium = _MEDIUM.search(plain)
        if kind is None and medium:
            plain = plain[: medium.start()]
        kind = kind or _kind(plain)
        if kind is not None:
            found.setdefault(kind, (name, unit, medium[1] == "air" if medium else None))
    complete = "flux" in found and ("wavelength" in found or "loglam" in found)
    return found if complete else {}


def _kind(name: str) -> str | None:
    return next((kind for kind, names in COLUMNS.items() if name in names), None)


def unit_of(text: Any) -> Any:
    """Return the unit of a header or table; None if there is none, or astropy does not know it."""
    from astropy import units as u

    for word in (str(text or "").strip(), str(text or "").strip().lower()):  # some write NM
        try:
            if word:
                return u.Unit(word)
        except ValueError:
            continue
    return None


def numbered(path: Path, n: int) -> list[str]:
    """Names of the n spectra of a file that gives none."""
    return [stem(path)] if n == 1 else [f"{stem(path)}-{i}" for i in range(n)]


@contextmanager
def assumptions() -> Iterator[None]:
    """Turn the warnings of `Spectra.from_arrays` and others into those of a file."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        yield
    for note in notes:
        warnings.warn(f"a file: {note.message}", ReadWarning, stacklevel=4)
