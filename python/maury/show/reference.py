"""A reference set as figures: positions of its stars, and accuracy of their labels (paper, figs. 2 and 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maury.labels import find_label
from maury.show.plots import _TEFF_TICKS, _logg_axis, _teff_axis

if TYPE_CHECKING:
    from maury.figure import Figure
    from maury.reference.file import Reference

_MARKERS = {"theoretical": "o", "empirical": "*"}
_SIZES = {"theoretical": 9.0, "empirical": 26.0}


def plot_reference(reference: Reference) -> Figure:
    """Kiel diagram coloured by [Fe/H], and [alpha/Fe] over [Fe/H] coloured by Teff; models apart.

    The second panel is omitted if the set has no [alpha/Fe].

    Raises
    ------
    ValueError
        If the set has no teff, logg or fe_h.
    """
    from maury.figure import Figure, LogNorm

    labels = reference.spectra.labels
    missing = [name for name in ("teff", "logg", "fe_h") if name not in labels]
    if missing:
        raise ValueError(f"reference: this figure needs teff, logg and fe_h; {', '.join(missing)} is missing")
    panels = 2 if "alpha_fe" in labels else 1
    figure = Figure(figsize=(6.4 * panels, 5.2), dpi=130, layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    styles = [("teff", "logg", "fe_h"), ("fe_h", "alpha_fe", "teff")]
    for ax, (x, y, colour) in zip(axes, styles[:panels], strict=True):
        values = labels[colour][np.isfinite(labels[colour])]
        low, high = np.percentile(values, [2, 98]) if values.size else (0.1, 1.0)
        high = high if high > low else low + 0.01 * abs(low) + 0.01
        limits = {"norm": LogNorm(low, high)} if colour == "teff" else {"vmin": low, "vmax": high}
        for origin, marker in _MARKERS.items():
            mine = reference.origin == origin
            if not mine.any():
                continue
            points = ax.scatter(
                labels[x][mine], labels[y][mine], c=labels[colour][mine], marker=marker, s=_SIZES[origin],
                edgecolors="0.25", linewidths=0.25, cmap="viridis", label=f"{int(mine.sum())} {origin}",
                **limits,
            )  # fmt: skip
        bar = figure.colorbar(points, ax=ax, extend="both")
        bar.set_label(f"{find_label(colour).latex} [{find_label(colour).unit}]")
        if colour == "teff":
            ticks = [tick for tick in _TEFF_TICKS if low <= tick <= high]
            bar.set_ticks(ticks, labels=[f"{tick}" for tick in ticks], minor=False)
            bar.ax.minorticks_off()
    _teff_axis(axes[0], labels["teff"])
    _logg_axis(axes[0], labels["logg"])
    axes[0].legend(frameon=False, fontsize=9, loc="upper left")
    if panels == 2:
        axes[1].set_xlabel(f"{find_label('fe_h').latex} [dex]")
        axes[1].set_ylabel(f"{find_label('alpha_fe').latex} [dex]")
        axes[1].tick_params(direction="in", top=True, right=True)
    return figure


def plot_label_errors(reference: Reference) -> Figure:
    """Histograms of the errors of all labels with errors, with the median of each.

    Raises
    ------
    ValueError
        If no label of the set has an error.
    """
    from maury.figure import Figure

    errors = {}
    for name, values in reference.label_errors.items():
        known = values[np.isfinite(values) & (values > 0)]
        if known.size:
            errors[name] = known
    if not errors:
        raise ValueError("reference: no label of this set has an error to show")
    figure = Figure(figsize=(2.9 * len(errors), 2.7), dpi=130, layout="constrained")
    for ax, (name, values) in zip(
        figure.subplots(1, len(errors), squeeze=False)[0], errors.items(), strict=True
    ):
        label = find_label(name)
        middle = float(np.median(values))
        ax.hist(values, bins=40, range=(0.0, float(np.percentile(values, 99))), color="#7fb0e0")
        ax.axvline(middle, color="#d1342f", lw=1.2)
        ax.set_title(
            f"median {middle:.0f} K" if label.unit == "K" else f"median {middle:.3f} {label.unit}", fontsize=9
        )
        ax.set_xlabel(f"error of {label.latex} [{label.unit}]")
        ax.tick_params(direction="in")
    return figure
