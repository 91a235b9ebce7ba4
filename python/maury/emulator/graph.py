"""The emulator as an ONNX graph: labels -> flux and jacobian, in standard operators only.

The Jacobian is propagated together with the flux (forward mode). With W the weights of a layer, s its
activation, z = a W' + b its input and T = da / d label the tangents so far:

    a -> s(z)        (N, H)
    T -> s'(z) T W'  (N, L, H)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from maury.emulator.content import Content

OPSET = 17
# The oldest version that allows opset 17, so that old runtimes can read the file.
IR_VERSION = 8


def weight_name(layer: int) -> str:
    """Name of the stored weights, (out, in) float32, of a layer counted from 0."""
    return f"layer{layer}.weight"


def bias_name(layer: int) -> str:
    """Name of the stored biases, (out,) float32."""
    return f"layer{layer}.bias"


class _Graph:
    """Nodes and constants of the graph, in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def constant(self, name: str, value: object, dtype: type = np.float32) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.asarray(value, dtype=dtype), name)
        return name

    def add(self, operator: str, *inputs: str, name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name


def build_graph(emulator: Content) -> onnx.GraphProto:
    """Return the float32 graph: input `labels` (N, L), outputs `flux` (N, P) and `jacobian` (N, P, L)."""
    graph = _Graph()
    value, tangent = _scale(graph, emulator)
    last = len(emulator.weights) - 1
    for layer, (weight, bias) in enumerate(zip(emulator.weights, emulator.biases, strict=True)):
        at = f"layer{layer}"
        transposed = graph.add(
            "Transpose", graph.constant(weight_name(layer), weight), name=f"{at}.transposed", perm=[1, 0]
        )
        product = graph.add("MatMul", value, transposed, name=f"{at}.product")
        z = graph.add(
            "Add",
            product,
            graph.constant(bias_name(layer), bias),
            name="flux" if layer == last else f"{at}.z",
        )
        # The first tangents are diagonal, so their product with W' scales its rows.
        tangent = graph.add("Mul" if layer == 0 else "MatMul", tangent, transposed, name=f"{at}.tangent")
        value = z
        if layer == last or emulator.activations[layer] == "identity":
            continue
        value, slope = _activate(graph, emulator.activations[layer], z, at)
        slope = graph.add(
            "Unsqueeze", slope, graph.constant("axis1", [1], np.int64), name=f"{at}.slope_by_label"
        )
        tangent = graph.add("Mul", tangent, slope, name=f"{at}.tangent_out")
    graph.add("Transpose", tangent, name="jacobian", perm=[0, 2, 1])

    n_labels, n_pixels = len(emulator.labels), len(emulator.wavelength)
    kind = onnx.TensorProto.FLOAT
    return helper.make_graph(
        graph.nodes,
        "maury emulator",
        [helper.make_tensor_value_info("labels", kind, ["N", n_labels])],
        [
            helper.make_tensor_value_info("flux", kind, ["N", n_pixels]),
            helper.make_tensor_value_info("jacobian", kind, ["N", n_pixels, n_labels]),
        ],
        list(graph.constants.values()),
    )


def _scale(graph: _Graph, emulator: Content) -> tuple[str, str]:
    """Add x = (t(label) - t(min)) / (t(max) - t(min)) - 0.5, t linear or log10; return x and d x / d label.

    The logarithm of label / min is taken, which retains the digits that float32 loses in a difference of two
    logarithms. `Where` computes both variants and selects one, so the other (NaN, inf) is discarded.
    """
    low, high = emulator.label_min, emulator.label_max
    is_log = np.array([transform == "log10" for transform in emulator.transforms])
    safe_low, safe_high = np.where(is_log, low, 1.0), np.where(is_log, high, math.e)
    scale = 1.0 / np.where(is_log, np.log(safe_high) - np.log(safe_low), high - low)

    log_c = graph.constant("label_is_log", is_log, np.bool_)
    scale_c = graph.constant("label_scale", scale)
    above = graph.add("Sub", "labels", graph.constant("label_min", low), name="scale.above")
    ratio = graph.add("Mul", "labels", graph.constant("label_log_unit", 1.0 / safe_low), name="scale.ratio")
    logged = graph.add("Log", ratio, name="scale.log")
    transformed = graph.add("Where", log_c, logged, above, name="scale.transformed")
    stretched = graph.add("Mul", transformed, scale_c, name="scale.stretched")
    x = graph.add("Sub", stretched, graph.constant("half", 0.5), name="scale.x")

    log_slope = graph.add("Div", scale_c, "labels", name="scale.log_slope")
    slope = graph.add("Where", log_c, log_slope, scale_c, name="scale.slope")  # (N, L)
    return x, graph.add("Unsqueeze", slope, graph.constant("axis2", [2], np.int64), name="scale.tangent")


def _activate(graph: _Graph, activation: str, z: str, at: str) -> tuple[str, str]:
    """Add s(z) and s'(z) (N, H); return their names."""
    value, slope = f"{at}.value", f"{at}.slope"
    one = graph.constant("one", 1.0)

    def step(below: str) -> str:
        positive = graph.add("Greater", z, graph.constant("zero", 0.0), name=f"{at}.positive")
        return graph.add("Where", positive, one, below, name=slope)

    if activation == "relu":
        return graph.add("Relu", z, name=value), step(graph.constant("zero", 0.0))
    if activation == "leaky_relu":
        leak = graph.constant("leak", 0.01)
        return graph.add("LeakyRelu", z, name=value, alpha=0.01), step(leak)
    if activation == "tanh":
        t = graph.add("Tanh", z, name=value)
        return t, graph.add("Sub", one, graph.add("Mul", t, t, name=f"{at}.square"), name=slope)
    if activation == "sigmoid":
        s = graph.add("Sigmoid", z, name=value)
        return s, graph.add("Sub", s, graph.add("Mul", s, s, name=f"{at}.square"), name=slope)
    if activation == "silu":
        # s' = sigmoid + s (1 - sigmoid)
        sigmoid = graph.add("Sigmoid", z, name=f"{at}.sigmoid")
        s = graph.add("Mul", z, sigmoid, name=value)
        rest = graph.add("Sub", one, sigmoid, name=f"{at}.one_less_sigmoid")
        return s, graph.add("Add", sigmoid, graph.add("Mul", s, rest, name=f"{at}.rest"), name=slope)
    if activation == "gelu":
        # s = z Phi(z), s' = Phi(z) + z phi(z), with Phi and phi of the unit normal distribution
        root = graph.add("Mul", z, graph.constant("sqrt_half", math.sqrt(0.5)), name=f"{at}.z_root")
        erf = graph.add("Erf", root, name=f"{at}.erf")
        twice = graph.add("Add", one, erf, name=f"{at}.twice_phi")
        cumulative = graph.add("Mul", twice, graph.constant("half", 0.5), name=f"{at}.cumulative")
        square = graph.add("Mul", root, root, name=f"{at}.square")
        decay = graph.add("Exp", graph.add("Neg", square, name=f"{at}.exponent"), name=f"{at}.exp")
        norm = graph.constant("normal_peak", 1.0 / math.sqrt(2.0 * math.pi))
        density = graph.add("Mul", decay, norm, name=f"{at}.density")
        weighted = graph.add("Mul", z, density, name=f"{at}.weighted")
        s = graph.add("Mul", z, cumulative, name=value)
        return s, graph.add("Add", cumulative, weighted, name=slope)
    raise ValueError(f"activation {activation!r} has no graph")
