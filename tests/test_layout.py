"""Imports between the modules of the package, read from their syntax trees."""

import ast
from pathlib import Path

import pytest

import maury

PACKAGE = Path(maury.__file__).parent
# A folder imports from those before it, and from the files beside them.
STAGES = [
    {"readers"},
    {"reference"},
    {"emulator"},
    {"catalog"},
    {"learn", "measure"},
    {"survey"},
    {"show"},
    {"cli"},
]
GROUND = ("_version", "figure", "labels", "output", "prepare", "spectra")


def modules():
    """Path by dotted name of every module."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree, name, known):
    """Modules of the package that a module imports, anywhere in it, with the lines where it does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "maury":
                    yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: relative import"
            if (node.module or "").split(".")[0] == "maury":
                for alias in node.names:
                    full = f"{node.module}.{alias.name}"
                    yield (full if full in known else node.module), node.lineno


def arrows(known):
    """(from, to, line) of every import inside the package."""
    for name, path in known.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for target, line in imported(tree, name, known):
            yield name, target, line


def stage(name):
    parts = name.split(".")
    if len(parts) == 1 or parts[1] in ("__main__",):
        return len(STAGES) + 1
    if parts[1] in GROUND or parts[1] == "_core":
        return -1
    return next(i for i, folders in enumerate(STAGES) if parts[1] in folders)


@pytest.fixture(scope="module")
def known():
    return modules()


def test_every_folder_has_its_place(known):
    folders = {name.split(".")[1] for name in known if name.count(".") > 1}
    assert folders == set().union(*STAGES) | {"spectra"}
    beside = [name for name in PACKAGE.iterdir() if name.is_file() and name.suffix != ".so"]
    assert len(beside) <= 10


def test_no_import_runs_upwards(known):
    """None of the package's own face either."""
    wrong = [
        f"{name}:{line} imports {target}"
        for name, target, line in arrows(known)
        if name not in ("maury", "maury.__main__") and stage(target) > stage(name)
    ]
    assert wrong == []


def test_stages_in_one_place_do_not_import_each_other(known):
    """`learn` fits with `measure`; never the other way round."""
    wrong = [
        f"{name}:{line} imports {target}"
        for name, target, line in arrows(known)
        if name.startswith("maury.measure") and target.startswith("maury.learn")
    ]
    assert wrong == []


def test_no_circle_of_imports(known):
    """The package's own face is left out: it imports a public name when that is asked for."""
    graph = {name: set() for name in known}
    for name, target, _ in arrows(known):
        if name != "maury" and target in graph and target != name:
            graph[name].add(target)
    done, circles = set(), []

    def visit(name, path):
        if name in path:
            circles.append(" -> ".join([*path[path.index(name) :], name]))
        elif name not in done:
            for target in sorted(graph[name]):
                visit(target, [*path, name])
            done.add(name)

    for name in graph:
        visit(name, [])
    assert circles == []
