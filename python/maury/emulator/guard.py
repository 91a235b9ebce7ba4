"""Checks that an emulator file must pass before it is accepted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto

from maury.emulator.checks import EmulatorFileError
from maury.emulator.content import Content
from maury.emulator.network import compiled

# Largest difference of flux, and of the Jacobian times the label range, between the graph and the compiled
# network; relative where they exceed 1.
TOLERANCE = 1e-4
# Labels at which they are compared.
_N_PROBES = 8

# Operators and the attributes they may have: only those written by build_graph.
_OPERATORS: dict[str, dict[str, Any]] = {
    "Transpose": {"perm": onnx.AttributeProto.INTS},
    "LeakyRelu": {"alpha": onnx.AttributeProto.FLOAT},
    "Add": {},
    "Div": {},
    "Erf": {},
    "Exp": {},
    "Greater": {},
    "Log": {},
    "MatMul": {},
    "Mul": {},
    "Neg": {},
    "Relu": {},
    "Sigmoid": {},
    "Sub": {},
    "Tanh": {},
    "Unsqueeze": {},
    "Where": {},
}
_DTYPES: dict[int, np.dtype[Any]] = {
    TensorProto.FLOAT: np.dtype("<f4"),
    TensorProto.INT64: np.dtype("<i8"),
    TensorProto.BOOL: np.dtype("?"),
}


def stored_arrays(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """Return the tensors by name, after checking that the model has only plain arrays and known operators."""
    graph = model.graph
    if len(model.functions) or len(model.training_info):
        raise EmulatorFileError(
            "it contains functions or training steps, which are not allowed in an emulator"
        )
    for opset in model.opset_import:
        if opset.domain not in ("", "ai.onnx"):
            raise EmulatorFileError(f"it uses custom operators ({opset.domain!r})")
    if len(graph.sparse_initializer):
        raise EmulatorFileError("it contains sparse tensors, which are not allowed in an emulator")
    for node in graph.node:
        _check_node(node)
    arrays: dict[str, NDArray[Any]] = {}
    for tensor in graph.initializer:
        if tensor.name in arrays:
            raise EmulatorFileError(f"tensor {tensor.name!r} occurs twice")
        arrays[tensor.name] = _array(tensor)
    return arrays


def _check_node(node: onnx.NodeProto) -> None:
    allowed = _OPERATORS.get(node.op_type) if node.domain in ("", "ai.onnx") else None
    if allowed is None:
        operator = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
        raise EmulatorFileError(f"node {node.name!r} uses the operator {operator!r}, which is not allowed")
    for attribute in node.attribute:
        if allowed.get(attribute.name) != attribute.type or attribute.ref_attr_name:
            raise EmulatorFileError(
                f"node {node.name!r} ({node.op_type}) has the attribute {attribute.name!r} of type "
                f"{onnx.AttributeProto.AttributeType.Name(attribute.type)}, which is not allowed"
            )


def _array(tensor: onnx.TensorProto) -> NDArray[Any]:
    """Return the values of a tensor, if its bytes are in the file and their number matches its dimensions."""
    name, dims = tensor.name, tuple(tensor.dims)
    if tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data):
        raise EmulatorFileError(f"tensor {name!r} is in another file; an emulator is one file")
    dtype = _DTYPES.get(tensor.data_type)
    if dtype is None:
        raise EmulatorFileError(
            f"tensor {name!r} has data type {tensor.data_type}, not float32, int64 or bool"
        )
    if any(dim < 1 for dim in dims):
        raise EmulatorFileError(f"tensor {name!r} has the shape {dims}")
    n_bytes = math.prod(dims) * dtype.itemsize
    if n_bytes != len(tensor.raw_data):
        raise EmulatorFileError(
            f"tensor {name!r} of shape {dims} needs {n_bytes:,} bytes, but the file has "
            f"{len(tensor.raw_data):,}"
        )
    return np.frombuffer(tensor.raw_data, dtype=dtype).reshape(dims)


def check_graph(model: onnx.ModelProto, emulator: Content) -> None:
    """Check that the graph is valid, has the right inputs and outputs, and no unnecessarily large array.

    A few small tensors can be multiplied into one that exhausts the memory, so every intermediate shape is
    derived before onnxruntime loads the graph.
    """
    n_labels, n_pixels = len(emulator.labels), len(emulator.wavelength)
    _check_ends(model.graph.input, {"labels": (n_labels,)})
    _check_ends(model.graph.output, {"flux": (n_pixels,), "jacobian": (n_pixels, n_labels)})

    bare = onnx.ModelProto()
    bare.CopyFrom(model)
    del bare.graph.value_info[:]
    try:
        onnx.checker.check_model(bare)
        inferred = onnx.shape_inference.infer_shapes(bare, check_type=True, strict_mode=True)
    except Exception as error:  # onnx raises its own exceptions here, without a common base
        raise EmulatorFileError(f"its graph is not valid ONNX: {_first_line(error)}") from error
    widths = [n_labels, *(len(bias) for bias in emulator.biases)]
    largest = max(_N_PROBES * n_labels * max(widths), *(weight.size for weight in emulator.weights))
    shapes = {value.name: _shape(value) for value in (*inferred.graph.value_info, *inferred.graph.output)}
    for node in inferred.graph.node:
        for output in node.output:
            shape = shapes.get(output)
            size = (
                math.inf if shape is None else math.prod(_N_PROBES if dim is None else dim for dim in shape)
            )
            if size > largest:
                raise EmulatorFileError(
                    f"node {node.name!r} computes {output!r} of shape {shape}, larger than necessary"
                )


def _check_ends(values: Sequence[onnx.ValueInfoProto], wanted: Mapping[str, tuple[int, ...]]) -> None:
    # As a set: a name that is not UTF-8 is read as bytes, which cannot be sorted with text.
    if len(values) != len(wanted) or {value.name for value in values} != set(wanted):
        came = ", ".join(str(value.name) for value in values) or "none"
        raise EmulatorFileError(f"its graph must have the inputs and outputs {', '.join(wanted)}; got {came}")
    for value in values:
        shape = _shape(value)
        if value.type.tensor_type.elem_type != TensorProto.FLOAT or shape != (None, *wanted[value.name]):
            raise EmulatorFileError(
                f"{value.name!r} must be float32 of shape {('N', *wanted[value.name])}, got {shape}"
            )


def _shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...] | None:
    """Return a shape with None for N, or None if it is unknown."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    dims = tensor.shape.dim
    if any(not dim.HasField("dim_value") and dim.dim_param != "N" for dim in dims):
        return None
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)


