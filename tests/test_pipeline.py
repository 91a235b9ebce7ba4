"""The main job from end to end: outliers, resolution, velocities, bad spectra among good ones."""

import numpy as np
import pytest

import made_up_stars
import maury
from maury.measure.observe import on_grid
from maury.measure.quality import Flag
from maury.spectra import SPEED_OF_LIGHT, Spectra

LABELS = made_up_stars.LABELS


@pytest.fixture(scope="module")
def emulator():
    return made_up_stars.emulator(lsf=np.full(made_up_stars.N_PIXELS, 1.2))


def values(catalog):
    return np.column_stack([np.asarray(catalog[name].value) for name in ("teff", "logg", "fe_h")])


def test_cosmic_rays_are_left_out(emulator):
    clean = made_up_stars.spectra(emulator, rv=0.0)
    hit = made_up_stars.spectra(emulator, rv=0.0)
    where = np.random.default_rng(6).choice(made_up_stars.N_PIXELS, 25, replace=False)
    hit.flux[:, where] += 3.0
    want, got = maury.fit(clean, emulator), maury.fit(hit, emulator)
    sigma = np.column_stack([want[f"{name}_err"].value for name in ("teff", "logg", "fe_h")])
    assert (np.abs(values(got) - values(want)) < 1.5 * sigma).all()
    assert (got["n_pixels"] <= want["n_pixels"] - 25).all()


def test_velocity_of_the_file_is_taken_out(emulator):
    velocity = np.array([-250.0, 80.0, 0.0, 400.0])
    still = made_up_stars.spectra(emulator, rv=0.0)
    moving = Spectra(
        emulator.wavelength * (1 + velocity[:, None] / SPEED_OF_LIGHT), still.flux, still.ivar, rv=velocity
    )
    want, got = maury.fit(still, emulator), maury.fit(moving, emulator, velocity="given")
    np.testing.assert_allclose(values(got), values(want), rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(got["rv"].value, velocity)
    assert np.isnan(got["rv_err"].value).all()


def test_scale_and_order_do_not_matter(emulator):
    lsf = np.linspace(1.3, 1.31, len(LABELS))[:, None] * np.ones(made_up_stars.N_PIXELS)
    spectra = made_up_stars.spectra(emulator, lsf=lsf)
    want = maury.fit(spectra, emulator)
    loud = Spectra(spectra.wavelength, 10 * spectra.flux, spectra.ivar / 100, rv=spectra.rv, lsf=lsf)
    np.testing.assert_allclose(values(maury.fit(loud, emulator)), values(want), rtol=1e-7)
    order = np.array([2, 0, 3, 1])
    np.testing.assert_array_equal(values(maury.fit(spectra[order], emulator)), values(want)[order])


def test_a_coarser_spectrum_is_fitted_at_its_own_resolution(emulator):
    lsf = np.full((len(LABELS), made_up_stars.N_PIXELS), 2.0)
    flux = (
        on_grid(np.ones(lsf.shape), np.ones(lsf.shape), lsf, emulator)
        .core()
        .see(emulator.core, LABELS, np.empty((len(LABELS), 0)))
    )
    ivar = np.full(flux.shape, 300.0**2)
    known = maury.fit(Spectra(emulator.wavelength, flux, ivar, lsf=lsf, rv=0.0), emulator)
    unknown = maury.fit(Spectra(emulator.wavelength, flux, ivar, rv=0.0), emulator)
    assert np.abs(values(known) - LABELS)[:, 2].max() < 0.05
    assert (known["chi2"] < 0.4 * unknown["chi2"]).all()


def test_bad_spectra_are_flagged_rows_and_harm_no_others(emulator):
    good = made_up_stars.spectra(emulator, rv=0.0)
    n = made_up_stars.N_PIXELS
    nothing = np.zeros((5, n))
    flux = np.vstack([np.full(n, np.nan), np.zeros(n), good.flux[0], good.flux[0], good.flux[0]])
    mask = nothing != 0
    mask[2] = True
    mask[3] = np.arange(n) != 40
    bad = Spectra(emulator.wavelength, flux, np.full((5, n), 6400.0), mask, rv=0.0)
    bad.wavelength = np.tile(emulator.wavelength, (5, 1))
    bad.wavelength[4] += 4000  # misses the grid
    catalog = maury.fit(Spectra.concatenate([bad, good]), emulator)
    few = Flag.TOO_FEW_PIXELS | Flag.NOT_CONVERGED
    assert all(Flag(int(flags)) & few == few for flags in catalog["flags"][:5])
    assert np.isnan(catalog["teff"][:5].value).all()
    np.testing.assert_array_equal(values(catalog)[5:], values(maury.fit(good, emulator)))


def test_no_spectra_give_an_empty_catalogue(emulator):
    empty = made_up_stars.spectra(emulator)[:0]
    assert len(maury.fit(empty, emulator)) == 0
