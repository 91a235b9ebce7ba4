"""What is done with a mutated file, and what it may lead to: a documented exception, or a good result."""

import warnings
from pathlib import Path

import numpy as np
from mutations import mutated
from seeds import N_ROWS, seeds

import maury
from maury.emulator.checks import EmulatorFileError
from maury.emulator.emulator import Emulator


def check_file(data: bytes, name: str, folder: Path) -> str:
    """Read a file as a user would; return how it ended.

    Raises
    ------
    Exception
        Any other than the documented one, or AssertionError for a bad result.
    """
    path = folder / name
    path.write_bytes(data)
    with warnings.catch_warnings():
        # A file may have any fault that maury or astropy warn of, but none that numpy stumbles over.
        warnings.simplefilter("ignore")
        try:
            if name.endswith(".onnx"):
                emulator = Emulator.load(path)
                assert emulator.describe().replace("\n", "").isprintable()
                emulator.to_bytes()
            elif name.startswith("catalog"):
                maury.read_catalog(path)
            else:
                _check_spectra(maury.read_spectra(path))
        except (maury.ReadError, EmulatorFileError) as error:
            return _refused(error)
        except ValueError as error:
            if name.startswith("catalog"):
                return _refused(error)
            raise
    return "read"


def _refused(error: Exception) -> str:
    text = str(error)
    assert "MemoryError" not in text and "RecursionError" not in text, text
    return "refused"


def _check_spectra(spectra: maury.Spectra) -> None:
    """Check that the mask covers all that is not finite, and that names can be printed."""
    used = ~spectra.mask
    assert np.isfinite(spectra.flux[used]).all() and (spectra.ivar[used] > 0).all()
    assert np.isfinite(np.broadcast_to(spectra.wavelength, used.shape)[used]).all()
    for names in (spectra.star_id, spectra.visit_id, spectra.problem):
        assert "".join(names.tolist()).isprintable()


def check_neighbours(seed: list[int], folder: Path) -> str:
    """Change one row of a file of several spectra; the others must be the same."""
    rng = np.random.default_rng(seed)
    data = seeds()["goodspec.fits"]
    start = data.index(b"7-00000000") // 2880 * 2880
    size = int(data[data.index(b"NAXIS1  =") + 9 :][:22])
    row = int(rng.integers(N_ROWS))
    at = start + row * size
    changed = mutated(data[at : at + size], rng)[:size].ljust(size, b"\0")
    path = folder / "goodspec.fits"
    path.write_bytes(data[:at] + changed + data[at + size :])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = maury.read_spectra(path)
        path.write_bytes(data)
        good = maury.read_spectra(path)
    assert len(found) == N_ROWS
    for i in set(range(N_ROWS)) - {row}:
        for name in ("wavelength", "flux", "ivar", "mask", "lsf", "star_id", "visit_id", "snr", "problem"):
            a, b = (np.atleast_2d(getattr(spectra[i], name)) for spectra in (found, good))
            assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), f"row {i}: {name}"
    return "read"
