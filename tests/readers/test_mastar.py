"""MaStar files in the layouts of DR17 (made here), and real single stars of MaStar."""

import gzip
import tracemalloc

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits

import mastar_small as small
from maury.prepare import prepare
from maury.readers import ReadError, mastar, read_spectra
from survey_files import line_velocity


@pytest.mark.parametrize("name", ["mastar-goodspec.fits", "mastar-goodspec.fits.gz"])
def test_goodspec(tmp_path, name):
    file = small.write_goodspec(tmp_path / name)
    spectra = read_spectra(file)
    wanted = small.vectors()
    assert spectra.star_id.tolist() == small.visits()["MANGAID"]
    assert spectra.visit_id.tolist() == [f"8312-12701-{57400 + i}" for i in range(6)]
    assert spectra.wavelength.shape == (300,)
    np.testing.assert_allclose(spectra.wavelength, small.WAVE, rtol=1e-14)
    np.testing.assert_array_equal(spectra.flux, wanted["FLUX"])  # native floats from big-endian ones
    assert spectra.flux.dtype == np.dtype("=f8")
    assert (spectra.rv == 0).all()
    assert spectra.snr.tolist() == [80, 80, 80, 12, 80, 80]
    bad = np.flatnonzero(spectra.mask.any(axis=0))
    assert bad.tolist() == [5, 7, 9]  # MASK, no ivar, a fill in the flux
    np.testing.assert_allclose(spectra.lsf[3, 12], 1.03, rtol=1e-6)
    assert np.isnan(spectra.lsf[:, 11]).all()
    assert spectra.ivar[0, 0] == 0.25
    assert spectra.quality.tolist() == np.asarray(small.visits()["MJDQUAL"]).tolist()
    assert spectra.quality.any()
    assert set(spectra.format) == {"mastar"}


def test_a_wavelength_in_single_precision_is_put_on_the_grid(tmp_path):
    rows = {**small.vectors(1), **small.visits(1)}
    table = small.schema.table(
        "",
        (("MANGAID", "12A", None), ("WAVE", "300E", None), ("FLUX", "300E", None), ("IVAR", "300E", None)),
        rows,
    )
    file = tmp_path / "comb.fits"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(file)
    spectra = read_spectra(file)
    np.testing.assert_allclose(spectra.wavelength, small.WAVE, rtol=1e-14)
    assert spectra.lsf is None
    assert spectra.visit_id.tolist() == [""]
    assert np.isnan(spectra.snr).all()


def test_combspec_has_one_row_a_star(tmp_path):
    file = tmp_path / "mastar-combspec-lsfpercent99.5.fits.gz"
    values = {**small.vectors(3), **small.stars(3)}
    with small.schema.goodspec(file, 3, 300, small.schema.STARS) as append:
        append(**values)
    spectra = read_spectra(file)
    assert spectra.star_id.tolist() == small.stars(3)["MANGAID"]
    assert (spectra.visit_id == "").all()
    np.testing.assert_allclose(spectra.lsf[2, 0], 1.02, rtol=1e-6)


@pytest.mark.parametrize("rows", [1, 4, 100])
@pytest.mark.parametrize("ending", [".fits", ".fits.gz"])
def test_blocks_are_the_file(tmp_path, rows, ending):
    file = small.write_goodspec(tmp_path / f"goodspec{ending}")
    blocks = list(mastar.read_blocks(file, rows=rows))
    assert [len(block) for block in blocks] == [min(rows, 6 - i) for i in range(0, 6, rows)]
    whole = read_spectra(file)
    for name in ("flux", "ivar", "mask", "lsf", "star_id", "visit_id", "snr"):
        np.testing.assert_array_equal(
            np.concatenate([getattr(b, name) for b in blocks]), getattr(whole, name)
        )


@pytest.mark.parametrize("select", [[4, 1], np.array([0, 1, 0, 0, 1, 0], dtype=bool)])
def test_blocks_of_chosen_rows(tmp_path, select):
    file = small.write_goodspec(tmp_path / "goodspec.fits")
    chosen = [str(v) for block in mastar.read_blocks(file, rows=2, select=select) for v in block.visit_id]
    assert chosen == ["8312-12701-57401", "8312-12701-57404"]


def test_blocks_of_chosen_names(tmp_path):
    file = small.write_goodspec(tmp_path / "goodspec.fits")
    blocks = list(mastar.read_blocks(file, rows=4, select=lambda star, visit: star == "7-00000002"))
    assert [block.visit_id.tolist() for block in blocks] == [["8312-12701-57404", "8312-12701-57405"]]
    assert not list(mastar.read_blocks(file, select=lambda star, visit: np.zeros(len(star), dtype=bool)))


def test_memory_is_that_of_a_block(tmp_path):
    peaks = []
    for n in (100, 1000):
        file = small.write_goodspec(tmp_path / f"goodspec-{n}.fits.gz", n=n)
        tracemalloc.start()
        assert sum(len(block) for block in mastar.read_blocks(file, rows=50)) == n
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize(
    ("select", "message"),
    [
        (np.ones(5, dtype=bool), r"select: expected \(6,\) bool.*check that the table belongs to this file"),
        ([6], "select: expected row numbers from 0 to 5, got 6"),
        (["7-00000001"], r"select: expected \(6,\) bool"),
    ],
)
def test_a_selection_that_does_not_suit(tmp_path, select, message):
    file = small.write_goodspec(tmp_path / "goodspec.fits")
    with pytest.raises(ValueError, match=message):
        list(mastar.read_blocks(file, select=select))
    with pytest.raises(ValueError, match="rows: expected at least 1"):
        list(mastar.read_blocks(file, rows=0))


