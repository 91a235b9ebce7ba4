"""The emulator file: one ONNX graph, with all other content as JSON in its metadata.

Files from untrusted sources can be read safely. Nothing in them is executed before its kind and size have
been checked, no other file is opened, and the result of onnxruntime for the graph must agree with that of
maury for the layers.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from maury.emulator import checks as check
from maury.emulator.builtin import BUILT_IN, built_in_file
from maury.emulator.checks import EmulatorFileError
from maury.emulator.content import Content
from maury.emulator.graph import IR_VERSION, OPSET, bias_name, build_graph, weight_name
from maury.emulator.guard import check_graph, check_network, stored_arrays
from maury.emulator.model_error import ModelError
from maury.emulator.modes import read_modes, write_modes

FORMAT_VERSION = 1
# Size limit of protocol buffers, and therefore of ONNX files.
_MAX_BYTES = 2**31 - 1


def write(emulator: Content, path: str | os.PathLike[str]) -> None:
    """Write `emulator`; an existing file at `path` is kept until the new file is complete."""
    data = encode(emulator)
    check_network(data, emulator)
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def read(path: str | os.PathLike[str]) -> tuple[bytes, str]:
    """Return the bytes of an emulator file, or of a built-in one by name, and its name for messages."""
    if isinstance(path, str) and path in BUILT_IN:
        return built_in_file(path), f"the built-in emulator {path}"
    size = os.stat(path).st_size
    if size > _MAX_BYTES:
        raise EmulatorFileError(f"{path}: {size:,} bytes exceed the maximum size of an ONNX file")
    return Path(path).read_bytes(), os.fspath(path)


def encode(emulator: Content) -> bytes:
    """Return the file of an emulator; the same emulator always gives the same bytes."""
    model = onnx.helper.make_model(
        build_graph(emulator),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="maury",
        producer_version=str(emulator.meta["version"]),
        doc_string="Normalised stellar spectrum and its derivatives by the labels; see the metadata maury.*",
    )
    entries = {
        f"maury.{key}": json.dumps(value, allow_nan=False, separators=(",", ":"))
        for key, value in _describe_content(emulator).items()
    }
    onnx.helper.set_model_props(model, entries)
    return bytes(model.SerializeToString(deterministic=True))


def decode(data: bytes, where: str) -> Content:
    """Return the content of the bytes of a file; `where` is the file name in messages."""
    try:
        model = _parse(data)
        entries = _own_metadata(model)
        arrays = stored_arrays(model)
        layers = _read_content(entries, arrays)
        try:
            content = Content.from_layers(**layers)
        except ValueError as error:
            raise EmulatorFileError(str(error)) from None
        check_graph(model, content)
        check_network(data, content)
    except EmulatorFileError as error:
        raise EmulatorFileError(f"{where}: {error}") from error.__cause__
    return content


def _describe_content(emulator: Content) -> dict[str, Any]:
    """Return the metadata: everything except the network."""
    columns = {
        "name": emulator.labels,
        "unit": emulator.units,
        "transform": emulator.transforms,
        "min": emulator.label_min.tolist(),
        "max": emulator.label_max.tolist(),
        "lower": emulator.bounds[:, 0].tolist(),
        "upper": emulator.bounds[:, 1].tolist(),
        "training_min": emulator.training_range[:, 0].tolist(),
        "training_max": emulator.training_range[:, 1].tolist(),
    }
    return {
        "format_version": FORMAT_VERSION,
        "labels": [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)],
        "activations": list(emulator.activations),
        "wavelength": _write_wavelength(emulator),
        "normalisation": {"kind": "running_median", "window": emulator.window},
        "lsf": None if emulator.lsf is None else emulator.lsf.tolist(),
        "scatter": emulator.scatter.tolist(),
        "modes": write_modes(emulator.modes),
        "training_labels": emulator.training_labels.tolist(),
        "meta": dict(emulator.meta),
        "model_error": None if emulator.error_on_unseen is None else emulator.error_on_unseen.as_dict(),
    }


def _write_wavelength(emulator: Content) -> dict[str, Any]:
    """Return log10 start, step and length; and the values if those do not reproduce them exactly."""
    wavelength, grid = emulator.wavelength, emulator.log10_grid
    entry: dict[str, Any] = {"medium": "vacuum", "unit": "Angstrom", "length": len(wavelength)}
    if grid is not None:
        entry.update(log10_start=grid[0], log10_step=grid[1])
    if grid is None or not np.array_equal(check.log10_wavelength(*grid, len(wavelength)), wavelength):
        entry["values"] = wavelength.tolist()
    return entry


def _parse(data: bytes) -> onnx.ModelProto:
    if not data:
        raise EmulatorFileError("the file is empty")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except Exception as error:  # its type differs between builds of protobuf
        raise EmulatorFileError("not an ONNX file, or one that is cut short or damaged") from error
    if not model.HasField("graph"):
        raise EmulatorFileError("not an ONNX file, or one that is cut short: it has no graph")
    return model


def _own_metadata(model: onnx.ModelProto) -> dict[str, str]:
    """Return the maury.* entries of a file in a known version."""
    entries: dict[str, str] = {}
    for entry in model.metadata_props:
        if entry.key in entries:
            raise EmulatorFileError(f"metadata {entry.key!r} occurs twice")
        entries[entry.key] = entry.value
    if "maury.format_version" not in entries:
        maker = f" (made by {model.producer_name!r})" if model.producer_name else ""
        raise EmulatorFileError(
            f"an ONNX file, but not a maury emulator{maker}: it has no metadata 'maury.format_version'; "
            "build one from the layers with Emulator.from_layers"
        )
    version = _json(entries, "format_version")
    if not isinstance(version, int) or version < 1:
        raise EmulatorFileError(f"metadata 'maury.format_version' is {version!r}, not a version number")
    if version > FORMAT_VERSION:
        raise EmulatorFileError(
            f"format version {version} is newer than this maury, which reads up to {FORMAT_VERSION}; "
            "update maury"
        )
    return entries


def _json(entries: Mapping[str, str], key: str) -> Any:
    try:
        return json.loads(entries[f"maury.{key}"])
    except KeyError:
        raise EmulatorFileError(f"metadata 'maury.{key}' is missing; the file may be cut short") from None
    except (ValueError, RecursionError) as error:
        raise EmulatorFileError(f"metadata 'maury.{key}' is not JSON: {error}") from None


def _read_content(entries: Mapping[str, str], arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the arguments of `Emulator.from_layers`."""

    def entry(key: str, understand: Callable[[Any], Any]) -> Any:
        value = _json(entries, key)
        try:
            return understand(value)
        except EmulatorFileError:
            raise
        except (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError) as error:
            raise EmulatorFileError(
                f"metadata 'maury.{key}' does not have the expected form: {error!r}"
            ) from None

    weights, biases = _stored_layers(arrays)
    entries = {"maury.model_error": "null", "maury.modes": "null", **entries}  # older files have neither
    columns = entry("labels", lambda rows: {key: [row[key] for row in rows] for key in _LABEL_KEYS})
    training = entry("training_labels", list)
    return {
        "weights": weights,
        "biases": biases,
        "activation": entry("activations", list),
        "labels": columns["name"],
        "units": columns["unit"],
        "transforms": columns["transform"],
        "label_min": columns["min"],
        "label_max": columns["max"],
        "bounds": _pairs(columns["lower"], columns["upper"]),
        "training_range": _pairs(columns["training_min"], columns["training_max"]),
        "training_labels": training or None,
        "wavelength": entry("wavelength", lambda grid: _read_wavelength(grid, len(biases[-1]))),
        "window": entry("normalisation", _read_normalisation),
        "lsf": entry("lsf", lambda lsf: None if lsf is None else list(lsf)),
        "scatter": entry("scatter", list),
        "modes": entry("modes", lambda told: read_modes(told, len(biases[-1]))),
        "meta": entry("meta", lambda meta: dict(meta.items())),
        "error_on_unseen": entry("model_error", _read_model_error),
    }


