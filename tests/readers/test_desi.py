"""DESI files, made here in their layout; the resolution matrix is checked against scipy's reading of it."""

import gzip

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from desi_files import dense, diagonals, wavelengths, write_desi
from maury.readers import ReadError, read_spectra
from maury.readers.desi import resolution_rows, resolution_sigma


def matrix(rows):
    """Square matrix of one spectrum from its rows (P, D), element by element."""
    n_pixels, width = rows.shape
    square = np.zeros((n_pixels, n_pixels))
    for p in range(n_pixels):
        for d in range(width):
            q = p + d - width // 2
            if 0 <= q < n_pixels:
                square[p, q] = rows[p, d]
            else:
                assert rows[p, d] == 0
    return square


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_rows_are_the_matrix_of_scipy(n_pixels, half, seed):
    data = np.random.default_rng(seed).normal(size=(2, 2 * half + 1, n_pixels))
    rows = resolution_rows(data)
    assert rows.shape == (2, n_pixels, 2 * half + 1)
    for i in range(2):
        np.testing.assert_array_equal(matrix(rows[i]), dense(data[i]))


def test_an_even_number_of_diagonals():
    with pytest.raises(ReadError, match="10 diagonals; expected an odd number"):
        resolution_rows(np.ones((1, 10, 30)))


def test_sigma_is_that_of_a_gaussian():
    wave = 3600 + 0.8 * np.arange(80)
    rows = resolution_rows(diagonals(np.random.default_rng(0), 2, 80, 1.0, width=21))
    narrow, wide = 0.8 * 1.0, 0.8 * 1.1
    sigma = resolution_sigma(wave, rows)[:, 10:-10]
    assert sigma.min() > narrow - 1e-3
    assert sigma.max() < wide + 1e-3
    expected = [
        [np.sqrt(np.sum(r * (np.arange(21) - 10.0) ** 2) / r.sum()) * 0.8 for r in row] for row in rows
    ]
    np.testing.assert_allclose(sigma, np.array(expected)[:, 10:-10], rtol=1e-12)


def test_a_row_of_zeros_has_no_width():
    rows = np.zeros((1, 5, 3))
    rows[0, 2] = 0.25, 0.5, 0.25
    sigma = resolution_sigma(np.arange(5.0), rows)
    assert np.isfinite(sigma[0]).tolist() == [False, False, True, False, False]
    assert sigma[0, 2] == pytest.approx(np.sqrt(0.5))


@pytest.mark.parametrize("packed", [False, True])
def test_coadd(tmp_path, packed):
    file = tmp_path / "coadd-2-545-thru20210510.fits"
    held = write_desi(file)
    if packed:
        file.with_suffix(".fits.gz").write_bytes(gzip.compress(file.read_bytes(), 1))
        file = file.with_suffix(".fits.gz")
    spectra = read_spectra(file)
    arms = wavelengths()
    sizes = [len(wave) for wave in arms.values()]
    assert sizes == [2751, 2326, 2881]
    assert spectra.flux.shape == (3, sum(sizes))
    np.testing.assert_array_equal(spectra.wavelength, np.concatenate(list(arms.values())))
    assert spectra.arm.tolist() == [0] * sizes[0] + [1] * sizes[1] + [2] * sizes[2]
    assert spectra.star_id.tolist() == [str(t) for t in held["TARGETID"]]  # 17 digits, exactly
    assert (spectra.visit_id == "coadd-2-545-thru20210510").all()
    assert np.isnan(spectra.rv).all()
    edges = np.cumsum([0, *sizes])
    for arm, first, last in zip(arms, edges[:-1], edges[1:], strict=True):
        np.testing.assert_array_equal(spectra.flux[:, first:last], held[f"{arm}_FLUX"])
        assert np.flatnonzero(spectra.mask[1, first:last]).tolist() == [3, 6]
        for i in range(3):
            rows = spectra.resolution[i, first:last]
            np.testing.assert_array_equal(matrix(rows), dense(held[f"{arm}_RESOLUTION"][i].astype(float)))
    inner = np.median(spectra.lsf[0, edges[0] : edges[1]])
    assert 0.9 * 0.8 < inner < 1.0 * 0.8  # pixels of 0.8 A


def test_exposures_are_visits(tmp_path):
    write_desi(tmp_path / "spectra-2.fits", exposures=True, step=8.0)
    assert read_spectra(tmp_path / "spectra-2.fits").visit_id.tolist() == ["80605", "80606", "80607"]


def test_an_arm_less(tmp_path):
    write_desi(tmp_path / "coadd.fits", arms=("B", "Z"), step=8.0)
    spectra = read_spectra(tmp_path / "coadd.fits")
    assert np.unique(spectra.arm).tolist() == [0, 2]


def test_arms_of_different_width(tmp_path):
    held = write_desi(tmp_path / "coadd.fits", step=8.0, width={"B": 7})
    spectra = read_spectra(tmp_path / "coadd.fits")
    assert spectra.resolution.shape[2] == 11
    blue = spectra.resolution[1, spectra.arm == 0]
    np.testing.assert_array_equal(matrix(blue), dense(held["B_RESOLUTION"][1].astype(float)))


def test_without_resolution_or_mask(tmp_path):
    write_desi(tmp_path / "coadd.fits", step=8.0, leave_out=("R_RESOLUTION", "B_MASK"))
    spectra = read_spectra(tmp_path / "coadd.fits")
    assert spectra.resolution is None
    assert spectra.lsf is None
    assert np.flatnonzero(spectra.mask[0, spectra.arm == 0]).tolist() == [3]


@pytest.mark.parametrize(
    ("leave_out", "message"),
    [
        (("R_IVAR",), "R_FLUX but not R_IVAR"),
        (("FIBERMAP",), "no table FIBERMAP"),
    ],
)
def test_what_is_missing(tmp_path, leave_out, message):
    write_desi(tmp_path / "coadd.fits", step=8.0, leave_out=leave_out)
    with pytest.raises(ReadError, match=message):
        read_spectra(tmp_path / "coadd.fits")


def test_no_arm_at_all(tmp_path):
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones(3))]).writeto(tmp_path / "a.fits")
    with pytest.raises(ReadError, match="none of the images B_FLUX, R_FLUX, Z_FLUX"):
        read_spectra(tmp_path / "a.fits", format="desi")


def test_no_targetid(tmp_path):
    write_desi(tmp_path / "a.fits", step=8.0)
    with fits.open(tmp_path / "a.fits") as hdus:
        hdus["FIBERMAP"].columns["TARGETID"].name = "ID"
        hdus.writeto(tmp_path / "b.fits")
    with pytest.raises(ReadError, match="no column TARGETID"):
        read_spectra(tmp_path / "b.fits")


@pytest.mark.parametrize(("first", "second"), [("B_FLUX", "R_FLUX"), ("B_RESOLUTION", "R_RESOLUTION")])
def test_swapped_images(tmp_path, first, second):
    write_desi(tmp_path / "a.fits", step=8.0)
    with fits.open(tmp_path / "a.fits") as hdus:
        one, other = hdus[first], hdus[second]
        one.name, other.name = second, first
        hdus.writeto(tmp_path / "b.fits")
    with pytest.raises(ReadError, match=f"{first} has the shape"):
        read_spectra(tmp_path / "b.fits")
