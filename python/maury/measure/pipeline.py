"""The measuring wing from end to end; read this first.

spectra -> prepare -> fit -> errors and flags -> catalogue
"""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING

from numpy.typing import ArrayLike

from maury.catalog import build_catalog
from maury.emulator import Emulator
from maury.measure.fit import fit_normalized
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
    n_starts: int = 3,
    threads: int | None = None,
    progress: bool = False,
) -> QTable:
    """Measure the labels of spectra: prepare, fit, errors, flags.

    Spectra are brought to rest by their own `rv`. One that cannot be fitted is a flagged row.

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
    with tqdm(total=len(spectra), desc="fitting", unit="spectrum", disable=None if progress else True) as bar:
        result = fit_normalized(
            emulator,
            prepared.flux,
            prepared.ivar,
            start,
            bounds,
            use_scatter=use_scatter,
            threads=threads,
            n_starts=n_starts,
            progress=lambda done: bar.update(done - bar.n),
        )
        bar.update(len(spectra) - bar.n)
    options = {
        "use_scatter": use_scatter,
        "n_starts": n_starts,
        "start": "search" if start is None else "given",
    }
    return build_catalog(result, spectra, emulator, options)