_LABEL_KEYS = ("name", "unit", "transform", "min", "max", "lower", "upper", "training_min", "training_max")


def _pairs(lower: list[Any], upper: list[Any]) -> list[list[Any]]:
    return [[low, high] for low, high in zip(lower, upper, strict=True)]


def _stored_layers(arrays: Mapping[str, NDArray[Any]]) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    weights: list[NDArray[Any]] = []
    biases: list[NDArray[Any]] = []
    while weight_name(len(weights)) in arrays:
        layer = len(weights)
        if bias_name(layer) not in arrays:
            raise EmulatorFileError(f"layer {layer} has weights but no {bias_name(layer)!r}")
        weights.append(arrays[weight_name(layer)])
        biases.append(arrays[bias_name(layer)])
        for name in (weight_name(layer), bias_name(layer)):
            if arrays[name].dtype != np.float32:
                raise EmulatorFileError(f"{name!r} is {arrays[name].dtype}, not float32")
    if not weights:
        raise EmulatorFileError(f"it contains no network: there is no tensor {weight_name(0)!r}")
    if biases[-1].ndim != 1:
        raise EmulatorFileError(f"{bias_name(len(biases) - 1)!r} has shape {biases[-1].shape}, not (out,)")
    return weights, biases


def _read_wavelength(grid: Mapping[str, Any], n_pixels: int) -> Any:
    """Return the wavelengths; their number is checked before they are computed."""
    if grid["medium"] != "vacuum" or grid["unit"] != "Angstrom":
        raise EmulatorFileError(
            f"wavelengths are in {grid['medium']}, {grid['unit']}; expected vacuum, Angstrom"
        )
    if grid["length"] != n_pixels:
        raise EmulatorFileError(
            f"wavelength: length {grid['length']}, but the last layer gives {n_pixels} pixels"
        )
    if "values" in grid:
        return list(grid["values"])
    return check.log10_wavelength(float(grid["log10_start"]), float(grid["log10_step"]), n_pixels)


def _read_model_error(told: Any) -> ModelError | None:
    if told is None:
        return None
    try:
        return ModelError.from_dict(told)
    except ValueError as error:
        raise EmulatorFileError(f"metadata 'maury.model_error': {error}") from None


def _read_normalisation(recipe: Mapping[str, Any]) -> Any:
    if recipe["kind"] != "running_median":
        raise EmulatorFileError(f"normalisation {recipe['kind']!r} is unknown; expected 'running_median'")
    return recipe["window"]
