"""Starts from Gaia photometry: against brute force, made-up stars with dust, and real stars of LAMOST."""

import sys

import numpy as np
import pytest
from astropy.table import MaskedColumn, Table

from maury.measure.photometry import gaia_extinction, map_ebv, nearest_point, photometric_start
from maury.readers.isochrones import read_isochrones

LABELS = ("teff", "logg", "fe_h", "alpha_fe", "log_vmicro")


@pytest.fixture
def isochrones():
    """A made-up main sequence and giant branch."""
    colour = np.linspace(-0.3, 2.0, 400)
    magnitude = np.concatenate([-1 + 5.5 * colour, 4 - 3.5 * colour])
    colour = np.tile(colour, 2)
    logg = np.repeat([4.5, 2.5], 400)
    table = {
        "teff": 9000 - 2500 * colour,
        "logg": logg,
        "fe_h": np.full(800, -0.3),
        "alpha_fe": np.full(800, 0.1),
    }
    return Table(table | {"G": magnitude, "BP": magnitude + 0.4 * colour, "RP": magnitude - 0.6 * colour})


def test_nearest_equals_brute_force(isochrones):
    """The same point as the least of all distances, for errors that differ a thousandfold."""
    rng = np.random.default_rng(1)
    n = 500
    colour, magnitude = rng.uniform(-1, 3, n), rng.uniform(-8, 15, n)
    errors = 10 ** rng.uniform(-2, 1, (2, n))
    magnitude[3], colour[4], errors[0, 5], errors[1, 6] = np.nan, np.inf, 0.0, np.nan
    got = nearest_point(colour, magnitude, *errors, isochrones)
    bp_rp = np.asarray(isochrones["BP"] - isochrones["RP"])
    with np.errstate(all="ignore"):
        distance = ((bp_rp - colour[:, None]) / errors[0][:, None]) ** 2
        distance += ((np.asarray(isochrones["G"]) - magnitude[:, None]) / errors[1][:, None]) ** 2
    assert got[3:7].tolist() == [-1] * 4
    known = np.delete(np.arange(n), [3, 4, 5, 6])
    chosen = distance[known, got[known]]
    np.testing.assert_allclose(chosen, distance[known].min(axis=1), rtol=1e-9)


def test_stars_right_on_a_point(isochrones):
    bp_rp = np.asarray(isochrones["BP"] - isochrones["RP"])
    rows = np.arange(0, 800, 7)
    got = nearest_point(bp_rp[rows], isochrones["G"][rows], 0.013, 0.37, isochrones)
    np.testing.assert_allclose(bp_rp[got], bp_rp[rows], atol=1e-12)


def observed(isochrones, rows, ebv, distance=800.0):
    """Gaia columns of stars at isochrone points behind dust."""
    g, bp, rp = (np.asarray(isochrones[band])[rows] for band in ("G", "BP", "RP"))
    a_g, a_bp, a_rp = gaia_extinction(bp - rp, ebv)
    modulus = 5 * np.log10(distance) - 5
    return Table(
        {
            "phot_g_mean_mag": g + a_g + modulus,
            "phot_bp_mean_mag": bp + a_bp + modulus,
            "phot_rp_mean_mag": rp + a_rp + modulus,
            "parallax": np.full(len(rows), 1000 / distance),
            "parallax_error": np.full(len(rows), 0.01),
        }
    )


def test_stars_behind_dust_come_back(isochrones):
    rows = np.array([20, 150, 300, 600, 700])
    ebv = np.array([0.0, 0.3, 0.6, 0.1, 1.0])
    stars = observed(isochrones, rows, ebv)
    got = photometric_start(stars, isochrones, LABELS, ebv=ebv)
    np.testing.assert_allclose(got[:, 0], isochrones["teff"][rows], atol=20)
    np.testing.assert_array_equal(got[:, 1], isochrones["logg"][rows])
    assert (got[:, 2] == -0.3).all() and (got[:, 3] == 0.1).all()
    # Holtzman et al. 2018, eq. 2, at log g 2.5
    assert got[3, 4] == pytest.approx(0.226 - 0.0228 * 2.5 + 0.0297 * 2.5**2 - 0.0113 * 2.5**3)
    # A dwarf behind dust that is not told of is taken for a cooler star.
    assert photometric_start(stars, isochrones, ["teff"])[1, 0] < got[1, 0] - 300


