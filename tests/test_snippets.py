"""Every example of the documentation is run, those for beginners on files of several surveys, and twice.

The notebooks (tutorials, gallery, first page) are run when the documentation is built.
"""

import gzip
import shutil
import sys
import types
from glob import glob
from importlib.resources import as_file, files
from itertools import chain
from pathlib import Path

import click
import numpy as np
import pytest

import maury
from command_line import run
from gaia_stars import photometry
from mastar_made import made
from maury.cli.main import main
from snippets import blocks, commands

HOME = Path(__file__).parents[1]
PAGES = sorted([HOME / "README.md", *(HOME / "docs").rglob("*.md")])
SOURCES = {
    "miles": None,
    "lamost": "lamost_dr1/spec-55862-B6212_sp06-0[01]*.fits",
    "sdss": "sdss/*.fits",
    "mastar": "mastar_dr17/goodspec.fits",
}
BEGINNERS = ("README.md", "docs/quickstart.md")
# For examples that take seconds: files of one star and of many; the others are slow.
TWO_FIRST = ["miles", "mastar", *(pytest.param(name, marks=pytest.mark.slow) for name in ("lamost", "sdss"))]


@pytest.fixture(params=SOURCES)
def place(request, tmp_path, monkeypatch):
    """A folder with spectra of a survey in the folder spectra/, where the examples are run."""
    pattern = SOURCES[request.param]
    if pattern is None:
        with as_file(files("maury") / "data" / "demo") as folder:
            most = shutil.ignore_patterns("*_m0[3-9]*")  # four are left, and their labels
            shutil.copytree(folder, tmp_path / "spectra", ignore=most)
    else:
        (tmp_path / "spectra").mkdir()
        found = sorted(request.getfixturevalue("data_folder").glob(pattern))
        assert found
        for path in found:
            shutil.copy(path, tmp_path / "spectra")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_python(page, names):
    for block in blocks(HOME / page, "python"):
        exec(compile(block, page, "exec"), names)


@pytest.mark.parametrize("page", BEGINNERS)
def test_examples_in_python_run_twice(page, place, capsys):
    for _ in range(2):
        run_python(page, {})
        assert capsys.readouterr().out.strip()


@pytest.mark.parametrize("place", TWO_FIRST, indirect=True)
def test_examples_on_the_command_line_run_twice(place):
    lines = commands(HOME / "docs/quickstart.md")
    for words in [*lines, *(words for words in lines if words[0] == "fit")]:
        shell = [sorted(glob(word)) if "*" in word else [word] for word in words]
        assert run(*chain.from_iterable(shell)).stdout.strip()
    assert (place / "stars.fits").exists()
    assert (place / "pictures" / "kiel.png").exists()


@pytest.mark.parametrize("page", ["docs/training.md", "docs/emulator_file.md"])
def test_examples_without_spectra_run(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    run_python(page, {})
    assert capsys.readouterr().out.strip()


def test_examples_with_a_resolution_run(place):
    one = maury.read_spectra(sorted(Path("spectra").iterdir())[0])[0]
    seen = np.isfinite(np.atleast_2d(one.wavelength)[0])
    arrays = {name: np.atleast_2d(getattr(one, name))[0][seen] for name in ("wavelength", "flux", "ivar")}
    names = dict(arrays)
    run_python("docs/resolution.md", names)
    assert len(names["catalog"]) == 1 and names["catalog"]["converged"][0]


@pytest.mark.parametrize("place", TWO_FIRST, indirect=True)
def test_examples_with_a_catalogue_run(place):
    paths = sorted(path for path in Path("spectra").iterdir() if "fits" in path.name)
    catalog = maury.fit(paths)
    maury.write_catalog(catalog, "stars.fits")
    photometry(catalog["star_id"]).write("gaia.csv")
    for _ in range(2):
        run_python("docs/report.md", {})
    assert maury.read_catalog("stars-gaia.fits")["m_g"].value[0] == pytest.approx(9.5 - 5)
    assert Path("chi2.png").stat().st_size > 1000


def test_examples_with_isochrones_run(data_folder, tmp_path, monkeypatch):
    shutil.copy(data_folder / "isochrones/parsec_cmd33_young.dat", tmp_path / "parsec.dat")
    shutil.copy(data_folder / "isochrones/basti_gaia_dr3_3000myr.isc", tmp_path / "basti_3000myr.isc")
    monkeypatch.chdir(tmp_path)
    photometry(["a", "b"]).write("gaia.csv")
    names = {}
    run_python("docs/photometry.md", names)
    assert names["start"].shape == (2, 3) and np.isfinite(names["start"]).all()


def test_examples_with_models_run(tmp_path, monkeypatch):
    survey, _ = made()
    shutil.copy(survey["theory"], tmp_path / "models.fits")
    shutil.copy(survey["isochrones"], tmp_path / "parsec.dat")
    monkeypatch.chdir(tmp_path)
    names = {}
    run_python("docs/theory.md", names)
    assert len(names["hot"]) == 1675 and names["hot"].lsf is not None


def test_examples_with_a_cluster_run(data_folder, tmp_path, monkeypatch):
    """SLURM is replaced by a cluster in this process."""
    from distributed import LocalCluster

    class Cluster(LocalCluster):
        def __init__(self, **told):
            super().__init__(n_workers=0, processes=False, dashboard_address=None)

        def scale(self, jobs):
            super().scale(min(jobs, 1))

    monkeypatch.setitem(sys.modules, "dask_jobqueue", types.SimpleNamespace(SLURMCluster=Cluster))
    monkeypatch.chdir(tmp_path)
    visits = (data_folder / "mastar_dr17/goodspec.fits").read_bytes()
    Path("mastar-goodspec-v3_1_1-v1_7_7.fits.gz").write_bytes(gzip.compress(visits, 1))
    maury.Emulator.load("default").save("five.onnx")
    names = {}
    run_python("docs/survey.md", names)
    names["cluster"].close()
    assert len(maury.read_catalog("mastar.fits")) == 4


def test_no_page_has_an_example_that_is_not_run():
    text = Path(__file__).read_text(encoding="utf-8")
    for page in PAGES:
        if blocks(page, "python"):
            assert f'"{page.relative_to(HOME).as_posix()}"' in text


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=lambda page: page.stem)
def test_commands_have_these_options(page):
    for words in commands(page):
        command, context = main, click.Context(main)
        while isinstance(command, click.Group) and not words[0].startswith("-"):
            command = command.get_command(context, words[0])
            assert command is not None, words
            context, words = click.Context(command), words[1:]
        _, _, order = command.make_parser(context).parse_args(list(words))
        given = {parameter.name for parameter in order}
        needed = {parameter.name for parameter in command.params if parameter.required}
        assert needed <= given, words
