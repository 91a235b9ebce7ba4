"""Catalogues against others: matching by name and position, columns of surveys, statistics, pictures."""

import matplotlib.image
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st

import maury
from maury.catalog.compare import (
    add_positions,
    differences,
    match_tables,
    read_table,
    spread_of,
)
from maury.catalog.flags import Flag
from maury.catalog.match import match_names, match_positions
from maury.catalog.table import write_catalog
from maury.show.compare_plots import plot_one_to_one, plot_spread
from maury.show.compare_tables import differences_table, spread_table
from maury.show.plots import save_figure
from repeat_visits import make_visits


def stars(n=200, seed=0):
    rng = np.random.default_rng(seed)
    return Table(
        {
            "star_id": [f"s{i}" for i in range(n)],
            "teff": rng.uniform(4000, 9000, n),
            "logg": rng.uniform(1, 5, n),
            "fe_h": rng.normal(-0.5, 0.5, n),
            "ra": rng.uniform(0, 360, n),
            "dec": np.degrees(np.arcsin(rng.uniform(-1, 1, n))),
        }
    )


def test_offset_scatter_and_mad_are_those_that_were_put_in(tmp_path):
    ours = stars(4000)
    theirs = ours.copy()
    rng = np.random.default_rng(1)
    theirs["teff"] = ours["teff"] - np.where(ours["teff"] < 5000, 100, 20) + rng.normal(0, 50, 4000)
    theirs["fe_h"][::10] = np.nan
    table = differences(match_tables(ours, theirs[::-1], "other"))
    everything = {row["label"]: row for row in table if np.isnan(row["teff_min"])}
    assert (everything["teff"]["n"], everything["logg"]["n"], everything["fe_h"]["n"]) == (4000, 4000, 3600)
    assert everything["logg"]["scatter"] == 0
    (cool,) = (row for row in table if row["label"] == "teff" and row["teff_min"] == 3000)
    assert cool["offset"] == pytest.approx(100, abs=6)
    assert cool["scatter"] == pytest.approx(50, rel=0.1)
    assert cool["mad"] == pytest.approx(50 * 0.6745, rel=0.1)
    assert not (table["teff_min"] == 20000).any()
    text = differences_table(table)
    assert "3000-5000 K" in text
    assert text.splitlines()[0].split() == ["label", "unit", "teff", "stars", "offset", "scatter", "MAD"]


@settings(max_examples=30)
@given(st.floats(-89.9, 89.9), st.floats(0, 360), st.floats(0, 10), st.floats(0, 360))
def test_positions_match_within_the_radius_only(dec, ra, separation, angle):
    """Across 0 h and near the poles too, where differences of coordinates mislead."""
    here = SkyCoord(ra, dec, unit="deg")
    there = here.directional_offset_by(
        angle * np.pi / 180 * here.ra.unit * 57.29577951308232, separation / 3600 * here.ra.unit
    )
    ours = Table({"ra": [ra, 10.0], "dec": [dec, np.nan]})
    theirs = Table({"ra": [np.nan, there.ra.deg], "dec": [0.0, there.dec.deg]})
    rows, found = match_positions(ours, theirs)
    if abs(separation - 3) > 1e-3:
        assert rows.tolist() == ([0] if separation < 3 else [])
        assert found.tolist() == ([1] if separation < 3 else [])


def test_names_match_the_first_and_visits_match_visits():
    ours = Table({"star_id": ["b", "a", "", "b"]})
    theirs = Table({"star_id": ["a", "", "b", "b", "c"]})
    rows, found = match_names(ours, theirs)
    assert rows.tolist() == [0, 1, 3]
    assert found.tolist() == [2, 0, 2]
    ours["visit_id"], theirs["visit_id"] = ["2", "1", "1", "9"], ["1", "1", "1", "2", "1"]
    rows, found = match_names(ours, theirs)
    assert rows.tolist() == [0, 1]
    assert found.tolist() == [3, 0]
    assert len(match_names(ours, theirs[:0])[0]) == 0


