"""A good emulator file, and ways to spoil it, which Python and C++ must refuse alike."""

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import front_door
from maury.emulator.emulator import Emulator
from maury.emulator.guard import EmulatorFileError
from network_twin import three_labels

GOOD = Emulator.from_layers(**three_labels()).to_bytes()


def tampered(change):
    """Return the bytes of a good file after `change(model)`."""
    model = onnx.load_model_from_string(GOOD)
    change(model)
    return model.SerializeToString()


def refused(data, message, core=True):
    """Check the message of Python; `core`: the C++ front door refuses the file too."""
    with pytest.raises(EmulatorFileError, match=f"^bad.onnx: .*{message}") as caught:
        Emulator.from_bytes(data, "bad.onnx")
    if core and front_door.LIBRARY is not None:
        assert front_door.refusal(data).startswith("bad.onnx: ")
    return str(caught.value)


def tensor(model, name):
    return next(t for t in model.graph.initializer if t.name == name)


def set_tensor(name, value):
    return lambda model: tensor(model, name).CopyFrom(numpy_helper.from_array(np.asarray(value), name))


def set_entry(key, value):
    def change(model):
        entry = next(e for e in model.metadata_props if e.key == f"maury.{key}")
        entry.value = value if isinstance(value, str) else json.dumps(value)

    return change


def change_entry(key, change_value):
    def change(model):
        entry = next(e for e in model.metadata_props if e.key == f"maury.{key}")
        value = json.loads(entry.value)
        change_value(value)
        entry.value = json.dumps(value)

    return change


def drop_entry(key):
    def change(model):
        kept = [e for e in model.metadata_props if e.key != f"maury.{key}"]
        del model.metadata_props[:]
        model.metadata_props.extend(kept)

    return change


def node(model, name):
    return next(n for n in model.graph.node if n.name == name)
