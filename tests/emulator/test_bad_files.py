"""Files that are damaged, foreign or hostile are refused, by the first thing wrong."""

import base64
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from maury.emulator.emulator import Emulator
from maury.emulator.guard import EmulatorFileError
from tampered_emulator import GOOD, change_entry, drop_entry, refused, set_entry, set_tensor, tampered, tensor


def test_the_good_file_is_good():
    assert Emulator.from_bytes(GOOD, "good.onnx").labels == ("teff", "logg", "fe_h")


# Not ours at all.


@pytest.mark.parametrize(
    "data",
    [
        b"hello, I am text\n" * 20,
        b"SIMPLE  =                    T" * 40,
        bytes(range(256)) * 4,
        b"\x89PNG\r\n",
    ],
)
def test_not_an_onnx_file(data):
    refused(data, "not an ONNX file")


def test_empty_file(tmp_path):
    (tmp_path / "e.onnx").write_bytes(b"")
    with pytest.raises(EmulatorFileError, match=r"e\.onnx: the file is empty"):
        Emulator.load(tmp_path / "e.onnx")


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        Emulator.load(tmp_path / "none.onnx")
    with pytest.raises(OSError, match=tmp_path.name):
        Emulator.load(tmp_path)


def test_onnx_file_of_someone_else():
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [value], [out])
    message = refused(
        helper.make_model(graph, producer_name="pytorch").SerializeToString(), "not a maury emulator"
    )
    assert "made by 'pytorch'" in message and "'maury.format_version'" in message and "from_layers" in message


@pytest.mark.parametrize("part", [0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.9999])
def test_truncated_file(part):
    refused(GOOD[: int(part * len(GOOD))], "cut short")


@settings(max_examples=150)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_harmless_but_never_something_else(at, bit):
    data = bytearray(GOOD)
    data[at] ^= 1 << bit
    try:
        emulator = Emulator.from_bytes(bytes(data), "bad.onnx")
    except EmulatorFileError as error:
        assert str(error).startswith("bad.onnx: ")
    else:
        assert np.all(np.isfinite(emulator.predict([5000.0, 4.0, 0.0])))


@settings(max_examples=100)
@given(st.binary(max_size=300))
def test_random_bytes(data):
    with pytest.raises(EmulatorFileError):
        Emulator.from_bytes(data, "bad.onnx")


# Versions and metadata.


def test_newer_format_version():
    refused(
        tampered(set_entry("format_version", 2)), "format version 2 is newer than this maury, .*update maury"
    )


@pytest.mark.parametrize("version", ["0", "-1", '"1"', "1.0", "null", "x", "9" * 5000])
def test_format_version_that_is_none(version):
    refused(tampered(set_entry("format_version", version)), "maury.format_version' is|newer than this maury")


@pytest.mark.parametrize(
    "key",
    ["labels", "activations", "wavelength", "normalisation", "lsf", "scatter", "training_labels", "meta"],
)
def test_metadata_missing_or_broken(key):
    refused(tampered(drop_entry(key)), f"metadata 'maury.{key}' is missing")
    refused(tampered(set_entry(key, "{")), f"metadata 'maury.{key}' is not JSON")
    refused(tampered(set_entry(key, "[" * 100_000)), f"metadata 'maury.{key}' is not JSON")
    refused(tampered(set_entry(key, 3)), f"maury.{key}' does not have the expected form")


def test_metadata_twice():
    refused(
        tampered(lambda m: m.metadata_props.add(key="maury.scatter", value="[]")),
        "'maury.scatter' occurs twice",
    )


