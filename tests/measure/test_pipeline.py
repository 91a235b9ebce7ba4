"""The main job from end to end: outliers, resolution, velocities, bad spectra among good ones."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import made_up_stars
import maury
from instrument_twin import shown
from maury.catalog.flags import Flag
from maury.measure.fit import fit_spectra
from maury.measure.options import Options
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
    ones = np.ones(lsf.shape)
    flux = shown(emulator, Spectra(emulator.wavelength, ones, ones, lsf=lsf), LABELS, 0.0)
    beyond = np.isnan(flux)
    flux, ivar = np.where(beyond, 1.0, flux), 300.0**2 * ones
    known = maury.fit(Spectra(emulator.wavelength, flux, ivar, beyond, lsf=lsf, rv=0.0), emulator)
    unknown = maury.fit(Spectra(emulator.wavelength, flux, ivar, beyond, rv=0.0), emulator)
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


def test_signal_to_noise_is_of_the_pixels_fitted_where_the_file_does_not_say(emulator):
    told = np.array([np.nan, 55.0, np.nan, 7.0])
    spectra = made_up_stars.spectra(emulator, rv=0.0, snr=told)
    spectra.mask[0, 200:300] = True
    per_pixel = zip(spectra.flux, spectra.ivar, ~spectra.mask, strict=True)
    expected = np.array([np.median((f * np.sqrt(v))[u]) for f, v, u in per_pixel])
    snr = maury.fit(spectra, emulator)["snr"]
    np.testing.assert_allclose(snr, np.where(np.isnan(told), expected, told))


def test_no_spectra_give_an_empty_catalogue(emulator):
    empty = made_up_stars.spectra(emulator)[:0]
    assert len(maury.fit(empty, emulator)) == 0


COLUMNS = (
    "teff",
    "logg",
    "fe_h",
    "rv",
    "rv_err",
    "chi2",
    "covariance",
    "n_pixels",
    "n_clipped",
    "flags",
    "snr",
)


def mixed(emulator, seed):
    """Return moving stars in two arms, some shorter, with bad pixels and resolutions of their own."""
    rng = np.random.default_rng(seed)
    n, blue, red = 4, np.arange(4500.0, 5400.0, 1.1), np.arange(5350.0, 6200.0, 1.6)
    wavelength = np.tile(np.concatenate([blue, red]), (n, 1))
    z = 1 + rng.uniform(-300, 300, n)[:, None] / SPEED_OF_LIGHT
    flux = np.vstack(
        [np.interp(wavelength[i] / z[i], emulator.wavelength, emulator.predict(LABELS[i])) for i in range(n)]
    )
    flux = flux * rng.uniform(1, 50, n)[:, None] * np.linspace(1, 1.5, flux.shape[1])
    noise = flux / 60
    flux = flux + noise * rng.standard_normal(flux.shape)
    wavelength[rng.integers(n), -40:] = np.nan
    mask = rng.uniform(size=flux.shape) < 0.03
    lsf = rng.uniform(1.3, 2.5, n)[:, None] * np.ones(flux.shape)
    arm = np.repeat([0, 1], [len(blue), len(red)])
    return {"wavelength": wavelength, "flux": flux, "ivar": noise**-2, "mask": mask, "lsf": lsf, "arm": arm}


def same(catalog, other, rows=slice(None)):
    for name in COLUMNS:
        left, right = (np.asarray(getattr(c[name], "value", c[name])) for c in (catalog, other))
        np.testing.assert_array_equal(left[rows], right, name)


@settings(max_examples=6)
@example(304915, False)  # masked at the ends
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_each_row_depends_on_its_own_spectrum_alone(seed, broadening):
    """Bit for bit: order, company, what masked pixels hold, a scale that is a power of two."""
    emulator = made_up_stars.emulator(lsf=np.full(made_up_stars.N_PIXELS, 1.2))
    made = mixed(emulator, seed)
    rng = np.random.default_rng(seed)

    def fit(spectra, threads=1):
        return maury.fit(spectra, emulator, threads=threads, broadening=broadening, n_starts=3)

    spectra = Spectra(**made)
    catalog = fit(spectra)
    order = rng.permutation(len(spectra))
    same(catalog, fit(spectra[order], 3), order)
    same(catalog, fit(spectra[[1]]), [1])
    same(catalog, fit(spectra[2:]), slice(2, None))
    garbage = np.where(made["mask"], rng.choice([np.nan, 1e30, -1e30]), made["flux"])
    same(catalog, fit(Spectra(**made | {"flux": garbage})))
    same(catalog, fit(Spectra(**made | {"flux": 4 * made["flux"], "ivar": made["ivar"] / 16})))


def test_padding_does_not_matter(emulator):
    spectra = Spectra(**mixed(emulator, 3))
    long = made_up_stars.spectra(emulator, rv=0.0)
    alone = maury.fit(spectra, emulator, broadening=True, arm_rv=False)
    longer = Spectra(
        np.linspace(4400, 6400, 3000), np.ones((1, 3000)), np.ones((1, 3000)), lsf=2.0, rv=np.nan
    )
    beside = maury.fit(Spectra.concatenate([spectra, longer, long]), emulator, broadening=True, arm_rv=False)
    same(beside, alone, slice(0, len(spectra)))


def test_resolution_matrices_stand_beside_other_spectra(emulator):
    """One spectrum with rows of its own resolution, joined to others of which nothing is known."""
    n = made_up_stars.N_PIXELS
    row = np.exp(-0.5 * (np.arange(-6, 7) / 1.8) ** 2)
    made = made_up_stars.spectra(emulator, rv=0.0)
    with_rows = Spectra(
        made.wavelength, made.flux[:2], made.ivar[:2], rv=0.0, resolution=np.tile(row / row.sum(), (2, n, 1))
    )
    plain = made[2:]
    catalog = maury.fit(Spectra.concatenate([with_rows, plain]), emulator)
    same(catalog, maury.fit(with_rows, emulator), slice(0, 2))
    same(catalog, maury.fit(plain, emulator), slice(2, 4))


def test_masked_ends_do_not_dim_their_neighbours(emulator):
    """With a resolution matrix, what lies behind the first and the last pixel in use is seen by them."""
    n = made_up_stars.N_PIXELS
    row = np.exp(-0.5 * (np.arange(-6, 7) / 2.5) ** 2)
    ones = np.ones((1, n))
    for hidden in (0, 30):
        mask = np.zeros((1, n), dtype=bool)
        mask[:, :hidden] = mask[:, n - hidden :] = True
        resolution = np.tile(row / row.sum(), (1, n, 1))
        spectra = Spectra(emulator.wavelength, ones, ones, mask, rv=0.0, resolution=resolution)
        options = Options(velocity="given", use_scatter=False, clip=0.0)
        result, models = fit_spectra(emulator, spectra, options, np.tile(LABELS[:1], (1, 1, 1)))
        assert result.n_pixels[0] == n - 2 * max(hidden, 6)
        used = models.model[0][models.weight[0] > 0]
        assert used[[0, -1]] == pytest.approx(1.0, abs=0.15)


def test_a_gain_of_resolution_is_not_made_up(emulator):
    sharp = made_up_stars.spectra(emulator, rv=0.0, lsf=np.full((4, made_up_stars.N_PIXELS), 0.8))
    catalog = maury.fit(sharp, emulator)
    assert ((np.asarray(catalog["flags"]) & Flag.SHARPER) != 0).all()
    plain = maury.fit(made_up_stars.spectra(emulator, rv=0.0), emulator)
    assert not (np.asarray(plain["flags"]) & Flag.SHARPER).any()
    assert (np.abs(values(catalog) - values(plain)) > 0).all()  # blurred to the emulator, not taken as it is


def two_arms(emulator, numbers, n=2):
    """Spectra of n stars with two halves as arms of these numbers, the second moved by 60 km/s."""
    wavelength = emulator.wavelength.copy()
    half = len(wavelength) // 2
    wavelength[half:] *= 1 + 60 / SPEED_OF_LIGHT
    flux = emulator.predict(LABELS[:n])
    arm = np.repeat(numbers, [half, len(wavelength) - half])
    return Spectra(wavelength, flux, np.full(flux.shape, 1e4), arm=arm, rv=5.0)


def test_the_velocity_of_an_arm_stands_in_its_column():
    """Whichever arms a spectrum lacks, and whatever other spectra have."""
    emulator = made_up_stars.emulator()
    last, first, single = (two_arms(emulator, numbers) for numbers in ([1, 2], [0, 1], [0, 0]))
    for spectra in (Spectra.concatenate([last, first, single]), Spectra.concatenate([single, first, last])):
        arm_rv = maury.fit(spectra, emulator)["arm_rv"].value
        assert arm_rv.shape == (6, 2)
        rows = {int(arm.max()): rv for arm, rv in zip(spectra.arm, arm_rv, strict=True)}
        np.testing.assert_allclose(rows[2], [np.nan, 60.0], atol=1.0)
        np.testing.assert_allclose(rows[1], [60.0, np.nan], atol=1.0)
        assert np.isnan(rows[0]).all()


@pytest.mark.parametrize("n", [40, 230])
def test_starts_of_another_length_are_refused(n):
    """Also where they fit the number of rows that are measured together."""
    emulator = made_up_stars.emulator()
    spectra = made_up_stars.spectra(emulator, np.tile(LABELS[:1], (n, 1)), rv=0.0)
    for wrong in (100, n - 1, n + 1):
        with pytest.raises(
            ValueError, match=rf"start: expected shape \(3,\), \({n}, 3\) or \({n}, S, 3\), got"
        ):
            maury.fit(spectra, emulator, start=np.tile(LABELS[0], (wrong, 1)))