@pytest.mark.parametrize("ending", [".fits", ".fits.gz"])
def test_a_file_cut_short(tmp_path, ending):
    file = small.write_goodspec(tmp_path / f"goodspec{ending}")
    data = file.read_bytes()
    packed = ending == ".fits.gz"
    file.write_bytes(gzip.compress(gzip.decompress(data)[:-9000]) if packed else data[:-9000])
    with pytest.raises(ReadError, match="cut short"):
        list(mastar.read_blocks(file))
    with pytest.raises(ReadError, match="cut short"):
        read_spectra(file)


def test_not_a_goodspec_file(tmp_path):
    file = small.schema.write_mastarall(tmp_path / "mastarall.fits", small.visits(), small.stars())
    with pytest.raises(ReadError, match=r"a table of MaStar spectra.*got a table without WAVE, FLUX, IVAR"):
        list(mastar.read_blocks(file))
    fits.PrimaryHDU(np.ones(4)).writeto(tmp_path / "image.fits")
    with pytest.raises(ReadError, match="second HDU cannot be read"):
        list(mastar.read_blocks(tmp_path / "image.fits"))
    fits.HDUList([fits.PrimaryHDU(np.ones(4)), fits.ImageHDU(np.ones(4))]).writeto(tmp_path / "two.fits")
    with pytest.raises(ReadError, match="got no table"):
        list(mastar.read_blocks(tmp_path / "two.fits"))


def test_scaled_columns_are_unpacked_by_astropy(tmp_path):
    n = 5
    columns = [
        fits.Column("mangaid", "12A", array=[f"7-{i}" for i in range(n)]),
        fits.Column("wave", "300D", array=np.tile(small.WAVE, (n, 1))),
        fits.Column("flux", "300I", array=np.full((n, 300), 10)),
        fits.Column("ivar", "300E", array=np.ones((n, 300))),
    ]
    file = tmp_path / "scaled.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(file)
    for key, value in (("TSCAL3", 0.5), ("TZERO3", 100.0)):
        fits.setval(file, key, value=value, ext=1)
    spectra = list(mastar.read_blocks(file, rows=2))
    assert [len(block) for block in spectra] == [2, 2, 1]
    assert all((block.flux == 105).all() for block in spectra)


def test_a_table_without_rows(tmp_path):
    with small.schema.goodspec(tmp_path / "goodspec.fits", 0, 300):
        pass
    with pytest.raises(ReadError, match="no rows"):
        read_spectra(tmp_path / "goodspec.fits")


@pytest.mark.parametrize("lost", ["IVAR", "SRES"])
def test_a_mean_spectrum_without_an_image(tmp_path, lost):
    small.write_mastarhc(tmp_path / "a.fits")
    with fits.open(tmp_path / "a.fits") as hdus:
        del hdus[lost]
        hdus.writeto(tmp_path / "b.fits")
    with pytest.raises(ReadError, match=f"no image {lost}"):
        read_spectra(tmp_path / "b.fits")


# Real stars of MaStar: the single ones among the mean spectra that sdss-mangadap has.


@pytest.fixture(scope="module")
def real_stars(mastarhc_folder):
    return read_spectra(mastarhc_folder)


def test_real_single_stars(real_stars):
    numbers = [9, 12, 26, 30, 66, 84, 96]
    assert real_stars.star_id.tolist() == [f"MaStarHC_{n:02d}" for n in numbers]
    np.testing.assert_allclose(np.log10(real_stars.wavelength[[0, -1]]), [3.5595, 4.0136], atol=1e-12)
    assert (real_stars.rv == 0).all()
    prepared = prepare(real_stars, 10 ** np.arange(3.58, 4.0, 1e-4))
    assert (np.median(prepared.flux * np.sqrt(prepared.ivar), axis=1) > 50).all()
    # R = lambda / FWHM runs from 1036 to 2166 along the curve of the worst 0.5 %.
    resolution = real_stars.wavelength / real_stars.lsf / 2.354820045
    assert resolution.min() > 1000
    assert resolution.max() < 2200


def test_real_single_stars_are_at_rest_in_vacuum(real_stars):
    cool = ["MaStarHC_09", "MaStarHC_12", "MaStarHC_26", "MaStarHC_66"]
    lines = (8500.36, 8544.44, 8664.52)  # Ca II, vacuum; in air they stand 82 km/s to the blue
    offsets = [
        line_velocity(star.wavelength, star.flux[0], line)
        for star in real_stars
        if star.star_id[0] in cool
        for line in lines
    ]
    assert abs(np.median(offsets)) < 20


def test_a_mean_of_several_stars_is_not_read(mastarhc_folder):
    (several,) = mastarhc_folder.glob("MaStarHC_02_*")
    with pytest.raises(ReadError, match="mean of 2 stars"):
        read_spectra(several)


def test_unit_of_lsf_is_angstrom(real_stars):
    star = real_stars[0]
    width = (star.lsf[0] * u.AA / (star.wavelength * u.AA) * 299792.458 * u.km / u.s).to_value("km/s")
    assert 55 < np.median(width) < 130
