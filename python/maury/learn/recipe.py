"""Parameters of the training of an emulator."""

from __future__ import annotations

from dataclasses import dataclass, replace

# Part of the steps of a cycle, and cycles: see `Recipe.quick`.
_ENOUGH, _CYCLES = 0.6, 2
#: Bounds of a fit in Imig et al. 2021, sec. 3.2.
PAPER_BOUNDS = {
    "teff": (3000.0, 32000.0),
    "logg": (-1.0, 5.5),
    "fe_h": (-3.0, 1.0),
    "alpha_fe": (-1.0, 1.0),
    "log_vmicro": (-1.1, 1.1),
}
BOUNDS = ("training", "paper")


@dataclass(frozen=True)
class Recipe:
    """Parameters of the training; the defaults gave the best cross-validation on MILES.

    Attributes
    ----------
    hidden : tuple of int
        Units of the hidden layers.
    coefficients : int or None
        K of the linear bottleneck; None trains a full last layer.
    activation : str
    window : int
        Running median, pixels.
    steps, cycles : int
        Steps per cycle of the learning rate, and maximum number of cycles; training ends when a cycle lowers
        the error on the stopping set by less than 1 %.
    learning_rate : float
    doubt : float or None
        Stars whose fitted labels differ from the given ones by more than this factor times the typical
        disagreement are rejected from the second training; None keeps all.
    stop_fraction, validation_fraction : float
        Fraction of the stars in the stopping set, and in the validation set.
    seed : int
    bounds : str
        Bounds of a fit: "training" = the range of the training labels and 5 % of it on each side, or "paper"
        = `PAPER_BOUNDS`, extended where the training labels exceed them.
    ensemble : int
        Number of networks, from seeds `seed`, `seed` + 1, ...; one network learns the mean of them, see
        `maury.learn.mean`, and is kept together with the spread of the labels that they measure.
    modes : int
        Maximum number of residual modes; see `maury.learn.modes`.
    reference_scale : str or None
        Source whose label scale and instrument the emulator has; None = the one with the most spectra. See
        `maury.learn.sources` and `maury.learn.zero_points`.
    modes_at : str or None
        Labels of the residuals that the modes are made of, "fitted" or "given"; None = those that bring
        unseen stars closer, see `maury.learn.folds`.
    """

    hidden: tuple[int, ...] = (128, 128)
    coefficients: int | None = 64
    activation: str = "silu"
    window: int = 400
    steps: int = 1500
    cycles: int = 4
    learning_rate: float = 0.01
    doubt: float | None = 4.0
    stop_fraction: float = 0.1
    validation_fraction: float = 0.1
    seed: int = 0
    bounds: str = "training"
    ensemble: int = 1
    modes: int = 16
    reference_scale: str | None = None
    modes_at: str | None = None

    def quick(self) -> Recipe:
        """Return the recipe of a network that only measures other stars of the training set.

        Fewer steps suffice: on MILES the measured labels are equally good.
        """
        steps, cycles = max(1, round(_ENOUGH * self.steps)), min(_CYCLES, self.cycles)
        return replace(self, steps=steps, cycles=cycles, ensemble=1)
