"""Model error of an emulator: its equation, its entry in the file, and what is refused there."""

import numpy as np
import pytest

import network_twin
from maury.emulator.distance import training_distance
from maury.emulator.emulator import Emulator
from maury.emulator.file import decode
from maury.emulator.model_error import ModelError
from tampered_emulator import drop_entry, refused, set_entry, tampered

TRAINING = np.column_stack([np.linspace(4000, 7000, 40), np.linspace(1, 5, 40), np.linspace(-2, 0.4, 40)])


def made(**changes):
    values = {
        "labels": ("teff", "logg", "fe_h"),
        "variables": ("teff", "logg", "fe_h", "distance"),
        "log10": np.array([True, False, False, False]),
        "centre": [3.7, 4.0, -0.3, 0.2],
        "scale": [0.1, 0.7, 0.4, 0.3],
        "low": [3.5, 0.5, -2.0, 0.0],
        "high": [4.0, 5.0, 0.5, 1.5],
        "terms": ("1", "teff", "logg*fe_h", "distance", "teff>6000"),
        "coefficients": np.array([[4, -2, -2.5], [0.3, 0.1, 0], [0.1, 0, 0.2], [0.3, 0.2, 0.1], [0.5, 0, 1]]),
        "ln_sigma_range": [[3.0, -3.0, -3.5], [5.5, -1.0, -0.5]],
        "correlation": [[1, 0.4, 0.3], [0.4, 1, 0.2], [0.3, 0.2, 1]],
        "offset": [5.0, 0.01, 1 / 3],
        "offset_error": [2.0, 0.01, 0.01],
        "outliers": [0.05, 0.0, 0.1],
        "pull_width": [1.02, 0.99, 0.0],
        "n_stars": 123,
        "folds": 5,
    } | changes
    return ModelError(**values)


def emulator(**changes):
    bare = Emulator.from_layers(**network_twin.three_labels() | {"training_labels": TRAINING})
    return bare.with_model_error(made(**changes))


def test_the_equation_by_hand():
    labels = np.array([[6500.0, 4.5, -0.1], [4200.0, 1.0, -1.0]])
    sigma = made().predict(labels, np.array([0.5, 0.1]))
    z = (np.log10(6500) - 3.7) / 0.1
    bend = (np.log10(6500) - np.log10(6000)) / 0.1
    expected = 4 + 0.3 * z + 0.1 * (0.5 / 0.7) * (0.2 / 0.4) + 0.3 * 1.0 + 0.5 * bend
    assert sigma[0, 0] == pytest.approx(np.exp(expected), rel=1e-12)
    z = (np.log10(4200) - 3.7) / 0.1
    expected = -2 + 0.1 * z + 0.2 * (-0.1 / 0.3)
    assert sigma[1, 1] == pytest.approx(np.exp(expected), rel=1e-12)


def test_beyond_the_stars_it_was_learnt_from_it_stays_at_the_edge():
    edge = made().predict(np.array([[10000.0, 5.0, 0.5]]), np.array([1.5]))
    beyond = made().predict(np.array([[30000.0, 9.0, 3.0]]), np.array([40.0]))
    np.testing.assert_array_equal(edge, beyond)
    wild = made(coefficients=np.full((5, 3), 30.0))
    assert wild.predict(np.array([[9000.0, 4.9, 0.4]]), np.array([1.0]))[0, 0] == pytest.approx(np.exp(5.5))


def test_of_an_emulator():
    known = emulator()
    labels = np.array([[5000.0, 4.0, 0.0], [np.nan, 4.0, 0.0], [-1.0, 4.0, 0.0]])
    sigma = known.model_error(labels)
    assert sigma.shape == (3, 3)
    assert (sigma[0] > 0).all() and np.isnan(sigma[1]).all()
    np.testing.assert_array_equal(known.model_error(labels[0]), sigma[0])
    distance = training_distance(labels[:1], known)
    assert distance[0] > 0.1
    np.testing.assert_array_equal(sigma[:1], made().predict(labels[:1], distance))
    covariance = known.error_on_unseen.covariance(sigma[:1])
    np.testing.assert_allclose(np.sqrt(np.diagonal(covariance[0])), sigma[0], rtol=1e-12)
    assert covariance[0, 0, 1] == pytest.approx(0.4 * sigma[0, 0] * sigma[0, 1])
    with pytest.raises(ValueError, match=r"labels: expected shape \(N, 3\)"):
        known.model_error([[1.0, 2.0]])


