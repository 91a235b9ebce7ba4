"""Flags: each is set by a case that only it catches; errors from the covariance."""

from dataclasses import replace

import numpy as np
import pytest

import made_up_stars as made_up
import maury
import maury._core as _core
from maury.catalog.caution import in_caution
from maury.catalog.errors import formal_errors, scaled_errors
from maury.catalog.flags import CAUTION_FLAGS, DO_NOT_USE, KNOW_THIS, Flag, flag_names, is_valid
from maury.emulator.distance import training_distance
from maury.measure.quality import bad_fraction, reduced, resolution_unknown, set_flags


@pytest.fixture(scope="module")
def emulator():
    return made_up.emulator()


def flags(emulator, fit, spectra=None):
    return set_flags(fit, made_up.spectra(emulator) if spectra is None else spectra, emulator)


def outside_training(labels, emulator):
    """Whether the core flags labels (N, L) as outside; compared with the rule in numpy."""
    labels = np.asarray(labels, dtype=float)
    fit, first = made_up.result(), np.zeros(len(labels), dtype=int)
    arrays = {name: value[first] for name, value in vars(fit).items() if isinstance(value, np.ndarray)}
    fit = replace(fit, **(arrays | {"labels": labels}))
    found = (flags(emulator, fit, made_up.spectra(emulator)[first]) & Flag.OUTSIDE_TRAINING) != 0
    low, high = np.asarray(emulator.training_range).T
    rule = ((labels < low) | (labels > high)).any(axis=1) | (training_distance(labels, emulator) > 1)
    np.testing.assert_array_equal(found, rule)
    return found


def with_row(fit, **changes):
    """Return the fit with row 1 of some arrays changed."""
    arrays = {name: getattr(fit, name).copy() for name in changes}
    for name, value in changes.items():
        arrays[name][1] = value
    return replace(fit, **arrays)


def test_a_good_fit_has_no_flag(emulator):
    assert flags(emulator, made_up.result()).tolist() == [0, 0, 0, 0]
    assert flags(emulator, made_up.result()).dtype == np.int32


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"converged": False}, Flag.NOT_CONVERGED),
        ({"at_bound": [False, False, True]}, Flag.AT_BOUND),
        ({"labels": [5800, 4.4, 0.6]}, Flag.OUTSIDE_TRAINING),
        ({"n_pixels": made_up.N_PIXELS // 4 - 1, "chi2_noise": 300.0}, Flag.TOO_FEW_PIXELS),
        ({"chi2_noise": 101.0 * (made_up.N_PIXELS - 3)}, Flag.BAD_CHI2),
        ({"chi2": 10.1 * (made_up.N_PIXELS - 3)}, Flag.HIGH_RCHI2),
        ({"n_agree": 2}, Flag.STARTS_DISAGREE),
    ],
)
def test_each_flag_of_the_fit_is_set_alone(emulator, change, expected):
    assert flags(emulator, with_row(made_up.result(), **change)).tolist() == [0, expected, 0, 0]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"snr": [80, 14.9, 15.0, np.nan]}, Flag.LOW_SNR),
        ({"rv": [0.0, np.nan, 10.0, -200.0]}, Flag.RV_UNKNOWN),
    ],
)
def test_each_flag_of_the_spectrum_is_set_alone(emulator, change, expected):
    spectra = made_up.spectra(emulator, **change)
    assert flags(emulator, made_up.result(), spectra).tolist() == [0, expected, 0, 0]


