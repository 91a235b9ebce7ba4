"""Examples in docstrings give what they show."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import maury

# Whose examples would take long, or are those of another name.
WITHOUT = {"ReadError", "ReadWarning", "Emulator", "__version__", "cluster", "posterior", "train"}

HOME = Path(maury.__file__).parent
MODULES = [
    ".".join(["maury", *path.relative_to(HOME).with_suffix("").parts]).removesuffix(".__init__")
    for path in sorted(HOME.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_give_what_they_show(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Rows of tables end with spaces, which docstrings do not have.
    failed, tried = doctest.testmod(import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried and not failed


def test_public_names_have_examples():
    names = set(maury.__all__) - WITHOUT
    assert {name for name in names if ">>>" not in (getattr(maury, name).__doc__ or "")} == {"Spectra"}
    assert ">>>" in maury.Spectra.from_arrays.__doc__
