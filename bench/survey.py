"""Time the fit of a whole MaStar file and gzip; kill runs at random and compare the bytes.

    python bench/survey.py GOODSPEC.fits.gz F.onnx [--rounds 1] [--kills 10]

The file may be that of `mastar_files.py`. Wall times of ``gzip -dc FILE`` and of ``maury fit``, alternately;
the peak memory of a run; and whether a run that was killed and resumed writes the same bytes as an
uninterrupted one.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
from astropy.io import fits

GOAL, MEMORY = 1.2, 1000  # times gzip; MB


def start_fit(file, emulator, output):
    """Start the command as a user would."""
    command = [
        sys.executable,
        "-m",
        "maury",
        "fit",
        str(file),
        "--emulator",
        str(emulator),
        "-o",
        str(output),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def seconds(process):
    """Wait for a process that must succeed."""
    began = time.perf_counter()
    if process.wait() != 0:
        raise RuntimeError(f"{process.args} failed")
    return time.perf_counter() - began


def killed_and_resumed(file, emulator, output, kills, about):
    """Kill a run repeatedly at random within `about` seconds, then let it finish; return the parts kept."""
    parts, kept = output.with_name(f"{output.name}.parts"), []
    for _ in range(kills):
        process = start_fit(file, emulator, output)
        time.sleep(random.uniform(3.0, 3.0 + 1.5 * about / kills))
        process.kill()
        process.wait()
        kept.append(len(list(parts.glob("[0-9]*.npz"))))
    seconds(start_fit(file, emulator, output))
    return kept


def main():
    """Run the timings requested on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("emulator", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--kills", type=int, default=0)
    options = parser.parse_args()
    machine.print_header()
    gzip_times, fit_times = [], []
    with tempfile.TemporaryDirectory() as folder:
        quiet, killed = Path(folder, "quiet.fits"), Path(folder, "killed.fits")
        for _ in range(options.rounds):
            quiet.unlink(missing_ok=True)
            gzip_times.append(
                seconds(subprocess.Popen(["gzip", "-dc", str(options.file)], stdout=subprocess.DEVNULL))
            )
            fit_times.append(seconds(start_fit(options.file, options.emulator, quiet)))
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1e3
        n = fits.getval(quiet, "NAXIS2", 1)
        ratio = min(fit_times) / min(gzip_times)
        print(
            f"\n{n} spectra, {options.file.stat().st_size / 1e6:.0f} MB: gzip -dc {min(gzip_times):.1f} s, "
            f"maury fit {min(fit_times):.1f} s ({1e3 * min(fit_times) / n:.2f} ms each): {ratio:.2f} times "
            f"(goal {GOAL}); at most {memory:.0f} MB (goal {MEMORY})"
        )
        if options.kills:
            kept = killed_and_resumed(options.file, options.emulator, killed, options.kills, min(fit_times))
            same = killed.read_bytes() == quiet.read_bytes()
            words = "the same bytes" if same else "OTHER BYTES"
            print(f"killed {options.kills} times, with {kept} blocks kept: {words}")
            assert same


if __name__ == "__main__":
    main()
