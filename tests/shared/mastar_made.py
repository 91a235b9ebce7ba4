"""The made-up MaStar and APOGEE of the benchmarks, in a size for tests."""

import functools
import tempfile
from pathlib import Path

import mastar_files
import numpy as np
import synthetic

N_STARS, N_VISITS = 160, 360
# Of the models: few, but the whole range of most stars.
AXES = {
    "METALS": (-2.5, 3.0, 2),
    "ALPHA": (-0.25, 0.85, 2),
    "LOG10VMICRO": (-0.3, 1.2, 2),
    "TEFF": (4000.0, 4000.0, 4),
    "LOGG": (0.0, 5.5, 2),
}


@functools.cache
def made():
    """Return the paths of the files by name, and the truth; written once a test run."""
    folder = Path(tempfile.mkdtemp(prefix="maury-made-"))
    return mastar_files.write_files(folder, N_STARS, N_VISITS, 3, packed=False, background=200, axes=AXES)


def arguments(**changes):
    """Return the files that `build_mastar_apogee` takes."""
    files, _ = made()
    return {name: files[name] for name in ("goodspec", "mastarall", "allstar", "gaia")} | changes


def noise_free(truth, sigma):
    """Return flux (n, P) of stars of the truth, with a line-spread function of sigma (n, P) pixels."""
    labels = np.column_stack([truth[name] for name in synthetic.LABELS])
    flux = synthetic.spectra(labels, blur=0.0).astype(np.float64)
    return mastar_files.broadened(flux, sigma)
