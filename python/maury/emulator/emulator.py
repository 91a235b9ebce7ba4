"""The emulator: a small network from labels to a normalised spectrum (Imig et al. 2021, sec. 3)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

import maury._core as _core
from maury.emulator.checks import Array
from maury.emulator.content import Content
from maury.emulator.cut import Cut, make_cut
from maury.emulator.distance import training_distance
from maury.emulator.model_error import ModelError
from maury.emulator.network import compiled
from maury.emulator.text import describe
from maury.spectra.display import html_table
from maury.spectra.units import label_numbers, plain


@dataclass(frozen=True, eq=False, repr=False)
class Emulator(Content):
    """A network from labels to normalised flux, with everything needed to use it.

    Create one with `from_layers`, or read one with `load`. It is immutable; its arrays are read-only. Its
    attributes are those of `maury.emulator.content.Content`.
    """

    _loaded_hash: str | None = field(default=None, kw_only=True)

    @classmethod
    def load(cls, path: str | PathLike[str] = "default") -> Emulator:
        """Read an emulator file; "default" and "lamost" are the built-in emulators.

        The file is data: reading it executes no code. Its graph is compared with the compiled network at a
        few labels.

        Raises
        ------
        EmulatorFileError
            If the file is not a valid maury emulator; the message names the first fault found.
        OSError
            If the file cannot be opened.
        """
        from maury.emulator.file import read  # importing onnx is slow

        return cls.from_bytes(*read(path))

    @classmethod
    def from_bytes(cls, data: bytes, where: str) -> Emulator:
        """Return the emulator in the bytes of a file, as `load` does; `where` names it in messages."""
        from maury.emulator.file import decode

        content = decode(data, where)
        values = {f.name: getattr(content, f.name) for f in fields(content)}
        return cls(**values, _loaded_hash=hashlib.sha256(data).hexdigest())

    def to_bytes(self) -> bytes:
        """Return the contents of its file; the same emulator always gives the same bytes."""
        from maury.emulator.file import encode

        return encode(self)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the bytes of its file, which are checked again when they are read."""
        return _from_bytes, (self.to_bytes(), self.file_hash)

    def __deepcopy__(self, memo: dict[int, Any]) -> Emulator:
        """Return itself: it cannot be changed."""
        return self

    def save(self, path: str | PathLike[str]) -> None:
        """Write the emulator as one ``.onnx`` file, replacing an existing file.

        Raises
        ------
        EmulatorFileError
            If its float32 graph does not agree with the emulator; nothing is written then.
        """
        from maury.emulator.file import write

        write(self, path)

    def predict(self, labels: ArrayLike | None = None, **by_name: Any) -> Array:
        """Compute the normalised flux at `labels`.

        Parameters
        ----------
        labels : (N, L) or (L,)
            In physical units and the order of `self.labels`.
        **by_name
            Instead, each label by name, as in ``predict(teff=5772, logg=4.44, fe_h=0)``: numbers, arrays (N,)
            or Quantities.

        Returns
        -------
        (N, P) or (P,) float64
            A row is NaN where a label is not finite, or not positive although it is scaled by log10.
        """
        rows, single = self._rows(self._given(labels, by_name))
        flux = self.core.predict(rows)
        flux[self._unusable(rows)] = np.nan
        return flux[0] if single else flux

    def jacobian(self, labels: ArrayLike | None = None, **by_name: Any) -> Array:
        """Compute the derivative of the flux with respect to every label, in physical units.

        Parameters
        ----------
        labels, **by_name
            As for `predict`.

        Returns
        -------
        (N, P, L) or (P, L) float64
            NaN where `predict` gives NaN.
        """
        rows, single = self._rows(self._given(labels, by_name))
        slope = self.core.jacobian(rows)
        slope[self._unusable(rows)] = np.nan
        return slope[0] if single else slope

    def model_error(self, labels: ArrayLike) -> Array:
        """Return the model error: that of the emulator on stars that were not used for training.

        This is the part of the error that is not due to noise, and that repeat visits do not measure.

        Parameters
        ----------
        labels : (N, L) or (L,)
            Fitted labels, in physical units and the order of `self.labels`.

        Returns
        -------
        (N, L) or (L,) float64
            In the units of the labels. A row is NaN where `predict` gives NaN; all rows are NaN if the error
            is unknown (`error_on_unseen` is None).
        """
        rows, single = self._rows(labels)
        sigma = np.full(rows.shape, np.nan)
        known = ~self._unusable(rows)
        if self.error_on_unseen is not None and known.any():
            sigma[known] = self.error_on_unseen.predict(rows[known], training_distance(rows[known], self))
        return sigma[0] if single else sigma

    def with_model_error(self, found: ModelError | None) -> Emulator:
        """Return the same emulator with this model error; the hash of its file changes.

        Raises
        ------
        ValueError
            If the labels of `found` differ.
        """
        return replace(super().with_model_error(found), _loaded_hash=None)

    def with_modes(self, modes: ArrayLike | None) -> Emulator:
        """Return the same emulator with other residual modes (P, M), or with none.

        They are a part of its scatter: see `from_layers`. The hash of its file changes.
        """
        return replace(super().with_modes(modes), _loaded_hash=None)

    def without_modes(self) -> Emulator:
        """Return the same emulator without residual modes; the hash of its file changes."""
        return self.with_modes(None)

    def _given(self, labels: ArrayLike | None, by_name: dict[str, Any]) -> ArrayLike:
        """Labels (L,) or (N, L), as an array or by name."""
        if labels is not None and not by_name:
            return labels
        if labels is not None or set(by_name) != set(self.labels):
            got = [*(["an array"] if labels is not None else []), *by_name]
            raise ValueError(
                f"labels: expected an array, or each of {', '.join(self.labels)} by name; got "
                f"{', '.join(got) or 'nothing'}"
            )
        columns = [np.asarray(label_numbers(name, by_name[name]), dtype=np.float64) for name in self.labels]
        stacked: Array = np.stack(np.broadcast_arrays(*columns), axis=-1)
        return stacked

    def _rows(self, labels: ArrayLike) -> tuple[Array, bool]:
        rows = np.asarray(plain("labels", labels), dtype=np.float64)
        if rows.ndim not in (1, 2) or rows.shape[-1] != len(self.labels):
            raise ValueError(
                f"labels: expected shape (N, {len(self.labels)}) or ({len(self.labels)},) for "
                f"{', '.join(self.labels)}; got {rows.shape}"
            )
        return np.ascontiguousarray(np.atleast_2d(rows)), rows.ndim == 1

    def _unusable(self, rows: Array) -> Any:
        is_log = np.array([transform == "log10" for transform in self.transforms])
        return ~np.all(np.isfinite(rows) & ((rows > 0) | ~is_log), axis=1)

    @cached_property
    def cut(self) -> Cut | None:
        """The truncated last layer used in the search, or None if the full layer is used."""
        return make_cut(self)

    @cached_property
    def core(self) -> _core.Emulator:
        """The compiled network used by the fit."""
        return compiled(self, self.cut)

    @cached_property
    def file_hash(self) -> str:
        """SHA-256 of the file it was read from, or of the file that `save` writes."""
        return self._loaded_hash or hashlib.sha256(self.to_bytes()).hexdigest()

    def __repr__(self) -> str:
        shape = "-".join(str(n) for n in (len(self.labels), *(len(bias) for bias in self.biases)))
        kinds = "/".join(dict.fromkeys(self.activations)) or "linear"
        return (
            f"<Emulator {self.name!r}: {', '.join(self.labels)} -> {len(self.wavelength)} pixels, "
            f"{self.wavelength[0]:.0f}-{self.wavelength[-1]:.0f} A, {shape} {kinds}>"
        )

    def _repr_html_(self) -> str:
        """Table of the labels, for a notebook."""
        spans = zip(self.labels, self.units, self.bounds, self.training_range, strict=True)
        rows = [
            [name, unit, *(f"{low:g} to {high:g}" for low, high in (bounds, trained))]
            for name, unit, bounds, trained in spans
        ]
        return html_table(repr(self), ["label", "unit", "bounds", "training range"], rows, len(rows))

    def describe(self) -> str:
        """Return a short description as text."""
        return describe(self, self.cut, self.file_hash, self.model_error)


def _from_bytes(data: bytes, file_hash: str) -> Emulator:
    return replace(Emulator.from_bytes(data, "a pickled emulator"), _loaded_hash=file_hash)
