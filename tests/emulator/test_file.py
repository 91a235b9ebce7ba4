"""The emulator file: what is written comes back to the bit; onnxruntime and the compiled network agree."""

import base64
import hashlib
import json

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings

from architectures import architectures
from maury.emulator.emulator import Emulator
from maury.emulator.guard import EmulatorFileError
from network_twin import ACTIVATIONS, random_labels, three_labels

FULL = {
    "lsf": np.linspace(0.9, 1.3, 40),
    "scatter": np.linspace(0.001, 0.03, 40) / 3,
    "modes": np.random.default_rng(3).normal(0, 1e-4, (40, 3)),
    "window": 201,
    "bounds": [[2800, 31000], [-0.5, 5.5], [-3, 1]],
    "training_labels": np.random.default_rng(1).uniform(0.1, 1, (20, 3)) * [5000, 4, 0.3],
    "training_range": [[2900, 12000], [0, 5], [-2, 0.4]],
    "units": ["K", "dex", "dex"],
    "meta": {
        "name": "demo",
        "training_data": "MILES",
        "citation": "Sánchez-Blázquez et al. 2006",
        "training_hash": "ab" * 32,
        "recipe": {"epochs": 3, "rates": [0.1, 0.01]},
    },
}


def build(**changes):
    return Emulator.from_layers(**three_labels(**changes))