def check_network(data: bytes, emulator: Content) -> None:
    """Compare the graph in onnxruntime with the compiled network at a few labels."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    probes, network = _probe_labels(emulator), compiled(emulator)
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        flux, jacobian = session.run(["flux", "jacobian"], {"labels": probes})
    except Exception as error:  # one class per kind of failure, without a public base
        raise EmulatorFileError(f"onnxruntime cannot run its graph: {_first_line(error)}") from error

    span = emulator.label_max - emulator.label_min
    # Rounding may move the step of a (leaky) ReLU to either side of zero: one such label is tolerated.
    n_spare = 1 if any("relu" in activation for activation in emulator.activations) else 0
    _compare("flux", flux, network.predict(probes.astype(np.float64)), 1.0, 0)
    _compare("jacobian", jacobian, network.jacobian(probes.astype(np.float64)), span, n_spare)


def _compare(
    what: str, graph: NDArray[Any], compiled: NDArray[Any], scale: NDArray[Any] | float, n_spare: int
) -> None:
    if graph.shape != compiled.shape:
        raise EmulatorFileError(
            f"{what} of its graph has shape {graph.shape}, that of its layers {compiled.shape}"
        )
    axes = tuple(range(1, graph.ndim))
    graph, compiled = graph * scale, compiled * scale
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.maximum(1, np.max(np.abs(compiled), axis=axes))
        difference = np.max(np.abs(graph - compiled), axis=axes) / size
    # Written so that NaN fails the check.
    if np.count_nonzero(difference <= TOLERANCE) < len(difference) - n_spare:
        raise EmulatorFileError(
            f"{what} of its graph, run by onnxruntime in float32, differs by {np.max(difference):.2g} from "
            f"that of its layers and scaling (at most {TOLERANCE:g} is allowed): the graph was changed, or "
            "the numbers are too extreme for float32"
        )


def _probe_labels(emulator: Content) -> NDArray[Any]:
    """Return (8, L) float32 labels in the scaling range, always the same."""
    part = np.random.default_rng(1897).uniform(size=(_N_PROBES, len(emulator.labels)))
    low, high = emulator.label_min, emulator.label_max
    is_log = np.array([transform == "log10" for transform in emulator.transforms])
    safe_low, safe_high = np.where(is_log, low, 1.0), np.where(is_log, high, 1.0)
    labels = np.where(is_log, safe_low * (safe_high / safe_low) ** part, low + part * (high - low))
    return labels.astype(np.float32)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
