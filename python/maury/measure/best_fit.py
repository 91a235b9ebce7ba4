"""Best fits computed again from the spectra and the rows of their catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

import maury._core as _core
from maury.catalog.columns import column_values
from maury.emulator.builtin import emulator_with_hash
from maury.emulator.emulator import Emulator
from maury.measure.fit import core_options, core_spectra
from maury.measure.lsf import with_lsf
from maury.measure.options import Options
from maury.measure.plan import fit_plan
from maury.readers.accept import spectra_of
from maury.spectra import SPEED_OF_LIGHT, Spectra

if TYPE_CHECKING:
    from astropy.table import QTable

Array = NDArray[np.float64]


def best_fit(catalog: QTable, spectra: Any, emulator: Emulator | str | PathLike[str] | None = None) -> Array:
    """Compute the best-fit model of each spectrum on its own pixels, times its continuum.

    Parameters
    ----------
    catalog : QTable
        From `maury.fit`; the options of the fit are those of its header.
    spectra : Spectra, path, ...
        The N spectra of its rows, in the same order; see `maury.fit`.
    emulator : Emulator or path, optional
        The one of the catalogue; by default the built-in emulator with which it was made.

    Returns
    -------
    (N, P) float64
        In the unit of the flux; NaN outside the range of the emulator, and where the fit failed.

    Raises
    ------
    ValueError
        If the catalogue has another number of rows, or was made with another emulator.

    Examples
    --------
    >>> from importlib.resources import files
    >>> import maury
    >>> star = maury.read_spectra(files("maury") / "data" / "demo" / "MILES_res2.50_star_m0270V.fits.gz")
    >>> model = maury.best_fit(maury.fit(star), star)
    >>> model.shape == star.flux.shape
    True
    """
    return _shown(catalog, *of_catalog(catalog, spectra, emulator))["model"]


def of_catalog(
    catalog: QTable, spectra: Any, emulator: Emulator | str | PathLike[str] | None
) -> tuple[Spectra, Emulator]:
    """Return the spectra and the emulator of a catalogue, if they are; raise as `best_fit`."""
    emulator = emulator_of_catalog(catalog, emulator)
    spectra = spectra_of(spectra)
    if len(catalog) != len(spectra):
        raise ValueError(
            f"spectra: expected the {len(catalog)} spectra of the rows of the catalogue, got {len(spectra)}"
        )
    check_emulator(catalog, emulator)
    return spectra, emulator


def emulator_of_catalog(catalog: QTable, emulator: Emulator | str | PathLike[str] | None) -> Emulator:
    """Return an emulator as given, or, for None, the built-in one with which a catalogue was made."""
    if isinstance(emulator, Emulator):
        return emulator
    return Emulator.load(emulator_with_hash(catalog.meta["EMUHASH"]) if emulator is None else emulator)


def check_emulator(catalog: QTable, emulator: Emulator) -> None:
    """Raise ValueError if a catalogue was made with another emulator."""
    if emulator.file_hash != catalog.meta["EMUHASH"]:
        raise ValueError(
            f"emulator: the catalogue was made with {catalog.meta['EMULATOR'] or 'one without a name'} "
            f"({catalog.meta['EMUHASH'][:12]}), got {emulator.name or 'one without a name'} "
            f"({emulator.file_hash[:12]}); pass the file of the emulator of the catalogue"
        )


@dataclass(frozen=True)
class BestFit:
    """One spectrum as it was fitted, on its own pixels inside the range of the emulator.

    Attributes
    ----------
    wavelength : (P,) float64
        At rest [vacuum Angstrom].
    flux, ivar, model, scatter : (P,) float64
        As fitted (convolved where sharper than the emulator), divided by the continuum; `ivar` 0 =
        excluded, or rejected as an outlier.
    continuum : (P,) float64
        In the unit of the flux of the spectrum; NaN where it is not constrained.
    """

    wavelength: Array
    flux: Array
    ivar: Array
    model: Array
    scatter: Array
    continuum: Array | None = None


def fit_of_row(spectrum: Spectra, emulator: Emulator, row: Any) -> BestFit:
    """Compute the fit of one spectrum again, with all that a figure shows.

    Parameters
    ----------
    spectrum : Spectra
        Of length 1.
    emulator : Emulator
    row : astropy.table.Row
        Of a catalogue written by `maury.fit`.
    """
    if not np.isfinite(spectrum.wavelength).any():  # a file that could not be read
        nothing = np.full(len(emulator.wavelength), np.nan)
        return BestFit(
            emulator.wavelength, nothing, np.zeros_like(nothing), nothing, emulator.scatter, nothing
        )
    one_row = row.table[row.index : row.index + 1]
    shown = {name: values[0] for name, values in _shown(one_row, spectrum, emulator).items()}
    continuum = shown["continuum"]
    known = np.isfinite(continuum) & (continuum != 0)
    used = known & (shown["weight"] > 0)
    divisor = np.where(known, continuum, 1.0)
    rv = np.nan_to_num(column_values(one_row, "rv"))[0]
    wavelength = np.atleast_2d(spectrum.wavelength)[0] / (1.0 + rv / SPEED_OF_LIGHT)
    inside = np.flatnonzero(known)
    covered = slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(None)
    return BestFit(
        wavelength=wavelength[covered],
        flux=np.where(used, shown["flux"] / divisor, 1.0)[covered],
        ivar=np.where(used, shown["ivar"] * divisor**2, 0.0)[covered],
        model=np.where(known, shown["model"] / divisor, np.nan)[covered],
        scatter=np.interp(wavelength, emulator.wavelength, emulator.scatter)[covered],
        continuum=np.where(known, continuum, np.nan)[covered],
    )


def _shown(catalog: QTable, spectra: Spectra, emulator: Emulator) -> dict[str, Array]:
    """Model, continuum, weight, flux and ivar as fitted, (N, P) each, for the labels of the rows."""
    options = Options.of_catalog(catalog.meta)

    def column(name: str) -> Array | None:
        return np.ascontiguousarray(column_values(catalog, name)) if name in catalog.colnames else None

    return _core.show(
        fit_plan(emulator, options.box(emulator)),
        core_spectra(with_lsf(spectra, options), emulator),
        core_options(options),
        np.column_stack([column_values(catalog, name) for name in emulator.labels])
        if (fitted := column("fitted_labels")) is None
        else fitted,
        np.nan_to_num(column_values(catalog, "rv")),
        column("arm_rv"),
        column("broadening"),
    )