METADATA = {
    "min not below max": (
        change_entry("labels", lambda rows: rows[1].update(min=5.0)),
        r"label_min, label_max: the lower value of 'logg'",
    ),
    "min is text": (
        change_entry("labels", lambda rows: rows[1].update(min="0")),
        "label_min: expected real numbers",
    ),
    "min is NaN": (
        change_entry("labels", lambda rows: rows[1].update(min=float("nan"))),
        "label_min: 1 of 3 values",
    ),
    "min overflows": (
        change_entry("labels", lambda rows: rows[1].update(min=10**400)),
        "label_min: expected real",
    ),
    "no label": (set_entry("labels", []), "labels: at least one is needed"),
    "label row without unit": (
        change_entry("labels", lambda rows: rows[1].pop("unit")),
        "'maury.labels' does not have the expected form",
    ),
    "label row is text": (set_entry("labels", ["teff"]), "'maury.labels' does not have the expected form"),
    "one label more": (
        change_entry("labels", lambda rows: rows.append({**rows[0], "name": "x"})),
        r"weights\[0\]: shape \(12, 3\) does not match the 4 labels",
    ),
    "label twice": (
        change_entry("labels", lambda rows: rows[1].update(name="teff")),
        "'teff' occurs twice",
    ),
    "label is a number": (
        change_entry("labels", lambda rows: rows[1].update(name=3)),
        "labels: expected a list of",
    ),
    "log10 of zero": (
        change_entry("labels", lambda rows: rows[1].update(transform="log10")),
        "'logg' is scaled by",
    ),
    "unknown transform": (
        change_entry("labels", lambda rows: rows[1].update(transform="cube")),
        "'cube' of 'logg'",
    ),
    "lower bound above upper": (
        change_entry("labels", lambda rows: rows[0].update(lower=9e9)),
        "bounds: the lower",
    ),
    "unknown activation": (set_entry("activations", ["silu", "mish"]), "activation: 'mish' is unknown"),
    "activation short": (set_entry("activations", ["silu"]), "activation: 1 given for 2 hidden layers"),
    "wavelength length": (
        change_entry("wavelength", lambda grid: grid.update(length=41)),
        "wavelength: length 41, but the last layer gives 40 pixels",
    ),
    "wavelength huge": (
        change_entry("wavelength", lambda grid: grid.update(length=10**15)),
        "wavelength: length 1000000000000000, but the last layer gives 40 pixels",
    ),
    "wavelength list short": (
        change_entry("wavelength", lambda grid: grid.update(values=[4000.0, 4001.0])),
        "wavelength: 2 values, but the last layer gives 40 pixels",
    ),
    "wavelength falls": (
        change_entry("wavelength", lambda grid: grid.update(log10_step=-1e-4)),
        "wavelength: must increase",
    ),
    "wavelength overflows": (
        change_entry("wavelength", lambda grid: grid.update(log10_step=1e3)),
        "wavelength.*OverflowError",
    ),
    "wavelength in air": (
        change_entry("wavelength", lambda grid: grid.update(medium="air")),
        "expected vacuum",
    ),
    "wavelength without start": (
        change_entry("wavelength", lambda grid: grid.pop("log10_start")),
        "'maury.wavelength' does not have the expected form: KeyError",
    ),
    "scatter negative": (
        change_entry("scatter", lambda s: s.__setitem__(3, -1)),
        "scatter: must be 0 or more",
    ),
    "scatter NaN": (
        set_entry("scatter", "[" + "NaN," * 39 + "NaN]"),
        "scatter: 40 of 40 values are not finite",
    ),
    "scatter short": (set_entry("scatter", [0.0]), r"scatter: expected shape \(40\), got \(1,\)"),
    "modes too many": (
        set_entry("modes", {"count": 10**9, "float16": ""}),
        "modes: expected 1 to 64 of them",
    ),
    "modes not counted": (
        set_entry("modes", {"count": True, "float16": ""}),
        "modes: expected 1 to 64 of them",
    ),
    "modes short": (set_entry("modes", {"count": 1, "float16": "AAAA"}), "modes: expected 80 bytes"),
    "modes padded": (
        set_entry("modes", {"count": 1, "float16": "A" * 106 + "=="}),
        "modes: expected 80 bytes, got 79",
    ),
    "modes not base64": (set_entry("modes", {"count": 1, "float16": "!" * 108}), "modes: not base64"),
    "modes NaN": (
        set_entry("modes", {"count": 1, "float16": base64.b64encode(b"\xff" * 80).decode()}),
        "modes: 40 of 40 values are not finite",
    ),
    "modes of another form": (set_entry("modes", [1.0]), "'maury.modes' does not have the expected form"),
    "lsf zero": (set_entry("lsf", [0.0] * 40), "lsf: must be above 0"),
    "normalisation": (
        change_entry("normalisation", lambda r: r.update(kind="spline")),
        "'spline' is unknown",
    ),
    "window": (
        change_entry("normalisation", lambda r: r.update(window=-400)),
        "window: expected a whole number",
    ),
    "training labels": (
        set_entry("training_labels", [[1, 2]]),
        r"training_labels: expected shape \(any, 3\)",
    ),
    "ragged training labels": (
        set_entry("training_labels", [[1, 2, 3], [1]]),
        "training_labels: expected real",
    ),
}


@pytest.mark.parametrize("case", METADATA)
def test_wrong_metadata_is_named(case):
    change, message = METADATA[case]
    refused(tampered(change), message)


