"""SDSS and LAMOST: every layout on made files true to the scheme of its release, and the real ones."""

import csv
import warnings

import numpy as np
import pytest
from astropy.io import fits

from maury.readers import read_spectra
from survey_files import lamost_header, line_velocity, write_lamost_image, write_lamost_table, write_sdss

HBETA = 4862.683


def offset(spectrum, line=HBETA):
    """Velocity of a line once the velocity of the file is taken out [km/s]."""
    return line_velocity(spectrum.wavelength, spectrum.flux[0], line, spectrum.rv[0])


def noise_over_expected(wavelength, flux, ivar, mask, low, high):
    """Scatter of a second difference, which cancels the star, in units of the noise the file tells."""
    difference = (2 * flux[2:-2] - flux[4:] - flux[:-4]) / np.sqrt(6)
    bad = mask[2:-2] | mask[4:] | mask[:-4]
    use = ~bad & (wavelength[2:-2] > low) & (wavelength[2:-2] < high)
    return 1.4826 * np.median(np.abs(difference[use]) * np.sqrt(ivar[2:-2][use]))


# LAMOST


@pytest.mark.parametrize("row2", ["flux over continuum", "wavelength"])
def test_lamost_image(tmp_path, row2):
    spectrum = read_spectra(write_lamost_image(tmp_path / "spec-55862-B6212_sp06-008.fits", row2=row2))
    np.testing.assert_allclose(spectrum.wavelength, 10 ** (3.5682 + 1e-4 * np.arange(3904)), rtol=1e-13)
    assert abs(offset(spectrum)) < 5
    assert spectrum.mask[0].nonzero()[0].tolist() == [7]  # the and-mask, not the or-mask
    assert spectrum.rv[0] == pytest.approx(29.979, abs=1e-3)
    assert spectrum.snr[0] == pytest.approx(29.39)
    assert spectrum.star_id.tolist() == ["J063750.21+271351.1"]
    assert spectrum.visit_id.tolist() == ["55862-B6212_sp06-008"]
    fwhm = np.where(spectrum.wavelength < 5800, 2.7, 5.0)
    np.testing.assert_allclose(spectrum.lsf[0] * 2.354820045, np.broadcast_to(fwhm, spectrum.lsf[0].shape))


def test_lamost_wavelengths_in_row_2_alone(tmp_path):
    file = write_lamost_image(tmp_path / "spec-1.fits", row2="wavelength", coefficients=False)
    spectrum = read_spectra(file)
    np.testing.assert_allclose(spectrum.wavelength, 10 ** (3.5682 + 1e-4 * np.arange(3904)), rtol=1e-7)


def test_lamost_table(tmp_path):
    spectrum = read_spectra(write_lamost_table(tmp_path / "spec-1.fits"))
    assert spectrum.flux.shape == (1, 3909)
    assert abs(offset(spectrum)) < 5
    assert spectrum.mask[0].nonzero()[0].tolist() == [100, 101, 102]
    assert spectrum.visit_id.tolist() == ["101008"]  # OBSID
    assert spectrum.snr[0] == pytest.approx(30.5)
    np.testing.assert_allclose(spectrum.ivar[0, 200], 400.0)


@pytest.mark.parametrize(("z", "snr"), [(-9999.0, -9999.0), (0.3, 0.0), ("", "")])
def test_lamost_fill_values_are_unknown(tmp_path, z, snr):
    spectrum = read_spectra(write_lamost_table(tmp_path / "spec-1.fits", Z=z, SNRG=snr))
    assert np.isnan(spectrum.rv).all()
    assert np.isnan(spectrum.snr).all()


def test_lamost_without_a_designation(tmp_path):
    file = write_lamost_image(tmp_path / "spec-1.fits")
    with fits.open(file, mode="update") as hdus:
        del hdus[0].header["DESIG"]
    assert read_spectra(file).star_id.tolist() == ["spec-1"]
    assert lamost_header()["DESIG"].startswith("LAMOST J")


@pytest.fixture(scope="module")
def lamost(data_folder):
    files = sorted((data_folder / "lamost_dr1").glob("*.fits"))
    with open(data_folder / "lamost_dr1" / "labels.csv") as stream:
        labels = {row["filename"]: row for row in csv.DictReader(stream)}
    return read_spectra(files), [labels[f.name] for f in files]


def test_real_lamost_files(lamost):
    spectra, labels = lamost
    assert len(spectra) == 46
    assert (spectra.problem == "").all()
    assert spectra.wavelength.shape == (3904,)
    lost = spectra.mask.mean(axis=1)
    assert lost.min() > 0 and lost.max() < 0.2
    # Velocities of the header are those of the catalogue, but for stars observed again later.
    difference = spectra.rv - [float(row["rv"]) for row in labels]
    assert np.sum(np.abs(difference) < 0.1) >= 42
    for row, star in zip(labels, spectra.star_id, strict=True):
        ra = int(star[1:3]) * 15 + int(star[3:5]) / 4 + float(star[5:10]) / 240
        assert abs(ra - float(row["ra"])) < 1e-4


def test_noise_of_real_lamost_files(lamost):
    spectra, _ = lamost
    ratios = [
        noise_over_expected(spectra.wavelength, f, i, m, 4500, 7000)
        for f, i, m in zip(spectra.flux, spectra.ivar, spectra.mask, strict=True)
    ]
    assert 0.7 < np.median(ratios) < 1.3


