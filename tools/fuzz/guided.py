"""Coverage-guided fuzzing of a reader, of catalogues, or of Emulator.load, by atheris (libFuzzer for Python).

    pip install atheris==3.0.0                # Linux
    python tools/fuzz/guided.py goodspec.fits CORPUS -max_total_time=3600

The first argument is a file of `seeds.py`, which starts the corpus; the second is a folder, which keeps
inputs that reach new code. libFuzzer takes the others. An input that fails is saved as crash-... or
timeout-...; copy it, with the ending of the seed, to `tests/data/fuzz`, which `tests/readers/test_fuzz.py`
reads. It takes a minute to begin. `run.py` mutates all formats without guidance, and is what .ci/run calls.
"""

import sys
import tempfile
from pathlib import Path

import atheris
from seeds import seeds
from targets import check_file


def main() -> None:
    """Fuzz until libFuzzer ends."""
    if len(sys.argv) < 3 or sys.argv[1] not in seeds():
        sys.exit(f"expected a seed and a folder; seeds are {', '.join(seeds())}")
    name, corpus, *others = sys.argv[1:]
    Path(corpus).mkdir(parents=True, exist_ok=True)
    (Path(corpus) / name).write_bytes(seeds()[name])
    with tempfile.TemporaryDirectory() as folder:
        check_file(seeds()[name], name, Path(folder))  # imports what it needs, as only then it is known
        atheris.instrument_all()
        limits = ["-timeout=10", "-rss_limit_mb=3000", "-max_len=1000000"]
        atheris.Setup(
            [sys.argv[0], corpus, *limits, *others], lambda data: check_file(data, name, Path(folder))
        )
        atheris.Fuzz()


if __name__ == "__main__":
    main()
