"""Libraries of the code FERRE in ASCII: a Fortran namelist ``&SYNTH ... /``, then one model per line.

Keywords are interpreted as in FERRE (Allende Prieto & Apogee Team 2015, ASCL 1502.016): label i has
N_P(i) values from LLIMITS(i) in STEPS(i), and the last label varies fastest. WAVE gives the first wavelength
and the step, in log10 if LOGW is 1 and in ln if 2; VACUUM is 0 for air, the default. A missing model is a row
of INVALID_CODE, by default 0. With MULTI = m there are m additional headers, one for each part of a row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from maury.readers import ReadError

Array = NDArray[np.float64]
#: Names (L), labels (M, L), wavelength (P,), flux (M, P; 0 = missing), and optional entries: whether
#: wavelengths are in air, resolution, lsf.
Models = tuple[list[str], Array, Array, NDArray[np.floating], dict[str, Any]]


def is_ferre(path: Path) -> bool:
    """Whether a file starts like a FERRE library."""
    with path.open("rb") as stream:
        return stream.read(200).lstrip().upper().startswith(b"&SYNTH")


def read_ferre(path: Path) -> Models:
    """Read a library; air and resolution are those of its first header."""
    with path.open(encoding="ascii", errors="replace") as stream:
        head = _header(stream, path)
        parts = [_header(stream, path) for _ in range(int(_numbers(head, "MULTI", path, [0])[0]))] or [head]
        if _numbers(head, "NPCA", path, [0])[0] or _numbers(head, "CONSTANT", path, [0])[0]:
            raise ReadError(
                f"{path}: a FERRE library that is compressed (NPCA) or shifted (CONSTANT); unpack it first"
            )
        n_labels = int(_numbers(head, "N_OF_DIM", path)[0])
        counts = [int(n) for n in _numbers(head, "N_P", path)[:n_labels]]
        first, step = (_numbers(head, name, path)[:n_labels] for name in ("LLIMITS", "STEPS"))
        names = [_text(head, f"LABEL({i + 1})", path) for i in range(n_labels)]
        wavelength = np.concatenate([_wavelength(part, path) for part in parts])
        try:
            flux = np.loadtxt(stream, dtype=np.float32, ndmin=2, comments=None)
        except ValueError as error:
            raise ReadError(
                f"{path}: a row of fluxes cannot be read ({error}); get the file again"
            ) from error
    if _numbers(head, "TRANSPOSED", path, [0])[0]:
        flux = flux.T
    wanted = (int(np.prod(counts)), len(wavelength))
    if flux.shape != wanted:
        raise ReadError(
            f"{path}: its header declares {wanted[0]} models of {wanted[1]} pixels, but there are "
            f"{flux.shape[0]} of {flux.shape[1]}; it may be cut short"
        )
    flux[(flux == np.float32(_numbers(head, "INVALID_CODE", path, [0])[0])).all(axis=1)] = 0
    axes = [np.round(low + s * np.arange(n), 9) for low, s, n in zip(first, step, counts, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, n_labels)
    known: dict[str, Any] = {"air": not _numbers(parts[0], "VACUUM", path, [0])[0]}
    resolution = _numbers(parts[0], "RESOLUTION", path, [0])[0]
    if resolution > 0:
        known["resolution"] = resolution
    return names, points, wavelength, flux, known


def _header(stream: TextIO, path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in stream:
        key, equals, value = line.strip().partition("=")
        if key.startswith("/"):
            return found
        if equals:
            found[key.strip().upper()] = value.strip().rstrip(",")
    raise ReadError(f"{path}: the header of this FERRE library has no end (/); get the file again")


def _text(header: dict[str, str], name: str, path: Path) -> str:
    if name not in header:
        raise ReadError(f"{path}: its FERRE header has no {name}")
    return header[name].strip("'\" ")


def _numbers(
    header: dict[str, str], name: str, path: Path, default: list[float] | None = None
) -> list[float]:
    if name not in header and default is not None:
        return default
    text = _text(header, name, path)
    try:
        return [float(word) for word in text.replace(",", " ").upper().replace("D", "E").split()]
    except ValueError:
        raise ReadError(
            f"{path}: {name} in the header of this FERRE library is not a number: {text}"
        ) from None


def _wavelength(header: dict[str, str], path: Path) -> Array:
    start, step = _numbers(header, "WAVE", path)[:2]
    grid = start + step * np.arange(int(_numbers(header, "NPIX", path)[0]), dtype=np.float64)
    scale = int(_numbers(header, "LOGW", path, [0])[0])
    return 10.0**grid if scale == 1 else np.exp(grid) if scale == 2 else grid
