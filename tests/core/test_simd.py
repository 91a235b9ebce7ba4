"""Every level of instructions that this machine has gives the same fits, to the tolerance of the fit."""

import os
import subprocess
import sys

import numpy as np
import pytest

from core_network import errors, fits_of_30
from maury import _core

FITS = """
import sys
import numpy as np
from maury import _core
from core_network import fits_of_30

assert _core.SIMD_LEVEL == sys.argv[1]
np.savez(sys.argv[2], **fits_of_30())
"""


def in_level(level, code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", code, level, *arguments],
        env=os.environ
        | {
            "MAURY_SIMD": level,
            "PYTHONPATH": os.pathsep.join(os.path.abspath(place) for place in sys.path),
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("level", _core.SIMD_LEVELS)
def test_levels_agree(level, tmp_path):
    run = in_level(level, FITS, str(tmp_path / "found.npz"))
    assert run.returncode == 0, run.stderr
    found, here = np.load(tmp_path / "found.npz"), fits_of_30()
    off = np.abs(found["labels"] - here["labels"]) / errors(here["covariance"])
    assert off.max() < 1e-3
    np.testing.assert_allclose(found["chi2"], here["chi2"], rtol=1e-6)
    np.testing.assert_allclose(found["covariance"], here["covariance"], rtol=1e-3)
    if level == _core.SIMD_LEVEL:
        assert found["labels"].tobytes() == here["labels"].tobytes()


def test_the_best_level_is_chosen():
    assert _core.SIMD_LEVELS[-1] in ("baseline", "neon")
    if not os.environ.get("MAURY_SIMD"):
        assert _core.SIMD_LEVELS[0] == _core.SIMD_LEVEL


def test_a_level_that_is_not_here_is_refused():
    run = in_level("pentium", "import maury._core")
    assert run.returncode != 0
    assert f"MAURY_SIMD: expected one of {', '.join(_core.SIMD_LEVELS)}" in run.stderr
    assert "got 'pentium'; unset it" in run.stderr
