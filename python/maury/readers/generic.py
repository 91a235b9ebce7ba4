"""All other formats, through specutils, which is an optional dependency."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from maury.readers._fits import ReadError
from maury.readers._plain import assumptions, numbered
from maury.readers._row_blocks import RowBlock
from maury.spectra import Spectra

_ELSEWHERE = "or pass your arrays to maury.Spectra.from_arrays"


def blocks(path: Path, formats: Sequence[str]) -> Iterator[RowBlock]:
    """Return one block with all spectra of a file that specutils can read.

    Parameters
    ----------
    path : Path
    formats : sequence of str
        Formats that maury reads itself, for the message if specutils cannot read the file either.
    """
    spectra = _read(path, f"its format is not one that maury reads ({', '.join(formats)})")
    yield RowBlock(0, len(spectra), len(spectra), lambda: spectra)


def _read(path: Path, not_ours: str) -> Spectra:
    """All spectra, on their common grid or padded."""
    try:
        from specutils import SpectrumList
    except ImportError:
        raise ReadError(
            f"{not_ours}, and specutils, which reads many more, is not installed; "
            f"pip install 'maury[specutils]', {_ELSEWHERE}"
        ) from None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units and headers that specutils corrects itself
        try:
            spectra = SpectrumList.read(str(path))
        except Exception as error:
            # specutils appends the table of all its formats to some messages.
            reason = str(error).split("The available formats are")[0].strip()
            raise ReadError(
                f"{not_ours}, and specutils cannot read it ({reason}); pass another file, {_ELSEWHERE}"
            ) from error
    if not spectra:
        raise ReadError(f"specutils finds no spectrum in it; pass another file, {_ELSEWHERE}")
    with assumptions():
        found = Spectra.from_specutils(spectra)
    n = len(found)
    return replace(found, star_id=np.array(numbered(path, n)), file=np.full(n, str(path)))
