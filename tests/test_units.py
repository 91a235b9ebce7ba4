"""Quantities are converted everywhere, or refused by name; nm and micron are noticed."""

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from astropy.utils.masked import Masked

import made_up_stars as made_up
import maury
from maury.measure.options import Options
from maury.spectra import SPEED_OF_LIGHT, Spectra, air_to_vacuum

WAVELENGTH = np.array([4000.0, 4001.0, 4002.0, 4003.0])
ONES = np.ones(4)


def test_the_line_spread_function_in_nm_and_in_km_s():
    np.testing.assert_allclose(Spectra(WAVELENGTH, ONES, ONES, lsf=0.3 * u.nm).lsf, 3.0)
    np.testing.assert_allclose(Spectra(WAVELENGTH, ONES, ONES, lsf=[3, 3, 3, 3] * u.AA).lsf, 3.0)
    speed = Spectra(WAVELENGTH, ONES, ONES, lsf=60 * u.km / u.s).lsf[0]
    np.testing.assert_allclose(speed, 60 / SPEED_OF_LIGHT * WAVELENGTH)


def test_flux_and_ivar_are_brought_to_one_unit():
    spectra = Spectra(WAVELENGTH, ONES * u.Jy, np.full(4, 1e-4) / u.mJy**2)
    np.testing.assert_allclose(spectra.ivar, 100.0)  # 1e-4 / mJy2 = 100 / Jy2
    assert spectra.unit.tolist() == ["Jy"]
    np.testing.assert_allclose(Spectra(WAVELENGTH, ONES * u.Jy, ONES).ivar, 1.0)
    assert Spectra.concatenate([spectra, Spectra(WAVELENGTH, ONES, ONES)]).unit.tolist() == ["Jy", ""]


def test_labels_and_numbers_with_units():
    spectra = Spectra(
        WAVELENGTH,
        ONES,
        ONES,
        ra=1 * u.hourangle,
        dec=60 * u.arcmin,
        labels={"teff": 5 * u.kK, "logg": 4 * u.dex(u.cm / u.s**2), "fe_h": -1 * u.dex},
    )
    assert (spectra.ra[0], spectra.dec[0]) == (pytest.approx(15.0), 1.0)
    assert {name: value[0] for name, value in spectra.labels.items()} == {"teff": 5000, "logg": 4, "fe_h": -1}


def test_masked_quantities_and_columns_keep_their_mask():
    masked = Masked([1, 2, 3, 4] * u.Jy, mask=[0, 1, 0, 0])
    column = QTable({"flux": masked})["flux"]
    for flux in (masked, column):
        assert Spectra(WAVELENGTH, flux, ONES).mask.tolist() == [[False, True, False, False]]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"lsf": 3 * u.Jy},
            "lsf: expected a unit like Angstrom, or plain numbers in Angstrom; got .* Jy",
        ),
        ({"flux": ONES * u.Jy, "ivar": ONES / u.Jy}, "ivar: expected a unit like 1 / Jy2"),
        ({"ivar": ONES / u.Jy**2}, r"ivar: got the unit 1 / Jy2, but flux has none; pass both"),
        ({"flux": ONES * u.mag}, "flux: expected a linear flux, got mag"),
        ({"flux": ONES * u.ABmag}, "flux: expected a linear flux"),
        ({"mask": ONES * u.m}, "mask: expected numbers without a unit; got the unit m"),
        ({"snr": 3 * u.m}, "snr: expected numbers without a unit"),
        ({"rv": 3 * u.m}, "rv: expected a unit like km/s"),
        ({"labels": {"teff": 3 * u.m}}, r"labels\['teff'\]: expected a unit like K"),
        ({"wavelength": WAVELENGTH / 10}, "400 to 400.3, which looks like nm; pass wavelength"),
        ({"wavelength": WAVELENGTH / 1e4}, "if these are micron"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(changes, words):
    arguments = {"wavelength": WAVELENGTH, "flux": ONES, "ivar": ONES, **changes}
    with pytest.raises(ValueError, match=words):
        Spectra(**arguments)


def test_models_from_the_far_ultraviolet_to_the_infrared_are_not_taken_for_nm():
    grid = np.linspace(500.0, 55000.0, 4)
    assert Spectra(grid, ONES, ONES).wavelength[0] == 500
    assert Spectra([500, 600, 700, 800] * u.AA, ONES, ONES).wavelength[0] == 500


def test_air_to_vacuum_keeps_the_unit():
    air = [3933.663, 6562.80]
    expected = air_to_vacuum(air)
    for unit in (u.AA, u.nm, u.micron):
        vacuum = air_to_vacuum((air * u.AA).to(unit))
        assert vacuum.unit == unit
        np.testing.assert_allclose(vacuum.to_value(u.AA), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="looks like nm"):
        air_to_vacuum([393.3663, 656.28])


def test_options_of_a_fit_with_units():
    options = Options(fwhm=0.25 * u.nm, max_rv=3e5 * u.m / u.s)
    assert (options.fwhm, options.max_rv) == (pytest.approx(2.5), pytest.approx(300.0))
    for name in ("resolution", "bounds"):
        with pytest.raises(ValueError, match=f"{name}: expected numbers without a unit"):
            Options(**{name: 1800 * u.AA})
    with pytest.raises(ValueError, match="fwhm: expected a unit like Angstrom"):
        Options(fwhm=1 * u.K)


def test_labels_of_an_emulator_have_no_common_unit():
    emulator = made_up.emulator()
    labels = made_up.LABELS[0]
    for method in (emulator.predict, emulator.jacobian, emulator.model_error):
        with pytest.raises(ValueError, match="labels: expected numbers without a unit; got the unit K"):
            method(labels * u.K)


def test_the_fit_of_normalised_flux():
    emulator = made_up.emulator()
    flux, ivar = emulator.predict(made_up.LABELS[:1]), np.full((1, made_up.N_PIXELS), 1e4)
    expected = maury.fit_normalized(emulator, flux, ivar).labels
    got = maury.fit_normalized(emulator, flux * u.dimensionless_unscaled, ivar)
    np.testing.assert_array_equal(got.labels, expected)
    with pytest.raises(ValueError, match="start: expected numbers without a unit"):
        maury.fit_normalized(emulator, flux, ivar, start=made_up.LABELS[0] * u.K)
    with pytest.raises(ValueError, match="ivar: got the unit 1 / Jy2, but flux has none"):
        maury.fit_normalized(emulator, flux, ivar / u.Jy**2)
