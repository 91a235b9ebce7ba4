"""The samples of a posterior, as a corner plot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maury.labels import LABELS

if TYPE_CHECKING:
    from arviz import InferenceData

    from maury.figure import Figure


def plot_posterior(data: InferenceData, spectrum: int = 0) -> Figure:
    """Draw the samples of one spectrum: each parameter, and each pair of them.

    Parameters
    ----------
    data : arviz.InferenceData
        From `maury.posterior`.
    spectrum : int
        Its index.

    Raises
    ------
    ValueError
        If that spectrum was not fitted.
    """
    import corner

    from maury.figure import Figure

    one = data.posterior.isel(spectrum=spectrum)
    names = [name for name in one.data_vars if np.isfinite(one[name]).all()]
    if not names:
        raise ValueError(f"spectrum: number {spectrum} could not be fitted; there are no samples to draw")
    samples = np.column_stack([one[name].to_numpy().ravel() for name in names])
    size = 1.0 + 1.7 * len(names)
    figure = Figure(figsize=(size, size), dpi=110)
    corner.corner(
        samples,
        labels=[_title(str(name)) for name in names],
        quantiles=(0.16, 0.5, 0.84),
        show_titles=True,
        title_fmt=".3g",
        color="#1f5fb4",
        fig=figure,
    )
    return figure


def _title(name: str) -> str:
    """Name and unit of a label; what is not a label is a velocity."""
    if name not in LABELS:
        return f"{name.replace('_', ' ')} [km/s]"
    return f"{LABELS[name].latex} [{LABELS[name].unit}]"
