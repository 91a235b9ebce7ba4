"""Grids of model spectra: four kinds of file give the same grid, and wrong ones are named."""

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from maury.readers import ReadError
from maury.reference.grid import known_label, make_grid, read_grid
from maury.spectra import FWHM_PER_SIGMA, air_to_vacuum
from survey_files import write_sdss

TEFF, LOGG, FE_H = np.array([6000.0, 6500.0, 7000.0]), np.array([4.0, 4.5]), np.array([-0.5, 0.0, 0.5])
N_PIXELS = 30
WAVELENGTH = 10 ** (3.6 + 1e-4 * np.arange(N_PIXELS))


def models():
    """Labels (M, 3) in the order [Fe/H], Teff, log g, the last fastest, and fluxes; one model is missing."""
    points = np.stack(np.meshgrid(FE_H, TEFF, LOGG, indexing="ij"), axis=-1).reshape(-1, 3)
    flux = 1 + points @ [0.1, 1e-4, 0.2] + 0.01 * np.arange(N_PIXELS)[:, None]
    flux = flux.T.astype(np.float32)
    flux[3] = 0  # [Fe/H] -0.5, 6500 K, log g 4.5
    return points, flux


def check(grid, wavelength=WAVELENGTH):
    assert grid.labels == ("teff", "logg", "fe_h")
    for axis, expected in zip(grid.axes, (TEFF, LOGG, FE_H), strict=True):
        np.testing.assert_allclose(axis, expected)
    np.testing.assert_allclose(grid.wavelength, wavelength, rtol=1e-12)
    points, flux = models()
    for (fe_h, teff, logg), row in zip(points, flux, strict=True):
        place = tuple(
            int(np.searchsorted(a, v)) for a, v in zip((TEFF, LOGG, FE_H), (teff, logg, fe_h), strict=True)
        )
        assert grid.present[place] == row.any()
        np.testing.assert_array_equal(grid.flux[place], row)


def write_ferre(path, extra="", n_rows=None, **changes):
    _, flux = models()
    header = {
        "N_OF_DIM": "3",
        "N_P": "3 3 2 0 0",
        "NPIX": str(N_PIXELS),
        "LABEL(1)": "'METALS'",
        "LABEL(2)": "'TEFF'",
        "LABEL(3)": "'LOGG'",
        "LLIMITS": "-0.50000 6000. 4.0",
        "STEPS": "0.5 500. 0.5",
        "WAVE": "3.6 1.0D-4",
        "LOGW": "1",
        "VACUUM": "1",
        "RESOLUTION": "10000.",
    } | changes
    lines = [" &SYNTH"] + [f" {key} = {value}" for key, value in header.items() if value is not None] + [" /"]
    lines += extra.splitlines()
    lines += [" ".join(f"{value:.8E}" for value in row) for row in flux[:n_rows]]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_ferre(tmp_path):
    grid = read_grid(write_ferre(tmp_path / "f.dat"))
    check(grid)
    np.testing.assert_allclose(grid.lsf, WAVELENGTH / (10000 * FWHM_PER_SIGMA))


def test_ferre_air_ln_and_two_arms(tmp_path):
    """Air is the default of FERRE; LOGW 2 is ln; with MULTI each part of a row has a header of its own."""
    check(read_grid(write_ferre(tmp_path / "a.dat", VACUUM=None)), air_to_vacuum(WAVELENGTH))
    start, step = 3.6 * np.log(10), 1e-4 * np.log(10)
    check(read_grid(write_ferre(tmp_path / "l.dat", WAVE=f"{start:.15f} {step:.15e}", LOGW="2")))
    arms = "".join(
        f" &SYNTH\n NPIX = {n}\n WAVE = {first:.6f} 1e-4\n LOGW = 1\n VACUUM = 1\n /\n"
        for n, first in ((10, 3.6), (20, 3.601))
    )
    check(read_grid(write_ferre(tmp_path / "m.dat", arms, MULTI="2")))


