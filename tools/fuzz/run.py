"""Read mutated files of all formats: no crash, no hang, bounded memory, documented exceptions, no lost row.

    python tools/fuzz/run.py --seconds 60               as in .ci/run
    nice python tools/fuzz/run.py --seconds 20000 --seed 2

An input follows from the seed and its number alone. Inputs are read in another process, which may take 2 GB
more than it has after its start; one input may take 10 s. An input that fails is saved in the folder
`--save`; copy it to `tests/data/fuzz`, which `tests/readers/test_fuzz.py` reads.
"""

import argparse
import collections
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

LIMIT, MEMORY = 10.0, 2 << 30  # seconds, bytes


def make_input(seed: int, number: int) -> tuple[str, bytes]:
    """Return the name of the file with this number, and its bytes; no bytes for a test of neighbours."""
    import numpy as np
    from mutations import mutated
    from seeds import seeds

    rng = np.random.default_rng([seed, number])
    names = [*seeds(), "neighbours"]
    name = names[int(rng.integers(len(names)))]
    return name, b"" if name == "neighbours" else mutated(seeds()[name], rng)


def read_all(seed: int, first: int, pipe: Connection) -> None:
    """Read inputs from number `first` on, and tell the parent how each ended."""
    import resource

    from targets import check_file, check_neighbours

    make_input(seed, 0)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    with tempfile.TemporaryDirectory() as folder:
        pipe.send(("ready", "", ""))
        for number in itertools.count(first):
            name, data = make_input(seed, number)
            try:
                if name == "neighbours":
                    how = check_neighbours([seed, number], Path(folder))
                else:
                    how = check_file(data, name, Path(folder))
                pipe.send((how, name, ""))
            except Exception:
                pipe.send(("FAILED", name, traceback.format_exc()))


def main(worker: Callable[[int, int, Connection], None] = read_all) -> int:
    """Run for a time, print counts, return 1 if an input failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--inputs", type=int, default=sys.maxsize, help="maximum number of inputs")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", type=Path, default=Path("fuzz-failures"))
    told = parser.parse_args()
    counts: collections.Counter[tuple[str, str]] = collections.Counter()
    context = multiprocessing.get_context("spawn")
    end, number, longest = time.monotonic() + told.seconds, 0, 0.0
    while time.monotonic() < end and number < told.inputs:
        ours, theirs = context.Pipe()
        process = context.Process(target=worker, args=(told.seed, number, theirs))
        process.start()
        theirs.close()
        try:
            if not ours.poll(120):
                raise EOFError
            ours.recv()
            while time.monotonic() < end and number < told.inputs:
                started = time.monotonic()
                if not ours.poll(LIMIT):
                    how, name, why = "FAILED", make_input(told.seed, number)[0], f"no answer in {LIMIT:g} s"
                else:
                    how, name, why = ours.recv()
                longest = max(longest, time.monotonic() - started)
                counts[name, how] += 1
                if how == "FAILED":
                    save(told.save, told.seed, number, why)
                number += 1
                if why.startswith("no answer"):
                    break
        except (EOFError, ConnectionError):
            process.join()
            counts[make_input(told.seed, number)[0], "FAILED"] += 1
            save(told.save, told.seed, number, f"the process ended with {process.exitcode}")
            number += 1
        finally:
            process.kill()
            process.join()
    print(f"seed {told.seed}: {number} inputs, the longest {longest:.1f} s")
    for name in sorted({name for name, _ in counts}):
        print(
            f"  {name:32s}"
            + "".join(f"{how} {counts[name, how]:<8d}" for how in ("read", "refused", "FAILED"))
        )
    failed = sum(n for (_, how), n in counts.items() if how == "FAILED")
    print(f"{failed} failed" + (f", see {told.save}" if failed else ""))
    return int(failed > 0)


def save(folder: Path, seed: int, number: int, why: str) -> None:
    """Save an input that failed, and print why."""
    name, data = make_input(seed, number)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{seed}-{number}-{name}").write_bytes(data)
    print(f"{seed}-{number}-{name}: {why}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
