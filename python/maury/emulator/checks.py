"""Checks of the parts of an emulator: each returns the checked argument, or raises with the reason."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.labels import COLUMNS
from maury.output import one_line

Array = NDArray[np.float64]
Weights = NDArray[np.float32]

ACTIVATIONS = ("identity", "relu", "leaky_relu", "silu", "tanh", "sigmoid", "gelu")
TRANSFORMS = ("linear", "log10")
#: Distances are to the training star of this rank in distance, see `maury.emulator.distance`.
NEIGHBOUR = 3


# Characters of the name of a label or unit: with its ending, a column name fits into one card of FITS.
_LONGEST = 40
# Columns that belong to a label.
_ENDINGS = ("_err", "_err_formal", "_err_model")
_BLUEST, _REDDEST = 10.0, 1e9  # Angstrom: from X-rays to radio waves
_FINEST, _COARSEST = 1e-9, 1.0  # step of ln wavelength


class EmulatorFileError(ValueError):
    """A file is not a valid maury emulator."""


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only copy in C order."""
    copy = np.array(array, order="C", copy=True)
    copy.flags.writeable = False
    return copy


def numbers(name: str, value: ArrayLike, shape: tuple[int | None, ...], unit: str | None = None) -> Array:
    """Return `value` as finite float64 of that shape (None = any length).

    A Quantity is converted to `unit`, if one is given.
    """
    if unit is not None and hasattr(value, "to_value"):
        value = value.to_value(unit)
    try:
        array = np.asarray(value)
        if array.dtype.kind not in "fiu":
            raise TypeError(f"dtype {array.dtype}")
        with np.errstate(invalid="ignore"):  # a signalling NaN; it is found below
            array = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: expected real numbers, got {type(value).__name__} ({error})") from None
    if array.ndim != len(shape) or any(
        want is not None and have != want for have, want in zip(array.shape, shape, strict=True)
    ):
        wanted = ", ".join("any" if want is None else str(want) for want in shape)
        raise ValueError(f"{name}: expected shape ({wanted}), got {array.shape}")
    n_bad = int(array.size - np.count_nonzero(np.isfinite(array)))
    if n_bad:
        raise ValueError(f"{name}: {n_bad} of {array.size} values are not finite (NaN or infinity)")
    return frozen(array)


def names(argument: str, value: Sequence[str]) -> tuple[str, ...]:
    """Return a tuple of non-empty strings."""
    if isinstance(value, str) or not all(isinstance(name, str) for name in value):
        raise ValueError(f"{argument}: expected a list of strings, got {value!r}")
    return tuple(value)


def label_names(value: Sequence[str]) -> tuple[str, ...]:
    """Return the label names; they become names of columns, for which FITS ignores case."""
    labels = names("labels", value)
    if not labels:
        raise ValueError("labels: at least one is needed, got none")
    seen: set[str] = set()
    for label in labels:
        if not (label.strip() == label != "" and label.isprintable()):
            raise ValueError(f"labels: {one_line(ascii(label))} is not a name")
        if not label.isascii() or "," in label or len(label) > _LONGEST:
            raise ValueError(
                f"labels: {one_line(ascii(label))} cannot be the name of a column; use up to {_LONGEST} "
                "ASCII characters without a comma"
            )
        if label.lower() in COLUMNS or label.lower().endswith(_ENDINGS):
            raise ValueError(f"labels: {label!r} is the name of another column of the catalogue")
        if label.lower() in seen:
            raise ValueError(f"labels: {label!r} occurs twice (upper and lower case are equivalent)")
        seen.add(label.lower())
    return labels


