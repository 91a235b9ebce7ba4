"""Accuracy of the emulated flux, as a figure (Imig et al. 2021, fig. 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maury.labels import TEFF_BINS
from maury.learn.flux_errors import ERROR_EDGES, FLUX_EDGES

if TYPE_CHECKING:
    from maury.figure import Figure
    from maury.learn.flux_errors import FluxErrors

_LINE, _FILL = "#d1342f", "#7fb0e0"
_SHOWN = 0.1  # errors
_REBIN = 25  # fine steps per bin of the histogram


def plot_flux_errors(found: FluxErrors, title: str = "") -> Figure:
    """Three panels for each range of Teff with spectra.

    The emulated against the true flux; a histogram of their difference; and the fraction of pixels
    with a difference within a limit.

    Parameters
    ----------
    found : FluxErrors
    title : str
        Description of the spectra.

    Raises
    ------
    ValueError
        If there are no spectra.
    """
    from maury.figure import Figure, LogNorm

    bins = np.flatnonzero(found.spectra)
    if not len(bins):
        raise ValueError("found: no spectra, so there are no errors to show")
    figure = Figure(figsize=(0.6 + 2.9 * len(bins), 8.2), dpi=130, layout="constrained")
    axes = figure.subplots(3, len(bins), squeeze=False)
    size, part = found.cumulative()
    coarse = ERROR_EDGES[::_REBIN]
    for b, (top, middle, bottom) in zip(bins, axes.T, strict=True):
        counts = found.joint[b].T
        if counts.any():
            top.pcolormesh(
                FLUX_EDGES, FLUX_EDGES, np.ma.masked_equal(counts, 0), norm=LogNorm(), cmap="Blues"
            )
        ends = [FLUX_EDGES[0], FLUX_EDGES[-1]]
        top.plot(ends, ends, color=_LINE, lw=0.8)
        top.set_title(f"{TEFF_BINS[b]:.0f}-{TEFF_BINS[b + 1]:.0f} K\n{found.spectra[b]} spectra", fontsize=9)
        top.set_xlabel("flux")
        shares = np.add.reduceat(found.errors[b], np.arange(0, found.errors.shape[1], _REBIN))
        middle.stairs(shares / max(1, shares.sum()), coarse, fill=True, color=_FILL)
        middle.set_xlim(-_SHOWN, _SHOWN)
        middle.set_xlabel("emulator - flux")
        bottom.plot(size, part[b], color="#333333")
        for share in (0.9, 0.99):
            limit = float(found.within(share)[b])
            if limit <= _SHOWN:
                bottom.plot([limit, limit], [0, share], color=_LINE, lw=0.8)
                bottom.annotate(
                    f"{100 * share:.0f} % within {limit:.4f}", (limit, share - 0.02), fontsize=7,
                    ha="left", va="top", xytext=(3, 0), textcoords="offset points",
                )  # fmt: skip
        bottom.set_xlim(0, _SHOWN)
        bottom.set_ylim(0, 1.02)
        bottom.set_xlabel("|emulator - flux|")
        for ax in (top, middle, bottom):
            ax.tick_params(direction="in", top=True, right=True, labelsize=8)
    for ax, text in zip(
        axes[:, 0], ("flux of the emulator", "fraction of pixels", "fraction within"), strict=True
    ):
        ax.set_ylabel(text)
    figure.suptitle(title, fontsize=11, fontweight="bold")
    return figure