def test_columns_by_any_of_their_names(isochrones):
    rows, ebv = np.array([20, 600]), np.array([0.2, 0.1])
    stars = observed(isochrones, rows, ebv)
    expected = photometric_start(stars, isochrones, ["teff", "unheard_of"], ebv=ebv)
    assert np.isnan(expected[:, 1]).all()
    stars["BP_RP"] = stars["phot_bp_mean_mag"] - stars["phot_rp_mean_mag"]
    stars["R_EST"] = [800.0, 800.0]
    stars["EBV"] = ebv
    stars["PARALLAX"] = [-999.0, -999.0]
    stars.remove_columns(["phot_bp_mean_mag", "phot_rp_mean_mag", "parallax", "parallax_error"])
    np.testing.assert_array_equal(photometric_start(stars, isochrones, ["teff"])[:, 0], expected[:, 0])
    arrays = {name: np.asarray(stars[name]) for name in stars.colnames}
    np.testing.assert_array_equal(photometric_start(arrays, isochrones, ["teff"])[:, 0], expected[:, 0])


def test_unknown_stars_are_nan(isochrones):
    """A masked magnitude, a fill value, a negative parallax: no start, and the others keep theirs."""
    stars = observed(isochrones, np.array([20, 150, 300, 350]), 0.0)
    stars["phot_g_mean_mag"] = MaskedColumn(stars["phot_g_mean_mag"], mask=[True, False, False, False])
    stars["phot_bp_mean_mag"][1] = -999.0
    stars["parallax"][2] = -0.3
    got = photometric_start(stars, isochrones, LABELS)
    assert np.isnan(got).all(axis=1).tolist() == [True, True, True, False]
    assert np.isfinite(got[3]).all()


def test_missing_columns(isochrones):
    stars = observed(isochrones, np.array([20]), 0.0)
    for lost in ("phot_g_mean_mag", "phot_rp_mean_mag", "parallax"):
        with pytest.raises(ValueError, match=f"photometry: no column {lost}; it has "):
            photometric_start({n: stars[n] for n in stars.colnames if n != lost}, isochrones, LABELS)


def test_a_poor_parallax_leaves_the_colour_to_decide(isochrones):
    """With an error of 2 mag in M_G a star off the sequence by 1 mag keeps the temperature of its colour."""
    stars = observed(isochrones, np.array([150]), 0.0)
    stars["phot_g_mean_mag"] += 1.0  # colours as they were
    sharp = photometric_start(stars, isochrones, ["teff"])
    stars["parallax_error"] = 1.25
    vague = photometric_start(stars, isochrones, ["teff"])
    truth = isochrones["teff"][150]
    assert abs(vague[0, 0] - truth) < 30 < abs(sharp[0, 0] - truth)


def test_extinction_law():
    """A_G / A_V near 0.86 and E(BP-RP) / E(B-V) near 1.3 for a star like the Sun, smaller for red ones."""
    g, bp, rp = gaia_extinction(0.82, 0.1)
    assert g / 0.31 == pytest.approx(0.84, abs=0.03)
    assert (bp - rp) / 0.1 == pytest.approx(1.40, abs=0.08)
    assert gaia_extinction(2.0, 0.1)[0] < g < gaia_extinction(0.0, 0.1)[0]
    np.testing.assert_array_equal(gaia_extinction([-5.0, 9.0], 0.1), gaia_extinction([-0.06, 2.5], 0.1))
    assert np.array_equal(gaia_extinction(1.0, 0.0), [0, 0, 0])


def test_map_of_the_dust():
    asked = []

    def layered(coordinates):
        asked.append(coordinates)
        return 0.1 * coordinates.distance.to_value("kpc")

    got = map_ebv([10.0, 20.0, 30.0], [5.0, np.nan, 0.0], [500.0, 500.0, 2000.0], layered)
    np.testing.assert_allclose(got, [0.05, np.nan, 0.2])
    np.testing.assert_allclose(asked[0].ra.deg, [10, 30])


def test_map_without_dustmaps(monkeypatch):
    monkeypatch.setitem(sys.modules, "dustmaps.bayestar", None)
    with pytest.raises(ImportError, match="pip install dustmaps"):
        map_ebv([10.0], [5.0], [500.0])


def scatter(difference):
    return 1.4826 * np.median(np.abs(difference - np.median(difference)))


@pytest.mark.parametrize("files, teff, logg", [("basti*.isc", 145, 0.17), ("*", 110, 0.145)])
def test_real_stars_of_lamost(data_folder, files, teff, logg):
    """628 stars with parallaxes better than 5 %: scatter against the labels of LAMOST."""
    stars = Table.read(data_folder / "gaia" / "gaia_lamost.csv")
    stars = stars[stars["parallax_over_error"] > 20]
    isochrones = read_isochrones(sorted((data_folder / "isochrones").glob(files)))
    got = photometric_start(stars, isochrones, ["teff", "logg"])
    assert len(got) == 628 and np.isfinite(got).all()
    assert scatter(got[:, 0] - stars["teff"]) <= teff
    assert scatter(got[:, 1] - stars["logg"]) <= logg
    assert abs(np.median(got[:, 0] - stars["teff"])) < 60