# Tensors.


def redim(name, *dims):
    def change(model):
        del tensor(model, name).dims[:]
        tensor(model, name).dims.extend(dims)

    return change


TENSORS = {
    "too few bytes": (
        redim("layer1.weight", 9, 13),
        r"'layer1.weight' of shape \(9, 13\) needs 468 bytes, but the file has 432",
    ),
    "too many bytes": (redim("layer1.weight", 9, 11), r"needs 396 bytes, but the file has 432"),
    "huge dimension": (
        redim("layer2.weight", 2**40, 9),
        r"needs 39,582,418,599,936 bytes, but the file has 1,440",
    ),
    "dimensions that overflow": (
        redim("layer2.weight", 2**62, 2**62, 16),
        r"layer2\.weight.* bytes, but the file has",
    ),
    "empty": (redim("layer2.weight", 2**40, 0), r"has the shape \(1099511627776, 0\)"),
    "negative": (redim("layer2.weight", -40, -9), r"has the shape \(-40, -9\)"),
    "flat weight": (redim("layer1.weight", 108), r"weights\[1\]: expected shape \(any, any\), got \(108,\)"),
    "2-D last bias": (redim("layer2.bias", 1, 40), r"'layer2.bias' has shape \(1, 40\)"),
    "2-D bias": (redim("layer0.bias", 1, 12), r"biases\[0\]: expected shape \(12\), got \(1, 12\)"),
    "transposed": (
        set_tensor("layer1.weight", np.ones((12, 9), np.float32)),
        r"weights\[1\]: .*weights are \(out, in\)",
    ),
    "broken chain": (
        set_tensor("layer1.weight", np.ones((9, 8), np.float32)),
        r"weights\[1\]: shape \(9, 8\) does not match the 12 outputs of layer 0",
    ),
    "NaN": (
        set_tensor("layer0.bias", np.full(12, np.nan, np.float32)),
        r"biases\[0\]: 12 of 12 values are not finite",
    ),
    "signalling NaN": (
        set_tensor("layer0.bias", np.full(12, 0x7FA00000, np.uint32).view(np.float32)),
        r"biases\[0\]: 12 of 12 values are not finite",
    ),
    "double": (set_tensor("layer0.bias", np.ones(12)), "'layer0.bias' has data type 11, not float32"),
    "integers": (set_tensor("layer0.bias", np.ones(12, np.int64)), "'layer0.bias' is int64, not float32"),
    "renamed weight": (
        lambda m: setattr(tensor(m, "layer0.weight"), "name", "w"),
        "there is no tensor 'layer0.weight'",
    ),
    "missing bias": (
        lambda m: setattr(tensor(m, "layer1.bias"), "name", "b"),
        "has weights but no 'layer1.bias'",
    ),
    "twice": (lambda m: m.graph.initializer.append(tensor(m, "layer0.bias")), "'layer0.bias' occurs twice"),
    "text": (
        lambda m: m.graph.initializer.append(helper.make_tensor("s", TensorProto.STRING, [1], [b"hi"])),
        "tensor 's' has data type 8",
    ),
}


@pytest.mark.parametrize("case", TENSORS)
def test_wrong_tensor_is_named(case):
    change, message = TENSORS[case]
    refused(tampered(change), message)


def test_values_outside_raw_data():
    def change(model):
        bias = tensor(model, "layer0.bias")
        bias.ClearField("raw_data")
        bias.float_data.extend([0.0] * 12)

    refused(tampered(change), r"'layer0.bias' of shape \(12,\) needs 48 bytes, but the file has 0")


@pytest.mark.parametrize("mark", [True, False])
def test_external_data_is_never_opened(mark, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.bin").write_bytes(bytes(48))

    def change(model):
        bias = tensor(model, "layer0.bias")
        bias.ClearField("raw_data")
        bias.external_data.add(key="location", value="secret.bin")
        if mark:
            bias.data_location = TensorProto.EXTERNAL

    refused(tampered(change), "'layer0.bias' is in another file; an emulator is one file")


@pytest.mark.parametrize(
    "change",
    [
        redim("layer2.weight", 10**9, 10**9),
        redim("layer2.weight", 2**40, 0),
        change_entry("wavelength", lambda grid: grid.update(length=10**12)),
    ],
)
def test_a_huge_size_in_a_small_file_allocates_nothing(change):
    data = tampered(change)
    tracemalloc.start()
    try:
        refused(data, "")
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