def test_masked_pixels_and_outliers_are_counted(emulator):
    mask = np.zeros((4, made_up.N_PIXELS), dtype=bool)
    mask[1, : made_up.N_PIXELS // 5 + 1] = mask[2, : made_up.N_PIXELS // 5 - 1] = True
    spectra = made_up.spectra(emulator, mask=mask)
    found = set_flags(made_up.result(n_clipped=np.array([0, 0, 20, 25])), spectra, emulator)
    assert found.tolist() == [0, Flag.BAD_PIXELS, 0, Flag.OUTLIERS]
    outside = made_up.spectra(emulator, wavelength=emulator.wavelength + 1e5, mask=True)
    np.testing.assert_array_equal(bad_fraction(outside, emulator), 0)


def test_emission_is_told_from_outside(emulator):
    emission = np.array([False, True, False, False])
    found = set_flags(made_up.result(), made_up.spectra(emulator), emulator, emission=emission)
    assert found.tolist() == [0, Flag.EMISSION, 0, 0]


def test_misfit_is_told_from_outside(emulator):
    misfit = np.array([False, False, True, False])
    found = set_flags(made_up.result(), made_up.spectra(emulator), emulator, misfit=misfit)
    assert found.tolist() == [0, 0, Flag.MISFIT, 0]


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([10000, 4.0, 0], Flag.CAUTION_GAP | Flag.CAUTION_HOT),
        ([9000, 3.5, 0], Flag.CAUTION_GAP),
        ([8990, 4.0, 0], 0),
        ([11010, 4.0, 0], Flag.CAUTION_HOT),
        ([9500, 3.4, 0], 0),
        ([3750, 4.0, 0], Flag.CAUTION_COOL_DWARF),
        ([3751, 4.0, 0], 0),
        ([3750, 3.9, 0], 0),
        ([3500, 0.5, 0.1], Flag.CAUTION_TIP),
        ([3500, 0.5, -0.1], 0),
        ([np.nan, np.nan, np.nan], 0),
    ],
)
def test_regions_of_caution(labels, expected):
    inside = in_caution([labels], ["teff", "logg", "fe_h"])
    assert sum(Flag[name] for name, here in inside.items() if here[0]) == expected
    shuffled = in_caution([labels[::-1]], ["fe_h", "logg", "teff"])
    assert {name: here.tolist() for name, here in shuffled.items()} == {
        name: here.tolist() for name, here in inside.items()
    }


def test_a_region_needs_its_labels():
    assert not any(here.any() for here in in_caution([[4.0, 0.1]], ["logg", "fe_h"]).values())
    assert not in_caution([[20000.0, 4.0]], ["teff", "logg"])["CAUTION_HOT"].any()
    assert in_caution([[20000.0, 4.0]], ["teff", "alpha_fe"])["CAUTION_HOT"].all()


def test_valid_is_what_a_careful_user_would_publish():
    bad = {
        Flag.NOT_CONVERGED, Flag.UNREADABLE, Flag.RV_AT_LIMIT,
        Flag.HIGH_RCHI2, Flag.UNLIKE_STARS, Flag.REJECTED,
    }  # fmt: skip
    assert {flag for flag in Flag if not is_valid(int(flag))} == bad
    assert {flag for flag in Flag if flag & DO_NOT_USE} == bad
    assert {flag for flag in Flag if flag & KNOW_THIS} | bad == set(Flag)
    assert not KNOW_THIS & DO_NOT_USE
    assert is_valid([0, 16, 36, int(KNOW_THIS)]).tolist() == [True, True, True, True]
    assert flag_names(CAUTION_FLAGS) == ["caution gap", "caution cool dwarf", "caution hot", "caution tip"]


@pytest.mark.parametrize(
    ("unexplained", "change", "expected"),
    [
        (0.69, {}, 0),
        (0.71, {}, Flag.UNLIKE_STARS),
        (0.39, {"at_bound": [False, False, True]}, Flag.AT_BOUND),
        (0.41, {"at_bound": [False, False, True]}, Flag.AT_BOUND | Flag.UNLIKE_STARS),
        (0.41, {"labels": [5800, 4.4, 0.6]}, Flag.OUTSIDE_TRAINING | Flag.UNLIKE_STARS),
    ],
)
def test_features_left_unexplained_tell_no_star(emulator, unexplained, change, expected):
    part = np.array([0.0, unexplained, 0.0, 0.0])
    found = set_flags(
        with_row(made_up.result(), **change), made_up.spectra(emulator), emulator, unexplained=part
    )
    assert found.tolist() == [0, expected, 0, 0]


def test_emission_of_an_extrapolated_star_tells_no_star(emulator):
    fit = with_row(made_up.result(), at_bound=[False, False, True])
    spectra = made_up.spectra(emulator)
    found = set_flags(fit, spectra, emulator, emission=np.array([True, True, False, False]))
    assert found.tolist() == [Flag.EMISSION, Flag.EMISSION | Flag.AT_BOUND | Flag.UNLIKE_STARS, 0, 0]
    strong = set_flags(
        made_up.result(), spectra, emulator, emission=np.array([True] * 4), unexplained=[0.3, 0.41, 0, 0]
    )
    assert strong.tolist() == [Flag.EMISSION, Flag.EMISSION | Flag.UNLIKE_STARS, Flag.EMISSION, Flag.EMISSION]


