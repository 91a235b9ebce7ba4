"""`maury.plot`: a spectrum of a catalogue with its fit."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from maury.measure.best_fit import fit_of_row, of_catalog
from maury.show.plots import plot_star

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.emulator.emulator import Emulator
    from maury.figure import Figure


def plot(
    catalog: QTable, spectra: Any, i: int | str = 0, emulator: Emulator | str | PathLike[str] = "default"
) -> Figure:
    """Draw a spectrum with its fit and the residual.

    Parameters
    ----------
    catalog : QTable
        From `maury.fit`.
    spectra : Spectra, path, ...
        The spectra of its rows, in the same order; whatever `maury.fit` accepts.
    i : int or str
        Row, or `star_id`, of which the first row is drawn.
    emulator : Emulator or path
        The one of the catalogue.

    Raises
    ------
    ValueError
        If there is no such row, the number of spectra is another, or the catalogue was made with another
        emulator.

    Examples
    --------
    >>> from importlib.resources import files
    >>> import maury
    >>> star = files("maury") / "data" / "demo" / "MILES_res2.50_star_m0270V.fits.gz"
    >>> figure = maury.plot(maury.fit(star), star)
    >>> figure.savefig("star.png")
    """
    spectra, emulator = of_catalog(catalog, spectra, emulator)
    if isinstance(i, str):
        rows = np.flatnonzero(np.asarray(catalog["star_id"]).astype(str) == i)
        if not len(rows):
            raise ValueError(f"i: the catalogue has no star {i!r}; star_id gives its names")
        i = int(rows[0])
    if not -len(catalog) <= i < len(catalog):
        raise ValueError(f"i: expected a row from 0 to {len(catalog) - 1}, got {i}")
    i %= len(catalog)
    shown = fit_of_row(spectra[i], emulator, catalog[i])
    return plot_star(shown.wavelength, shown.flux, shown.ivar, shown.model, catalog[i], shown.scatter)
