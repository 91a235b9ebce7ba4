"""Options of a fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Settings:
    """How to measure; see `fit`."""

    use_scatter: bool = True
    n_starts: int = 6
    velocity: str = "fit"
    max_rv: float = 1000.0
    arm_rv: bool | None = None
    broadening: bool = False
    leave_out: tuple[str, ...] = ()
    bounds: ArrayLike | None = None

    def __post_init__(self) -> None:
        """Refuse what no spectrum can be measured with."""
        if self.velocity not in ("fit", "given"):
            raise ValueError(f"velocity: expected 'fit' or 'given', got {self.velocity!r}")
        if not self.max_rv > 0:
            raise ValueError(f"max_rv: expected km/s above 0, got {self.max_rv}")

    def header(self, start: bool, photometry: bool) -> dict[str, Any]:
        """Return what the header of the catalogue tells of them."""
        return {
            "use_scatter": self.use_scatter,
            "n_starts": self.n_starts,
            "start": "given" if start else "search",
            "photometry": photometry,
            "velocity": self.velocity,
            "max_rv": self.max_rv,
            "broadening": self.broadening,
            "arm_rv": self.arm_rv,
            "leave_out": list(self.leave_out),
        }


@dataclass(frozen=True)
class Choice:
    """How to fit; what `fit_normalized` and `maury.fit` say of their arguments of these names holds."""

    start: ArrayLike | None = None
    bounds: ArrayLike | None = None
    use_scatter: bool = True
    threads: int | None = None
    n_starts: int = 6
    clip: float = 0.0
    fit_rv: bool = False
    max_rv: float = 1000.0
    fit_arms: bool = False
    fit_broadening: bool = False
