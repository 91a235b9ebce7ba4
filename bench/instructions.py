"""Count processor instructions per fit of LAMOST spectra: MAURY_TEST_DATA=... python bench/instructions.py

Requires valgrind. The count does not depend on the load of the machine.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from real_spectra import SETS, spectra_of

N = 5
ARRAYS = ("wavelength", "flux", "ivar", "mask", "lsf", "arm", "rv")
WORK = """
import sys
import numpy as np
from maury import Emulator, Spectra
from maury.measure.options import Options
from maury.measure.pipeline import measure
with np.load(sys.argv[1]) as arrays:
    spectra = Spectra(**arrays)
emulator = Emulator.load("lamost")
for _ in range(int(sys.argv[2])):
    measure(spectra, emulator, Options(), threads=1)
"""


def count(spectra, repeats):
    """Return the number of instructions of the whole program."""
    run = subprocess.run(
        ["valgrind", "--tool=callgrind", f"--callgrind-out-file={os.devnull}",
         sys.executable, "-c", WORK, spectra, str(repeats)],
        capture_output=True, text=True, check=True, env=os.environ | {"MAURY_SIMD": "avx2"},
    )  # fmt: skip
    return int(re.search(r"Collected : (\d+)", run.stderr).group(1))


def main():
    """Print the instructions per spectrum: the difference between five repeats and one."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spectra.npz"
        spectra = spectra_of(SETS["LAMOST"], N)  # under valgrind, reading takes longer
        np.savez(path, **{name: getattr(spectra, name) for name in ARRAYS})
        per_spectrum = (count(str(path), 5) - count(str(path), 1)) / 4 / N
    print(f"{per_spectrum / 1e6:.2f} million instructions per LAMOST spectrum, velocities fitted (AVX2)")


if __name__ == "__main__":
    main()
