"""Graphs that hold more than an emulator needs, or something else than its layers, are refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from maury.emulator.emulator import Emulator
from network_twin import three_labels
from tampered_emulator import (
    change_entry,
    node,
    refused,
    set_entry,
    set_tensor,
    tampered,
)


def add_node(*args, **kwargs):
    return lambda model: model.graph.node.append(helper.make_node(*args, **kwargs))


def subgraph():
    out = helper.make_tensor_value_info("o", TensorProto.FLOAT, [])
    return helper.make_graph([], "inner", [], [out])


def grow(model):
    """Square a vector into a matrix, and that into more than fits anywhere."""
    model.graph.initializer.append(numpy_helper.from_array(np.ones((1, 5000), np.float32), "row"))
    model.graph.initializer.append(numpy_helper.from_array(np.ones((5000, 1), np.float32), "column"))
    model.graph.node.append(helper.make_node("Mul", ["column", "row"], ["big"], name="grow"))


GRAPH = {
    "custom operator": (
        lambda m: setattr(node(m, "layer0.value"), "domain", "evil.corp"),
        "node 'layer0.value' uses the operator 'evil.corp::Mul'",
    ),
    "custom domain": (
        lambda m: m.opset_import.add(domain="evil.corp", version=1),
        "uses custom operators",
    ),
    "operator no emulator needs": (
        lambda m: setattr(node(m, "layer0.sigmoid"), "op_type", "Softmax"),
        "node 'layer0.sigmoid' uses the operator 'Softmax', which is not allowed",
    ),
    "constant node": (
        add_node("Constant", [], ["c"], value=numpy_helper.from_array(np.ones(2)), name="c"),
        "uses the operator 'Constant'",
    ),
    "subgraph": (
        add_node("If", ["label_is_log"], ["c"], then_branch=subgraph(), else_branch=subgraph(), name="c"),
        "uses the operator 'If'",
    ),
    "subgraph as attribute": (
        add_node("Relu", ["labels"], ["c"], body=subgraph(), name="c"),
        "node 'c' .Relu. has the attribute 'body' of type GRAPH",
    ),
    "tensor as attribute": (
        add_node("Relu", ["labels"], ["c"], value=numpy_helper.from_array(np.ones(2)), name="c"),
        "has the attribute 'value' of type TENSOR",
    ),
    "attribute of another type": (
        lambda m: node(m, "jacobian").attribute[0].CopyFrom(helper.make_attribute("perm", 1.0)),
        "has the attribute 'perm' of type FLOAT",
    ),
    "function": (
        lambda m: m.functions.append(
            helper.make_function("evil", "f", [], [], [], [helper.make_opsetid("", 17)])
        ),
        "contains functions or training steps",
    ),
    "training": (lambda m: m.training_info.add(), "contains functions or training steps"),
    "sparse tensor": (lambda m: m.graph.sparse_initializer.add(), "contains sparse tensors"),
    "output renamed": (
        lambda m: setattr(m.graph.output[0], "name", "spectrum"),
        "the inputs and outputs flux, jacobian; got spectrum, jacobian",
    ),
    "second input": (
        lambda m: m.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1])),
        "the inputs and outputs labels; got labels, more",
    ),
    "output of another shape": (
        lambda m: setattr(m.graph.output[0].type.tensor_type.shape.dim[1], "dim_value", 41),
        r"'flux' must be float32 of shape \('N', 40\), got \(None, 41\)",
    ),
    "input in double": (
        lambda m: setattr(m.graph.input[0].type.tensor_type, "elem_type", TensorProto.DOUBLE),
        "'labels' must be float32",
    ),
    "node cut out": (lambda m: m.graph.node.remove(node(m, "layer0.value")), "not valid ONNX"),
    "shapes that do not fit": (
        lambda m: node(m, "layer1.product").input.__setitem__(1, "layer0.transposed"),
        "not valid ONNX",
    ),
    "memory bomb": (grow, r"node 'grow' computes 'big' of shape \(5000, 5000\), larger than necessary"),
}


@pytest.mark.parametrize("case", GRAPH)
def test_wrong_graph_is_named(case):
    change, message = GRAPH[case]
    refused(tampered(change), message)


TAMPERED = {
    "another activation": lambda m: setattr(node(m, "layer0.sigmoid"), "op_type", "Tanh"),
    "a term left out of the flux": lambda m: node(m, "layer1.z").input.__setitem__(1, "layer1.product"),
    "other scaling": set_tensor("label_scale", np.float32([0.4343, 0.21, 1 / 3])),
    "other shift": set_tensor("half", np.float32(0.4)),
    "log10 switched off": set_tensor("label_is_log", np.array([False, False, False])),
    "jacobian without the slope": lambda m: node(m, "layer1.tangent").input.__setitem__(0, "layer0.tangent"),
    "jacobian of another sign": lambda m: setattr(node(m, "layer0.rest"), "op_type", "Sub"),
    "NaN constant": set_tensor("one", np.float32(np.nan)),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_a_graph_that_is_not_its_layers_is_refused_by_comparison(case):
    refused(
        tampered(TAMPERED[case]), "(flux|jacobian) of its graph, run by onnxruntime in float32, differs by"
    )


def test_leaky_relu_with_another_slope_is_refused_by_comparison():
    model = onnx.load_model_from_string(
        Emulator.from_layers(**three_labels(activation="leaky_relu")).to_bytes()
    )
    node(model, "layer0.value").attribute[0].f = 0.02
    refused(model.SerializeToString(), "flux of its graph")


def test_metadata_that_is_not_the_graph_is_refused_by_comparison():
    refused(tampered(set_entry("activations", ["silu", "tanh"])), "flux of its graph, run by onnxruntime")
    refused(tampered(change_entry("labels", lambda rows: rows[0].update(max=20000.0))), "flux of its graph")
