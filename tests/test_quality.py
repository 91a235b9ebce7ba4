"""Flags: each is set by a case that only it catches; errors from the covariance."""

from dataclasses import replace

import numpy as np
import pytest

import made_up_stars as made_up
from maury.measure.errors import formal_errors, scaled_errors
from maury.measure.quality import Flag, flag_names, outside_training, reduced, set_flags


@pytest.fixture(scope="module")
def emulator():
    return made_up.emulator()


def flags(emulator, fit, spectra=None):
    return set_flags(fit, made_up.spectra(emulator) if spectra is None else spectra, emulator)


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
    shuffled = replace(fit, **{k: v[order] for k, v in vars(fit).items() if v is not None})
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
    }
    assert all(flag.meaning for flag in Flag)


def test_flags_in_words():
    assert flag_names(0) == []
    assert flag_names(34) == ["at bound", "low snr"]
    assert flag_names(np.int32(1023)) == [flag.name.lower().replace("_", " ") for flag in Flag]


def test_reduced_chi2_counts_degrees_of_freedom():
    np.testing.assert_array_equal(reduced([20.0, 7.0, 3.0], [13, 3, 1], 3), [2.0, np.nan, np.nan])


def test_formal_errors_of_a_failed_fit_are_nan():
    covariance = np.array([np.diag([4.0, 9.0]), np.full((2, 2), np.nan), np.diag([-1.0, 1.0])])
    np.testing.assert_array_equal(formal_errors(covariance), [[2, 3], [np.nan, np.nan], [np.nan, 1]])


def test_errors_grow_with_a_bad_chi2_and_never_shrink():
    scaled = scaled_errors(np.ones((3, 2)), [4.0, 0.3, np.nan])
    np.testing.assert_array_equal(scaled, [[2, 2], [1, 1], [1, 1]])
