"""Everything that a user can choose about a fit: one frozen record, from the command line to the core."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from maury.measure.regions import check_regions
from maury.readers.mastar_bits import PAPER_BITS, checked_bits

if TYPE_CHECKING:
    from maury.emulator.content import Content

Array = NDArray[np.float64]
Velocity = Literal["fit", "given"]


@dataclass(frozen=True)
class Options:
    """Options of a fit; the header of a catalogue holds all of them.

    Attributes
    ----------
    velocity : "fit" or "given"
        "fit" finds the velocity of a spectrum by cross-correlation and fits it together with the labels,
        whatever `Spectra.rv` says; spectra at rest (`rv` exactly 0) stay at rest. "given" keeps `Spectra.rv`;
        an unknown velocity counts as 0.
    max_rv : float
        Largest velocity that is searched [km/s].
    arm_rv : bool, optional
        Fit the velocity of each further arm of the spectrograph; by default where velocities are fitted and
        the spectra give their arms.
    broadening : bool
        Fit one additional broadening per spectrum: rotation, or an instrument less sharp than its
        line-spread function.
    leave_out : tuple of str
        Names of `maury.measure.regions.REGIONS` that take no part in the fit.
    bounds : (L, 2) nested tuples, optional
        Lower and upper bound of each label in physical units; those of the emulator by default.
    use_scatter : bool
        Include the scatter of the emulator in the weights.
    n_starts : int
        Number of starts of a search that are followed to their minimum.
    clip : float
        Pixels further from the fit than this many sigma are left out; 0 = no clipping.
    resolution, fwhm : float, optional
        R = wavelength / FWHM, or FWHM [Angstrom], of pixels whose line-spread function is unknown.
    format : str, optional
        Format of the files; by default it is found from each file.
    reject : tuple of str
        Bits of MJDQUAL (MaStar) by name, a visit with one of which has the flag `REJECTED`; by default those
        of the paper, sec. 2.2. Empty = none.

    Raises
    ------
    ValueError
        If no spectrum can be measured with a value; the message names the option.
    """

    velocity: Velocity = "fit"
    max_rv: float = 1000.0
    arm_rv: bool | None = None
    broadening: bool = False
    leave_out: tuple[str, ...] = ()
    bounds: tuple[tuple[float, float], ...] | None = None
    use_scatter: bool = True
    n_starts: int = 6
    clip: float = 4.0
    resolution: float | None = None
    fwhm: float | None = None
    format: str | None = None
    reject: tuple[str, ...] = PAPER_BITS

    def __post_init__(self) -> None:
        """Check every value, and bring sequences to tuples."""
        if self.velocity not in ("fit", "given"):
            raise ValueError(f"velocity: expected 'fit' or 'given', got {self.velocity!r}")
        if not self.max_rv > 0:
            raise ValueError(f"max_rv: expected km/s above 0, got {self.max_rv}")
        if self.n_starts < 1:
            raise ValueError(f"n_starts: expected at least 1, got {self.n_starts}")
        if not self.clip >= 0:
            raise ValueError(f"clip: expected a number of sigma, or 0 for no clipping, got {self.clip}")
        if self.resolution is not None and self.fwhm is not None:
            raise ValueError("resolution, fwhm: give one of them, got both")
        for name, value in (("resolution", self.resolution), ("fwhm", self.fwhm)):
            if value is not None and not (np.isfinite(value) and value > 0):
                raise ValueError(f"{name}: expected a number above 0, got {value}")
        check_regions(self.leave_out)
        object.__setattr__(self, "reject", checked_bits(self.reject))
        object.__setattr__(self, "leave_out", tuple(self.leave_out))
        if self.bounds is not None:
            object.__setattr__(self, "bounds", _pairs(self.bounds))

    def box(self, emulator: Content) -> Array:
        """Lower and upper bound (L, 2) of each label of an emulator.

        Raises
        ------
        ValueError
            If `bounds` are not those of its labels, or one of them is empty or not finite.
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
                raise ValueError(f"bounds: {name} needs lower < upper, both finite, got [{low}, {high}]")
            if transform == "log10" and low <= 0:
                raise ValueError(f"bounds: {name} enters as a logarithm and needs lower > 0, got {low}")
        return box

    def as_dict(self) -> dict[str, Any]:
        """All options as JSON holds them."""
        values: dict[str, Any] = json.loads(json.dumps(asdict(self), default=float))
        return values

    @classmethod
    def of_catalog(cls, meta: Mapping[str, Any]) -> Options:
        """Options with which a catalogue was made, from its header.

        Options that its version of maury did not know have their default.
        """
        try:
            told = dict(json.loads(str(meta["OPTIONS"])).items())
            return cls(**{f.name: told[f.name] for f in fields(cls) if f.name in told})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"catalog: its header OPTIONS does not hold the options of a fit ({error}); "
                "measure the spectra again"
            ) from None


#: Nothing but the labels is fitted.
AT_REST = Options(velocity="given")


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
