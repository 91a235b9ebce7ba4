"""Spectra from arrays in other forms, and from and to specutils."""

import warnings

import numpy as np
import pytest
from astropy import units as u

from maury.spectra import FWHM_PER_SIGMA, Spectra, air_to_vacuum

GRID = np.linspace(4000.0, 5000.0, 900)


def flux_of(wavelength):
    return 3.0 - 0.5 * np.exp(-(((wavelength - 4500.0) / 3.0) ** 2))


def test_arrays_of_one_length():
    flux = np.stack([flux_of(GRID), 2 * flux_of(GRID)])
    got = Spectra.from_arrays(GRID, flux, 25.0, star_id=["a", "b"], rv=0.0)
    assert (got.ivar == 25).all() and got.wavelength.shape == GRID.shape
    assert got.star_id.tolist() == ["a", "b"] and (got.rv == 0).all()
    lists = Spectra.from_arrays(GRID.tolist(), flux.tolist(), 25.0)
    np.testing.assert_array_equal(lists.flux, got.flux)
    assert lists.wavelength.shape == GRID.shape


def test_ragged_lists():
    grids = [GRID, GRID[:500], GRID[200:]]
    flux = [flux_of(grid) * u.mJy for grid in grids]
    error = [np.full(len(grid), 100.0) * u.uJy for grid in grids]
    got = Spectra.from_arrays(grids, flux, error=error, snr=[30, 31, 32], star_id=["a", "b", "c"])
    assert got.flux.shape == (3, 900) and (~got.mask).sum(axis=1).tolist() == [900, 500, 700]
    for i, grid in enumerate(grids):
        np.testing.assert_array_equal(got.wavelength[i, : len(grid)], grid)
        np.testing.assert_allclose(got.ivar[i, : len(grid)], 100.0)  # 0.1 mJy
    assert got.snr.tolist() == [30, 31, 32] and set(got.unit) == {"mJy"}
    with pytest.raises(ValueError, match="ivar: expected shape"):
        Spectra.from_arrays(grids, flux, np.ones(900))


def test_errors_that_are_not_positive_are_no_information():
    got = Spectra.from_arrays(GRID[:4], np.ones(4), error=[0.5, 0.0, -1.0, np.nan])
    assert got.ivar.tolist() == [[4.0, 0.0, 0.0, 0.0]]


def test_noise_from_the_signal_to_noise_ratio():
    got = Spectra.from_arrays(GRID, np.stack([flux_of(GRID), 2 * flux_of(GRID)]), snr=[50, 80])
    np.testing.assert_allclose(np.median(got.flux * np.sqrt(got.ivar), axis=1), [50, 80], rtol=1e-3)
    assert got.snr.tolist() == [50, 80]
    with pytest.warns(UserWarning, match="no noise is given") as caught:
        unknown = Spectra.from_arrays(GRID, flux_of(GRID))
    assert caught[0].filename == __file__
    np.testing.assert_allclose(np.median(unknown.flux * np.sqrt(unknown.ivar)), 100, rtol=1e-3)
    assert np.isnan(unknown.snr).all()


def test_air_and_units_and_reverse_order():
    expected = air_to_vacuum(GRID)
    for wavelength in (GRID, GRID / 10 * u.nm):
        got = Spectra.from_arrays(wavelength, flux_of(GRID), 1.0, air=True)
        np.testing.assert_allclose(got.wavelength, expected, rtol=1e-12)
    mask = GRID < 4100
    frequency = (GRID * u.AA).to(u.THz, u.spectral())
    for wavelength, order in ((frequency, slice(None)), (GRID[::-1], slice(None, None, -1))):
        got = Spectra.from_arrays(
            wavelength, flux_of(GRID)[order], 1 + GRID[order], mask=mask[order], sigma=GRID[order] / 4000
        )
        np.testing.assert_allclose(got.wavelength, GRID, rtol=1e-12)
        np.testing.assert_array_equal(got.flux[0], flux_of(GRID))
        np.testing.assert_array_equal(got.mask[0], mask)
        np.testing.assert_array_equal(got.ivar[0], 1 + GRID)
        np.testing.assert_array_equal(got.lsf[0], GRID / 4000)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        ({"resolution": 2000}, GRID / 2000 / FWHM_PER_SIGMA),
        ({"resolution": GRID / 2}, np.full(900, 2 / FWHM_PER_SIGMA)),
        ({"fwhm": 0.25 * u.nm}, np.full(900, 2.5 / FWHM_PER_SIGMA)),
        ({"sigma": 1.5}, np.full(900, 1.5)),
        ({"sigma": 60 * u.km / u.s}, GRID * 60 / 299792.458),
    ],
)
def test_resolution_in_three_ways(width, expected):
    np.testing.assert_allclose(Spectra.from_arrays(GRID, flux_of(GRID), 1.0, **width).lsf[0], expected)


