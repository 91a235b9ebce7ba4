"""CPU time to read one file: python bench/reading.py [FOLDER]

FOLDER contains folders of survey files such as `lamost_dr10`, one per row of the table; by default
MAURY_TEST_DATA. Every file must first give exactly the same arrays as `astropy_twin`. Measured per file:
`read_spectra` with a single file and with 32 at a time; with an empty cache of extension headers (which
repeat within a survey, so their layouts are cached); the twin, which opens files and decodes their HDUs with
astropy; gzip alone; `fitsio` (pip install fitsio), the table or image and the primary header, without
`Spectra`; and the part of maury's time that is spent on the construction of `Spectra`.
"""

import argparse
import gzip
import os
import time
import warnings
from dataclasses import fields
from pathlib import Path

import astropy_twin
import machine

from maury.readers import _head, read_spectra
from maury.spectra import Spectra

try:
    import fitsio
except ImportError:
    fitsio = None

FOLDERS = ("lamost_dr1", "lamost_dr8_repeats", "lamost_dr10", "lamost_formats", "sdss", "mastar_dr17", "desi")
GOAL = 3.0  # ms, for LAMOST and SDSS
BATCH = 32


def unpack(file):
    """Read the bytes of a file."""
    data = file.read_bytes()
    return gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data


def read_first(file):
    """Read a file with an empty cache of headers."""
    _head.forget()
    return read_spectra(file)


def read_fitsio(file):
    """Read the header, and the spectrum as stored."""
    with fitsio.FITS(str(file)) as hdus:
        return hdus[0].read_header(), hdus[0 if hdus[0].get_dims() else 1].read()


def arguments(spectra):
    """Return the arguments of `Spectra`."""
    return {field.name: getattr(spectra, field.name) for field in fields(Spectra)}


def cpu(call, items, rounds):
    """Return the minimum CPU time per item [ms] over several rounds."""
    least = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        for item in items:
            call(item)
        least = min(least, time.process_time() - start)
    return 1e3 * least / len(items)


def known_files(folder, most):
    """Return some readable files of a folder; each must give the same arrays as astropy."""
    files = sorted(file for file in folder.iterdir() if ".fit" in file.name)
    known = []
    for file in files[:: 1 + len(files) // most]:
        name, expected = astropy_twin.read(file)
        if name is not None:
            astropy_twin.assert_same(read_spectra(file), expected)
            known.append(file)
    return known


def row(name, files, rounds):
    """Return the cells of one row of the table."""
    parts = [arguments(read_spectra(file)) for file in files]
    batches = [files[i : i + BATCH] for i in range(0, len(files), BATCH)]
    times = {
        "one file": cpu(read_spectra, files, rounds),
        "in a list": cpu(read_spectra, batches, rounds) * len(batches) / len(files),
        "new headers": cpu(read_first, files, rounds),
        "astropy": cpu(astropy_twin.read, files, rounds),
        "gzip": cpu(unpack, files, rounds),
        "fitsio": cpu(read_fitsio, files, rounds) if fitsio else float("nan"),
        "Spectra": cpu(lambda part: Spectra(**part), parts, rounds),
    }
    return [name, str(len(files)), *(f"{value:.2f}" for value in times.values())], times["one file"]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, default=os.environ.get("MAURY_TEST_DATA"))
    parser.add_argument(
        "--files", type=int, default=100, help="approximate maximum number of files per folder"
    )
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.folder is None:
        parser.exit(message="reading: pass a folder of survey files, or set MAURY_TEST_DATA\n")
    warnings.simplefilter("ignore")
    machine.print_header()
    print(f"\nms of CPU time per file; goal for LAMOST and SDSS: {GOAL} for one file\n")
    print("| files | n | one file | in a list | new headers | astropy | gzip | fitsio | `Spectra` alone |")
    print("|---|---|---|---|---|---|---|---|---|")
    slow = []
    for name in FOLDERS:
        if (options.folder / name).is_dir():
            cells, taken = row(name, known_files(options.folder / name, options.files), options.rounds)
            print("| " + " | ".join(cells) + " |", flush=True)
            if name.startswith(("lamost", "sdss")) and taken > GOAL:
                slow.append(name)
    print(f"\nslower than the goal: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main()
