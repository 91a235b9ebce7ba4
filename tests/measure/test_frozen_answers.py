"""Answers of real spectra are those of the last release of this table; see `tools/frozen_answers.py`."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

TOOL = Path(__file__).parents[2] / "tools" / "frozen_answers.py"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("frozen_answers", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def frozen(tool):
    return Table.read(tool.FROZEN)


def told(lines):
    return "python tools/frozen_answers.py renews them if this is intended:\n" + "\n".join(lines)


@pytest.mark.filterwarnings("ignore::maury.readers.ReadWarning")
def test_the_stars_of_the_demo(tool, frozen):
    found = tool.changes(tool.measure_all(None), frozen)
    assert not found, told(found)


@pytest.mark.filterwarnings("ignore::maury.readers.ReadWarning")
def test_spectra_of_all_surveys(tool, frozen, data_folder):
    measured = tool.measure_all(data_folder)
    assert set(measured["survey"]) == {"demo", *tool.SURVEYS} and len(measured) >= 36
    found = tool.changes(measured, frozen)
    assert not found, told(found)


def test_changes_are_found(tool, frozen):
    other = frozen.copy()
    other["teff"][0] += 3.1
    other["flags"][1] |= 1 << 9
    other["rv"][2] = np.nan if np.isfinite(other["rv"][2]) else 1.0
    other["file"][3] = "another.fits"
    other.meta["emulator"] = "another"
    found = tool.changes(other, frozen)
    assert len(found) >= 5 and found[0] == "the built-in emulator is another one"
    assert [word in " ".join(found) for word in ("teff", "flags", "rv", "new", "missing")] == [True] * 5
    assert not tool.changes(frozen, frozen)