def test_two_of_a_kind_are_refused():
    with pytest.raises(ValueError, match="ivar, error: pass one"):
        Spectra.from_arrays(GRID, flux_of(GRID), 1.0, error=1.0)
    with pytest.raises(ValueError, match="resolution, fwhm: pass one"):
        Spectra.from_arrays(GRID, flux_of(GRID), 1.0, resolution=1800, fwhm=2.5)


@pytest.fixture
def specutils():
    return pytest.importorskip("specutils", reason="specutils is not installed")


def some():
    flux = [flux_of(GRID) * u.mJy, flux_of(GRID[:700]) * u.mJy]
    return Spectra.from_arrays(
        [GRID, GRID[:700]],
        flux,
        4.0,
        star_id=["a", "b"],
        rv=[10.0, np.nan],
        mask=[GRID < 4050, GRID[:700] < 0],
    )


@pytest.mark.usefixtures("specutils")
def test_to_specutils_and_back():
    spectra = some()
    listed = spectra.to_specutils()
    assert [len(one.flux) for one in listed] == [900, 700]
    assert listed[0].flux.unit == u.mJy
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = Spectra.from_specutils(listed)
    for name in ("wavelength", "flux", "ivar", "mask", "star_id", "rv", "unit"):
        np.testing.assert_array_equal(getattr(back, name), getattr(spectra, name), err_msg=name)
    assert Spectra.from_specutils(listed[1]).star_id.tolist() == ["b"]


@pytest.mark.usefixtures("specutils")
def test_overlapping_arms_are_separate_in_specutils():
    arms = Spectra([4000, 4001, 4002, 4000.5, 4001.5], np.ones(5), np.ones(5), arm=[0, 0, 0, 1, 1])
    assert [one.spectral_axis.value.tolist() for one in arms.to_specutils()] == [
        [4000, 4001, 4002],
        [4000.5, 4001.5],
    ]


def test_spectra_of_specutils_itself(specutils):
    new = getattr(specutils, "Spectrum", None) or specutils.Spectrum1D
    spectrum = new(spectral_axis=GRID / 10 * u.nm, flux=np.stack([flux_of(GRID)] * 2) * u.Jy)
    with pytest.warns(UserWarning) as caught:
        got = Spectra.from_specutils(spectrum)
    assert sorted(str(w.message).split(":")[0] for w in caught) == [
        "air or vacuum wavelengths are not specified",
        "no noise is given (ivar, error or snr)",
    ]
    assert len(got) == 2 and got.star_id.tolist() == ["0", "1"]
    np.testing.assert_allclose(got.wavelength, GRID)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="no noise")
        air = Spectra.from_specutils([spectrum, spectrum], air=True)
    assert len(air) == 4
    np.testing.assert_allclose(air.wavelength, air_to_vacuum(GRID))
    with pytest.raises(ValueError, match="expected a Spectrum of specutils"):
        Spectra.from_specutils([1, 2])


def test_errors_in_specutils_are_variances(specutils):
    from astropy.nddata import StdDevUncertainty

    new = getattr(specutils, "Spectrum", None) or specutils.Spectrum1D
    spectrum = new(
        spectral_axis=GRID * u.AA,
        flux=flux_of(GRID) * u.Jy,
        uncertainty=StdDevUncertainty(np.full(900, 500.0) * u.mJy),
        meta={"header": {"CTYPE1": "WAVE"}},
    )
    np.testing.assert_allclose(Spectra.from_specutils(spectrum).ivar, 4.0)
