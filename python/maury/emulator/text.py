"""The text that `maury info` prints about an emulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.emulator.checks import Array
from maury.output import one_line
from maury.spectra import FWHM_PER_SIGMA

if TYPE_CHECKING:
    from maury.emulator.content import Content
    from maury.emulator.cut import Cut


def describe(
    emulator: Content, cut: Cut | None, file_hash: str, model_error: Callable[[Array], Array]
) -> str:
    """Return a few lines of text: labels, pixels, network, origin, errors.

    `model_error` is the method of the emulator, (L,) to (L,).
    """
    meta = emulator.meta
    n_numbers = sum(array.size for array in (*emulator.weights, *emulator.biases))
    lines = [
        f"maury emulator {one_line(emulator.name) or '(no name)'}",
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
    about = [f"  {key.replace('_', ' '):<14}{one_line(text)}" for key, text in rows]
    return "\n".join([*lines, "", *about, "", *_zero_points(emulator), *_errors(emulator, model_error)])


def _zero_points(emulator: Content) -> list[str]:
    """Return lines with the zero points of the sources of labels, if the training fitted them."""
    told = emulator.meta.get("zero_points")
    if not told:
        return []
    lines = [f"  labels of other sources minus those on the reference scale, {told['reference_scale']}:"]
    lines.append((f"  {'':<18}" + "".join(f"{label:<18}" for label in emulator.labels)).rstrip())
    for name, entry in told["sources"].items():
        cells = ("{:+.3g} +- {:.2g}".format(*entry[n]) if n in entry else "unknown" for n in emulator.labels)
        lines.append((f"  {one_line(name):<18}" + "".join(f"{cell:<18}" for cell in cells)).rstrip())
    return [*lines, ""]


#: Typical labels of kinds of star: Teff [K], log g, [Fe/H].
KINDS = {
    "M dwarf": (3700, 4.8, -0.1),
    "K dwarf": (4700, 4.6, -0.1),
    "solar-type dwarf": (5772, 4.44, 0.0),
    "F dwarf": (6500, 4.2, -0.1),
    "A dwarf": (8500, 4.0, 0.0),
    "B dwarf": (15000, 4.0, 0.0),
    "K giant": (4500, 2.0, -0.1),
    "M giant": (3700, 1.0, -0.1),
    "metal-poor giant": (4800, 1.8, -1.8),
    "metal-poor dwarf": (6000, 4.3, -1.5),
}


def _errors(emulator: Content, model_error: Callable[[Array], Array]) -> list[str]:
    """Return lines with the model errors, one per kind of star within the training range."""
    known = emulator.error_on_unseen
    if known is None:
        return ["  model error: unknown; train with folds to estimate it (maury train)"]
    lines = [
        f"  model error, on stars not used for training ({known.words}):",
        (f"  {'':<18}" + "".join(f"{label:<12}" for label in emulator.labels)).rstrip(),
    ]
    typical = dict(zip(emulator.labels, np.mean(emulator.training_range, axis=1), strict=True))
    low, high = emulator.training_range.T
    for kind, values in KINDS.items():
        told = dict(zip(("teff", "logg", "fe_h"), values, strict=True))
        place = np.array([told.get(label, typical[label]) for label in emulator.labels])
        if "teff" in typical and ((place >= low) & (place <= high)).all():
            lines.append(f"  {kind:<18}" + _numbers(model_error(place)))
    lines.append(f"  {'median offset':<18}" + _numbers(known.offset, "+.3g"))
    return lines


def _numbers(values: Array, form: str = ".3g") -> str:
    return "".join(f"{format(value, form):<12}" for value in values).rstrip()


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
    text = f"{np.median(emulator.scatter):.4f} (median over pixels)"
    n_modes = emulator.modes.shape[1]
    return (
        f"{text}; {np.median(emulator.scatter_rest):.4f} beside {n_modes} residual modes" if n_modes else text
    )


def _layers(emulator: Content) -> str:
    text = str(len(emulator.labels))
    for bias, activation in zip(emulator.biases, (*emulator.activations, ""), strict=True):
        text += f" -> {len(bias)}" + (f" {activation}" if activation else "")
    return text


def _training(emulator: Content) -> str:
    data = str(emulator.meta.get("training_data", "")) or "unknown"
    n_stars = len(emulator.training_labels)
    return f"{data}; {n_stars} label sets" if n_stars else data
