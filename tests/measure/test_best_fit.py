"""The best fit rebuilt from a row of the catalogue is what the fit saw."""

import numpy as np
import pytest

import made_up_stars
import maury
from instrument_twin import moving_stars
from maury.measure.best_fit import fit_of_row
from maury.spectra import Spectra

N = made_up_stars.N_PIXELS
WAVELENGTH = np.arange(4440.0, 6330.0, 1.2)
RV = np.array([-240.0, 35.0, 410.0, -90.0])


@pytest.fixture(scope="module")
def emulator():
    return made_up_stars.emulator(lsf=np.full(N, 1.2))


def stars(emulator, broadening=0.0, lsf=1.8, **more):
    made = moving_stars(
        emulator, made_up_stars.LABELS, RV, 70.0, WAVELENGTH, lsf, extra=np.full(4, broadening), **more
    )
    slope = np.linspace(3.0, 4.0, len(WAVELENGTH))
    return Spectra(WAVELENGTH, made.flux * slope, made.ivar / slope**2, made.mask, lsf=lsf, **more)


def chi2(fit):
    weight = np.where(fit.ivar > 0, 1 / (1 / np.maximum(fit.ivar, 1e-9) + fit.scatter**2), 0.0)
    return (weight * np.where(weight > 0, fit.flux - fit.model, 0.0) ** 2).sum()


def rows_of(emulator, spectra, **options):
    catalog = maury.fit(spectra, emulator, **options)
    assert catalog["converged"].all()
    return catalog, [fit_of_row(spectra[i], emulator, catalog[i]) for i in range(len(spectra))]


@pytest.mark.parametrize("options", [{}, {"broadening": True}])
def test_the_fit_is_rebuilt(emulator, options):
    catalog, fits = rows_of(emulator, stars(emulator, 2.0 if options else 0.0), **options)
    for i, fit in enumerate(fits):
        n = np.count_nonzero(fit.ivar)
        assert abs(n - catalog["n_pixels"][i]) <= 2
        assert chi2(fit) == pytest.approx(catalog["chi2"][i], rel=0.01)
        rest = WAVELENGTH / (1 + catalog["rv"][i].value / maury.spectra.SPEED_OF_LIGHT)
        offset = np.searchsorted(rest, fit.wavelength[0] - 0.5)
        np.testing.assert_allclose(fit.wavelength, rest[offset:][: len(fit.wavelength)], rtol=2e-8)


def test_broadening_with_a_resolution_matrix(emulator):
    row = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    resolution = np.tile(row / row.sum(), (4, len(WAVELENGTH), 1))
    spectra = stars(emulator, 3.0, lsf=None, resolution=resolution)
    catalog, fits = rows_of(emulator, spectra, broadening=True)
    assert (catalog["broadening"].value > 60).all()
    for i, fit in enumerate(fits):
        assert chi2(fit) == pytest.approx(catalog["chi2"][i], rel=0.01)


def test_an_arm_off_the_other(emulator):
    spectra = stars(emulator)
    spectra.arm = (spectra.wavelength > 5300.0).astype(int)
    spectra.wavelength = np.where(
        spectra.arm == 1, spectra.wavelength * (1 + 60.0 / 299792.458), spectra.wavelength
    )
    catalog, fits = rows_of(emulator, spectra)
    np.testing.assert_allclose(catalog["arm_rv"].value[:, 0], 60.0, atol=10.0)
    for i, fit in enumerate(fits):
        assert chi2(fit) == pytest.approx(catalog["chi2"][i], rel=0.01)


def test_at_rest_on_the_grid_of_the_emulator(emulator):
    spectra = made_up_stars.spectra(emulator, rv=0.0, lsf=np.full((4, N), 1.2))
    catalog, fits = rows_of(emulator, spectra)
    for i, fit in enumerate(fits):
        labels = [float(getattr(catalog[name][i], "value", catalog[name][i])) for name in emulator.labels]
        np.testing.assert_allclose(fit.model, emulator.predict(labels), atol=3e-5)
        np.testing.assert_allclose(fit.wavelength, emulator.wavelength, rtol=2e-8)
        np.testing.assert_allclose(fit.scatter, emulator.scatter)
        assert chi2(fit) == pytest.approx(catalog["chi2"][i], rel=0.01)


def test_what_has_no_fit_has_no_model(emulator):
    spectra = made_up_stars.spectra(emulator, rv=0.0)
    spectra.mask[0] = True
    catalog = maury.fit(spectra, emulator)
    fit = fit_of_row(spectra[0], emulator, catalog[0])
    assert np.isnan(fit.model).all() and not fit.ivar.any()
    unreadable = Spectra(
        np.full(N, np.nan), np.full((1, N), np.nan), np.zeros((1, N)), problem="no such file"
    )
    fit = fit_of_row(unreadable, emulator, maury.fit(unreadable, emulator)[0])
    assert np.isnan(fit.model).all() and not fit.ivar.any()
    np.testing.assert_array_equal(fit.wavelength, emulator.wavelength)


def test_models_of_a_catalogue_are_times_their_continuum(emulator):
    spectra = stars(emulator)
    catalog = maury.fit(spectra, emulator)
    model = maury.best_fit(catalog, spectra, emulator)
    assert model.shape == spectra.flux.shape
    inside = np.isfinite(model)
    assert inside.mean() > 0.9
    pull = ((spectra.flux - model) * np.sqrt(spectra.ivar))[inside & ~spectra.mask]
    assert 0.8 < np.std(pull) < 1.2
    for i in (0, 3):
        fit = fit_of_row(spectra[i], emulator, catalog[i])
        own = model[i][np.isfinite(model[i])]
        np.testing.assert_allclose((fit.model * fit.continuum)[np.isfinite(fit.model)], own, rtol=1e-12)
    reverse = maury.best_fit(catalog[::-1], spectra[::-1], emulator)
    np.testing.assert_array_equal(reverse, model[::-1])


def test_rows_without_a_fit_have_no_model_in_company(emulator):
    spectra = stars(emulator)
    spectra.mask[1] = True
    model = maury.best_fit(maury.fit(spectra, emulator), spectra, emulator)
    assert np.isnan(model[1]).all()
    assert np.isfinite(model[[0, 2, 3]]).any(axis=1).all()


def test_models_of_other_spectra_or_emulators_are_refused(emulator):
    spectra = stars(emulator)
    catalog = maury.fit(spectra, emulator)
    with pytest.raises(ValueError, match=r"spectra: expected the 4 spectra of the rows .* got 3"):
        maury.best_fit(catalog, spectra[:3], emulator)
    with pytest.raises(ValueError, match=r"emulator: the catalogue was made with made up .*, got MILES"):
        maury.best_fit(catalog, spectra)
