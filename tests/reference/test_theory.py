"""Reference sets of theory: drawn inside the grid, at the resolution asked for, with flux conserved."""

import warnings

import numpy as np
import pytest
from astropy.table import Table
from scipy.ndimage import gaussian_filter1d

from maury.readers import ReadError
from maury.readers.isochrones import read_isochrones
from maury.reference.broaden import MASTAR_RANGE, broadening, mastar_lsf, read_lsf, to_resolution
from maury.reference.grid import make_grid, read_grid
from maury.reference.interpolate import inside
from maury.reference.theory import build_theory, draw_labels
from maury.spectra import FWHM_PER_SIGMA, Spectra

STEP = 1e-4 * np.log(10)


def width_of_line(wavelength, flux):
    """Gaussian sigma of the one line in a spectrum, from its second moment."""
    depth = 1 - flux
    centre = (depth * wavelength).sum() / depth.sum()
    return np.sqrt((depth * (wavelength - centre) ** 2).sum() / depth.sum())


def lines(wavelength, centres, sigma):
    offset = (wavelength - np.array(centres)[:, None]) / sigma
    return 1 - 0.5 * np.exp(-0.5 * offset**2)


CENTRES = (4000.0, 5000.0, 8000.0)


def fine_grid(sigma=0.3, step=0.08):
    wavelength = np.arange(3500.0, 10500.0, step)
    return wavelength, lines(wavelength, CENTRES, sigma)


def test_lines_get_the_width_wanted_and_keep_their_depth():
    """Fine models: sigma within 0.5 % of the curve, the pixel included, and equivalent widths to 1e-4."""
    wavelength, flux = fine_grid()
    got, broadened, lsf = to_resolution(
        wavelength, flux, np.full(wavelength.size, 0.3), (wavelength, mastar_lsf(wavelength)), (3700, 10000)
    )
    np.testing.assert_allclose(np.diff(np.log10(got)), 1e-4, rtol=1e-6)
    np.testing.assert_allclose(lsf, mastar_lsf(got), rtol=1e-3)
    for centre, before, after in zip(CENTRES, flux, broadened, strict=True):
        near = abs(got - centre) < 40
        assert width_of_line(got[near], after[near]) == pytest.approx(float(mastar_lsf(centre)), rel=5e-3)
        area = np.sum((1 - after) * got * STEP)
        assert area == pytest.approx(np.sum(1 - before) * 0.08, rel=1e-4)


def test_a_flat_spectrum_stays_flat_on_the_pixels_of_mastar():
    wavelength, _ = fine_grid()
    flat = np.ones((1, wavelength.size))
    got, flux, _ = to_resolution(wavelength, flat, None, ([1.0], [1.5]), MASTAR_RANGE)
    np.testing.assert_allclose(got, 10 ** (3.5589 + 1e-4 * np.arange(4563)), rtol=1e-9)
    np.testing.assert_allclose(flux, 1, atol=1e-9)


def test_ends_of_the_models_do_not_fade():
    """Where the models end the range ends, 4 sigma before, and what is left is as bright as the rest."""
    wavelength = np.arange(4000.0, 5000.0, 0.05)
    flat = np.ones((1, wavelength.size))
    got, flux, _ = to_resolution(wavelength, flat, None, ([1.0], [1.5]), MASTAR_RANGE)
    assert 4006 <= got[0] < 4007 and 4992.5 < got[-1] <= 4994
    np.testing.assert_allclose(flux, 1, atol=1e-5)


def test_models_on_coarse_pixels_stay_on_them():
    wavelength = 10 ** (3.55 + 1e-4 * np.arange(4400))
    own = 1.0 * STEP * wavelength
    flux = 1 - 0.5 * np.exp(-0.5 * ((wavelength - 5000) / (STEP * 5000)) ** 2)
    wanted = (wavelength, 1.6 * STEP * wavelength)
    got, broadened, lsf = to_resolution(wavelength, flux[None], own, wanted, (4500, 5500))
    assert set(got) <= set(wavelength) and got[0] >= 4500 and got[-1] <= 5500
    np.testing.assert_allclose(lsf, 1.6 * STEP * got, rtol=1e-12)
    assert width_of_line(got, broadened[0]) == pytest.approx(1.6 * STEP * 5000, rel=2e-3)


