"""Spectra: shapes, masks, choosing and joining; air to vacuum; assumed noise."""

import numpy as np
import pytest
from astropy import units as u
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from maury.spectra import Spectra, air_to_vacuum, assumed_ivar

WAVELENGTH = np.array([4000.0, 4001.0, 4002.0, 4003.0])


def some(n=3, p=4, **changes):
    arguments = {
        "wavelength": np.linspace(4000, 5000, p),
        "flux": np.arange(1.0, n * p + 1).reshape(n, p),
        "ivar": np.ones((n, p)),
        **changes,
    }
    return Spectra(**arguments)


def same(a, b):
    for name, value in vars(a).items():
        other = getattr(b, name)
        if name == "labels":
            assert list(value) == list(other)
            for label in value:
                np.testing.assert_array_equal(value[label], other[label])
        elif value is None:
            assert other is None
        else:
            np.testing.assert_array_equal(value, other)
            assert value.dtype.kind == other.dtype.kind


def test_one_spectrum_from_plain_lists():
    spectra = Spectra(WAVELENGTH.tolist(), [1, 2, 3, 4], [1, 1, 1, 1])
    assert len(spectra) == 1
    assert spectra.flux.shape == spectra.ivar.shape == spectra.mask.shape == (1, 4)
    assert spectra.flux.dtype == spectra.wavelength.dtype == np.float64
    assert not spectra.mask.any()
    assert spectra.lsf is None
    assert np.isnan(spectra.rv).all() and np.isnan(spectra.snr).all()  # unknown, not 0
    assert spectra.labels == {} and spectra.problem.tolist() == [""]


def test_pixels_without_information_are_masked():
    spectra = Spectra(
        [4000.0, 4001.0, 4002.0, 4003.0, 4004.0, np.nan],
        [1.0, np.nan, 3.0, 4.0, np.inf, 6.0],
        [1.0, 1.0, -1.0, np.nan, 1.0, 1.0],
    )
    assert spectra.mask.tolist() == [[False, True, True, True, True, True]]
    assert spectra.ivar.tolist() == [[1.0, 1.0, 0.0, 0.0, 1.0, 1.0]]
    infinite = Spectra(WAVELENGTH, np.ones(4), [1, np.inf, 1, 1])
    assert infinite.ivar[0, 1] == 0 and infinite.mask[0, 1]


def test_given_mask_is_kept_and_added_to():
    spectra = Spectra(WAVELENGTH, [[1, 2, np.nan, 4]] * 2, np.ones((2, 4)), mask=[[1, 0, 0, 0], [0, 0, 0, 0]])
    assert spectra.mask.tolist() == [[True, False, True, False], [False, False, True, False]]


def test_masked_arrays_keep_their_mask():
    flux = np.ma.masked_array([1, 2, 3, 4], mask=[0, 1, 0, 0])
    assert Spectra(WAVELENGTH, flux, np.ones(4)).mask.tolist() == [[False, True, False, False]]


def test_inputs_are_never_written_nor_shared():
    flux, ivar, mask = np.ones((2, 4)), -np.ones((2, 4)), np.zeros((2, 4), dtype=bool)
    lsf, rv = np.zeros(4), np.zeros(2)
    wavelength = WAVELENGTH.copy()
    for array in (flux, ivar, mask, lsf, rv, wavelength):
        array.flags.writeable = False
    spectra = Spectra(wavelength, flux, ivar, mask=mask, lsf=lsf, rv=rv, labels={"teff": rv})
    for name in ("wavelength", "flux", "ivar", "mask", "rv"):
        getattr(spectra, name)[...] = 1
    spectra.labels["teff"][...] = 1
    assert flux.sum() == 8 and ivar.sum() == -8 and not mask.any() and not rv.any()


def test_quantities_are_converted():
    nanometre = Spectra(WAVELENGTH / 10 * u.nm, np.ones(4) * u.Jy, np.ones(4), rv=3000 * u.m / u.s)
    np.testing.assert_allclose(nanometre.wavelength, WAVELENGTH, rtol=1e-14)
    assert nanometre.rv.tolist() == [3.0]
    frequency = (WAVELENGTH[::-1] * u.AA).to(u.THz, u.spectral())[::-1]
    np.testing.assert_allclose(Spectra(frequency, np.ones(4), np.ones(4)).wavelength, WAVELENGTH)
    with pytest.raises(u.UnitConversionError):
        Spectra(WAVELENGTH * u.kg, np.ones(4), np.ones(4))