@pytest.mark.parametrize(
    ("survey", "columns"),
    [
        ("SEGUE", {"teff": "TEFF_ADOP", "logg": "LOGG_ADOP", "fe_h": "FEH_ADOP", "ra": "RA", "dec": "DEC"}),
        ("LAMOST", {"teff": "teff", "logg": "logg", "fe_h": "feh", "star_id": "designation"}),
        (
            "MaStar JI",
            {"teff": "TEFF_JI", "logg": "LOGG_JI", "fe_h": "FEH_JI", "star_id": "MANGAID"}
            | {"x": "ALPHA_JI", "y": "VMICRO_JI"},
        ),
        (
            "APOGEE",
            {
                "teff": "TEFF",
                "logg": "LOGG",
                "fe_h": "FE_H",
                "x": "ALPHA_M",
                "y": "VMICRO",
                "ra": "RA",
                "dec": "DEC",
            },
        ),
    ],
)
def test_columns_of_surveys(tmp_path, survey, columns):
    ours = stars(20)
    ours["x"], ours["y"] = 0.1, 2.0
    table = Table({theirs: ours[name] for name, theirs in columns.items()})
    table[columns["teff"]][4] = -9999
    table.write(tmp_path / "t.fits")
    read, name = read_table(tmp_path / "t.fits")
    assert name == survey
    assert np.isnan(read["teff"][4])
    np.testing.assert_array_equal(np.delete(read["fe_h"], 4), np.delete(ours["fe_h"], 4))
    if survey == "APOGEE":
        np.testing.assert_allclose(read["log_vmicro"], np.log10(2))
    if survey == "MaStar JI":
        np.testing.assert_array_equal(read["log_vmicro"], 2.0)
    assert len(match_tables(ours, read, name).ours) == 20


def test_any_table_with_a_column_map(tmp_path):
    table = Table({"Name": ["a ", "b"], "T": MaskedColumn([5000.0, 6000.0], mask=[False, True])})
    table.write(tmp_path / "t.ecsv")
    read, name = read_table(tmp_path / "t.ecsv", {"star_id": "name", "teff": "t"})
    assert name == "t.ecsv"
    assert read["star_id"].tolist() == ["a", "b"]
    np.testing.assert_array_equal(read["teff"], [5000, np.nan])
    (tmp_path / "t.txt").write_text("# of some survey\nName T\na 5000\nb 6000\n")
    assert read_table(tmp_path / "t.txt", {"teff": "T"})[0]["teff"].tolist() == [5000, 6000]
    with pytest.raises(ValueError, match=r"names of maury must be among teff, .* dec, .*_err, got feh"):
        read_table(tmp_path / "t.txt", {"teff": "T", "feh": "FEH"})
    with pytest.raises(ValueError, match="no column G for logg; it has Name, T"):
        read_table(tmp_path / "t.ecsv", {"logg": "G"})
    with pytest.raises(ValueError, match="name the columns"):
        read_table(tmp_path / "t.ecsv")
    (tmp_path / "x.fits").write_text("no")
    with pytest.raises(ValueError, match="astropy cannot read this table"):
        read_table(tmp_path / "x.fits")
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.fits")


@pytest.mark.parametrize("ending", [".fits", ".ecsv", ".parquet"])
def test_a_catalogue_of_ours_gives_its_valid_rows(tmp_path, ending):
    visits = make_visits(n_stars=20, n_visits=50).catalog
    visits["flags"][3] = int(Flag.HIGH_RCHI2)
    write_catalog(visits, tmp_path / f"c{ending}")
    read, name = read_table(tmp_path / f"c{ending}")
    good = (visits["flags"] & int(Flag.HIGH_RCHI2 | Flag.NOT_CONVERGED)) == 0
    assert name == f"c{ending}"
    np.testing.assert_array_equal(read["teff"], visits["teff"].value[good])
    assert read["star_id"].tolist() == visits["star_id"][good].tolist()


def test_positions_from_another_table():
    ours, places = stars(10), stars(10)
    del ours["ra"], ours["dec"]
    with pytest.raises(ValueError, match="the catalogue has no ra and dec to match by position"):
        match_tables(ours, places, "x", by="position")
    placed = add_positions(ours, places[3:])
    np.testing.assert_array_equal(placed["ra"][3:], places["ra"][3:])
    assert np.isnan(placed["dec"][:3]).all()
    assert len(match_tables(placed, places, "x", by="position").ours) == 7
    with pytest.raises(ValueError, match="positions: expected columns star_id, ra, dec, got star_id"):
        add_positions(ours, ours[["star_id"]])


