"""Text, plain tables, images with wavelengths in the header, joins, and files that maury writes."""

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from mastar_small import write_goodspec
from maury.readers import ReadError, ReadWarning, read_blocks, read_spectra
from maury.spectra import Spectra, air_to_vacuum
from plain_files import ERROR, WAVELENGTH, write_plain
from survey_files import star, write_lamost_table

REAL = os.environ.get("MAURY_TEST_DATA")
real_files = pytest.mark.skipif(REAL is None, reason="MAURY_TEST_DATA is not set")


@pytest.mark.parametrize("kind", ["maury", "image", "table", "text"])
def test_the_spectrum_is_the_same_in_every_file(tmp_path, kind):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = read_spectra(write_plain(tmp_path, kind))
    assert got.format.tolist() == [kind] and len(got) == 1
    np.testing.assert_allclose(got.wavelength, WAVELENGTH, rtol=1e-10)
    np.testing.assert_allclose(got.flux[0], star(WAVELENGTH), rtol=1e-8)
    np.testing.assert_allclose(got.ivar, ERROR**-2.0, rtol=1e-6)
    assert not got.mask.any() and np.isnan(got.rv).all()


def columns(first, *, n=50, unit=1.0):
    wavelength = np.linspace(4000.0, 4100.0, n)
    return wavelength, {first: wavelength * unit, "flux": star(wavelength)}


def write_text(path, table, **options):
    Table(table).write(path, format="ascii.csv" if path.suffix == ".csv" else "ascii", **options)
    return path


def test_three_columns_without_names(tmp_path):
    wavelength, table = columns("a")
    table["error"] = np.full(50, 0.1)
    path = write_text(tmp_path / "sun.dat", table)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    with pytest.warns(ReadWarning) as caught:
        got = read_spectra(path)
    assert any("columns without names: wavelength, flux, error are assumed" in str(w.message) for w in caught)
    np.testing.assert_allclose(got.wavelength, wavelength)
    np.testing.assert_allclose(got.ivar, 100.0)
    assert got.format.tolist() == ["text"]


@pytest.mark.filterwarnings("ignore::maury.readers.ReadWarning")
@pytest.mark.parametrize(
    ("name", "unit", "air"),
    [
        ("lambda_air", 1.0, True),
        ("wave_vac_nm", 0.1, False),
        ("wavelength (nm)", 0.1, False),
        ("wave[um]", 1e-4, False),
        ("Wavelength_AIR", 1.0, True),
    ],
)
def test_names_tell_the_unit_and_air(tmp_path, name, unit, air):
    wavelength, table = columns(name, unit=unit)
    expected = air_to_vacuum(wavelength) if air else wavelength
    got = read_spectra(write_text(tmp_path / "star.csv", table))
    np.testing.assert_allclose(got.wavelength, expected, rtol=1e-10)


@pytest.mark.filterwarnings("ignore::maury.readers.ReadWarning")
def test_plain_numbers_in_nm_are_noticed(tmp_path):
    _, table = columns("wavelength", unit=0.1)
    with pytest.raises(ReadError, match="400 to 410, which looks like nm"):
        read_spectra(write_text(tmp_path / "star.csv", table))


def test_air_or_vacuum_and_noise_that_are_not_given(tmp_path):
    _, table = columns("wavelength")
    with pytest.warns(ReadWarning) as caught:
        read_spectra(write_text(tmp_path / "star.csv", table))
    starts = sorted(str(w.message)[:16] for w in caught)
    assert starts == ["a file: air or v", "a file: no noise"]


@pytest.mark.filterwarnings("ignore::maury.readers.ReadWarning")
def test_a_table_with_a_row_per_spectrum(tmp_path):
    wavelength = np.linspace(400.0, 410.0, 50)
    flux = np.stack([star(10 * wavelength), 2 * star(10 * wavelength)])
    table = Table({"WAVE": np.stack([wavelength] * 2) * u.nm, "FLUX": flux * u.Jy, "IVAR": flux * 0 + 4})
    table.write(tmp_path / "two.fits")
    got = read_spectra(tmp_path / "two.fits")
    assert got.star_id.tolist() == ["two-0", "two-1"] and got.unit.tolist() == ["Jy", "Jy"]
    np.testing.assert_allclose(got.wavelength, [10 * wavelength] * 2)
    assert (got.ivar == 4).all()


@pytest.mark.parametrize(
    "words", ["dear diary\nit rained\n", "1 2 3 4 5\n6 7 8 9 0\n", "ra dec\n1 2\n3 4\n", "\0\1"]
)
def test_text_that_is_no_spectrum(tmp_path, words):
    (tmp_path / "notes.txt").write_text(words)
    with pytest.raises(ReadError, match="its format is not one that maury reads"):
        read_spectra(tmp_path / "notes.txt")


def test_rows_of_a_single_plate_of_sdss_are_not_spectra(tmp_path):
    hdu = fits.PrimaryHDU(np.ones((5, 100)))
    hdu.header.update(COEFF0=3.6, COEFF1=1e-4, PLATEID=266)
    hdu.writeto(tmp_path / "spSpec.fit")
    with pytest.raises(ReadError):
        read_spectra(tmp_path / "spSpec.fit")


