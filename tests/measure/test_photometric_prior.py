"""Priors from photometry: against draws and loops, and real stars of LAMOST; and fits with them."""

import json

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner
from scipy.optimize import least_squares

import made_up_stars
import maury
from gaia_stars import photometry as named_photometry
from maury.cli.main import main
from maury.emulator.model_error import ModelError
from maury.measure.options import Options
from maury.measure.photometric_prior import (
    COLOUR_OF_TEFF_FLOOR,
    LOGG_FLOOR,
    _near,
    photometric_prior,
)
from maury.measure.photometry import COLOUR_FLOOR, MAGNITUDE_FLOOR
from maury.measure.pipeline import measure
from maury.measure.star_prior import StarPrior
from maury.readers.isochrones import read_isochrones

LABELS = ["teff", "logg", "fe_h"]
SIGMA = np.array([80.0, 0.2, 0.1])
CORRELATION = np.array([[1.0, 0.5, 0.25], [0.5, 1.0, -0.125], [0.25, -0.125, 1.0]])


def sequence(age, offset=0.0, n=300):
    """Return a main sequence on which q and log Teff are linear in the colour, shifted in G."""
    colour = np.linspace(0.4, 1.6, n)
    g = 1.0 + 4.5 * colour + offset
    log_teff = 3.90 - 0.15 * colour
    logg = -12.6 + 0.05 * colour + 0.4 * g + 4 * log_teff
    return Table({
        "teff": 10**log_teff, "logg": logg, "fe_h": np.zeros(n), "alpha_fe": np.zeros(n),
        "age": np.full(n, age), "G": g, "BP": g + 0.4 * colour, "RP": g - 0.6 * colour,
    })  # fmt: skip


def star(colour=0.9, offset=0.0, **more):
    """Return photometry of a star at 100 pc."""
    table = {"phot_g_mean_mag": [1.0 + 4.5 * colour + offset + 5], "bp_rp": [colour], "parallax": [10.0]}
    return table | {"parallax_over_error": [50.0], "ebv": [0.0], "ebv_error": [0.0]} | more


def knowing():
    """Return the made-up emulator with a model error that is the same everywhere."""
    return made_up_stars.emulator().with_model_error(
        ModelError(
            labels=tuple(LABELS), variables=("teff",), log10=np.array([True]), centre=np.array([3.7]),
            scale=np.array([0.1]), low=np.array([3.5]), high=np.array([4.0]), terms=("1",),
            coefficients=np.log([SIGMA]),
            ln_sigma_range=np.log([SIGMA, SIGMA]), correlation=CORRELATION, offset=np.zeros(3),
            offset_error=np.ones(3), outliers=np.zeros(3), pull_width=np.ones(3), n_stars=100, folds=5,
        )
    )  # fmt: skip


def test_the_labels_of_a_star_on_the_sequence():
    mean, covariance = photometric_prior(star(), sequence(5.0), ["fe_h", "logg", "teff"])
    point = np.argmin(np.abs(np.linspace(0.4, 1.6, 300) - 0.9))
    assert mean[0, 2] == pytest.approx(10 ** (3.90 - 0.15 * 0.9), abs=1)
    assert mean[0, 1] == pytest.approx(sequence(5.0)["logg"][point], abs=0.02)
    assert np.isnan(mean[0, 0]) and np.isnan(covariance[0, 0]).all() and np.isnan(covariance[0, :, 0]).all()
    assert (np.linalg.eigvalsh(covariance[0, 1:, 1:]) > 0).all()


def test_a_brighter_star_has_a_lower_gravity():
    """Of the same colour and mass: by 0.4 dex per mag, as its radius is larger; a binary looks like this."""
    table = sequence(5.0, n=4000)
    on, off = (photometric_prior(star(offset=m), table, LABELS)[0][0] for m in (0.0, -0.75))
    assert off[1] - on[1] == pytest.approx(-0.3, abs=0.03)
    assert off[0] == pytest.approx(on[0], abs=2)