def unit_names(value: Sequence[str], n_labels: int) -> tuple[str, ...]:
    """Return one unit per label, which astropy knows; "" = without unit."""
    units = names("units", value)
    if len(units) != n_labels:
        raise ValueError(f"units: {len(units)} given for {n_labels} labels; pass one per label")
    for unit in set(units) - {"", "K", "dex"}:
        from astropy import units as u  # slow

        try:
            if not unit.isascii() or len(unit) > _LONGEST:
                raise ValueError(f"expected up to {_LONGEST} ASCII characters")
            found = u.Unit(unit)
            scale = getattr(found, "scale", 1.0)
            if not (np.isfinite(scale) and scale > 0):
                raise ValueError(f"its scale is {scale:g}")
        except (ValueError, TypeError, OverflowError, u.UnitsError) as error:
            raise ValueError(f"units: {one_line(ascii(unit), 60)} is not a unit: {one_line(error)}") from None
    return units


def ranges(
    argument: str, value: ArrayLike, labels: tuple[str, ...], transforms: tuple[str, ...], strict: bool = True
) -> Array:
    """Return (L, 2) values, upper above lower (or equal, if not strict), and above 0 for log10."""
    array = numbers(argument, value, (len(labels), 2))
    for label, transform, (low, high) in zip(labels, transforms, array, strict=True):
        if high < low or (strict and high == low):
            raise ValueError(
                f"{argument}: the lower value of {label!r} must be below the upper, got {low:g}, {high:g}"
            )
        if transform == "log10" and low <= 0:
            raise ValueError(
                f"{argument}: {label!r} is scaled by log10, so its lower value must be above 0, got {low:g}; "
                "use transform 'linear', or a positive value"
            )
    return array