def test_an_emulator_that_does_not_know_it_gives_nan_and_says_so():
    bare = emulator().with_model_error(None)
    assert bare.error_on_unseen is None
    assert np.isnan(bare.model_error([[5000.0, 4.0, 0.0]])).all()
    assert "model error: unknown" in bare.describe()
    assert "123 stars in 5 folds" in emulator().describe()
    assert "solar-type dwarf" in emulator().describe()


def test_the_file_gives_it_back_to_the_bit():
    first = emulator()
    again = Emulator.from_bytes(first.to_bytes(), "a file")
    assert again.to_bytes() == first.to_bytes()
    for name, value in vars(first.error_on_unseen).items():
        np.testing.assert_array_equal(getattr(again.error_on_unseen, name), value, err_msg=name)
    labels = TRAINING[::5] * 1.01
    np.testing.assert_array_equal(again.model_error(labels), first.model_error(labels))
    assert first.file_hash != first.with_model_error(None).file_hash


def test_older_files_are_read():
    data = tampered(drop_entry("model_error"))
    assert decode(data, "old.onnx").error_on_unseen is None


GOOD = made().as_dict()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scale": [0.1, 0.0, 0.4, 0.3]}, "model_error': scale: expected positive numbers"),
        ({"centre": [3.7, 4.0]}, "model_error': centre: expected shape"),
        ({"coefficients": [[1.0, 2.0, "x"]] * 5}, "model_error': coefficients: expected real numbers"),
        ({"coefficients": [[1.0, 2.0, None]] * 5}, "model_error': coefficients: expected real numbers"),
        ({"correlation": [[1, 0.4, 0], [0.3, 1, 0], [0, 0, 1]]}, "correlation: expected a symmetric"),
        ({"correlation": [[2, 0, 0], [0, 1, 0], [0, 0, 1]]}, "correlation: expected a symmetric"),
        ({"correlation": [[1, 2, 0], [2, 1, 0], [0, 0, 1]]}, "correlation: expected a positive semidefinite"),
        ({"ln_sigma_range": [[1.0, 1.0, 1.0], [0.0, 2.0, 2.0]]}, "a lower limit exceeds its upper"),
        ({"ln_sigma_range": [[1.0] * 3, [800.0] * 3]}, "ln_sigma_range: expected numbers from"),
        ({"terms": ["1", "teff", "mass", "distance", "logg"]}, "terms: 'mass' does not consist of"),
        ({"terms": ["1", "teff", "teff>x", "distance", "logg"]}, "terms: 'teff>x' has no valid number"),
        ({"terms": "1"}, "terms: expected a list"),
        ({"variables": ["teff", "logg", "mass", "distance"]}, "variables: expected names of labels"),
        ({"log10": [1, 0, 0, 0]}, "log10: expected 4 times true or false"),
        ({"outliers": [0.1, 2.0, 0.1]}, "outliers: expected fractions"),
        ({"n_stars": "many"}, "n_stars: expected a whole number"),
        ({"labels": ["teff", "logg", "c_fe"], "variables": ["teff"] * 4}, "variables: expected names"),
        ({"folds": -1}, "folds: expected a whole number"),
    ],
)
def test_a_file_with_another_is_refused(change, message):
    refused(tampered(set_entry("model_error", GOOD | change)), message)


def test_a_file_of_another_form_is_refused():
    short = {name: value for name, value in GOOD.items() if name != "scale"}
    refused(
        tampered(set_entry("model_error", short)), "model_error' does not have the expected form: .*scale"
    )
    refused(tampered(set_entry("model_error", [1, 2])), "model_error' does not have the expected form")
    refused(tampered(set_entry("model_error", "NaN")), "model_error'")
    refused(tampered(set_entry("model_error", "{")), "model_error' is not JSON")


def test_it_must_be_of_the_emulator():
    other = made(labels=("teff", "logg", "c_fe"), variables=("teff", "logg", "c_fe", "distance"),
                 terms=("1", "teff", "logg", "distance", "c_fe"))  # fmt: skip
    with pytest.raises(ValueError, match="its labels are teff, logg, c_fe, those of the emulator"):
        emulator().with_model_error(other)
    bare = Emulator.from_layers(**network_twin.three_labels() | {"training_labels": TRAINING[:3]})
    with pytest.raises(ValueError, match="training_labels has 3 different sets"):
        bare.with_model_error(made())