def test_the_covariance_is_that_of_draws():
    """Noise of colour, parallax and dust moves the mean as the covariance tells, without its floors."""
    rng = np.random.default_rng(2)
    n, snr, dust, noise = 4000, 15.0, 0.05, 1.0857 / 60
    table = sequence(5.0)
    colour = rng.normal(0.9, np.hypot(noise, noise), n)
    ebv = rng.normal(0.1, dust, n)
    drawn = {
        "phot_g_mean_mag": np.full(n, 1.0 + 4.5 * 0.9 + 5), "bp_rp": colour, "ebv": ebv,
        "parallax": 10.0 * (1 + rng.normal(0, 1, n) / snr), "parallax_over_error": np.full(n, snr),
        "ebv_error": np.full(n, dust), "phot_bp_mean_flux_over_error": np.full(n, 60.0),
        "phot_rp_mean_flux_over_error": np.full(n, 60.0),
    }  # fmt: skip
    means = photometric_prior(drawn, table, LABELS)[0][:, :2]
    at_mean = {name: [np.mean(values)] for name, values in drawn.items()}
    mean, told = photometric_prior(at_mean, table, LABELS)
    without = told[0, :2, :2].copy()
    per_mag = 0.15 * np.log(10) * mean[0, 0]
    floor = COLOUR_OF_TEFF_FLOOR * np.array([per_mag, 4 * 0.15])
    without -= floor[:, None] * floor
    without[1, 1] -= np.interp(mean[0, 1], *LOGG_FLOOR) ** 2
    found = np.cov(means.T)
    scale = np.sqrt(np.diagonal(without))
    # The points near a star spread a little, and the sequence bends the averages.
    np.testing.assert_allclose(found / scale / scale[:, None], without / scale / scale[:, None], atol=0.1)


def test_averages_of_points_equal_loops():
    table = Table(np.concatenate([sequence(1.0, n=60), sequence(4.0, -0.4, n=35)]))
    rng = np.random.default_rng(3)
    colour, magnitude = rng.uniform(0.5, 1.5, 9), rng.uniform(3, 8, 9)
    errors = np.zeros((9, 2, 2))
    errors[:, 0, 0], errors[:, 1, 1] = rng.uniform(0, 0.1, 9) ** 2, rng.uniform(0, 1.0, 9) ** 2
    got = _near(colour, magnitude, errors, table)
    c, g = np.asarray(table["BP"] - table["RP"]), np.asarray(table["G"])
    y = np.log10(table["teff"])
    q = np.asarray(table["logg"]) - 0.4 * g - 4 * y
    share = np.where(table["age"] == 1.0, 1.0 / 60, 4.0 / 35)
    for i in range(9):
        distance = (c - colour[i]) ** 2 / (COLOUR_FLOOR**2 + errors[i, 0, 0])
        distance += (g - magnitude[i]) ** 2 / (MAGNITUDE_FLOOR**2 + errors[i, 1, 1])
        if distance.min() > 16:
            assert np.isnan(got[i]).all()
            continue
        weight = share * np.exp(-distance / 2)
        slope, at_star = np.polyfit(c - colour[i], y, 1, w=np.sqrt(weight))
        away = y - at_star - slope * (c - colour[i])
        mean_q = np.average(q, weights=weight)
        expected = [at_star, slope, 0.0, mean_q, np.average((q - mean_q) ** 2, weights=weight)]
        np.testing.assert_allclose(got[i], expected, rtol=5e-3, atol=2e-5)
        assert np.average(away**2, weights=weight) < 1e-6
    assert np.isfinite(got).any() and np.isnan(got).any()


def test_old_isochrones_count_more():
    """A millionth of the stars are as young as the second isochrone, however many points it has."""
    young = sequence(1e-6, n=5000)
    young["logg"] += 0.5
    table = Table(np.concatenate([sequence(5.0), young]))
    alone = photometric_prior(star(), sequence(5.0), LABELS)[0]
    np.testing.assert_allclose(photometric_prior(star(), table, LABELS)[0], alone, rtol=1e-5)


def test_stars_without_a_prior():
    """Unknown, no parallax, a white dwarf: no mean. Unknown dust is not no dust."""
    stars = {name: values * 4 for name, values in star().items()}
    stars["bp_rp"] = [0.9, np.nan, 0.9, 0.9]
    stars["parallax"] = [10.0, 10.0, -1.0, 300.0]
    mean, covariance = photometric_prior(stars, sequence(5.0), LABELS)
    assert np.isnan(mean[:, 1]).tolist() == [False, True, True, True]
    assert np.isnan(covariance[1:]).all()
    unknown = {name: values for name, values in star().items() if not name.startswith("ebv")}
    with_dust, wide = photometric_prior(unknown, sequence(5.0), LABELS)
    assert with_dust[0, 0] > mean[0, 0] + 20 and wide[0, 0, 0] > covariance[0, 0, 0]


