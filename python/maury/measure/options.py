"""The options of a fit: one frozen record, from the command line to the core."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from maury.measure.regions import check_regions
from maury.output import one_line
from maury.readers.mastar_bits import PAPER_BITS, checked_bits
from maury.spectra.units import plain

if TYPE_CHECKING:
    from maury.emulator.content import Content

Array = NDArray[np.float64]
Velocity = Literal["fit", "given"]


@dataclass(frozen=True)
class Options:
    """Options of a fit; all of them are stored in the header of the catalogue.

    Attributes
    ----------
    velocity : "fit" or "given"
        "fit" determines the velocity of a spectrum by cross-correlation and fits it together with the labels,
        regardless of `Spectra.rv`, except for rest-frame spectra (`rv` exactly 0). "given" uses `Spectra.rv`,
        with 0 for unknown velocities.
    max_rv : float
        Maximum absolute velocity of the search [km/s].
    arm_rv : bool, optional
        Fit the velocity of each additional arm of the spectrograph; by default if velocities are fitted and
        the spectra have arms.
    broadening : bool
        Fit one additional broadening per spectrum, for rotation, or for an instrumental resolution lower
        than its line-spread function.
    leave_out : tuple of str
        Names of `maury.measure.regions.REGIONS` that are excluded from the fit.
    bounds : (L, 2) nested tuples, optional
        Lower and upper bound of each label in physical units; those of the emulator by default.
    fixed : tuple of (str, float)
        Labels that are not fitted, and their values inside the bounds; a mapping is accepted. Their errors
        are 0.
    use_scatter : bool
        Include the scatter of the emulator in the weights, and its residual modes.
    n_starts : int
        Number of starts of the search that are followed to their minimum.
    clip : float
        Pixels that deviate from the fit by more than this many sigma are rejected; 0 = no clipping.
    resolution, fwhm : float, optional
        R = wavelength / FWHM, or FWHM [Angstrom], of pixels whose line-spread function is unknown.
    format : str, optional
        Format of the files; by default it is recognised from each file.
    reject : tuple of str
        Names of bits of MJDQUAL (MaStar); visits with any of them have the flag `REJECTED`. By default those
        of the paper, sec. 2.2; empty for none.

    Raises
    ------
    ValueError
        If a value is invalid; the message names the option.
    """

    velocity: Velocity = "fit"
    max_rv: float = 1000.0
    arm_rv: bool | None = None
    broadening: bool = False
    leave_out: tuple[str, ...] = ()
    bounds: tuple[tuple[float, float], ...] | None = None
    fixed: tuple[tuple[str, float], ...] = ()
    use_scatter: bool = True
    n_starts: int = 6
    clip: float = 4.0
    resolution: float | None = None
    fwhm: float | None = None
    format: str | None = None
    reject: tuple[str, ...] = PAPER_BITS

    def __post_init__(self) -> None:
        """Check every value, and convert sequences to tuples, and Quantities to numbers."""
        for name, unit in (("max_rv", "km/s"), ("resolution", ""), ("fwhm", "Angstrom"), ("bounds", "")):
            object.__setattr__(self, name, plain(name, getattr(self, name), unit))
        if self.velocity not in ("fit", "given"):
            raise ValueError(f"velocity: expected 'fit' or 'given', got {self.velocity!r}")
        if not _number("max_rv", self.max_rv) > 0:
            raise ValueError(f"max_rv: expected km/s above 0, got {self.max_rv}")
        if not isinstance(self.n_starts, (int, np.integer)) or self.n_starts < 1:
            raise ValueError(f"n_starts: expected a whole number, at least 1, got {_cut(self.n_starts)}")
        if not _number("clip", self.clip) >= 0:
            raise ValueError(f"clip: expected a number of sigma, or 0 for no clipping, got {self.clip}")
        if self.resolution is not None and self.fwhm is not None:
            raise ValueError("resolution, fwhm: pass one of them, got both")
        for name, value in (("resolution", self.resolution), ("fwhm", self.fwhm)):
            if value is not None and not (np.isfinite(_number(name, value)) and value > 0):
                raise ValueError(f"{name}: expected a number above 0, got {_cut(value)}")
        for name in ("broadening", "use_scatter", "arm_rv"):
            if getattr(self, name) not in (True, False, None if name == "arm_rv" else False):
                raise ValueError(f"{name}: expected True or False, got {_cut(getattr(self, name))}")
        for name in ("leave_out", "reject"):
            if not isinstance(getattr(self, name), (list, tuple, str)):
                raise ValueError(f"{name}: expected a list of names, got {_cut(getattr(self, name))}")
        check_regions(self.leave_out)
        object.__setattr__(self, "reject", checked_bits(self.reject))
        object.__setattr__(self, "leave_out", tuple(self.leave_out))
        if self.bounds is not None:
            object.__setattr__(self, "bounds", _pairs(self.bounds))
        object.__setattr__(self, "fixed", _fixed(self.fixed))

    def box(self, emulator: Content) -> Array:
        """Lower and upper bounds (L, 2) of the labels of an emulator; equal for a fixed label.

        Raises
        ------
        ValueError
            If `bounds` do not match its labels, an interval is empty or not finite, or a fixed label is
            unknown or outside its bounds.
        """
        box = np.array(emulator.bounds if self.bounds is None else self.bounds, dtype=np.float64)
        n_labels = len(emulator.labels)
        if box.shape != (n_labels, 2):
            raise ValueError(
                f"bounds: expected shape ({n_labels}, 2), a lower and an upper bound for each of "
                f"{', '.join(emulator.labels)}, got {box.shape}"
            )
        for name, transform, (low, high) in zip(emulator.labels, emulator.transforms, box, strict=True):
            if not (np.isfinite(low) and np.isfinite(high) and low < high):
                raise ValueError(f"bounds: {name} requires lower < upper, both finite, got [{low}, {high}]")
            if transform == "log10" and low <= 0:
                raise ValueError(
                    f"bounds: the emulator uses the logarithm of {name}, which requires lower > 0, got {low}"
                )
        for name, value in self.fixed:
            if name not in emulator.labels:
                raise ValueError(
                    f"fixed: unknown label {name}; the emulator has {', '.join(emulator.labels)}"
                )
            low, high = box[emulator.labels.index(name)]
            if not low <= value <= high:
                raise ValueError(
                    f"fixed: expected {name} inside its bounds [{low:g}, {high:g}], got {value:g}"
                )
            box[emulator.labels.index(name)] = value
        return box

    def as_dict(self) -> dict[str, Any]:
        """All options as JSON values."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self), default=float))
        return values

    @classmethod
    def of_catalog(cls, meta: Mapping[str, Any]) -> Options:
        """Options with which a catalogue was made, from its header.

        Options that did not exist in its version of maury have their defaults.
        """
        try:
            told = dict(json.loads(str(meta["OPTIONS"])).items())
            return cls(**{f.name: told[f.name] for f in fields(cls) if f.name in told})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"catalog: its header OPTIONS does not contain the options of a fit ({error}); "
                "measure the spectra again"
            ) from None


def _fixed(fixed: Any) -> tuple[tuple[str, float], ...]:
    try:
        values = {str(name): float(value) for name, value in dict(fixed).items()}
    except (TypeError, ValueError):
        raise ValueError(f"fixed: expected a number by the name of each label, got {fixed!r}") from None
    return tuple(values.items())


def _number(name: str, value: Any) -> float:
    """Return the value of an option as float; infinite if it is too large."""
    try:
        return float(value)
    except OverflowError:
        return float("inf")
    except (TypeError, ValueError):
        raise ValueError(f"{name}: expected a number, got {_cut(value)}") from None


def _cut(value: Any) -> str:
    return one_line(repr(value), 80)


def _pairs(bounds: Any) -> tuple[tuple[float, float], ...]:
    try:
        box = np.asarray(bounds, dtype=np.float64)
    except (TypeError, ValueError):
        box = np.empty(0)
    if box.ndim != 2 or box.shape[1] != 2:
        raise ValueError(
            "bounds: expected a lower and an upper bound for each label, shape (L, 2), got "
            f"{np.shape(bounds) if box.size else bounds!r}"
        )
    return tuple((float(low), float(high)) for low, high in box)


#: Only the labels are fitted.
AT_REST = Options(velocity="given")