def test_curves_and_numbers_are_spread_over_spectra():
    spectra = some(lsf=[1, 0, np.nan, 2], rv=3, labels={"teff": 5000}, star_id=7, file=b"a.fits")
    assert spectra.lsf.shape == (3, 4)
    np.testing.assert_array_equal(spectra.lsf[1], [1, np.nan, np.nan, 2])
    assert some(lsf=1.5).lsf[2, 3] == 1.5
    assert spectra.rv.tolist() == [3, 3, 3]
    assert spectra.labels["teff"].tolist() == [5000] * 3
    assert spectra.star_id.tolist() == ["7"] * 3
    assert spectra.file.tolist() == ["a.fits"] * 3
    assert len(set(some().star_id.tolist())) == 3  # not given: all different stars


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"flux": np.ones((1, 2, 3))}, r"flux: expected \(P,\) or \(N, P\), got shape \(1, 2, 3\)"),
        ({"ivar": np.ones((4, 3))}, r"ivar: expected shape \(3, 4\) like flux, got \(4, 3\); use ivar.T"),
        ({"ivar": np.ones(4)}, "ivar: expected shape"),  # one noise for many spectra is a slip, not a wish
        ({"mask": np.zeros(5)}, "mask: expected shape"),
        ({"wavelength": np.arange(4000.0, 4003.0)}, r"wavelength: expected shape \(4,\) or \(3, 4\)"),
        ({"wavelength": WAVELENGTH[::-1]}, "increasing"),
        ({"wavelength": [4000, 4001, 4001, 4002]}, "increasing"),
        ({"wavelength": [-1, 4001, 4002, 4003]}, "positive"),
        ({"wavelength": [4000, np.nan, 4002, 4003]}, "pad the end"),
        ({"wavelength": np.log10(WAVELENGTH)}, r"10\*\*wavelength"),
        ({"rv": [1, 2]}, "rv: expected one value or 3"),
        ({"labels": {"teff": [1, 2]}}, r"labels\['teff'\]"),
        ({"star_id": ["a"]}, "star_id: expected one value or 3"),
        ({"flux": [["a"] * 4]}, "flux: expected numbers"),
    ],
)
def test_errors_name_the_argument(changes, words):
    with pytest.raises(ValueError, match=words):
        some(**changes)


@pytest.mark.parametrize(
    ("index", "rows"),
    [
        (1, [1]),
        (-1, [2]),
        (np.int64(0), [0]),
        (slice(1, None), [1, 2]),
        ([2, 0], [2, 0]),
        (np.array([True, False, True]), [0, 2]),
        ([], []),
        (np.zeros(3, dtype=bool), []),
    ],
)
def test_choosing(index, rows):
    spectra = some(
        rv=[1, 2, 3], star_id=["a", "b", "c"], labels={"teff": [1, 2, 3]}, lsf=1.0, problem=["", "x", ""]
    )
    chosen = spectra[index]
    assert len(chosen) == len(rows)
    np.testing.assert_array_equal(chosen.flux, spectra.flux[rows])
    np.testing.assert_array_equal(chosen.labels["teff"], spectra.rv[rows])
    assert chosen.problem.tolist() == spectra.problem[rows].tolist()
    assert chosen.wavelength.shape == (4,)
    own_grid = some(wavelength=np.linspace(4000, 5000, 12).reshape(3, 4))
    np.testing.assert_array_equal(own_grid[rows].wavelength, own_grid.wavelength[rows])


def test_choosing_wrongly():
    with pytest.raises(IndexError):
        some()[3]
    with pytest.raises(IndexError):
        some()[np.array([True, False])]
    with pytest.raises(IndexError):
        some()[1, 2]
    with pytest.raises(IndexError):
        some()[None]


def test_iterating_gives_single_spectra():
    assert [one.flux[0, 0] for one in some()] == [1, 5, 9]
    assert all(len(one) == 1 for one in some())


def test_repr_tells_the_size():
    text = repr(some(labels={"teff": 5000}, problem=["", "gone", ""]))
    assert text == "<Spectra: 3 x 4 pixels, 4000-5000 A, 3 stars, labels teff, 1 with a problem>"


