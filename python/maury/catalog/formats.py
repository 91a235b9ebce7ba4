"""Formats of the files for which errors or zero points were made; others are refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from astropy.table import QTable


def formats_of(catalog: QTable, rows: NDArray[Any] | slice = slice(None)) -> tuple[str, ...]:
    """Return the formats of the files of some rows; none if that of a row is unknown."""
    if "format" not in catalog.colnames:
        return ()
    found = set(np.asarray(catalog["format"], dtype=str)[rows].tolist())
    return () if "" in found else tuple(sorted(found))


def check_formats(known: Sequence[str], formats: ArrayLike, made: str, mend: str) -> None:
    """Refuse spectra of other instruments.

    Parameters
    ----------
    known : sequence of str
        Formats for which something was made; empty if unknown, so that nothing is refused.
    formats : (N,) str
        Formats of the files; "" if unknown, which is not refused.
    made, mend : str
        Begin and end of the message.

    Raises
    ------
    ValueError
        If a format is not among them.
    """
    others = sorted(set(np.asarray(formats, dtype=str).tolist()) - {"", *known})
    if known and others:
        raise ValueError(
            f"{made} files of format {', '.join(known)}, got files of format {', '.join(others)}, {mend}"
        )
