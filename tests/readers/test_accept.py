"""What `maury.fit` accepts as spectra, and what it says of anything else."""

import numpy as np
import pytest
from astropy import units as u

import made_up_stars as made_up
import maury
from maury.readers.accept import spectra_of
from maury.spectra import Spectra
from survey_files import write_sdss


@pytest.fixture(scope="module")
def emulator():
    return made_up.emulator()


@pytest.fixture(scope="module")
def stars(emulator):
    return made_up.spectra(emulator, rv=0.0)


def test_files(tmp_path):
    files = [write_sdss(tmp_path / f"spec-{i}.fits") for i in range(2)]
    names = [str(file) for file in files]
    for given in (files, tuple(files), names, iter(files), np.array(names)):
        assert spectra_of(given).file.tolist() == [str(f) for f in files]
    assert len(spectra_of(files[0])) == len(spectra_of(str(files[0]))) == 1


def test_spectra_and_lists_of_them(stars):
    assert spectra_of(stars) is stars
    np.testing.assert_array_equal(spectra_of(list(stars)).flux, stars.flux)


def test_spectra_of_specutils(stars):
    pytest.importorskip("specutils", reason="specutils is not installed")
    listed = stars.to_specutils()
    for given, n in ((listed, len(stars)), (list(listed), len(stars)), (listed[0], 1)):
        np.testing.assert_allclose(spectra_of(given).flux, stars.flux[:n])
    air = spectra_of(listed[0], air=True)
    assert 1.0 < air.wavelength[0] - stars.wavelength[0] < 2.5


@pytest.mark.parametrize(
    ("given", "got"),
    [
        (None, "got nothing"),
        (3.0, "got float"),
        (np.ones(5), "got ndarray"),
        ([1.0, 2.0], "got a list of float"),
        ([], "got a list of nothing"),
        ({1: 2}, "got a dict of int"),
    ],
)
def test_anything_else_is_told_what_to_pass(given, got):
    with pytest.raises(ValueError, match=rf"(?s)a path.*wavelength=\.\.\..*{got}"):
        maury.fit(given)


def test_spectra_and_arrays_are_one_too_many(stars):
    with pytest.raises(ValueError, match="spectra, wavelength: pass spectra or arrays, got both"):
        maury.fit(stars, wavelength=stars.wavelength)
    with pytest.raises(ValueError, match="spectra, air: pass spectra or arrays"):
        maury.fit(stars, air=True)
    with pytest.raises(ValueError, match="got flux"):
        maury.fit(flux=stars.flux)


def test_a_fit_of_arrays_is_that_of_spectra(stars, emulator):
    expected = maury.fit(stars, emulator, fwhm=2.0)
    nm = stars.wavelength / 10 * u.nm
    arrays = {"wavelength": nm, "flux": stars.flux, "ivar": stars.ivar, "velocity": "given"}
    got = maury.fit(emulator=emulator, fwhm=0.2 * u.nm, **arrays)
    np.testing.assert_allclose(got["teff"].value, expected["teff"].value, rtol=1e-6)
    sigma = maury.fit(emulator=emulator, sigma=2.0 / 2.35482, **arrays)
    np.testing.assert_allclose(sigma["teff"].value, expected["teff"].value, rtol=1e-6)
    assert maury.best_fit(got, list(stars), emulator).shape == stars.flux.shape


def test_wavelengths_outside_the_emulator_are_noticed():
    emulator = made_up.emulator(wavelength=10 ** (4.1 + 1e-4 * np.arange(made_up.N_PIXELS)))
    wavelength = np.linspace(1000.0, 2000.0, 500)
    with pytest.warns(UserWarning, match="1000-2000 A, are outside") as caught:
        maury.fit(Spectra(wavelength, np.ones(500), np.ones(500)), emulator)
    assert any(w.filename == __file__ and "pass a Quantity" in str(w.message) for w in caught)