def test_joining_one_grid_keeps_it_shared():
    first, second = some(n=2, lsf=1.0), some(n=1, lsf=2.0)
    joined = Spectra.concatenate([first, second])
    assert joined.wavelength.shape == (4,)
    assert joined.lsf[:, 0].tolist() == [1, 1, 2]
    same(Spectra.concatenate([joined[:1], joined[1:2], joined[2:]]), joined)


def test_joining_different_grids_pads_the_end():
    joined = Spectra.concatenate(
        [some(n=1, p=3, lsf=1.0, labels={"teff": 1}), some(n=2, p=5, labels={"logg": 2}, rv=0)]
    )
    assert joined.wavelength.shape == (3, 5)
    assert np.isnan(joined.wavelength[0, 3:]).all() and np.isfinite(joined.wavelength[1:]).all()
    assert joined.mask.tolist() == [[False] * 3 + [True] * 2, [False] * 5, [False] * 5]
    assert (joined.ivar[0, 3:] == 0).all() and np.isnan(joined.flux[0, 3:]).all()
    assert np.isnan(joined.lsf[1:]).all() and joined.lsf[0, 0] == 1
    np.testing.assert_array_equal(joined.labels["teff"], [1, np.nan, np.nan])
    np.testing.assert_array_equal(joined.labels["logg"], [np.nan, 2, 2])
    np.testing.assert_array_equal(joined.rv, [np.nan, 0, 0])


def test_a_row_without_wavelengths_does_not_split_the_grid():
    broken = Spectra([np.nan], [np.nan], [0.0], problem="gone")
    joined = Spectra.concatenate([broken, some()])
    assert joined.wavelength.shape == (4,)
    assert joined.mask[0].all() and not joined.mask[1:].any()
    assert joined.problem.tolist() == ["gone", "", "", ""]


def test_joining_nothing():
    with pytest.raises(ValueError, match="at least one"):
        Spectra.concatenate([])


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 6), st.booleans()), min_size=1, max_size=5))
def test_joining_then_choosing_gives_the_parts_back(sizes):
    parts = [some(n=n, p=p, lsf=2.0 if lsf else None, rv=p) for n, p, lsf in sizes]
    joined = Spectra.concatenate(parts)
    assert len(joined) == sum(len(p) for p in parts)
    first = 0
    for part in parts:
        back = joined[first : first + len(part)]
        p = part.flux.shape[1]
        np.testing.assert_array_equal(back.flux[:, :p], part.flux)
        np.testing.assert_array_equal(back.mask[:, :p], part.mask)
        assert back.mask[:, p:].all()
        wavelength = np.broadcast_to(back.wavelength, back.flux.shape)[:, :p]
        np.testing.assert_array_equal(wavelength, np.broadcast_to(part.wavelength, part.flux.shape))
        first += len(part)


# Vacuum to air, Morton 2000 eq. 8: the formula `air_to_vacuum` is the inverse of.
def vacuum_to_air(vacuum):
    s2 = (1e4 / vacuum) ** 2
    return vacuum / (1 + 0.0000834254 + 0.02406147 / (130 - s2) + 0.00015998 / (38.9 - s2))


def test_air_to_vacuum_known_lines():
    # Rest wavelengths of NIST, air and vacuum: Ca K, Hbeta, Mg b1, Na D1, Halpha, Ca II 8662.
    air = [3933.663, 4861.333, 5183.604, 5895.924, 6562.80, 8662.141]
    vacuum = [3934.777, 4862.691, 5185.048, 5897.558, 6564.61, 8664.520]
    np.testing.assert_allclose(air_to_vacuum(air), vacuum, atol=0.01)


@given(hnp.arrays(np.float64, 20, elements=st.floats(2001, 30000)))
def test_air_to_vacuum_inverts_the_refraction_of_air(vacuum):
    np.testing.assert_allclose(air_to_vacuum(vacuum_to_air(vacuum)), vacuum, rtol=1e-9)


def test_air_to_vacuum_agrees_with_specutils():
    wcs_utils = pytest.importorskip("specutils.utils.wcs_utils", reason="specutils is not installed")
    air = np.linspace(2100, 25000, 5000)
    for how in ({"scheme": "Piskunov"}, {"scheme": "iteration", "method": "Morton2000"}):
        theirs = wcs_utils.air_to_vac(air * u.AA, **how).value
        np.testing.assert_allclose(air_to_vacuum(air), theirs, rtol=3e-9)