def test_real_stars_of_lamost(data_folder):
    """628 stars with parallaxes better than 5 %; errors of LAMOST, 0.06, are in the pulls."""
    stars = Table.read(data_folder / "gaia" / "gaia_lamost.csv")
    stars = stars[stars["parallax_over_error"] > 20]
    isochrones = read_isochrones(sorted((data_folder / "isochrones").glob("*")))
    mean, covariance = photometric_prior(stars, isochrones, ["teff", "logg"])
    away = mean[:, 1] - stars["logg"]
    pull = away / np.hypot(np.sqrt(covariance[:, 1, 1]), 0.06)
    assert np.isfinite(mean).all()
    assert 1.4826 * np.median(np.abs(away - np.median(away))) < 0.135
    assert abs(np.median(away)) < 0.02 and abs(np.median(mean[:, 0] - stars["teff"])) < 20
    assert 0.9 < 1.4826 * np.median(np.abs(pull - np.median(pull))) < 1.2


def test_a_star_prior_agrees_with_a_joint_fit():
    """SciPy varies the labels of the emulator and, beside them, those of the star."""
    emulator = knowing()
    flux = emulator.predict(made_up_stars.LABELS) + np.random.default_rng(7).normal(0, 1 / 60, (4, 1500))
    spectra = maury.Spectra(emulator.wavelength, flux, np.full(flux.shape, 60.0**2), rv=0.0)
    mean = made_up_stars.LABELS + np.array([60.0, 0.3, np.nan])
    covariance = np.tile(
        np.array([[90.0**2, 90 * 0.06 * 0.5, 0], [90 * 0.06 * 0.5, 0.06**2, 0], [0, 0, 1]]), (4, 1, 1)
    )
    columns = measure(
        spectra, emulator, Options(clip=0.0), photometric_labels=made_up_stars.LABELS,
        prior=StarPrior(mean, covariance),
    )  # fmt: skip
    roots = [
        np.linalg.inv(np.linalg.cholesky(m))
        for m in (CORRELATION * SIGMA * SIGMA[:, None], covariance[0, :2, :2])
    ]
    scale = np.array([1000.0, 1.0, 1.0])
    for i in range(4):
        centre = columns["fitted_labels"][i]
        # chi2 of the data is a parabola so near its minimum.
        alone = measure(spectra[i : i + 1], emulator, Options(clip=0.0))
        best = np.array([alone[name][0] for name in LABELS])
        root = np.linalg.cholesky(np.linalg.inv(alone["covariance_formal"][0])).T

        def residual(x, root=root, best=best, i=i):
            y, z = x[:3] * scale, x[3:] * scale
            return np.concatenate([root @ (z - best), roots[0] @ (z - y), roots[1] @ (y - mean[i])[:2]])

        found = least_squares(residual, np.concatenate([centre, centre]) / np.tile(scale, 2), xtol=1e-14)
        y = found.x[:3] * scale
        total = np.linalg.inv(found.jac.T @ found.jac)[:3, :3] * scale * scale[:, None]
        got = np.array([columns[name][i] for name in LABELS])
        error = np.sqrt(np.diagonal(total))
        assert (np.abs(got - y) < 0.02 * error).all()
        reported = np.array([columns[f"{name}_err"][i] for name in LABELS])
        np.testing.assert_allclose(reported, error, rtol=0.05)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a folder with two spectra, isochrones of PARSEC's kind and photometry of the first star."""
    folder = tmp_path_factory.mktemp("photometric")
    emulator = knowing()
    for i in range(2):
        made_up_stars.write_sdss(folder / f"spec-{i}.fits", emulator, made_up_stars.LABELS[1], seed=i)
    lines = ["# Zini MH logAge logTe logg Gmag G_BPmag G_RPmag"]
    for row in sequence(5.0):
        lines.append(
            f"0.01 0.0 9.7 {np.log10(row['teff']):.6f} {row['logg'] + 0.4:.5f} "
            f"{row['G']:.5f} {row['BP']:.5f} {row['RP']:.5f}"
        )
    (folder / "parsec.dat").write_text("\n".join(lines) + "\n")
    emulator.save(folder / "e.onnx")
    spectra = maury.read_spectra([folder / "spec-0.fits", folder / "spec-1.fits"])
    table = named_photometry([spectra.star_id[0]], bp_rp=[0.9], phot_g_mean_mag=[10.05], parallax=[10.0])
    table.write(folder / "gaia.csv")
    return folder, emulator, spectra, table