def write_cube(path, **changes):
    _, flux = models()
    hdu = fits.PrimaryHDU(flux.reshape(3, 3, 2, N_PIXELS))
    for axis, (name, start, step) in enumerate(
        [("WAVE-LOG", 3.6, 1e-4), ("LOGG", 4.0, 0.5), ("TEFF", 6000.0, 500.0), ("[M/H]", -0.5, 0.5)], 1
    ):
        hdu.header[f"CTYPE{axis}"], hdu.header[f"CRVAL{axis}"], hdu.header[f"CDELT{axis}"] = name, start, step
    for key, value in changes.items():
        hdu.header[key] = value
    hdu.writeto(path)
    return path


def test_cube(tmp_path):
    check(read_grid(write_cube(tmp_path / "c.fits")))
    grid = read_grid(write_cube(tmp_path / "air.fits", VACUUM=False))
    check(grid, air_to_vacuum(WAVELENGTH))
    check(read_grid(tmp_path / "air.fits", air=False))
    assert grid.lsf is None
    sharp = read_grid(tmp_path / "c.fits", resolution=2000)
    np.testing.assert_allclose(sharp.lsf, WAVELENGTH / (2000 * FWHM_PER_SIGMA))


def write_list(path, points, flux, names=("FEH", "TEFF", "G")):
    image = fits.PrimaryHDU(flux)
    image.header["CRVAL1"], image.header["CD1_1"], image.header["DC-FLAG"] = 3.6, 1e-4, 1
    table = fits.BinTableHDU(Table(dict(zip(names, points.T, strict=True))))
    fits.HDUList([image, table]).writeto(path)
    return path


def test_image_with_a_table_in_any_order(tmp_path):
    points, flux = models()
    order = np.random.default_rng(1).permutation(len(points))
    check(read_grid(write_list(tmp_path / "i.fits", points[order], flux[order])))
    lacking = [i for i in range(len(points)) if i != 3]
    check(read_grid(write_list(tmp_path / "lacking.fits", points[lacking], flux[lacking])))


def test_table_of_spectra(tmp_path):
    points, flux = models()
    columns = dict(zip(("FEH", "TEFF", "LOGG"), points.T, strict=True))
    columns |= {"FLUX": flux, "LOGLAM": np.tile(np.log10(WAVELENGTH), (len(flux), 1))}
    Table(columns).write(tmp_path / "t.fits")
    check(read_grid(tmp_path / "t.fits"))


def test_table_of_files(tmp_path):
    points, _ = models()
    table = Table(dict(zip(("fe_h", "teff", "logg"), points.T, strict=True)))[:3]
    table["file"] = [f"{i}.fits" for i in range(3)]
    for i in range(3):
        write_sdss(tmp_path / f"{i}.fits", flux=np.full(4600, i + 1.0), z=0.0)
    table.write(tmp_path / "files.csv")
    grid = read_grid(tmp_path / "files.csv")
    assert grid.labels == ("teff", "logg", "fe_h")
    assert [len(axis) for axis in grid.axes] == [2, 2, 1]
    np.testing.assert_array_equal(grid.flux[:, :, 0, 100], [[1, 2], [3, 0]])
    np.testing.assert_array_equal(grid.present[:, :, 0], [[True, True], [True, False]])
    # 0.9 pixels of 1e-4 dex, from the files
    np.testing.assert_allclose(grid.lsf, 0.9e-4 * np.log(10) * grid.wavelength, rtol=1e-3)


def test_microturbulence_in_km_s_becomes_its_logarithm(tmp_path):
    points, flux = models()
    points[:, 0] = np.repeat([1.0, 2.0, 4.0], 6)
    grid = read_grid(write_list(tmp_path / "v.fits", points, flux, ("VMICRO", "TEFF", "LOGG")))
    assert grid.labels == ("teff", "logg", "log_vmicro")
    np.testing.assert_allclose(grid.axes[2], np.log10([1, 2, 4]))


