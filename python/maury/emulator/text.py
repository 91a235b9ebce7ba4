"""The text that `maury info` prints about an emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.spectra import FWHM_PER_SIGMA

if TYPE_CHECKING:
    from maury.emulator.content import Content
    from maury.emulator.cut import Cut


def describe(emulator: Content, cut: Cut | None, file_hash: str) -> str:
    """Return a few lines of text: labels, pixels, network, origin."""
    meta = emulator.meta
    n_numbers = sum(array.size for array in (*emulator.weights, *emulator.biases))
    lines = [
        f"maury emulator {emulator.name or '(no name)'}",
        "",
        f"  {'label':<12}{'unit':<8}{'scaling':<10}{'fit bounds':<24}training range",
    ]
    for i, label in enumerate(emulator.labels):
        lines.append(
            f"  {label:<12}{emulator.units[i]:<8}{emulator.transforms[i]:<10}"
            f"{_span(emulator.bounds[i]):<24}{_span(emulator.training_range[i])}"
        )
    rows = [
        ("pixels", _pixels(emulator)),
        ("resolution", _resolution(emulator)),
        ("normalised", f"running median over {emulator.window} pixels"),
        ("scatter", _scatter(emulator)),
        ("layers", _layers(emulator)),
        ("rank", _rank(emulator, cut)),
        ("size", f"{n_numbers:,} numbers, {4 * n_numbers / 1e6:.1f} MB"),
        ("trained on", _training(emulator)),
        *((key, str(meta[key])) for key in ("citation", "date", "version", "training_hash") if meta.get(key)),
        ("file hash", file_hash),
    ]
    if "converged" in meta:
        rows.insert(
            -1, ("converged", "yes" if meta["converged"] else "no, stopped at the maximum number of cycles")
        )
    return "\n".join([*lines, "", *(f"  {key.replace('_', ' '):<14}{text}" for key, text in rows)])


def _span(pair: NDArray[Any]) -> str:
    return f"{pair[0]:.6g} to {pair[1]:.6g}"


def _pixels(emulator: Content) -> str:
    wavelength, grid = emulator.wavelength, emulator.log10_grid
    step = "uneven steps" if grid is None else f"steps of {grid[1]:.4g} in log10"
    return f"{len(wavelength)}, {wavelength[0]:.1f} to {wavelength[-1]:.1f} Angstrom in vacuum, {step}"


def _resolution(emulator: Content) -> str:
    if emulator.lsf is None:
        return "unknown"
    wavelength, n_pixels = emulator.wavelength, len(emulator.wavelength)
    at = sorted({round(part * (n_pixels - 1)) for part in (0.1, 0.5, 0.9)})
    return "R = " + ", ".join(
        f"{wavelength[i] / (FWHM_PER_SIGMA * emulator.lsf[i]):.0f} at {wavelength[i]:.0f} A" for i in at
    )


def _rank(emulator: Content, cut: Cut | None) -> str:
    if cut is None:
        return f"K = {emulator.rank} coefficients before the pixels, all used in the search"
    return (
        f"K = {emulator.rank} coefficients before the pixels, cut to {len(cut.basis.T)} for the search, "
        f"with an rms error of {cut.error:.1e} in flux"
    )


def _scatter(emulator: Content) -> str:
    if not np.any(emulator.scatter):
        return "unknown"
    return f"{np.median(emulator.scatter):.4f} (median over pixels)"


def _layers(emulator: Content) -> str:
    text = str(len(emulator.labels))
    for bias, activation in zip(emulator.biases, (*emulator.activations, ""), strict=True):
        text += f" -> {len(bias)}" + (f" {activation}" if activation else "")
    return text


def _training(emulator: Content) -> str:
    data = str(emulator.meta.get("training_data", "")) or "unknown"
    n_stars = len(emulator.training_labels)
    return f"{data}; {n_stars} label sets" if n_stars else data