def run(data, labels):
    """Return flux and jacobian as a stranger gets them: onnxruntime with its own defaults."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    return session.run(["flux", "jacobian"], {"labels": labels.astype(np.float32)})


def assert_same(one, other):
    for key in ("labels", "units", "transforms", "window", "activations", "name"):
        assert getattr(one, key) == getattr(other, key)
    for key in (
        "label_min",
        "label_max",
        "bounds",
        "training_labels",
        "training_range",
        "wavelength",
        "lsf",
        "scatter",
        "modes",
    ):
        np.testing.assert_array_equal(getattr(one, key), getattr(other, key))
    for a, b in zip((*one.weights, *one.biases), (*other.weights, *other.biases), strict=True):
        np.testing.assert_array_equal(a, b)
    assert dict(one.meta) == dict(other.meta)
    assert one.file_hash == other.file_hash


@pytest.mark.parametrize(
    "changes", [{}, FULL, {"hidden": ()}, {"hidden": (7, 6, 5, 3), "activation": "gelu"}]
)
def test_round_trip_is_exact(tmp_path, changes):
    emulator = build(**changes)
    path = tmp_path / "demo.onnx"
    emulator.save(path)
    again = Emulator.load(path)
    assert_same(emulator, again)
    labels = random_labels(emulator, 50)
    np.testing.assert_array_equal(again.predict(labels), emulator.predict(labels))
    np.testing.assert_array_equal(again.jacobian(labels), emulator.jacobian(labels))
    again.save(str(tmp_path / "again.onnx"))
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.onnx", "demo.onnx"]


@settings(max_examples=40)
@given(architectures())
def test_any_network_makes_the_round_trip_and_agrees_with_onnxruntime(arguments):
    emulator = Emulator.from_layers(**arguments)
    data = emulator.to_bytes()
    again = Emulator.from_bytes(data, "test")
    labels = random_labels(emulator, 4)
    np.testing.assert_array_equal(again.predict(labels), emulator.predict(labels))
    np.testing.assert_array_equal(again.wavelength, emulator.wavelength)
    assert again.to_bytes() == data


@pytest.mark.parametrize("transform", ["linear", "log10"])
@pytest.mark.parametrize("n_hidden", [1, 2, 3, 4])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_onnxruntime_agrees_to_1e_5(activation, n_hidden, transform):
    emulator = build(
        hidden=(60, 50, 40, 30)[:n_hidden], n_pixels=200, activation=activation, seed=n_hidden,
        transforms=[transform, "linear", "linear"],
    )  # fmt: skip
    labels = random_labels(emulator, 10, seed=5)
    flux, jacobian = run(emulator.to_bytes(), labels)
    span = emulator.label_max - emulator.label_min
    assert flux.dtype == jacobian.dtype == np.float32
    np.testing.assert_allclose(flux, emulator.predict(labels), rtol=0, atol=1e-5)
    np.testing.assert_allclose(jacobian * span, emulator.jacobian(labels) * span, rtol=1e-5, atol=1e-5)


def test_a_network_of_the_real_size_agrees_and_loads(tmp_path):
    emulator = build(hidden=(300, 300, 64), n_pixels=4563, activation=["silu", "silu", "identity"])
    emulator.save(tmp_path / "real.onnx")
    labels = random_labels(emulator, 3)
    flux, jacobian = run((tmp_path / "real.onnx").read_bytes(), labels)
    span = emulator.label_max - emulator.label_min
    np.testing.assert_allclose(flux, emulator.predict(labels), rtol=0, atol=1e-5)
    np.testing.assert_allclose(jacobian * span, emulator.jacobian(labels) * span, rtol=1e-5, atol=1e-5)
    assert Emulator.load(tmp_path / "real.onnx").rank == 64


def test_the_file_is_valid_onnx_with_the_promised_ends():
    model = onnx.load_model_from_string(build(**FULL, activation=["tanh", "identity"]).to_bytes())
    onnx.checker.check_model(model, full_check=True)
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 17}

    def ends(values):
        return {
            v.name: [d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]
            for v in values
            if v.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        }

    assert ends(model.graph.input) == {"labels": ["N", 3]}
    assert ends(model.graph.output) == {"flux": ["N", 40], "jacobian": ["N", 40, 3]}
    assert not any(tensor.external_data for tensor in model.graph.initializer)


def test_metadata_is_complete_and_readable_elsewhere():
    emulator = build(**FULL)
    model = onnx.load_model_from_string(emulator.to_bytes())
    entries = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert set(entries) == {
        f"maury.{key}"
        for key in (
            "format_version", "labels", "activations", "wavelength", "normalisation", "lsf", "scatter",
            "modes", "training_labels", "meta", "model_error",
        )
    }  # fmt: skip
    assert entries["maury.format_version"] == 1
    assert entries["maury.labels"][0] == {
        "name": "teff", "unit": "K", "transform": "log10", "min": 3000.0, "max": 30000.0, "lower": 2800.0,
        "upper": 31000.0, "training_min": 2900.0, "training_max": 12000.0,
    }  # fmt: skip
    assert entries["maury.wavelength"] == {
        "medium": "vacuum", "unit": "Angstrom", "length": 40, "log10_start": 3.6, "log10_step": 1e-4,
    }  # fmt: skip
    assert entries["maury.normalisation"] == {"kind": "running_median", "window": 201}
    assert entries["maury.activations"] == ["silu", "silu"]
    assert entries["maury.lsf"] == FULL["lsf"].tolist()
    assert entries["maury.scatter"] == FULL["scatter"].tolist()
    modes = np.frombuffer(base64.b64decode(entries["maury.modes"]["float16"]), dtype="<f2").reshape(40, -1)
    assert entries["maury.modes"]["count"] == modes.shape[1] == 3
    np.testing.assert_allclose(modes, FULL["modes"], rtol=5e-4, atol=3e-8)
    assert entries["maury.training_labels"] == FULL["training_labels"].tolist()
    assert entries["maury.meta"].items() >= FULL["meta"].items()
    assert {"date", "version"} <= set(entries["maury.meta"])
    assert model.producer_name == "maury"


@pytest.mark.parametrize(
    "wavelength",
    [
        10 ** (3.6 + 1e-4 * np.arange(40)),
        np.logspace(3.6, 3.61, 40),
        np.exp(np.linspace(8.3, 8.4, 40)),
        np.linspace(4000, 4100, 40),
        10 ** (3.6 + 1e-4 * np.arange(40)) * (1 + 1e-6 * np.random.default_rng(0).normal(size=40)),
    ],
)
def test_every_wavelength_grid_comes_back_to_the_bit(wavelength):
    emulator = Emulator.from_bytes(build(wavelength=wavelength).to_bytes(), "test")
    np.testing.assert_array_equal(emulator.wavelength, wavelength)


def test_file_hash_is_that_of_the_file(tmp_path):
    emulator = build()
    path = tmp_path / "a.onnx"
    emulator.save(path)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert emulator.file_hash == Emulator.load(path).file_hash == sha256
    assert build(seed=1).file_hash != sha256


def test_negative_labels_in_the_log_branch_do_not_disturb_the_graph():
    emulator = build()
    labels = np.array(
        [[5000.0, 0.0, 0.0], [5000.0, 4.0, -2.5]]
    )  # zero and negative where the scaling is linear
    flux, jacobian = run(emulator.to_bytes(), labels)
    np.testing.assert_allclose(flux, emulator.predict(labels), atol=1e-5)
    assert np.all(np.isfinite(jacobian))


def test_save_replaces_a_file_only_by_a_sound_one(tmp_path):
    path = tmp_path / "a.onnx"
    good = build()
    good.save(path)
    wild = three_labels(activation="identity")
    wild["weights"] = [1e30 * weight for weight in wild["weights"]]  # finite in double, infinite in the graph
    with pytest.raises(EmulatorFileError, match="too extreme for float32"):
        Emulator.from_layers(**wild).save(path)
    assert_same(Emulator.load(path), good)
    assert [p.name for p in tmp_path.iterdir()] == ["a.onnx"]


def test_save_into_a_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        build().save(tmp_path / "no" / "a.onnx")


def test_flux_far_from_one_is_compared_relatively():
    arguments = three_labels()
    arguments["weights"][-1] = 1e5 * arguments["weights"][-1]
    Emulator.from_bytes(Emulator.from_layers(**arguments).to_bytes(), "test")


def test_numbers_that_overflow_everywhere_are_refused_without_noise():
    arguments = three_labels(hidden=(4,) * 9, activation="identity")
    arguments["weights"] = [1e38 * np.sign(weight) for weight in arguments["weights"]]
    emulator = Emulator.from_layers(**arguments)
    with pytest.raises(EmulatorFileError, match="too extreme for float32"):
        Emulator.from_bytes(emulator.to_bytes(), "test")
