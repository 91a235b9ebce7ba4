"""Spectra between the points of a grid of labels, by Bezier curves along one label after another.

Between two points of the grid with fluxes f0, f1 and slopes m0, m1, a distance h apart, at the fraction u
of the cell (Auer 2003, ASP Conf. Ser. 288, 3):

    linear      (1-u) f0 + u f1
    quadratic   (1-u)^2 f0 + 2 u (1-u) c + u^2 f1                        c  = (f0 + f1)/2 + (m0 - m1) h/4
    cubic       (1-u)^3 f0 + 3 u (1-u)^2 c0 + 3 u^2 (1-u) c1 + u^3 f1    c0 = f0 + m0 h/3, c1 = f1 - m1 h/3

The slope at a point is that of the parabola through it and its two neighbours. The control points c are
kept between f0 and f1 wherever the flux rises or falls monotonically through the cell, so that no curve
overshoots; where the slopes differ in sign there is an extremum, and they are unrestricted. The code FERRE
uses the same scheme (Allende Prieto & Apogee Team 2015, ASCL 1502.016).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.floating]
Flags = NDArray[np.bool_]
Work = dict[tuple[int, ...], list[Array]]

METHODS = ("linear", "quadratic", "cubic")
# Number of values processed at a time, small enough to stay in the cache.
_BLOCK = 1 << 17
_N_WORK = 9  # arrays that a curve needs


def inside(axes: Sequence[ArrayLike], present: ArrayLike, labels: ArrayLike) -> Flags:
    """Whether points can be interpolated: whether all grid points that they need exist.

    Parameters
    ----------
    axes : sequence of (n,) float64
        Increasing values of each of the L labels.
    present : (n_1, ..., n_L) bool
        False = a hole, a point of the grid without a spectrum.
    labels : (N, L) float64

    Returns
    -------
    (N,) bool
        NaN is outside. A point on a line or plane of the grid needs only the grid points there.
    """
    points = np.asarray(labels, dtype=np.float64)
    there = np.asarray(present, dtype=bool)
    within = np.ones(len(points), dtype=bool)
    corners = []
    for axis, value in zip(map(np.asarray, axes), points.T, strict=True):
        within &= (value >= axis[0]) & (value <= axis[-1])
        low = np.clip(np.searchsorted(axis, value, side="right") - 1, 0, len(axis) - 1)
        high = np.minimum(low + (axis[low] < value), len(axis) - 1)
        corners.append((low, high))
    for corner in product(*corners):
        within &= there[corner]
    return within


def interpolate(
    axes: Sequence[ArrayLike],
    flux: ArrayLike,
    labels: ArrayLike,
    method: str = "cubic",
    present: ArrayLike | None = None,
) -> Array:
    """Interpolate spectra, without extrapolation.

    Parameters
    ----------
    axes : sequence of (n,) float64
        Increasing values of each of the L labels; steps need not be even.
    flux : (n_1, ..., n_L, P) float32 or float64
        Spectra at the points of the grid.
    labels : (N, L) float64
        Labels of the result.
    method : str
        "linear", "quadratic" or "cubic".
    present : (n_1, ..., n_L) bool, optional
        False = a hole. A curve treats a hole as an end of the grid.

    Returns
    -------
    (N, P), dtype of `flux`

    Raises
    ------
    ValueError
        If a point is outside the grid or its cell contains a hole, or an argument is invalid.
    """
    if method not in METHODS:
        raise ValueError(f"method: expected one of {', '.join(METHODS)}, got {method!r}")
    grid = [np.asarray(axis, dtype=np.float64) for axis in axes]
    for number, axis in enumerate(grid):
        if axis.ndim != 1 or not axis.size or not (np.diff(axis) > 0).all():
            raise ValueError(f"axes[{number}]: expected one increasing list of values, got {axis}")
    shape = tuple(map(len, grid))
    spectra = np.asarray(flux)
    if spectra.shape[:-1] != shape:
        raise ValueError(
            f"flux: the axes have {shape} points, so expected shape {(*shape, 'P')}, got {spectra.shape}"
        )
    there = np.ones(shape, dtype=bool) if present is None else np.asarray(present, dtype=bool)
    points = np.asarray(labels, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != len(grid):
        raise ValueError(f"labels: expected shape ('N', {len(grid)}), got {points.shape}")
    refused = np.flatnonzero(~inside(grid, there, points))
    if len(refused):
        raise ValueError(
            f"labels: {len(refused)} of {len(points)} points are outside the grid or in a hole of it, the "
            f"first is {points[refused[0]].tolist()}; nothing is extrapolated, so leave out what `inside` "
            "refuses"
        )
    if spectra.dtype not in (np.float32, np.float64):
        spectra = spectra.astype(np.float64)
    result = np.empty((len(points), spectra.shape[-1]), dtype=spectra.dtype)
    work: Work = {}
    for point, row in zip(points, result, strict=True):
        _interpolate_one(grid, spectra, there, point, method, row, work)
    return result


def _interpolate_one(
    axes: Sequence[Array], flux: Array, present: Flags, point: Array, method: str, result: Array, work: Work
) -> None:
    nodes = [_neighbours(axis, value, method) for axis, value in zip(axes, point, strict=True)]
    place = np.ix_(*nodes)
    rows = np.ravel_multi_index(place, present.shape).ravel()
    there = present[place]
    flat = flux.reshape(-1, flux.shape[-1])
    block = max(32, _BLOCK // len(rows))
    for first in range(0, flux.shape[-1], block):
        part = flat[rows, first : first + block].reshape(*there.shape, -1)
        known = there
        for axis, node, value in zip(axes, nodes, point, strict=True):
            part, known = _along(axis[node], part, known, value, method, work)
        result[first : first + block] = part


def _neighbours(axis: Array, value: float, method: str) -> NDArray[np.intp]:
    """Return the points of an axis that define a curve through a cell: up to four; one, if exactly on it."""
    low = int(np.searchsorted(axis, value, side="right")) - 1
    if axis[low] == value:
        return np.array([low])
    width = 2 if method == "linear" else min(4, len(axis))
    first = min(max(low - (width == 4), 0), len(axis) - width)
    return np.arange(first, first + width)


def _along(x: Array, f: Array, known: Flags, at: float, method: str, work: Work) -> tuple[Array, Flags]:
    """Interpolate along the first of the axes of f (n, ..., P) and known (n, ...)."""
    if len(x) == 1:
        return f[0], known[0]
    cell = int(np.searchsorted(x, at, side="right")) - 1
    if known.all():
        return _curve(x, f, cell, at, method, work), known[0]
    result, ends = np.zeros_like(f[0]), known[cell] & known[cell + 1]
    patterns = known.reshape(len(x), -1)
    for pattern in np.unique(patterns[:, ends.ravel()], axis=1).T:
        # A hole is an end: only points up to the next hole on either side are used.
        low, high = cell, cell + 2
        while low > 0 and pattern[low - 1]:
            low -= 1
        while high < len(x) and pattern[high]:
            high += 1
        rows = (known == pattern.reshape(-1, *(1,) * ends.ndim)).all(axis=0)
        result[rows] = _curve(x[low:high], f[low:high, rows], cell - low, at, method, {})
    return result, ends


def _curve(x: Array, f: Array, cell: int, at: float, method: str, work: Work) -> Array:
    """Flux in a cell of the points x (n,) with fluxes f (n, ..., P), n from 2 to 4.

    This takes nearly all of the time, so numbers keep the dtype of the flux, and arrays are reused:
    allocating new ones would cost more than the arithmetic. The result is one of `work`.
    """
    shape = f.shape[1:]
    if shape not in work:
        work[shape] = [np.empty(shape, dtype=f.dtype) for _ in range(_N_WORK)]
    d, other, bend0, bend1, low, high, term, r0, r1 = work[shape]
    number = f.dtype.type
    h = x[cell + 1] - x[cell]
    u = (at - x[cell]) / h
    v = 1 - u
    np.subtract(f[cell + 1], f[cell], out=d)
    if method == "linear" or len(x) == 2:
        d *= number(u)
        d += f[cell]
        return d

    def bend(j: int, out: Array) -> Array:
        """h^2 times half the second derivative of the parabola around an inner point."""
        scale = h * h / (x[j + 1] - x[j - 1])
        for side, left, sign in ((j, out, 1), (j - 1, term, -1)):
            rise = d if side == cell else np.subtract(f[side + 1], f[side], out=other)
            np.multiply(rise, number(sign * scale / (x[side + 1] - x[side])), out=left)
        out += term
        return out

    # Second derivatives at both points of the cell. At an end of the grid that of the next point is used,
    # unless it varies strongly there: none if it changes sign, at most twice that of the second point, so
    # that a kink does not propagate.
    if 0 < cell < len(x) - 2:
        bend(cell, bend0), bend(cell + 1, bend1)
    else:
        inner, beyond = (1, 2) if cell == 0 else (cell, cell - 1)
        near, end = (bend1, bend0) if cell == 0 else (bend0, bend1)
        bend(inner, near)
        end[...] = near
        if 0 < beyond < len(x) - 1:
            far = bend(beyond, r0)
            far *= number(2)
            _limit(end, np.minimum(far, 0, out=low), np.maximum(far, 0, out=high))
    # m0 h, m1 h, and the limits of the control points, measured from f0 or backwards from f1
    np.subtract(d, bend0, out=r0)
    np.add(d, bend1, out=r1)
    np.minimum(d, 0, out=low)
    np.maximum(d, 0, out=high)
    if 0 < cell < len(x) - 2:  # at an end of the grid an extremum cannot be detected
        np.sign(r0, out=term)
        term *= r1
        np.multiply(term < 0, number(np.finfo(f.dtype).max / 4), out=term)
        low -= term
        high += term
    if method == "quadratic":
        r0 -= r1
        r0 *= number(0.25)
        r0 += np.multiply(d, number(0.5), out=term)
        _limit(r0, low, high)
        r0 *= number(2 * u * v)
        d *= number(u * u)
    else:
        r0 *= number(1 / 3)
        r1 *= number(1 / 3)
        _limit(r0, low, high)
        _limit(r1, low, high)
        r0 *= number(3 * u * v * v)
        r1 *= number(3 * u * u * v)
        r0 -= r1
        d *= number(3 * u * u * v + u * u * u)
    r0 += d
    r0 += f[cell]
    return r0


def _limit(values: Array, low: Array, high: Array) -> None:
    np.maximum(values, low, out=values)
    np.minimum(values, high, out=values)