def test_air_to_vacuum_leaves_the_far_ultraviolet_and_padding():
    np.testing.assert_array_equal(air_to_vacuum([1215.67, 2000.0, np.nan]), [1215.67, 2000.0, np.nan])


def test_assumed_noise_follows_the_continuum_not_the_lines():
    flux = np.full((2, 1000), 2.0)
    flux[:, 500:510] = 0.2  # a deep line
    flux[1] *= 10
    ivar = assumed_ivar(flux, snr=50)
    np.testing.assert_allclose(ivar[0], (50 / 2.0) ** 2)
    np.testing.assert_allclose(ivar[1], (50 / 20.0) ** 2)
    np.testing.assert_array_equal(assumed_ivar(flux[0], snr=50), ivar[0])


def test_assumed_noise_has_nothing_to_say_of_bad_pixels():
    flux = np.ones(1000)
    flux[10] = np.nan
    flux[500:] = -1.0
    mask = np.zeros(1000, dtype=bool)
    mask[20] = True
    ivar = assumed_ivar(flux, mask)
    assert ivar[10] == ivar[20] == 0
    assert (ivar[800:] == 0).all()  # a negative continuum has no noise to scale
    assert (ivar[100:200] == 100.0**2).all()


def test_arms_may_overlap():
    wavelength = [4000.0, 4002.0, 4004.0, 4001.0, 4003.0]
    with pytest.raises(ValueError, match="arm where spectrograph arms overlap"):
        Spectra(wavelength, np.ones(5), np.ones(5))
    spectra = Spectra(wavelength, np.ones(5), np.ones(5), arm=[0, 0, 0, 1, 1])
    assert spectra.arm.tolist() == [0, 0, 0, 1, 1]
    with pytest.raises(ValueError, match="wavelength: expected positive, increasing"):
        Spectra(wavelength, np.ones(5), np.ones(5), arm=[0, 0, 0, 0, 1])
    with pytest.raises(ValueError, match="arm: the pixels of an arm must be contiguous"):
        Spectra([4000.0, 4001.0, 4002.0], np.ones(3), np.ones(3), arm=[0, 1, 0])
    for arm in ([-1, 0, 0], [0, 1, 64]):
        with pytest.raises(ValueError, match="arm: expected numbers from 0 to 63, got"):
            Spectra([4000.0, 4001.0, 4002.0], np.ones(3), np.ones(3), arm=arm)
    with pytest.raises(ValueError, match=r"arm: expected whole numbers of shape \(3,\)"):
        Spectra([4000.0, 4001.0, 4002.0], np.ones(3), np.ones(3), arm=[0.0, 1.0, 1.0])


def test_joined_arms_are_padded_with_the_last():
    one = some(n=1, p=3, arm=[0, 0, 1])
    assert Spectra.concatenate([one, one]).arm.tolist() == [0, 0, 1]
    joined = Spectra.concatenate([one, some(n=1, p=4)])
    assert joined.arm.tolist() == [[0, 0, 1, 1], [0, 0, 0, 0]]
    assert joined[1].arm.tolist() == [[0, 0, 0, 0]]


def test_a_resolution_matrix_is_kept_by_rows():
    narrow, wide = np.ones((1, 3, 1)), np.full((1, 4, 3), 0.25)
    wide[0, 2, 0] = np.nan
    joined = Spectra.concatenate(
        [some(n=1, p=3, resolution=narrow), some(n=1, p=4, resolution=wide), some(n=1, p=2)]
    )
    assert joined.resolution.shape == (3, 4, 3)
    np.testing.assert_array_equal(joined.resolution[0, :3], [[0, 1, 0]] * 3)
    assert np.isnan(joined.resolution[0, 3]).all() and np.isnan(joined.resolution[2]).all()
    assert np.isnan(joined.resolution[1, 2]).all()  # half a row is none
    np.testing.assert_array_equal(joined[1].resolution, joined.resolution[1:2])
    with pytest.raises(ValueError, match="resolution: expected shape"):
        some(n=1, p=4, resolution=np.ones((1, 4, 2)))
