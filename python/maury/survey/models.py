"""Best-fit spectra of a catalogue as a FITS table of any length, a row per spectrum."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from maury.measure.best_fit import best_fit
from maury.output import check_new_file, new_file

if TYPE_CHECKING:
    from astropy.table import QTable

    from maury.emulator.emulator import Emulator
    from maury.spectra import Spectra

_TEXT = ("star_id", "visit_id", "file")
_PIXELS = {"wavelength": ">f8", "flux": ">f4", "model": ">f4"}
_UNITS = {"wavelength": "Angstrom"}


def check_models_path(path: str | PathLike[str], overwrite: bool = False) -> Path:
    """Return `path` if models can be written there; to be called before the work starts.

    Raises
    ------
    ValueError, FileExistsError, FileNotFoundError
        The extension is not .fits; the file exists; its folder does not.
    """
    path = check_new_file(path, overwrite)
    if path.suffix.lower() != ".fits":
        raise ValueError(f"{path}: models are written as FITS; the extension must be .fits")
    return path


def write_models(
    catalog: QTable,
    blocks: Iterable[Spectra],
    emulator: Emulator,
    path: str | PathLike[str],
    overwrite: bool = False,
) -> None:
    """Write the best-fit model of every row, on the pixels and in the flux unit of its spectrum.

    Columns are star_id, visit_id, file, and (P,) wavelength [vacuum Angstrom, as observed], flux, model; rows
    are padded to the longest with NaN. One block of spectra is in memory at a time.

    Parameters
    ----------
    catalog : QTable
    blocks : iterable of Spectra
        Together the spectra of its rows, in the same order.
    emulator : Emulator
        The one of the catalogue.
    path : path
        A .fits file, complete or absent.

    Raises
    ------
    ValueError, FileExistsError, FileNotFoundError
        See `check_models_path` and `maury.best_fit`.
    """
    from astropy.io import fits

    path = check_models_path(path, overwrite)
    with new_file(path, "models.fits", overwrite) as draft:
        saved: list[Path] = []
        row = n_pixels = 0
        for spectra in blocks:
            n, width = spectra.flux.shape
            saved.append(draft.with_name(f"{len(saved)}.npz"))
            model = best_fit(catalog[row : row + n], spectra, emulator)
            wavelength = np.broadcast_to(spectra.wavelength, spectra.flux.shape)
            np.savez(saved[-1], wavelength=wavelength, flux=spectra.flux, model=model)
            row, n_pixels = row + n, max(n_pixels, width)
        if row != len(catalog):
            raise ValueError(f"blocks: expected the {len(catalog)} spectra of the catalogue, got {row}")
        text = {
            name: np.char.encode(np.asarray(catalog[name]).astype(str), "ascii", "backslashreplace")
            for name in _TEXT
        }
        layout = np.dtype(
            [(name, f"S{max(1, words.dtype.itemsize)}") for name, words in text.items()]
            + [(name, kind, (n_pixels,)) for name, kind in _PIXELS.items()]
        )
        hdu = fits.BinTableHDU(np.zeros(1, dtype=layout), name="MODELS")
        for name, unit in _UNITS.items():
            hdu.columns[name].unit = unit
        hdu.header["NAXIS2"] = row
        stream = fits.StreamingHDU(str(draft), hdu.header)
        row = 0
        for file in saved:
            with np.load(file) as pixels:
                n, width = pixels["flux"].shape
                rows = np.zeros(n, dtype=layout)
                for name, words in text.items():
                    rows[name] = words[row : row + n]
                for name in _PIXELS:
                    rows[name] = np.nan
                    rows[name][:, :width] = pixels[name]
            stream.write(rows.view(np.uint8))  # as bytes, in the byte order of FITS
            row += n
        stream.close()