def test_what_the_survey_rejects_is_flagged_and_not_lost(emulator):
    bits = [0, 1 << 7, 1 << 13, (1 << 7) + (1 << 13)]  # MANUAL is among the paper's, UPTURNRISK is not
    spectra = made_up.spectra(emulator, quality=bits)
    catalog = maury.fit(spectra, emulator, max_rv=100.0)
    assert (catalog["flags"] & Flag.REJECTED != 0).tolist() == [False, True, False, True]
    assert catalog["mjdqual"].tolist() == bits
    assert catalog["valid"].tolist() == [True, False, True, False]
    assert np.isfinite(catalog["teff"].value).all()
    assert not (maury.fit(spectra, emulator, max_rv=100.0, reject=())["flags"] & Flag.REJECTED).any()
    other = maury.fit(spectra, emulator, max_rv=100.0, reject=["UPTURNRISK"])
    assert (other["flags"] & Flag.REJECTED != 0).tolist() == [False, False, True, True]
    with pytest.raises(ValueError, match=r"reject: expected names among NODATA, .*, got BLURRED"):
        maury.fit(spectra, emulator, reject=["MANUAL", "BLURRED"])


def test_a_resolution_that_no_file_told_is_flagged(emulator):
    lsf = np.full((4, made_up.N_PIXELS), np.nan)
    lsf[0, 700] = lsf[1, 700] = 1.0
    mask = np.zeros(lsf.shape, dtype=bool)
    mask[1, 700] = True  # known where no pixel is in use
    mask[3] = True  # no pixel in use at all: another flag says so
    spectra = made_up.spectra(emulator, lsf=lsf, mask=mask)
    assert resolution_unknown(spectra).tolist() == [False, True, True, False]
    found = set_flags(made_up.result(), spectra, emulator)
    assert (found & Flag.RESOLUTION_UNKNOWN != 0).tolist() == [False, True, True, False]
    kernel = np.full((4, made_up.N_PIXELS, 3), np.nan)
    kernel[2, 5] = [0.2, 0.6, 0.2]
    matrix = made_up.spectra(emulator, lsf=None, resolution=kernel)
    assert resolution_unknown(matrix).tolist() == [True, True, False, True]


def test_distance_is_one_at_the_edge_of_the_training_set(emulator):
    training = emulator.training_labels
    distance = training_distance(training, emulator)
    assert 0.2 < np.median(distance) < 1
    assert training_distance([[6900, 1.1, -1.9]], emulator) < training_distance([[6900, 0.2, -2.4]], emulator)
    inside = ((training >= training.min(axis=0)) & (training <= training.max(axis=0))).all(axis=1)
    np.testing.assert_array_equal(outside_training(training, emulator)[inside], distance[inside] > 1)
    assert np.isnan(training_distance([[np.nan, 4, 0]], emulator)).all()
    assert np.isnan(training_distance([[5000, 4, 0]], made_up.emulator(training_labels=None))).all()


def test_an_unreadable_file_says_so_and_no_more(emulator):
    spectra = made_up.spectra(
        emulator, problem=["", "cut short", "", ""], rv=[1, np.nan, 2, 3], snr=[80, 2, 80, 80]
    )
    expected = Flag.UNREADABLE | Flag.NOT_CONVERGED
    assert flags(emulator, made_up.failed_result(), spectra).tolist() == [0, expected, 0, 0]


def test_a_failed_fit_is_not_called_outside_of_training_or_bad_in_chi2(emulator):
    assert flags(emulator, made_up.failed_result())[1] == Flag.NOT_CONVERGED | Flag.TOO_FEW_PIXELS


def test_flags_do_not_depend_on_the_order_of_the_spectra(emulator):
    fit = with_row(made_up.failed_result(), at_bound=True)
    order = [3, 1, 0, 2]
    shuffled = replace(fit, **{k: v[order] for k, v in vars(fit).items() if isinstance(v, np.ndarray)})
    spectra = made_up.spectra(emulator, snr=[80, 10, 80, 5])
    assert flags(emulator, shuffled, spectra[order]).tolist() == flags(emulator, fit, spectra)[order].tolist()


