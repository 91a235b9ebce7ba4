"""The commands errors, compare and stars: what they print, write and refuse."""

import numpy as np
import pytest
from click.testing import CliRunner

import maury
from maury.catalog.error_file import read_errors
from maury.catalog.flags import is_valid
from maury.catalog.table import write_catalog
from maury.cli.main import main
from repeat_visits import make_visits


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three catalogues: the same visits, 1 % and 2 % hotter; and one with too few."""
    folder = tmp_path_factory.mktemp("catalogues")
    catalog = make_visits(n_stars=500, n_visits=1250).catalog
    catalog["valid"] = is_valid(catalog["flags"])
    for i in range(3):
        hotter = catalog.copy()
        hotter["teff"] *= 1 + 0.01 * i
        write_catalog(hotter, folder / f"c{i}.fits")
    write_catalog(catalog[:40], folder / "few.fits")
    return folder


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.slow
def test_errors(folder, tmp_path):
    words = ["errors", folder / "c0.fits", "-o", tmp_path / "e.ecsv", "--plot", tmp_path / "pulls.png"]
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert "maximum likelihood of the differences" in done.output
    lines = done.output.splitlines()
    formal = next(line.split() for line in lines if line.startswith("3000-5000 K"))
    repeat = next(line.split() for line in lines if line.strip().startswith("repeat"))
    ratio = [float(f) / float(r) for f, r in zip(formal[4:], repeat[2:], strict=True)]
    assert len(ratio) == 5
    assert np.mean(ratio) == pytest.approx(0.7, abs=0.1)
    widths = done.output.split("(1 if the errors are correct):")[1].splitlines()
    assert [line.split()[0] for line in widths[1:4]] == ["method", "likelihood", "paper"]
    assert read_errors(tmp_path / "e.ecsv").method == "likelihood"
    assert (tmp_path / "pulls.png").stat().st_size > 30_000
    again = run(*words)
    assert again.exit_code == 1
    assert again.output == f"Error: {tmp_path / 'e.ecsv'} exists; choose another name, or pass --overwrite\n"
    assert run(*words, "--overwrite", "--method", "paper").exit_code == 0
    assert read_errors(tmp_path / "e.ecsv").method == "paper"


def test_errors_from_too_few_pairs_say_why(folder, tmp_path):
    done = run("errors", folder / "few.fits", "-o", tmp_path / "e.ecsv")
    assert done.exit_code == 1
    assert "independent differences" in done.output
    assert not (tmp_path / "e.ecsv").exists()


def test_compare_one(folder, tmp_path):
    done = run("compare", folder / "c1.fits", folder / "c0.fits", "--plot", tmp_path / "p.png")
    assert done.exit_code == 0, done.output
    hot = next(line.split() for line in done.output.splitlines() if "12000-20000" in line)
    assert float(hot[3]) == pytest.approx(158, abs=15)
    assert (tmp_path / "p.png").exists()


def test_compare_with_columns_and_positions(folder, tmp_path):
    catalog = maury.read_catalog(folder / "c0.fits")
    from astropy.table import Table

    places = Table(
        {"MANGAID": catalog["star_id"], "RA": np.arange(len(catalog)) * 0.1, "DEC": 0.0 * catalog["snr"]}
    )
    places.write(tmp_path / "all.fits")
    Table({"T": catalog["teff"].value, "a": places["RA"], "d": places["DEC"]}).write(tmp_path / "other.csv")
    words = ["compare", folder / "c0.fits", tmp_path / "other.csv", "--columns", "teff=T,ra=a,dec=d"]
    done = run(*words, "--positions", tmp_path / "all.fits")
    assert done.exit_code == 0, done.output
    assert "in common with other.csv" in done.output
    without = run(*words)
    assert without.exit_code == 1
    assert (
        "to match by position; add them with add_positions (--positions TABLE), from a table"
        in without.output
    )
    assert run("compare", folder / "c0.fits", tmp_path / "other.csv", "--columns", "teff").exit_code == 2


def test_compare_several(folder, tmp_path):
    names = [folder / f"c{i}.fits" for i in range(3)]
    done = run("compare", *names, "--plot", tmp_path / "p.png")
    assert done.exit_code == 0, done.output
    rows = {line.split()[2]: line.split() for line in done.output.splitlines() if line.startswith("teff")}
    assert float(rows["c1.fits"][4]) == 0
    assert float(rows["c0.fits"][4]) == -float(rows["c2.fits"][4]) < -30
    assert (tmp_path / "p.png").exists()


@pytest.mark.parametrize(
    ("option", "value"), [("--positions", "places.fits"), ("--by", "position"), ("--radius", 3)]
)
def test_compare_several_refuses_what_only_one_other_table_uses(folder, option, value):
    names = [folder / f"c{i}.fits" for i in range(3)]
    done = run("compare", *names, option, value)
    assert done.exit_code == 2
    assert (
        f"{option} applies to a comparison with one other table, got 2 others: catalogues of the same stars "
        f"are matched by star_id. Omit {option}, or compare with one table at a time"
    ) in " ".join(done.output.split())


@pytest.mark.parametrize(("option", "value"), [("--positions", "places.fits"), ("--radius", 3)])
def test_compare_by_id_refuses_what_only_a_match_by_position_uses(folder, option, value):
    done = run("compare", folder / "c0.fits", folder / "c1.fits", "--by", "id", option, value)
    assert done.exit_code == 2
    assert (
        f"{option} applies to a match by position, got --by id. Omit {option}, or pass --by position"
    ) in " ".join(done.output.split())


def test_stars(folder, tmp_path):
    done = run("stars", folder / "c0.fits", "-o", tmp_path / "s.fits", "--dr17-names")
    assert done.exit_code == 0, done.output
    assert "1250 visits of 500 stars" in done.output
    stars = maury.read_catalog(tmp_path / "s.fits")
    assert len(stars) == 500
    assert "TEFF_JI" in stars.colnames
    assert "500 stars, 1250 visits" in run("info", tmp_path / "s.fits").output
    assert run("stars", folder / "c0.fits", "-o", tmp_path / "s.fits").exit_code == 1
