"""Files that once hung, ended or bent a run, and a short run of the fuzzer; see `tools/fuzz/run.py`."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
FUZZ = ROOT / "tools" / "fuzz"
PAST = sorted(path for path in (ROOT / "tests" / "data" / "fuzz").iterdir() if path.is_file())

# In a process of their own, of 3 GB, in 60 s.
READ = """
import resource, sys, tempfile
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from targets import check_file
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
for path in map(Path, sys.argv[2:]):
    print(path.name, check_file(path.read_bytes(), path.name, Path(tempfile.mkdtemp())), flush=True)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no limits of memory there")


def test_past_failures():
    done = subprocess.run(
        [sys.executable, "-c", READ, str(FUZZ), *PAST], capture_output=True, text=True, timeout=60
    )
    lines = dict(line.rsplit(" ", 1) for line in done.stdout.splitlines())
    assert [*lines] == [path.name for path in PAST], done.stderr
    assert {*lines.values()} <= {"read", "refused"}, lines


@pytest.mark.slow
def test_a_short_run(tmp_path):
    command = [sys.executable, str(FUZZ / "run.py"), "--inputs", "60", "--seed", "7", "--save", "failed"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 7: 60 inputs" in done.stdout and "0 failed" in done.stdout


BROKEN = """
import itertools, os, sys, time
sys.path.insert(0, sys.argv.pop(1))
import run

def worker(seed, first, pipe):
    pipe.send(("ready", "", ""))
    for number in itertools.count(first):
        if number == 1:
            time.sleep(60)
        if number == 3:
            os._exit(3)
        pipe.send(("FAILED", "x", "KeyError") if number == 2 else ("read", "x", ""))

if __name__ == "__main__":
    run.LIMIT = 2
    sys.exit(run.main(worker))
"""


@pytest.mark.slow
def test_what_hangs_or_ends_is_found(tmp_path):
    """The inputs before and after it are read."""
    (tmp_path / "broken.py").write_text(BROKEN)
    done = subprocess.run(
        [sys.executable, "broken.py", str(FUZZ), "--inputs", "6", "--save", "failed"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert sorted(path.name.split("-")[1] for path in (tmp_path / "failed").iterdir()) == ["1", "2", "3"]
    assert "no answer in 2 s" in done.stdout and "the process ended with 3" in done.stdout
    assert "seed 1: 6 inputs" in done.stdout and "3 failed" in done.stdout


def test_an_input_follows_from_seed_and_number():
    sys.path.insert(0, str(FUZZ))
    try:
        from mutations import mutated
    finally:
        sys.path.remove(str(FUZZ))
    data = bytes(range(256)) * 20
    for packed in (data, gzip.compress(data, mtime=0)):
        one, two, other = (mutated(packed, np.random.default_rng(seed)) for seed in (1, 1, 2))
        assert one == two != other
