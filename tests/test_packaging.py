"""What other machines build from: wheels, workflows and the recipe agree with pyproject.toml."""

import re
from pathlib import Path

import pytest

tomllib = pytest.importorskip("tomllib", reason="part of Python from 3.11 on")
yaml = pytest.importorskip("yaml", reason="no PyYAML here; it comes with maury[cluster]")

HOME = Path(__file__).parents[1]
WORKFLOWS = sorted((HOME / ".github" / "workflows").glob("*.yml"))
pytestmark = pytest.mark.skipif(not WORKFLOWS, reason="a source distribution has no workflows")
ELSEWHERE = {"isal": "python-isal", "matplotlib": "matplotlib-base"}  # names on conda-forge


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))


def load(path):
    return yaml.safe_load((HOME / path).read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_write_nothing_by_default(path):
    """A job asks for what it needs; and each has an end."""
    workflow = load(path)
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert "uses" in job or job["timeout-minutes"] <= 120
        for step in job.get("steps", []):
            assert ("uses" in step) != ("run" in step)
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"] == {"persist-credentials": False}


def test_a_release_is_what_wheels_makes():
    release, wheels = load(".github/workflows/release.yml"), load(".github/workflows/wheels.yml")
    assert release["jobs"]["build"]["uses"] == "./.github/workflows/wheels.yml"
    assert "workflow_call" in wheels[True]  # YAML 1.1 reads "on" as true
    publish = release["jobs"]["publish"]
    assert publish["permissions"] == {"id-token": "write", "attestations": "write"}
    assert publish["environment"]["name"] == "pypi"
    names = [
        step["with"]["name"]
        for job in wheels["jobs"].values()
        for step in job["steps"]
        if "upload" in str(step)
    ]
    pattern = next(step["with"]["pattern"] for step in publish["steps"] if "download" in str(step))
    assert len(names) == 2 and all(name.startswith(pattern.rstrip("*")) for name in names)


def test_tests_run_on_the_versions_and_machines_of_the_wheels(project):
    tested = load(".github/workflows/tests.yml")["jobs"]["systems"]["strategy"]["matrix"]
    built = {word.removeprefix("cp3").removesuffix("-*") for word in project["tool"]["cibuildwheel"]["build"]}
    assert built == {version.removeprefix("3.") for version in tested["python"]} | {"13t"}
    oldest = project["project"]["requires-python"].removeprefix(">=3.")
    assert min(built, key=lambda version: int(version.rstrip("t"))) == oldest
    wheels = load(".github/workflows/wheels.yml")["jobs"]["wheels"]["strategy"]["matrix"]
    assert wheels["os"] == tested["os"]


def test_every_wheel_is_used_where_its_dependencies_allow(project):
    settings = project["tool"]["cibuildwheel"]
    assert "maury demo --check" in settings["test-command"]
    assert "maury demo --check" in (HOME / "tools" / "wheels").read_text(encoding="utf-8")


def test_the_recipe_is_the_same_package(project):
    recipe = load("recipe/recipe.yaml")
    assert recipe["context"]["version"] == project["project"]["version"]
    wanted = {}
    for requirement in project["project"]["dependencies"]:
        name, least = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement).groups()
        wanted[ELSEWHERE.get(name, name)] = least
    told = dict(line.split(" >=") for line in recipe["requirements"]["run"] if line != "python")
    assert told == wanted
    assert {line.replace(" ", "") for line in recipe["requirements"]["host"]} >= set(
        project["build-system"]["requires"]
    )
    assert recipe["about"]["license"] == project["project"]["license"]
    (script,) = recipe["build"]["python"]["entry_points"]
    assert script == f"maury = {project['project']['scripts']['maury']}"