def test_nothing_in_common_is_said():
    ours, other = stars(5), stars(5)
    other["star_id"] = [f"x{i}" for i in range(5)]
    with pytest.raises(ValueError, match="no star in common with the catalogue by id"):
        match_tables(ours, other, "other", by="id")
    with pytest.raises(ValueError, match="no label in common"):
        match_tables(ours, other[["star_id"]], "other", by="id")
    with pytest.raises(ValueError, match="by: expected id, file or position"):
        match_tables(ours, other, "other", by="name")


def test_spread_of_four():
    """Fig. 14: each catalogue less the median of the four."""
    base = stars(300)
    tables = []
    for shift in (-30, -10, 10, 50):
        table = base[np.random.default_rng(shift + 100).permutation(300)[:280]]
        table["teff"] = table["teff"] + shift
        tables.append(table)
    spread = spread_of(tables, ["60", "75", "90", "99.5"])
    assert 200 < len(spread.median) < 300
    np.testing.assert_allclose(
        spread.deviation[:, :, 0], np.array([[-30], [-10], [10], [50]]) * np.ones(len(spread.median))
    )
    row = next(r for r in spread.table() if r["label"] == "teff" and r["catalog"] == "99.5")
    assert row["offset"] == pytest.approx(50)
    assert "99.5" in spread_table(spread)
    with pytest.raises(ValueError, match="at least three, got 2"):
        spread_of(tables[:2], ["a", "b"])
    with pytest.raises(ValueError, match="no star is in all"):
        spread_of([tables[0], tables[1], tables[2][:0]], ["a", "b", "c"])
    del tables[0]["star_id"]
    with pytest.raises(ValueError, match="60: no star_id"):
        spread_of(tables, ["60", "75", "90", "99.5"])


def test_pictures(tmp_path):
    ours, theirs = stars(500), stars(500)
    theirs["logg"] = np.nan
    matched = match_tables(ours, theirs, "a $ survey")
    spread = spread_of([ours, theirs, stars(500)], ["a", "b", "c"])
    for name, figure in (("one", plot_one_to_one(matched)), ("spread", plot_spread(spread))):
        save_figure(figure, tmp_path / f"{name}.png")
        image = matplotlib.image.imread(tmp_path / f"{name}.png")
        assert (image[..., :3].min(axis=2) < 0.9).mean() > 0.01
    titles = [axes.get_title() for axes in plot_one_to_one(matched).axes]
    assert titles == [
        "500 stars, offset 0, scatter 0",
        "no star in common",
        "500 stars, offset 0.00, scatter 0.00",
    ]


def test_few_stars_are_points_with_the_errors_of_both():
    ours, theirs = stars(30), stars(30)
    ours["teff_err"] = np.linspace(10.0, 40.0, 30)
    ours["teff_err"][3] = np.nan
    matched = match_tables(ours, theirs, "a survey")
    np.testing.assert_array_equal(matched.ours_err[:, 0], ours["teff_err"])
    assert np.isnan(matched.theirs_err).all()
    axes = plot_one_to_one(matched).axes[0]
    (bars,) = axes.containers
    _, _, (across, _) = bars
    half = [np.ptp(segment[:, 0]) / 2 for segment in across.get_segments()]
    np.testing.assert_allclose(half, np.nan_to_num(ours["teff_err"]))


def test_real_lamost_stars_by_position(data_folder, tmp_path):
    """46 LAMOST spectra against the labels listed for them, which have positions and no names."""
    files = sorted((data_folder / "lamost_dr1").glob("*.fits"))
    write_catalog(maury.fit(maury.read_spectra(files), "default"), tmp_path / "c.fits")
    theirs, name = read_table(data_folder / "lamost_dr1" / "labels.csv")
    assert name == "LAMOST"
    matched = match_tables(read_table(tmp_path / "c.fits")[0], theirs, name)
    assert (matched.by, len(matched.ours)) == ("position", 46)
    table = differences(matched)
    assert abs(table[table["label"] == "teff"][0]["offset"]) < 100
    assert table[table["label"] == "teff"][0]["mad"] < 150
