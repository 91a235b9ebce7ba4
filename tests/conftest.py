"""Fixtures: the real data a test wants; where the machine lacks it the test is skipped, saying why."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Before NumPy is imported: threads of BLAS, as many as there are cores in each process of pytest-xdist, wait
# for each other. maury has threads of its own.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Made-up survey files are written by the benchmarks too.
sys.path.append(str(Path(__file__).parents[1] / "bench"))

# The same examples on every machine, however busy; "pytest --hypothesis-profile=default" tries others.
settings.register_profile(
    "maury", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("maury")


def _folder_of_library(name: str) -> Path:
    """Folder of a library: beside the one in MAURY_TEST_MILES, or in the installed package sdss-mangadap."""
    told = os.environ.get("MAURY_TEST_MILES")
    if told:
        folder = Path(told).expanduser().parent / name
    else:
        spec = importlib.util.find_spec("mangadap")
        places = list(spec.submodule_search_locations or []) if spec else []
        folder = Path(*places[:1], "data", "spectral_templates", name)
    if not folder.is_dir():
        pytest.skip(
            f"no {name} files; pip install --no-deps sdss-mangadap, or set MAURY_TEST_MILES to that of miles"
        )
    return folder


@pytest.fixture(scope="session")
def miles_folder() -> Path:
    """Folder of the MILES library."""
    return _folder_of_library("miles")


@pytest.fixture(scope="session")
def stelib_folder() -> Path:
    """Folder of the STELIB library."""
    return _folder_of_library("stelib")


@pytest.fixture(scope="session")
def mastarhc_folder() -> Path:
    """Folder of mean MaStar spectra, seven of them of one star."""
    return _folder_of_library("mastarhc_v2_noism")


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of real survey files and tables, named by MAURY_TEST_DATA."""
    told = os.environ.get("MAURY_TEST_DATA")
    if not told or not Path(told).expanduser().is_dir():
        pytest.skip("no real survey files; set MAURY_TEST_DATA to a folder with lamost_dr1/, sdss/, ...")
    return Path(told).expanduser()
