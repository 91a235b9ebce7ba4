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

N = 5
WORK = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from real_spectra import SETS, spectra_of
import maury
from maury.measure.options import Options
from maury.measure.pipeline import measure
spectra = spectra_of(SETS["LAMOST"])[:{N}]
emulator = maury.Emulator.load("default")
for _ in range(int(sys.argv[1])):
    measure(spectra, emulator, Options(), threads=1)
"""


def count(repeats):
    """Return the number of instructions of the whole program."""
    with tempfile.TemporaryDirectory() as folder:
        run = subprocess.run(
            ["valgrind", "--tool=callgrind",
             f"--callgrind-out-file={folder}/out", sys.executable, "-c", WORK, str(repeats)],
            capture_output=True, text=True, check=True, env=os.environ | {"MAURY_SIMD": "avx2"},
        )  # fmt: skip
    return int(re.search(r"Collected : (\d+)", run.stderr).group(1))


def main():
    """Print the instructions per spectrum: half the difference between three repeats and one."""
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed")
    per_spectrum = (count(9) - count(1)) / 8 / N
    print(f"{per_spectrum / 1e6:.2f} million instructions per LAMOST spectrum, velocities fitted (AVX2)")


if __name__ == "__main__":
    main()