@pytest.mark.parametrize(
    "name, label",
    [
        ("[Fe/H]", "fe_h"),
        ("LOG10VDOP", "log_vmicro"),
        ("O Mg Si S Ca Ti", "alpha_fe"),
        ("T_EFF", "teff"),
        ("MAG", None),
    ],
)
def test_names(name, label):
    assert known_label(name) == label


def test_real_kurucz_spectra(data_folder):
    grid = read_grid(data_folder / "theory" / "kurucz_stds_v5.fit", resolution=1850)
    assert grid.labels == ("teff", "logg", "fe_h")
    assert [len(axis) for axis in grid.axes] == [9, 2, 5]
    assert grid.present.sum() == 89 and not grid.present[0, 1, 3]
    assert (grid.flux[grid.present][:, [0, -1]] > 0).any(axis=0).all()  # dark ends are cut off
    # H beta is where it is in vacuum.
    hot = grid.flux[8, 0, 4][abs(grid.wavelength - 4862.7) < 30]
    near = grid.wavelength[abs(grid.wavelength - 4862.7) < 30]
    assert near[hot.argmin()] == pytest.approx(4862.7, abs=1.2)


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda p, f: f.__setitem__((5, 7), np.nan),
            "1 models have pixels that are not finite, the first is teff",
        ),
        (lambda p, f: p.__setitem__((slice(None), 0), np.nan), "the label fe_h is missing in every model"),
        (lambda p, f: p.__setitem__((2, 1), np.nan), "the label teff is missing in 1 of 18"),
        (lambda p, f: p.__setitem__(2, p[1]), "models have equal labels"),
        (lambda p, f: f.__setitem__(slice(None), 0), "all models are empty"),
    ],
)
def test_damaged_models(tmp_path, change, message):
    points, flux = models()
    change(points, flux)
    with pytest.raises(ReadError, match=message):
        read_grid(write_list(tmp_path / "d.fits", points, flux))


def test_a_model_of_nan_alone_is_a_hole(tmp_path):
    points, flux = models()
    flux[3] = np.nan
    assert read_grid(write_list(tmp_path / "n.fits", points, flux)).present.sum() == 17


def test_scattered_labels_are_not_a_grid():
    points = np.random.default_rng(2).uniform(size=(100, 2))
    with pytest.raises(ReadError, match="100 models do not form a grid: they have 100 of teff, 100 of logg"):
        make_grid(("teff", "logg"), points, WAVELENGTH, np.ones((100, N_PIXELS)))


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"WAVE": None}, "its FERRE header has no WAVE"),
        ({"N_P": "3 three 2"}, "N_P .* is not a number"),
        ({"n_rows": 12}, "declares 18 models of 30 pixels, but there are 12"),
        ({"NPCA": "25"}, "compressed"),
        ({"LABEL(2)": "'LOGG'"}, "two columns or axes are the label logg"),
        ({"LABEL(2)": "'C'"}, "expected the labels teff and logg"),
    ],
)
def test_wrong_ferre_files(tmp_path, changes, message):
    with pytest.raises(ReadError, match=message):
        read_grid(write_ferre(tmp_path / "w.dat", **changes))


def test_files_that_are_no_grid(tmp_path):
    with pytest.raises(ReadError, match="no such file"):
        read_grid(tmp_path / "none.fits")
    fits.PrimaryHDU(np.ones((4, 30))).writeto(tmp_path / "plain.fits")
    with pytest.raises(ReadError, match="not a grid of spectra"):
        read_grid(tmp_path / "plain.fits")
    points, flux = models()
    with pytest.raises(ReadError, match="expected the labels teff and logg at least, got FEH"):
        read_grid(write_list(tmp_path / "one.fits", points[:, :1], flux, ("FEH",)))
    (tmp_path / "text.csv").write_text("teff,logg\n1,2\n")
    with pytest.raises(ReadError, match="file"):
        read_grid(tmp_path / "text.csv")
    with pytest.raises(ValueError, match="resolution: expected R"):
        read_grid(write_cube(tmp_path / "r.fits"), resolution=-1)
