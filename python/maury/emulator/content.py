"""The content of an emulator, and its checks (Imig et al. 2021, sec. 3)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from maury._version import __version__
from maury.emulator import checks as check
from maury.emulator.checks import Array, Weights
from maury.emulator.model_error import ModelError
from maury.emulator.modes import checked_modes, rest_of_scatter
from maury.labels import find_label

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True, eq=False, repr=False)
class Content:
    """A network from labels to normalised flux, with everything needed to use it, as plain data.

    It is immutable; its arrays are read-only.

    Attributes
    ----------
    labels, units : tuple of str, L
        Names and units of the labels.
    transforms : tuple of str, L
        How a label is scaled, "linear" or "log10": x = (t(label) - t(min)) / (t(max) - t(min)) - 0.5.
    label_min, label_max : (L,) float64
        The scaling range.
    bounds : (L, 2) float64
        Lower and upper bound of a fit.
    training_labels : (M, L) float64
        Labels of the training set; M is 0 if they are unknown.
    training_range : (L, 2) float64
        Lowest and highest label in the training set.
    wavelength : (P,) float64
        Vacuum, rest frame, increasing [Angstrom].
    lsf : (P,) float64 or None
        Gaussian sigma of the line-spread function of the training spectra [Angstrom].
    scatter : (P,) float64
        Rms that the emulator leaves unexplained; zeros if unknown.
    window : int
        Width in pixels of the running median that normalised the training spectra.
    weights, biases : tuple of float32 arrays
        (out, in) and (out,) of every layer.
    activations : tuple of str
        One per hidden layer.
    meta : mapping
        Origin: name, training_data, citation, training_hash, date, version, and any other entries.
    error_on_unseen : ModelError or None
        The error on stars outside the training set; None if it is unknown.
    modes : (P, M) float64
        Residual modes: the part of the scatter that is correlated over pixels; M may be 0.
    """

    labels: tuple[str, ...]
    units: tuple[str, ...]
    transforms: tuple[str, ...]
    label_min: Array
    label_max: Array
    bounds: Array
    training_labels: Array
    training_range: Array
    wavelength: Array
    lsf: Array | None
    scatter: Array
    window: int
    weights: tuple[Weights, ...]
    biases: tuple[Weights, ...]
    activations: tuple[str, ...]
    meta: Mapping[str, Any]
    error_on_unseen: ModelError | None = None
    modes: Array = field(kw_only=True)

    @classmethod
    def from_layers(
        cls,
        weights: Sequence[ArrayLike],
        biases: Sequence[ArrayLike],
        *,
        activation: str | Sequence[str],
        labels: Sequence[str],
        label_min: ArrayLike,
        label_max: ArrayLike,
        wavelength: ArrayLike,
        lsf: ArrayLike | None = None,
        scatter: ArrayLike | None = None,
        window: int = 400,
        transforms: Sequence[str] | None = None,
        bounds: ArrayLike | None = None,
        training_labels: ArrayLike | None = None,
        training_range: ArrayLike | None = None,
        units: Sequence[str] | None = None,
        meta: Mapping[str, Any] | None = None,
        error_on_unseen: ModelError | None = None,
        modes: ArrayLike | None = None,
    ) -> Self:
        """Build an emulator from the layers of a trained network.

        Parameters
        ----------
        weights, biases : sequences of (out, in) and (out,) arrays
            One per layer, first to last; as in torch's ``Linear``. Stored as float32.
        activation : str or sequence of str
            identity, relu, leaky_relu (slope 0.01), silu, tanh, sigmoid or gelu: one for all hidden layers,
            or one for each. The last layer is always linear. "identity" makes a linear bottleneck.
        labels, units : sequences of str, L
            Units default to those of `maury.labels`.
        label_min, label_max : (L,)
            The scaling range: it becomes -0.5 to 0.5 at the input of the network.
        wavelength : (P,)
            Vacuum, rest frame, increasing [Angstrom, or a Quantity].
        lsf : (P,), optional
            Gaussian sigma [Angstrom, or a Quantity].
        scatter : (P,), optional
            Rms that the network leaves unexplained, in normalised flux.
        window : int
            Width of the normalising running median [pixels].
        transforms : sequence of str, L, optional
            "linear" (default) or "log10", one per label.
        bounds : (L, 2), optional
            Bounds of a fit; by default the scaling range.
        training_labels : (M, L), optional
        training_range : (L, 2), optional
            By default the range of `training_labels`, or without those the scaling range.
        meta : mapping, optional
            Origin, in values that JSON can represent; see the class. `date` and `version` are added if
            missing.
        error_on_unseen : ModelError, optional
            Of the same labels, from a cross-validation of the training.
        modes : (P, M), optional
            Residual modes, in normalised flux; see `maury.learn.modes`. They are a part of `scatter`: the sum
            of their squares does not exceed its square. Stored as float16.

        Raises
        ------
        ValueError
            If the arguments do not fit together; the message names the argument.
        """
        label_names = check.label_names(labels)
        n_labels = len(label_names)
        unit_names = tuple(find_label(name).unit for name in label_names)
        if units is not None:
            unit_names = check.unit_names(units, n_labels)
        transform_names = check.transform_names(transforms, label_names)
        low = check.numbers("label_min", label_min, (n_labels,))
        high = check.numbers("label_max", label_max, (n_labels,))
        scaling = np.stack([low, high], axis=1)
        check.ranges("label_min, label_max", scaling, label_names, transform_names)

        weight_list, bias_list = check.layers(weights, biases, n_labels)
        activations = check.activation_names(activation, len(weight_list) - 1)
        n_pixels = len(bias_list[-1])
        known = np.empty((0, n_labels)) if training_labels is None else training_labels
        known = check.numbers("training_labels", known, (None, n_labels))
        if error_on_unseen is not None:
            error_on_unseen.check_labels(label_names, len(np.unique(known, axis=0)))
        if training_range is None:
            training_range = (
                np.stack([known.min(axis=0), known.max(axis=0)], axis=1) if len(known) else scaling
            )
        if isinstance(window, bool) or not isinstance(window, (int, np.integer)) or window < 1:
            raise ValueError(f"window: expected a whole number of pixels, 1 or more, got {window!r}")

        total = check.per_pixel("scatter", np.zeros(n_pixels) if scatter is None else scatter, n_pixels, True)
        return cls(
            labels=label_names,
            units=unit_names,
            transforms=transform_names,
            label_min=low,
            label_max=high,
            bounds=check.ranges(
                "bounds", scaling if bounds is None else bounds, label_names, transform_names
            ),
            training_labels=known,
            training_range=check.ranges(
                "training_range", training_range, label_names, transform_names, strict=False
            ),
            wavelength=check.wavelength_grid(wavelength, n_pixels),
            lsf=None if lsf is None else check.per_pixel("lsf", lsf, n_pixels, False, "Angstrom"),
            scatter=total,
            window=int(window),
            weights=weight_list,
            biases=bias_list,
            activations=activations,
            meta=_origin(meta),
            error_on_unseen=error_on_unseen,
            modes=checked_modes(modes, total),
        )

    def with_model_error(self, found: ModelError | None) -> Self:
        """Return the same emulator with this model error.

        Raises
        ------
        ValueError
            If the labels of `found` differ.
        """
        if found is not None:
            found.check_labels(self.labels, len(np.unique(self.training_labels, axis=0)))
        return replace(self, error_on_unseen=found)

    def with_modes(self, modes: ArrayLike | None) -> Self:
        """Return the same emulator with other residual modes (P, M), or with none."""
        return replace(self, modes=checked_modes(modes, self.scatter))

    @property
    def name(self) -> str:
        """The name in `meta`; empty if there is none."""
        return str(self.meta.get("name", ""))

    @property
    def rank(self) -> int:
        """K, the number of coefficients from which the last layer computes the pixels."""
        return int(self.weights[-1].shape[1])

    @cached_property
    def scatter_rest(self) -> Array:
        """Rms (P,) that is left of the scatter without the part of the residual modes."""
        return rest_of_scatter(self.scatter, self.modes)

    @cached_property
    def log10_grid(self) -> tuple[float, float] | None:
        """Start and step of log10 wavelength, if it is even to 1e-10; else None."""
        return check.log10_grid(self.wavelength)


def _origin(meta: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return `meta` as it will be read back from the file, with date and version."""
    origin = {"version": __version__, "date": datetime.now(timezone.utc).strftime("%Y-%m-%d"), **(meta or {})}
    try:
        if not all(isinstance(key, str) for key in origin):
            raise TypeError("a key is not a string")
        json.dumps(origin, ensure_ascii=False).encode()  # no half of a surrogate pair
        return MappingProxyType(json.loads(json.dumps(origin, allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"meta: must be representable as JSON (text, numbers, lists, dicts): {error}"
        ) from None