def test_a_catalogue_with_photometric_priors(run):
    """The star with photometry moves to its prior; the other one is as without, bit for bit."""
    folder, emulator, spectra, table = run
    more = {"photometry": table, "isochrones": read_isochrones(folder / "parsec.dat")}
    alone = maury.fit(spectra, emulator, **more)
    catalog = maury.fit(spectra, emulator, prior="photometry", **more)
    assert json.loads(catalog.meta["OPTIONS"])["prior"] == "photometry"
    for name in alone.colnames:
        np.testing.assert_array_equal(np.asarray(catalog[name][1]), np.asarray(alone[name][1]))
    assert catalog["chi2_prior"][0] > 0 and catalog["chi2_prior"][1] == 0
    mean = photometric_prior(table, more["isochrones"], LABELS)[0][0, 1]
    assert abs(catalog["logg"][0].value - mean) < 0.5 * abs(alone["logg"][0].value - mean)
    assert catalog["logg_err"][0] < 0.7 * alone["logg_err"][0]
    for error, j in (("teff_err", 0), ("logg_err", 1), ("fe_h_err", 2)):
        np.testing.assert_allclose(np.sqrt(catalog["covariance"][:, j, j]), catalog[error].value, rtol=1e-6)
    # Best fits are those at the minimum.
    moved = catalog.copy()
    for j, name in enumerate(LABELS):
        moved[name] = catalog["fitted_labels"][:, j] * catalog[name].unit
    moved.remove_column("fitted_labels")
    np.testing.assert_array_equal(
        maury.best_fit(catalog, spectra, emulator), maury.best_fit(moved, spectra, emulator)
    )


def test_the_command(run, tmp_path):
    folder, emulator, spectra, _ = run
    files = [str(folder / f"spec-{i}.fits") for i in range(2)]
    given = ["--photometry", str(folder / "gaia.csv"), "--isochrones", str(folder / "parsec.dat")]
    common = ["fit", *files, "--emulator", str(folder / "e.onnx"), "-o", str(tmp_path / "c.fits"), "--prior"]
    result = CliRunner().invoke(main, common)
    assert result.exit_code != 0 and "--prior requires --photometry and --isochrones" in result.output
    result = CliRunner().invoke(main, [*common, *given, "--fix", "fe_h=0.1"])
    assert result.exit_code == 0, result.output
    got = maury.read_catalog(tmp_path / "c.fits")
    isochrones = read_isochrones(folder / "parsec.dat")
    want = maury.fit(
        spectra, emulator, prior="photometry", photometry=Table.read(folder / "gaia.csv"),
        isochrones=isochrones, fixed={"fe_h": 0.1},
    )  # fmt: skip
    for name in ("teff", "logg", "logg_err", "chi2_prior", "fitted_labels", "covariance"):
        np.testing.assert_array_equal(np.asarray(got[name]), np.asarray(want[name]))
    assert (got["fe_h"].value == 0.1).all() and (got["fe_h_err"].value == 0).all()
    result = CliRunner().invoke(main, [*common[:-1], "--fix", "fe_h", "--overwrite"])
    assert result.exit_code != 0 and "--fix: expected LABEL=VALUE, got fe_h" in result.output


def test_arguments(run):
    folder, emulator, spectra, _ = run
    with pytest.raises(ValueError, match="prior: 'photometry' requires photometry and isochrones"):
        maury.fit(spectra, emulator, prior="photometry")
    with pytest.raises(ValueError, match=r"prior: expected 'photometry' or \(mean, covariance\), got 'gaia'"):
        maury.fit_files(str(folder / "spec-0.fits"), folder / "x.fits", emulator, prior="gaia")
