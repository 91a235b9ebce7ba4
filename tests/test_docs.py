"""The documentation says what the code does: its tables are compared with it. Examples: test_snippets.py."""

import json
import re
from importlib.resources import as_file, files
from pathlib import Path

import pytest

import maury
from maury.measure.fit import Status
from snippets import blocks

HOME = Path(__file__).parents[1]
DOCS = HOME / "docs"


def rows(page, heading):
    """Cells of the first table below a heading of a page, without its first two lines."""
    text = page.read_text(encoding="utf-8").split(f"# {heading}\n", 1)[1]
    table = re.search(r"(?:^\|.*\n)+", text, re.M).group()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def code(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_flags():
    told = [
        (int(bit), int(value), *code(name), text)
        for bit, value, name, text in rows(DOCS / "catalogue.md", "Flags")
    ]
    flags = [(flag.bit_length() - 1, int(flag), flag.name, flag.meaning) for flag in maury.Flag]
    assert told == flags


def test_groups_of_flags():
    from maury.catalog import flags

    told = {code(name)[0]: code(bits) for name, bits in rows(DOCS / "catalogue.md", "Which rows to use")}
    groups = {
        name: [bit.name for bit in flags.Flag if bit & getattr(flags, name)]
        for name in ("DO_NOT_USE", "KNOW_THIS")
    }
    assert told == groups


def test_rules_for_the_flags_of_a_star():
    from maury.catalog.star_flags import STAR_FLAGS

    told = {cell.split()[0]: code(bits) for cell, bits in rows(DOCS / "catalogue.md", "Flags of a star")}
    rules = {rule: [bit.name for bit in STAR_FLAGS if STAR_FLAGS[bit] == rule] for rule in ("any", "all")}
    assert told == rules


def test_the_pages_for_beginners_select_valid_rows():
    for page in (HOME / "README.md", DOCS / "quickstart.md"):
        text = page.read_text(encoding="utf-8")
        assert 'catalog[catalog["valid"]]' in text
        assert '"flags"] == 0' not in text


def test_statuses():
    from maury import _core

    told = {code(name)[0]: (int(value), text) for value, name, text in rows(DOCS / "catalogue.md", "Status")}
    assert told == _core.STATUS
    assert list(told) == [status.name for status in Status]


@pytest.fixture(scope="module")
def demo_stars():
    with as_file(files("maury") / "data" / "demo") as folder:
        return maury.read_spectra(folder)


def test_catalogue_columns_and_header(demo_stars):
    catalog = maury.fit(demo_stars[:2])
    told = []
    for cell, _ in rows(DOCS / "catalogue.md", "Columns"):
        told += [name for name in code(cell)]
    labels = maury.Emulator.load("default").labels
    expected = []
    for name in told:
        if "<label>" not in name:
            expected.append(name)
        elif name == "<label>":  # the four columns of a label stand together
            ends = ("", "_err", "_err_formal", "_err_model")
            expected += [f"{label}{end}" for label in labels for end in ends]
    assert expected == catalog.colnames
    header = [key for cell, _ in rows(DOCS / "catalogue.md", "Header") for key in code(cell)]
    assert set(header) - {"FLAG0", "FLAG1"} == {key for key in catalog.meta if not key.startswith("FLAG")}


def test_formats():
    from maury.readers import FORMATS, sdss

    table = rows(DOCS / "formats.md", "Formats read")
    assert sorted(code(row[0])[0] for row in table) == sorted(FORMATS)
    text = (DOCS / "formats.md").read_text(encoding="utf-8")
    assert [name for name in sdss.BAD_BITS.values() if name not in text] == []


def test_metadata_of_the_emulator_file(tmp_path):
    import onnx

    maury.Emulator.load("default").save(tmp_path / "e.onnx")
    entries = {entry.key for entry in onnx.load(tmp_path / "e.onnx").metadata_props}
    assert {code(row[0])[0] for row in rows(DOCS / "emulator_file.md", "Metadata")} == entries


def test_folder_map():
    """Every module is in CONTRIBUTING.md, and every one named there exists."""
    table = rows(HOME / "CONTRIBUTING.md", "Folder map")
    told = {code(row[0])[0] for row in table if row[0].endswith(".py`")}
    package = HOME / "python" / "maury"
    assert told == {path.relative_to(package).as_posix() for path in package.rglob("*.py")}


def test_folders_of_the_map_exist():
    text = (HOME / "CONTRIBUTING.md").read_text(encoding="utf-8")
    folders = re.findall(r"^\| `([\w/]+/)` \|", text, re.M)
    assert len(folders) > 5
    assert [
        name for name in folders if not ((HOME / name).is_dir() or (HOME / "python/maury" / name).is_dir())
    ] == []


def test_commands_of_the_readme_are_run_by_ci():
    """Each install command of the README is one that .ci/run takes from there."""
    script = (HOME / ".ci" / "run").read_text(encoding="utf-8")
    patterns = re.findall(r"readme '([^']+)'", script)
    commands = [line for block in blocks(HOME / "README.md", "sh") for line in block.splitlines()]
    installs = [line for line in commands if line.startswith("pip")]
    assert len(installs) == len(patterns) == 2
    for line in installs:
        assert sum(re.search(pattern, line) is not None for pattern in patterns) == 1


def test_cited_version_is_this_one():
    version = re.search(r'^version = "(.+)"', (HOME / "pyproject.toml").read_text(), re.M).group(1)
    assert f"\nversion: {version}\n" in (HOME / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version = {{{version}}}" in (HOME / "docs" / "citing.md").read_text(encoding="utf-8")
    assert json.loads((HOME / "codemeta.json").read_text(encoding="utf-8"))["version"] == version
    assert f"\n## [{version}]" in (HOME / "CHANGELOG.md").read_text(encoding="utf-8")


def test_links_between_pages_lead_somewhere():
    for page in [*HOME.glob("*.md"), *DOCS.glob("**/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[\w-]+)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
