"""Two emulators on the same stars, as figures and text (Imig et al. 2021, figs. 15 and 16)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from maury.labels import find_label, offset_and_mad
from maury.learn.twins import KINDS
from maury.show.tables import columns_text, format_label, teff_words

if TYPE_CHECKING:
    from maury.figure import Figure
    from maury.learn.twins import Twins

_COLOURS = ("#d1342f", "#1f5fb4")
# Stars to show, and the labels [K, dex] they should be closest to.
_EXAMPLES = {"cool dwarf": (3500.0, 4.5), "warm dwarf": (6000.0, 4.0), "cool giant": (3500.0, 0.5)}
_RANGES = ((0.0, 5000.0), (5000.0, np.inf))  # K; the models of the paper fail below


def twin_table(twins: Twins) -> str:
    """Offset and MAD of both, and median reduced chi-square, below and above 5000 K."""
    head = ["teff", "emulator", "stars", "rchi2"]
    for name in twins.names:
        head += [f"{name} offset", "MAD"]
    teff = twins.known[:, twins.names.index("teff")] if "teff" in twins.names else np.zeros(len(twins.known))
    rows = []
    for low, high in _RANGES:
        inside = (teff >= low) & (teff < high)
        if not inside.any():
            continue
        for k, kind in enumerate(KINDS):
            words = teff_words(low or None, high if np.isfinite(high) else None)
            cells = [words, kind, str(int(inside.sum())), f"{np.nanmedian(twins.rchi2[k, inside]):.2f}"]
            for j, name in enumerate(twins.names):
                difference = twins.fitted[k, inside, j] - twins.known[inside, j]
                cells += [format_label(name, value) for value in offset_and_mad(difference)]
            rows.append(cells)
    return columns_text(head, rows)


def plot_twin_labels(twins: Twins) -> Figure:
    """Measured minus known labels of both emulators, over known Teff and as histograms, per label."""
    from maury.figure import Figure

    names = twins.names
    figure = Figure(figsize=(9.5, 0.6 + 2.0 * len(names)), dpi=130, layout="constrained")
    grid: Any = figure.subplots(len(names), 2, squeeze=False, sharex="col", sharey="row", width_ratios=[3, 1])
    axes, histograms = grid.T
    by_teff = "teff" in names
    x = twins.known[:, names.index("teff")] if by_teff else np.arange(len(twins.known))
    for j, (ax, histogram, name) in enumerate(zip(axes, histograms, names, strict=True)):
        label = find_label(name)
        difference = twins.fitted[:, :, j] - twins.known[:, j]
        some = np.abs(difference[np.isfinite(difference)])
        half = (1.2 * float(np.percentile(some, 97)) if some.size else 1.0) or 1.0
        for k, kind in enumerate(KINDS):
            ax.scatter(x, difference[k], s=9, color=_COLOURS[k], alpha=0.7, label=kind)
            inside = difference[k][np.abs(difference[k]) <= half]
            histogram.hist(
                inside, bins=np.linspace(-half, half, 41), orientation="horizontal", histtype="step",
                color=_COLOURS[k],
            )  # fmt: skip
        ax.axhline(0.0, color="0.4", lw=0.8)
        ax.set_ylim(-half, half)
        ax.set_ylabel(f"measured - known\n{label.latex} [{label.unit}]", fontsize=8)
        for panel in (ax, histogram):
            panel.tick_params(direction="in", top=True, right=True, labelsize=8)
    axes[0].legend(frameon=False, fontsize=8, ncols=2)
    histograms[-1].set_xlabel("stars")
    axes[-1].set_xlabel(f"known {find_label('teff').latex} [K]" if by_teff else "star")
    return figure


def plot_twin_fits(twins: Twins) -> Figure:
    """Best fits of both emulators over observed spectra: a cool dwarf, a warm dwarf, a cool giant.

    Raises
    ------
    ValueError
        If the labels do not include teff and logg, by which the stars are selected.
    """
    from maury.figure import Figure

    names = twins.names
    if not {"teff", "logg"} <= set(names):
        raise ValueError(f"twins: stars are selected by teff and logg, the labels are {', '.join(names)}")
    teff, logg = (twins.known[:, names.index(name)] for name in ("teff", "logg"))
    figure = Figure(figsize=(11, 9), dpi=130, layout="constrained")
    for ax, (what, (hot, dense)) in zip(figure.subplots(3, 1), _EXAMPLES.items(), strict=True):
        i = int(np.nanargmin(np.hypot((teff - hot) / 500, logg - dense)))
        wave = twins.emulators[0].wavelength
        flux = np.where(twins.ivar[i] > 0, twins.flux[i], np.nan)
        ax.plot(wave, flux, color="#333333", lw=0.5, label=f"{twins.star_id[i]}, {what}")
        for k, kind in enumerate(KINDS):
            emulator, labels = twins.emulators[k], twins.fitted[k, i]
            if not np.isfinite(labels).all():
                continue
            told = ", ".join(f"{n} {format_label(n, v)}" for n, v in zip(names, labels, strict=True))
            text = rf"{kind}: {told}, $\chi^2_\nu$ {twins.rchi2[k, i]:.2f}"
            ax.plot(
                emulator.wavelength, emulator.predict(labels[None])[0], color=_COLOURS[k], lw=0.6, label=text
            )
        told = ", ".join(f"{n} {format_label(n, v)}" for n, v in zip(names, twins.known[i], strict=True))
        ax.set_title(f"known: {told}", fontsize=8)
        ax.legend(frameon=False, fontsize=7, loc="lower right")
        ax.set_ylabel("normalised flux")
        ax.tick_params(direction="in", top=True, right=True)
    ax.set_xlabel("wavelength in vacuum [\N{ANGSTROM SIGN}]")
    return figure
