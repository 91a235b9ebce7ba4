"""Anything that holds spectra, as `Spectra`."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from maury.readers.read import read_spectra
from maury.spectra import Spectra
from maury.spectra.exchange import is_specutils

_WANTED = (
    "a path, a list of paths, maury.Spectra, or spectra of specutils; pass arrays by name, as in "
    "wavelength=..., flux=..., ivar=..."
)


def spectra_of(spectra: Any = None, **arrays: Any) -> Spectra:
    """Return `Spectra` from what a user has.

    Parameters
    ----------
    spectra
        `Spectra`, or a list of them; a path, or a list of paths, for `read_spectra`; a Spectrum, SpectrumList
        or SpectrumCollection of specutils.
    **arrays
        Instead, arguments of `Spectra.from_arrays`; None = not given.

    Raises
    ------
    ValueError
        For anything else, with what to pass instead; or if it cannot be read.
    """
    given = {name: value for name, value in arrays.items() if value is not None}
    single = is_specutils(spectra)
    if spectra is None:
        if not {"wavelength", "flux"} <= set(given):
            raise ValueError(f"spectra: expected {_WANTED}; got {', '.join(given) or 'nothing'}")
        return Spectra.from_arrays(**given)
    if set(given) - {"air"} or (given and not single):
        raise ValueError(f"spectra, {', '.join(given)}: pass spectra or arrays, got both")
    if isinstance(spectra, Spectra):
        return spectra
    if isinstance(spectra, str | os.PathLike):
        return read_spectra(spectra)
    if single:
        return Spectra.from_specutils(spectra, **given)
    if isinstance(spectra, Iterable) and not (isinstance(spectra, np.ndarray) and spectra.dtype.kind != "U"):
        items = list(spectra)
        if items and all(isinstance(item, str | os.PathLike) for item in items):
            return read_spectra(items)
        if items and all(isinstance(item, Spectra) for item in items):
            return Spectra.concatenate(items)
        if items and all(is_specutils(item) for item in items):
            return Spectra.from_specutils(items)
        kinds = ", ".join(sorted({type(item).__name__ for item in items})) or "nothing"
        raise ValueError(f"spectra: expected {_WANTED}; got a {type(spectra).__name__} of {kinds}")
    raise ValueError(f"spectra: expected {_WANTED}; got {type(spectra).__name__}")