def test_a_join_of_topcat(tmp_path):
    plain = read_spectra(write_goodspec(tmp_path / "plain.fits"))
    with fits.open(tmp_path / "plain.fits") as hdus:
        table = Table(hdus[1].data)
    for name in ("MANGAID", "RA"):
        if name in table.colnames:
            table[f"{name}_2"] = table[name]
            table.rename_column(name, f"{name}_1")
    table.write(tmp_path / "join.fits")
    joined = read_spectra(tmp_path / "join.fits")
    for name in ("star_id", "visit_id", "flux", "ivar", "lsf", "mask", "wavelength", "ra", "dec", "quality"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(plain, name), err_msg=name)


def everything():
    two_arms = Spectra(
        np.array([4000.0, 4001.0, 4000.5, 4001.5]),
        np.arange(8.0).reshape(2, 4) * u.Jy,
        np.ones((2, 4)),
        mask=[[0, 1, 0, 0]] * 2,
        lsf=1.2,
        arm=[0, 0, 1, 1],
        resolution=np.full((2, 4, 3), 1 / 3),
        star_id=["a", "\N{GREEK SMALL LETTER BETA} Cet"],
        rv=[0.0, np.nan],
        snr=30.0,
        labels={"teff": [5000.0, np.nan], "logg": 4.0},
        ra=[10.0, np.nan],
        dec=[-5.0, np.nan],
        format="lamost",
        quality=[0, 1 << 40],
    )
    return Spectra.concatenate([two_arms, Spectra([5000.0, 5001.0], [1.0, 2.0], [1.0, 1.0], star_id="c")])


def test_what_is_written_is_read_back(tmp_path):
    spectra = everything()
    for path in (tmp_path / "mine.fits", tmp_path / "mine.fits.gz"):
        spectra.write(path)
        with pytest.raises(FileExistsError):
            spectra.write(path)
        spectra.write(path, overwrite=True)
        back = read_spectra(path)
        for name, value in vars(spectra).items():
            if name == "labels":
                assert list(back.labels) == ["teff", "logg"]
                for label in value:
                    np.testing.assert_array_equal(back.labels[label], value[label])
            elif name == "star_id":
                assert back.star_id.tolist() == ["a", "\\u03b2 Cet", "c"]
            elif name == "file":
                assert set(back.file) == {str(path)}
            elif name == "format":
                assert back.format.tolist() == ["lamost", "lamost", "maury"]
            else:
                np.testing.assert_array_equal(getattr(back, name), value, err_msg=name)
        assert [len(block) for block in read_blocks(path, rows=2)] == [2, 1]
    spectra[0].write(tmp_path / "one.fits")
    assert read_spectra(tmp_path / "one.fits").wavelength.shape == (4,)
    with pytest.raises(ValueError, match=r"extension must be \.fits"):
        spectra.write(tmp_path / "mine.csv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["mine.fits", "mine.fits.gz", "one.fits"]


@real_files
@pytest.mark.filterwarnings("ignore::maury.readers.ReadWarning")
def test_real_stacks_and_images():
    folder = Path(str(REAL))
    eigen = read_spectra(folder / "stars" / "spEigenStar-55734.fits")
    assert len(eigen) == 123 and eigen.star_id[0] == "A0 (19510)"
    assert 3048 < eigen.wavelength[0] < 3050 and 11950 < eigen.wavelength[-1] < 11952
    kurucz = read_spectra(folder / "theory" / "kurucz_stds_v5.fit")
    assert (kurucz.labels["teff"][0], kurucz.labels["logg"][0], kurucz.labels["fe_h"][0]) == (5000, 4, -0.5)
    sun = read_spectra(folder / "gaia_benchmark" / "ATLAS.Sun_47000.fits.gz")
    line = np.argmin(np.where(np.abs(sun.wavelength - 6564.6) < 2, sun.flux[0], np.inf))
    assert abs(sun.wavelength[line] - 6564.61) < 0.1  # H alpha in vacuum
    join = read_spectra(folder / "mastar_dr17" / "topcat_join.fits")
    assert len(join) == 4 and join.format.tolist() == ["mastar"] * 4 and np.isfinite(join.ra).all()


def test_specutils_reads_lamost_and_mastar_through_maury(tmp_path):
    specutils = pytest.importorskip("specutils", reason="specutils is not installed")
    import maury.readers.specutils_loaders  # noqa: F401

    for file in (write_lamost_table(tmp_path / "spec-2.fits"), write_goodspec(tmp_path / "mastar.fits")):
        expected = read_spectra(file)
        listed = specutils.SpectrumList.read(str(file))
        back = Spectra.from_specutils(listed)
        assert back.star_id.tolist() == np.repeat(expected.star_id, len(listed) // len(expected)).tolist()
        if expected.arm is None:
            np.testing.assert_array_equal(back.flux, expected.flux)
