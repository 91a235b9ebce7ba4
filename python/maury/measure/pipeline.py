"""The measuring wing from end to end; read this first.

spectra -> prepare -> fit -> leave outliers out -> fit at the spectrum's own resolution
        -> errors and flags -> catalogue
"""

from __future__ import annotations

from dataclasses import replace
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from maury.catalog import build_catalog
from maury.emulator import Emulator
from maury.measure.fit import fit_normalized
from maury.measure.outliers import without_outliers
from maury.prepare import prepare
from maury.spectra import Spectra

if TYPE_CHECKING:
    from astropy.table import QTable


def fit(
    spectra: Spectra,
    emulator: Emulator | str | PathLike[str] = "default",
    *,
    start: ArrayLike | None = None,
    bounds: ArrayLike | None = None,
    use_scatter: bool = True,
    n_starts: int = 6,
    threads: int | None = None,
    progress: bool = False,
) -> QTable:
    """Measure the labels of spectra: prepare, fit, errors, flags.

    Spectra are brought to rest by their own `rv`, and fitted at their own resolution where their `lsf` is
    known. Pixels more than 4 sigma from a first fit are left out. A spectrum that cannot be fitted is a
    flagged row.

    Parameters
    ----------
    spectra : Spectra
        From `maury.read_spectra`, or made from arrays.
    emulator : Emulator or path
        ``"default"`` is the one that comes with maury.
    start, bounds, use_scatter, n_starts, threads
        See `maury.fit_normalized`.
    progress : bool
        Show a progress bar.

    Returns
    -------
    astropy.table.QTable
        One row a spectrum, in the order given.

    Raises
    ------
    ValueError
        If an argument is wrong; never for a bad spectrum.
    """
    from tqdm import tqdm

    if not isinstance(emulator, Emulator):
        emulator = Emulator.load(emulator)
    prepared = prepare(spectra, emulator.wavelength, emulator.window)
    choice: dict[str, Any] = {"bounds": bounds, "use_scatter": use_scatter, "threads": threads}
    with tqdm(total=2 * len(spectra), desc="fitting", unit="fit", disable=None if progress else True) as bar:

        def show(done: int) -> None:
            bar.update(done - bar.n)

        # The first fit searches everywhere, with the emulator as it is; the second starts from there.
        first = fit_normalized(
            emulator, prepared.flux, prepared.ivar, start, n_starts=n_starts, progress=show, **choice
        )
        ivar = without_outliers(
            prepared.flux, prepared.ivar, emulator.predict(first.labels), emulator.scatter
        )
        lsf = None if emulator.lsf is None else prepared.lsf
        result = fit_normalized(
            emulator,
            prepared.flux,
            ivar,
            first.labels,
            lsf=lsf,
            progress=lambda done: show(len(spectra) + done),
            **choice,
        )
        show(2 * len(spectra))
    result = replace(result, start=first.start, n_starts=first.n_starts, n_agree=first.n_agree)
    spectra = replace(spectra, snr=np.where(np.isfinite(spectra.snr), spectra.snr, prepared.snr))
    options = {
        "use_scatter": use_scatter,
        "n_starts": n_starts,
        "start": "search" if start is None else "given",
    }
    return build_catalog(result, spectra, emulator, options)