def test_lines_of_real_lamost_files_are_at_rest(lamost):
    spectra, _ = lamost
    good = spectra[spectra.snr > 30]
    for line in (4862.683, 8544.44, 8664.52):
        assert abs(np.median([offset(s, line) for s in good])) < 20, line


# SDSS


@pytest.mark.parametrize("upper", [False, True])
def test_sdss(tmp_path, upper):
    spectrum = read_spectra(write_sdss(tmp_path / "spec-0266-51602-0031.fits", upper=upper))
    # Single precision in the file; the grid of 1e-4 dex brings the digits back.
    np.testing.assert_allclose(np.log10(spectrum.wavelength), 3.5526 + 1e-4 * np.arange(4600), rtol=1e-13)
    assert abs(offset(spectrum)) < 5
    assert spectrum.rv[0] == pytest.approx(-29.979, abs=1e-3)
    assert spectrum.snr[0] == pytest.approx(56.9)
    np.testing.assert_allclose(spectrum.lsf[0], 0.9 * 1e-4 * np.log(10) * spectrum.wavelength, rtol=1e-6)
    assert not spectrum.mask.any()  # the or-mask is set everywhere
    assert spectrum.visit_id.tolist() == ["0266-51602-0031"]
    assert spectrum.star_id.tolist() == ["SDSS 54392544" if upper else "J094917.05-000023.6"]


def test_sdss_mask_bits(tmp_path):
    bits = np.zeros(4600, dtype=np.int64)
    bits[:32] = 1 << np.arange(32)
    bits[31] = -(1 << 31)  # as a signed column holds it
    file = write_sdss(tmp_path / "spec-1.fits", and_mask=bits.astype(np.int32))
    masked = read_spectra(file).mask[0].nonzero()[0].tolist()
    assert masked == [17, 18, 22, 23, 24, 25, 26, 27, 28]


def test_sdss_noise_that_is_none(tmp_path):
    ivar = np.ones(4600)
    ivar[:3] = 0, -1, np.nan
    spectrum = read_spectra(write_sdss(tmp_path / "spec-1.fits", ivar=ivar))
    assert spectrum.mask[0].nonzero()[0].tolist() == [0, 1, 2]
    assert spectrum.ivar[0, :4].tolist() == [0, 0, 0, 1]


def test_sdss_redshift_of_a_galaxy_is_no_velocity(tmp_path):
    assert np.isnan(read_spectra(write_sdss(tmp_path / "spec-1.fits", z=0.11)).rv).all()


def test_sdss_single_exposures_are_left_alone(tmp_path):
    exposure = fits.BinTableHDU.from_columns([fits.Column("flux", "E", array=np.zeros(10))])
    assert len(read_spectra(write_sdss(tmp_path / "spec-1.fits", extra=[exposure, exposure]))) == 1


def test_sdss_summary_gone(tmp_path):
    file = write_sdss(tmp_path / "spec-1.fits")
    with fits.open(file) as hdus:
        hdus[:2].writeto(tmp_path / "spec-2.fits")
    spectrum = read_spectra(tmp_path / "spec-2.fits")
    assert np.isnan(spectrum.rv).all() and np.isnan(spectrum.snr).all()
    assert spectrum.star_id.tolist() == ["J094917.05-000023.6"]


@pytest.fixture(scope="module")
def sdss(data_folder):
    return read_spectra(sorted((data_folder / "sdss").glob("*.fits")))


def test_real_sdss_files(sdss):
    assert (sdss.problem == "").all()
    assert sdss.star_id.tolist() == ["J094917.05-000023.6", "J154754.70+524857.4", "J160331.57+310309.7"]
    np.testing.assert_allclose(sdss.rv, [-11.07, -34.51, -147.66], atol=0.01)
    np.testing.assert_allclose(sdss.snr, [7.26, 50.09, 56.92], atol=0.01)
    own = np.isfinite(sdss.wavelength)
    lost = [m[o].mean() for m, o in zip(sdss.mask, own, strict=True)]
    np.testing.assert_allclose(lost, [0.057, 0.001, 0.017], atol=0.002)
    # About 70 km/s, as the pixels: sigma of 0.9 pixel.
    np.testing.assert_allclose(np.nanmedian(sdss.lsf / sdss.wavelength), 2.1e-4, rtol=0.1)


def test_noise_of_real_sdss_files(sdss):
    for s in sdss:
        assert 0.7 < noise_over_expected(s.wavelength[0], s.flux[0], s.ivar[0], s.mask[0], 5000, 7000) < 1.7


def test_calcium_triplet_of_the_real_m_dwarf_is_at_rest(sdss):
    dwarf = sdss[1:2]
    dwarf.wavelength = dwarf.wavelength[0]
    for line in (8544.44, 8664.52):
        assert abs(offset(dwarf, line)) < 20


def test_real_files_agree_with_specutils(data_folder, sdss):
    specutils = pytest.importorskip("specutils", reason="specutils is not installed")
    for file, ours in zip(sdss.file.tolist(), sdss, strict=True):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of units with two slashes
            theirs = specutils.SpectrumList.read(file)[0]
        n = theirs.flux.size
        np.testing.assert_allclose(
            ours.wavelength[0, :n], theirs.spectral_axis.to_value("Angstrom"), rtol=1e-6
        )
        np.testing.assert_array_equal(ours.flux[0, :n], theirs.flux.value)
        np.testing.assert_array_equal(ours.ivar[0, :n], theirs.uncertainty.array)
        # Theirs masks every bit of the and-mask.
        assert not (ours.mask[0, :n] & ~np.asarray(theirs.mask)).any()
