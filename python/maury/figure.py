"""Figures without pyplot: no window opens, no global state changes, and a notebook shows them as results."""

from __future__ import annotations

from io import BytesIO

try:
    from matplotlib.colors import LogNorm as LogNorm
    from matplotlib.figure import Figure as _Figure
except ImportError as error:
    raise ImportError('figures require matplotlib: pip install "maury[plot]"') from error


class Figure(_Figure):
    """A figure of matplotlib that notebooks show also if pyplot has not been imported."""

    def _repr_png_(self) -> bytes:
        picture = BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()