def test_a_hole_in_the_training_set_is_outside(emulator):
    training = emulator.training_labels
    dwarfs_only = training[(training[:, 1] > 3.0) | (training[:, 0] < 5000)]
    holed = made_up.emulator(training_labels=dwarfs_only)
    inside_the_range = [[6500.0, 1.5, -0.5]]
    assert not outside_training(inside_the_range, emulator)[0]
    assert outside_training(inside_the_range, holed)[0]


def test_most_training_like_stars_are_inside_and_nan_is_not_outside(emulator):
    assert outside_training(emulator.training_labels, emulator).mean() < 0.03
    assert not outside_training([[np.nan, 4.0, 0.0]], emulator)[0]


def test_without_training_labels_the_range_decides():
    bare = made_up.emulator(training_labels=None, training_range=[[4000, 7000], [1, 5], [-2, 0.5]])
    assert outside_training([[3900, 3, 0], [4100, 3, 0], [5000, 3, 0.51]], bare).tolist() == [
        True,
        False,
        True,
    ]


def test_distance_follows_the_scaling_of_the_emulator():
    """90 K is a long way from the next star at 3000 K and none at 30000 K, if Teff enters as a logarithm."""
    training = np.column_stack([np.linspace(3000, 30000, 301), np.full(301, 4.0), np.zeros(301)])
    arguments = {"label_min": [3000, 0, -2.5], "label_max": [32000, 5.5, 1], "training_labels": training}
    log = made_up.emulator(transforms=["log10", "linear", "linear"], **arguments)
    assert outside_training(training, log)[0]
    assert not outside_training(training[10:], log).any()
    assert not outside_training(training[:-1], made_up.emulator(**arguments)).any()


def test_bits_never_move():
    assert {flag.name: int(flag) for flag in Flag} == {
        "NOT_CONVERGED": 1,
        "AT_BOUND": 2,
        "OUTSIDE_TRAINING": 4,
        "TOO_FEW_PIXELS": 8,
        "BAD_CHI2": 16,
        "LOW_SNR": 32,
        "UNREADABLE": 64,
        "RV_UNKNOWN": 128,
        "RV_AT_LIMIT": 256,
        "SHARPER": 512,
        "HIGH_RCHI2": 1024,
        "BAD_PIXELS": 2048,
        "OUTLIERS": 4096,
        "STARTS_DISAGREE": 8192,
        "EMISSION": 16384,
        "CAUTION_GAP": 32768,
        "CAUTION_COOL_DWARF": 65536,
        "CAUTION_HOT": 131072,
        "CAUTION_TIP": 262144,
        "VISITS_DISAGREE": 524288,
        "MISFIT": 1048576,
        "RESOLUTION_UNKNOWN": 2097152,
        "UNLIKE_STARS": 4194304,
        "REJECTED": 8388608,
    }
    assert all(flag.meaning for flag in Flag)


def test_flags_in_words():
    assert flag_names(0) == []
    assert flag_names(34) == ["at bound", "low snr"]
    assert flag_names(np.int32(1023)) == [flag.name.lower().replace("_", " ") for flag in Flag if flag < 1024]


def test_reduced_chi2_counts_degrees_of_freedom():
    np.testing.assert_array_equal(reduced([20.0, 7.0, 3.0], [13, 3, 1], 3), [2.0, np.nan, np.nan])


def test_formal_errors_of_a_failed_fit_are_nan():
    covariance = np.array([np.diag([4.0, 9.0]), np.full((2, 2), np.nan), np.diag([-1.0, 1.0])])
    np.testing.assert_array_equal(formal_errors(covariance), [[2, 3], [np.nan, np.nan], [np.nan, 1]])


def test_errors_grow_with_a_bad_chi2_and_never_shrink():
    scaled = scaled_errors(np.ones((3, 2)), [4.0, 0.3, np.nan])
    np.testing.assert_array_equal(scaled, [[2, 2], [1, 1], [1, 1]])


def test_the_bits_are_those_of_the_core():
    assert {bit.name: (int(bit), bit.meaning) for bit in Flag} == _core.FLAGS