def test_nothing_is_deconvolved():
    """Where models are coarser than wanted they stay as they are, and the lsf and a warning say so."""
    wavelength = 10 ** (3.55 + 1e-4 * np.arange(4400))
    flux = np.random.default_rng(1).uniform(size=(2, wavelength.size))
    own = np.where(wavelength < 5000, 1.0, 3.0)
    with pytest.warns(
        UserWarning, match="lower resolution than required within 5000-5999 A, by up to a factor of 1.50"
    ):
        got, same, lsf = to_resolution(wavelength, flux, own, ([1.0], [2.0]), (4000, 6000))
    far = got > 5030
    np.testing.assert_allclose(same[:, far], flux[:, np.isin(wavelength, got[far])], rtol=1e-12)
    assert (lsf[far] == 3).all() and (lsf[got < 4999] == 2).all()


def test_broadening_equals_a_gaussian_sum():
    """The operator against direct sums, for a variance that changes along the spectrum."""
    variance = np.linspace(1.5, 9.0, 400)
    flux = gaussian_filter1d(np.random.default_rng(2).normal(size=400), 2.5)
    pixel = np.arange(400)
    slow = [np.average(flux, weights=np.exp(-0.5 * (pixel - p) ** 2 / v)) for p, v in enumerate(variance)]
    np.testing.assert_allclose((broadening(variance) @ flux)[20:-20], slow[20:-20], atol=1e-6)


def test_mastar_resolution():
    """R of the curve at its points, as its source gives it."""
    lam = np.array([3700, 5500, 9500.0])
    np.testing.assert_allclose(lam / mastar_lsf(lam) / FWHM_PER_SIGMA, [1440, 1860, 2320])


def test_read_lsf(tmp_path):
    lam = np.linspace(4000.0, 5000.0, 11)
    Table({"wavelength": lam, "lsf": lam / 4000}).write(tmp_path / "a.csv")
    Table({"wavelength": lam, "resolution": np.full(11, 2000.0)}).write(tmp_path / "b.ecsv")
    np.testing.assert_allclose(read_lsf(tmp_path / "a.csv")[1], lam / 4000)
    np.testing.assert_allclose(read_lsf(tmp_path / "b.ecsv")[1], lam / 2000 / FWHM_PER_SIGMA)
    with pytest.raises(ReadError, match="no such file"):
        read_lsf(tmp_path / "c.csv")


def test_read_lsf_of_spectra(tmp_path):
    from survey_files import write_sdss

    lam, lsf = read_lsf(write_sdss(tmp_path / "spec.fits"))
    np.testing.assert_allclose(lsf, 0.9 * STEP * lam, rtol=1e-3)


def made_up_grid(holes=()):
    """Models whose flux is a known function of five labels, on the pixels of MaStar."""
    axes = [
        np.linspace(6000, 9000, 7),
        np.linspace(3, 5, 5),
        np.linspace(-1, 0.5, 4),
        [-0.2, 0.1, 0.4],
        [0.0, 0.3, 0.6],
    ]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 5)
    wavelength = 10 ** (3.6 + 1e-4 * np.arange(400))
    flux = truth(points, wavelength)
    flux[list(holes)] = 0
    return make_grid(("teff", "logg", "fe_h", "alpha_fe", "log_vmicro"), points, wavelength, flux)


def truth(points, wavelength):
    teff, logg, fe_h, alpha_fe, vmicro = np.asarray(points).T[..., None]
    x = (wavelength - 4100) / 100
    return 1 + (teff / 6000) ** 2 * (2 + 0.1 * logg) + x * (fe_h + 0.2 * alpha_fe) + 0.1 * x**2 * vmicro


@pytest.fixture
def isochrones():
    rng = np.random.default_rng(3)
    n = 500
    return Table(
        {
            "teff": rng.uniform(4000, 12000, n),
            "logg": rng.uniform(2, 5.5, n),
            "fe_h": rng.choice([-2, -0.5, 0.3], n),
        }
    )


def test_spectra_are_those_of_their_labels(isochrones):
    """The whole way on a grid with known truth: broadening leaves smooth flux as it is."""
    spectra = build_theory(made_up_grid(), isochrones, 30, lsf=0.5, wavelength=(4000.0, 4340.0))
    points = np.column_stack(list(spectra.labels.values()))
    np.testing.assert_allclose(spectra.flux, truth(points, spectra.wavelength), rtol=1e-6)
    assert list(spectra.labels) == ["teff", "logg", "fe_h", "alpha_fe", "log_vmicro"]
    assert spectra.star_id[[0, -1]].tolist() == ["theory-0001", "theory-0030"]
    assert (spectra.rv == 0).all() and not spectra.mask.any()
    assert (spectra.lsf == 0.5).all()
    np.testing.assert_allclose(np.median(spectra.flux * np.sqrt(spectra.ivar)), 100, rtol=0.01)