def transform_names(value: Sequence[str] | None, labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return one known transform per label; None means all linear."""
    if value is None:
        return ("linear",) * len(labels)
    transforms = names("transforms", value)
    if len(transforms) != len(labels):
        raise ValueError(f"transforms: {len(transforms)} given for {len(labels)} labels; pass one per label")
    for label, transform in zip(labels, transforms, strict=True):
        if transform not in TRANSFORMS:
            raise ValueError(
                f"transforms: {transform!r} of {label!r} is unknown; use {' or '.join(TRANSFORMS)}"
            )
    return transforms


def activation_names(value: str | Sequence[str], n_hidden: int) -> tuple[str, ...]:
    """Return one known activation per hidden layer; a single name applies to all of them."""
    activations = (value,) * n_hidden if isinstance(value, str) else names("activation", value)
    for activation in (value,) if isinstance(value, str) else activations:
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation: {activation!r} is unknown; use one of {', '.join(ACTIVATIONS)}")
    if len(activations) != n_hidden:
        raise ValueError(
            f"activation: {len(activations)} given for {n_hidden} hidden layers; pass one name for all, or "
            "one per hidden layer (the last layer is always linear and has none)"
        )
    return activations


def layers(
    weights: Sequence[ArrayLike], biases: Sequence[ArrayLike], n_labels: int
) -> tuple[tuple[Weights, ...], tuple[Weights, ...]]:
    """Return the weights, (out, in), and biases, (out,), as float32, with shapes that match."""
    if not len(weights) or len(weights) != len(biases):
        raise ValueError(
            f"weights, biases: expected equal numbers, at least one; got {len(weights)} and {len(biases)}"
        )
    clean = [numbers(f"weights[{i}]", weight, (None, None)) for i, weight in enumerate(weights)]
    n_in = n_labels
    for i, weight in enumerate(clean):
        if 0 in weight.shape:
            raise ValueError(f"weights[{i}]: shape {weight.shape} is empty")
        if weight.shape[1] != n_in:
            source = f"{n_in} labels" if i == 0 else f"{n_in} outputs of layer {i - 1}"
            transposed = weight.shape[0] == n_in or _chains([w.T for w in clean], n_labels)
            hint = f"; this appears to be transposed, pass weights[{i}].T" if transposed else ""
            raise ValueError(
                f"weights[{i}]: shape {weight.shape} does not match the {source}; weights are (out, in), "
                f"so (any, {n_in}) is expected{hint}"
            )
        n_in = weight.shape[0]
    return (
        tuple(_single(f"weights[{i}]", weight) for i, weight in enumerate(clean)),
        tuple(
            _single(f"biases[{i}]", numbers(f"biases[{i}]", bias, (weight.shape[0],)))
            for i, (bias, weight) in enumerate(zip(biases, clean, strict=True))
        ),
    )


def _chains(weights: list[Array], n_in: int) -> bool:
    return all(
        weight.shape[1] == before
        for weight, before in zip(weights, [n_in, *(w.shape[0] for w in weights)], strict=False)
    )


def _single(name: str, array: Array) -> Weights:
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    if not np.all(np.isfinite(single)):
        raise ValueError(f"{name}: values up to {np.max(np.abs(array)):.1e} exceed the range of float32")
    return frozen(single)


def wavelength_grid(value: ArrayLike, n_pixels: int) -> Array:
    """Return the wavelengths, (P,) Angstrom, positive and increasing."""
    wavelength = numbers("wavelength", value, (None,), "Angstrom")
    if len(wavelength) != n_pixels:
        raise ValueError(f"wavelength: {len(wavelength)} values, but the last layer gives {n_pixels} pixels")
    if wavelength[0] <= 0:
        raise ValueError(f"wavelength: must be positive (Angstrom), got {wavelength[0]:g} first")
    falls = np.flatnonzero(np.diff(wavelength) <= 0)
    if len(falls):
        at = int(falls[0])
        raise ValueError(
            f"wavelength: must increase from pixel to pixel, but pixel {at} is {wavelength[at]:g} and pixel "
            f"{at + 1} is {wavelength[at + 1]:g} Angstrom"
        )
    if wavelength[0] < _BLUEST or wavelength[-1] > _REDDEST:
        raise ValueError(
            f"wavelength: expected {_BLUEST:g} to {_REDDEST:g} Angstrom, got {wavelength[0]:g} to "
            f"{wavelength[-1]:g}; pass a Quantity if the unit is another"
        )
    step = np.diff(np.log(wavelength))
    if len(step) and not (step.min() > _FINEST and step.max() < _COARSEST):
        raise ValueError(
            f"wavelength: expected steps of {_FINEST:g} to {_COARSEST:g} of the wavelength, got "
            f"{step.min():.2g} to {step.max():.2g}"
        )
    return wavelength


def per_pixel(
    name: str, value: ArrayLike, n_pixels: int, zero_allowed: bool, unit: str | None = None
) -> Array:
    """Return (P,) values that are positive, or at least not negative."""
    array = numbers(name, value, (n_pixels,), unit)
    at = int(np.argmin(array))
    if array[at] < 0 or (array[at] == 0 and not zero_allowed):
        wanted = "0 or more" if zero_allowed else "above 0"
        raise ValueError(f"{name}: must be {wanted} in every pixel, got {array[at]:g} in pixel {at}")
    return array


def log10_wavelength(start: float, step: float, n_pixels: int) -> Array:
    """Return 10**(start + step i), (P,): with the power of the C library, as the C++ front door has it.

    That of NumPy differs in the last bit on some processors. Raises OverflowError.
    """
    return np.array([math.pow(10.0, x) for x in (start + step * np.arange(n_pixels)).tolist()])


def log10_grid(wavelength: Array) -> tuple[float, float] | None:
    """Return start and step of an even log10 grid, or None if it is not even to 1e-10.

    Both are rounded to their significant digits, so that 3.55 and 1e-4 are recovered exactly.
    """
    n_pixels = len(wavelength)
    if n_pixels < 2:
        return None
    log = np.log10(wavelength)
    start = round(float(log[0]), 12)
    step = round(float(log[-1] - log[0]) / (n_pixels - 1), 13 + math.ceil(math.log10(n_pixels)))
    if np.max(np.abs(log - (start + step * np.arange(n_pixels)))) > 1e-10:
        return None
    return start, step
