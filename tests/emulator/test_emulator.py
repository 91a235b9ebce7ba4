"""Emulator: flux and jacobian against NumPy and finite differences, and what it says about itself."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings

from architectures import architectures
from maury.emulator.emulator import Emulator
from maury.labels import LABELS, find_label
from network_twin import ACTIVATIONS, flux_and_jacobian, random_labels, random_layers, three_labels


def build(**changes):
    return Emulator.from_layers(**three_labels(**changes))


@settings(max_examples=60)
@given(architectures())
def test_any_network_agrees_with_numpy(arguments):
    emulator = Emulator.from_layers(**arguments)
    labels = random_labels(emulator, 5)
    flux, jacobian = flux_and_jacobian(emulator, labels)
    span = emulator.label_max - emulator.label_min
    np.testing.assert_allclose(emulator.predict(labels), flux, rtol=1e-12, atol=1e-12)
    # A kink may be passed on either side where z is 0 but for rounding.
    np.testing.assert_allclose(emulator.jacobian(labels) * span, jacobian * span, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("transform", ["linear", "log10"])
def test_jacobian_is_the_derivative_of_predict(activation, transform):
    emulator = build(activation=activation, hidden=(30, 20), transforms=[transform, "linear", "linear"])
    labels = random_labels(emulator, 6, seed=3)
    jacobian = emulator.jacobian(labels)
    for i, span in enumerate(emulator.label_max - emulator.label_min):
        step = np.zeros(3)
        step[i] = 2e-6 * span
        up, down = labels + step, labels - step
        slope = (emulator.predict(up) - emulator.predict(down)) / (up - down)[:, i, None]
        assert np.max(np.abs(slope - jacobian[:, :, i])) < 1e-6 * np.max(np.abs(jacobian[:, :, i]))


def test_stored_as_float32_so_that_the_file_is_the_model():
    emulator = build()
    arguments = three_labels()
    assert all(weight.dtype == np.float32 for weight in (*emulator.weights, *emulator.biases))
    np.testing.assert_array_equal(emulator.weights[1], np.float32(arguments["weights"][1]))
    single = Emulator.from_layers(**(arguments | {"weights": [np.float32(w) for w in arguments["weights"]]}))
    labels = random_labels(emulator, 3)
    np.testing.assert_array_equal(single.predict(labels), emulator.predict(labels))


def test_one_label_vector_gives_one_spectrum():
    emulator = build()
    labels = random_labels(emulator, 2)
    np.testing.assert_array_equal(emulator.predict(labels[1]), emulator.predict(labels)[1])
    np.testing.assert_array_equal(emulator.jacobian(labels[1]), emulator.jacobian(labels)[1])
    assert emulator.predict(list(labels[0])).shape == (40,)
    assert emulator.predict(np.empty((0, 3))).shape == (0, 40)
    assert emulator.jacobian(np.empty((0, 3))).shape == (0, 40, 3)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_unusable_labels_give_nan_rows_and_leave_the_others_alone(activation):
    emulator = build(activation=activation)
    labels = random_labels(emulator, 5)
    broken = labels.copy()
    broken[0, 1], broken[2, 2], broken[3, 0] = np.nan, np.inf, -5000.0
    for call in (emulator.predict, emulator.jacobian):
        got, want = call(broken), call(labels)
        assert np.all(np.isnan(got[[0, 2, 3]]))
        np.testing.assert_array_equal(got[[1, 4]], want[[1, 4]])
    assert np.all(
        np.isfinite(build(transforms=None).predict(broken)[3])
    )  # a negative label is fine if linear


@pytest.mark.parametrize("shape", [(2,), (5, 4), (1, 2, 3), ()])
def test_labels_of_the_wrong_shape(shape):
    emulator = build()
    for call in (emulator.predict, emulator.jacobian):
        with pytest.raises(
            ValueError, match=r"labels: expected shape \(N, 3\) or \(3,\) for teff, logg, fe_h; got"
        ):
            call(np.ones(shape))


def test_inputs_are_copied_and_nothing_can_be_changed():
    arguments = three_labels(scatter=np.full(40, 0.01), lsf=np.ones(40))
    before = {key: np.copy(arguments[key]) for key in ("wavelength", "scatter", "lsf")}
    emulator = Emulator.from_layers(**arguments)
    labels = random_labels(emulator, 2)
    flux = emulator.predict(labels)
    for key, value in before.items():
        np.testing.assert_array_equal(arguments[key], value)
        arguments[key][:] = 7
        np.testing.assert_array_equal(getattr(emulator, key), value)
        with pytest.raises(ValueError, match="read-only"):
            getattr(emulator, key)[0] = 1
    arguments["weights"][0][:] = 0
    np.testing.assert_array_equal(emulator.predict(labels), flux)
    with pytest.raises(AttributeError):
        emulator.window = 3
    with pytest.raises(TypeError):
        emulator.meta["name"] = "other"


def test_defaults():
    emulator = build()
    assert emulator.labels == ("teff", "logg", "fe_h")
    assert emulator.units == ("K", "dex", "dex")
    np.testing.assert_array_equal(emulator.bounds, [[3000, 30000], [0, 5], [-2.5, 0.5]])
    np.testing.assert_array_equal(emulator.training_range, emulator.bounds)
    assert emulator.training_labels.shape == (0, 3)
    assert emulator.lsf is None
    np.testing.assert_array_equal(emulator.scatter, np.zeros(40))
    assert (emulator.window, emulator.rank, emulator.activations) == (400, 9, ("silu", "silu"))
    assert set(emulator.meta) == {"version", "date"}
    assert build(transforms=None).transforms == ("linear",) * 3


def test_what_is_given_wins_over_defaults():
    training = [[4000.0, 1.0, -1.0], [7000.0, 4.5, 0.2]]
    emulator = build(
        training_labels=training, bounds=[[2800, 31000], [-0.5, 5.5], [-3, 1]], units=["K", "", ""],
        meta={"name": "test", "date": "1897-01-01", "note": (1, 2)},
    )  # fmt: skip
    np.testing.assert_array_equal(emulator.bounds[0], [2800, 31000])
    np.testing.assert_array_equal(emulator.training_range, [[4000, 7000], [1, 4.5], [-1, 0.2]])
    assert emulator.units == ("K", "", "")
    assert (emulator.name, emulator.meta["date"], emulator.meta["note"]) == ("test", "1897-01-01", [1, 2])
    one_star = build(training_labels=training[:1])
    np.testing.assert_array_equal(one_star.training_range[:, 0], one_star.training_range[:, 1])


def test_no_hidden_layer_is_a_linear_model():
    emulator = build(hidden=())
    labels = random_labels(emulator, 4)
    flux, jacobian = flux_and_jacobian(emulator, labels)
    np.testing.assert_allclose(emulator.predict(labels), flux, rtol=1e-13)
    np.testing.assert_allclose(emulator.jacobian(labels), jacobian, rtol=1e-13)
    assert (emulator.activations, emulator.rank) == ((), 3)


def test_a_linear_bottleneck_is_one_more_layer():
    emulator = build(hidden=(16, 16, 4), activation=["tanh", "gelu", "identity"])
    assert (emulator.rank, emulator.activations) == (4, ("tanh", "gelu", "identity"))
    flux = emulator.predict(random_labels(emulator, 30))
    assert np.linalg.matrix_rank(flux - emulator.biases[-1], tol=1e-8) == 4


def test_quantities_are_converted_to_angstrom():
    units = pytest.importorskip("astropy.units")
    wavelength = three_labels()["wavelength"]
    emulator = build(wavelength=wavelength / 10 * units.nm, lsf=np.full(40, 0.1) * units.nm)
    np.testing.assert_allclose(emulator.wavelength, wavelength, rtol=1e-15)
    np.testing.assert_allclose(emulator.lsf, 1.0)


@pytest.mark.parametrize(
    ("wavelength", "grid"),
    [
        (10 ** (3.55 + 1e-4 * np.arange(4563)), (3.55, 1e-4)),
        (np.logspace(3.55, 3.56, 101), (3.55, 1e-4)),
        (10 ** (3.6 + 1e-4 * np.arange(2)), (3.6, 1e-4)),
        (np.linspace(3600, 3700, 50), None),
        ([5000.0], None),
    ],
)
def test_log10_grid_is_recognised(wavelength, grid):
    weights, biases = random_layers((3, 4, len(wavelength)))
    assert build(weights=weights, biases=biases, wavelength=wavelength, activation="relu").log10_grid == grid


def test_repr_is_one_line():
    text = repr(build(meta={"name": "demo"}))
    assert text == "<Emulator 'demo': teff, logg, fe_h -> 40 pixels, 3981-4017 A, 3-12-9-40 silu>"


def test_describe_tells_people_what_it_is():
    wavelength = three_labels()["wavelength"]
    emulator = build(
        lsf=wavelength / 2.354820045 / 1800,
        scatter=np.full(40, 0.0123),
        training_labels=[[5777.0, 4.44, 0.0]],
        meta={
            "name": "demo",
            "training_data": "MILES",
            "citation": "Sanchez-Blazquez et al. 2006",
            "date": "2026-02-01",
        },
    )
    text = emulator.describe()
    for part in (
        "maury emulator demo",
        "3000 to 30000",
        "5777 to 5777",
        "log10",
        "40, 3981.1 to 4017.0 Angstrom in vacuum",
        "steps of 0.0001 in log10",
        "R = 1800 at ",
        "running median over 400 pixels",
        "0.0123 (median over pixels)",
        "3 -> 12 silu -> 9 silu -> 40",
        "K = 9",
        "565 numbers, 0.0 MB",
        "MILES; 1 label sets",
        "Sanchez-Blazquez et al. 2006",
        "2026-02-01",
        emulator.file_hash,
    ):
        assert part in text
    bare = build().describe()
    assert bare.count("unknown") == 4  # resolution, scatter, training data, model error


def test_label_table():
    assert list(LABELS) == ["teff", "logg", "fe_h", "alpha_fe", "log_vmicro"]
    assert [label.unit for label in LABELS.values()] == ["K", "dex", "dex", "dex", "dex"]
    assert all(name == label.name for name, label in LABELS.items())
    other = find_label("c_fe")
    assert (other.name, other.unit) == ("c_fe", "")


def test_import_needs_neither_onnx_nor_torch():
    code = (
        "import sys, maury.emulator.emulator; "
        "print([m for m in ('onnx', 'onnxruntime', 'torch', 'scipy', 'astropy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