def test_draws_lie_inside_and_depend_on_the_seed(isochrones):
    grid = made_up_grid(holes=range(40, 90))
    points = draw_labels(grid, isochrones, 400, seed=1)
    assert points.shape == (400, 5) and inside(grid.axes, grid.present, points).all()
    assert points[:, 0].min() > 6000
    from_isochrones = {
        tuple(row) for row in zip(isochrones["teff"], isochrones["logg"], isochrones["fe_h"], strict=True)
    }
    assert {tuple(row) for row in points[:, :3]} <= from_isochrones
    for column, (low, high) in ((3, (-0.2, 0.4)), (4, (0.0, 0.6))):
        values = points[:, column]
        assert low <= values.min() < low + 0.1 and high - 0.1 < values.max() <= high
    np.testing.assert_array_equal(points, draw_labels(grid, isochrones, 400, seed=1))
    assert not np.array_equal(points, draw_labels(grid, isochrones, 400, seed=2))


def test_no_isochrone_point_is_drawn_again_before_all_have_been(isochrones):
    grid = made_up_grid()
    able = (isochrones["teff"] > 6000) & (isochrones["teff"] <= 9000) & (isochrones["logg"] >= 3)
    able &= (isochrones["logg"] <= 5) & (isochrones["fe_h"] >= -1)
    points = draw_labels(grid, isochrones, int(able.sum()))
    assert len(np.unique(points[:, 0])) == able.sum()


def test_as_many_as_the_empirical_stars(isochrones):
    """Visits of one star count once."""
    empirical = Spectra(np.arange(4000.0, 4005), np.ones((3, 5)), np.ones((3, 5)), star_id=["a", "a", "b"])
    assert len(build_theory(made_up_grid(), isochrones, empirical, wavelength=(4000, 4300))) == 2


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"n": 0}, "n: expected one spectrum or more"),
        ({"teff_min": 20000.0}, "isochrones: none of their 500 points is above 20000 K and within the grid"),
        ({"lsf": (1.0, 2.0, 3.0)}, "lsf: expected sigma in Angstrom, a pair"),
        ({"lsf": -1.0}, "sigma above 0"),
        ({"wavelength": (8000.0, 9000.0)}, "outside 8000-9000 A"),
        ({"method": "spline"}, "method: expected one of"),
    ],
)
def test_wrong_arguments(isochrones, changes, message):
    arguments = {"n": 3, "wavelength": (4000.0, 4300.0)} | changes
    with pytest.raises(ValueError, match=message):
        build_theory(made_up_grid(), isochrones, **arguments)


def test_isochrones_in_the_holes(isochrones):
    """A grid with models in no cell's every corner has nothing between them."""
    checkerboard = np.flatnonzero(np.indices((7, 5, 4, 3, 3)).sum(axis=0).ravel() % 2)
    with pytest.raises(ValueError, match="the grid has holes along these isochrones"):
        draw_labels(made_up_grid(holes=checkerboard), isochrones, 5)


@pytest.mark.slow
def test_a_set_of_the_size_of_the_paper_from_real_models(data_folder):
    """1,675 spectra from the Kurucz models."""
    grid = read_grid(data_folder / "theory" / "kurucz_stds_v5.fit", resolution=1850)
    files = sorted((data_folder / "isochrones").iterdir())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="the models have a lower resolution")
        spectra = build_theory(grid, read_isochrones(files))
    assert len(spectra) == 1675 and not spectra.mask.any()
    labels = spectra.labels
    assert labels["teff"].min() > 6000 and labels["teff"].max() <= 7000
    assert labels["logg"].min() >= 4.0 and labels["logg"].max() <= 4.5
    # Where MaStar is the coarser, its resolution; never sharper than the models.
    blue = spectra.wavelength < 4900
    np.testing.assert_allclose(spectra.lsf[0, blue], mastar_lsf(spectra.wavelength[blue]), rtol=1e-4)
    assert (spectra.lsf[0] >= spectra.wavelength / (1850 * FWHM_PER_SIGMA) * (1 - 1e-9)).all()
