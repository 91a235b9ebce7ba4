"""Interpolation on a grid: against a slow twin, known functions, and real Kurucz spectra left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from maury import running_median
from maury.reference.grid import read_grid
from maury.reference.interpolate import METHODS, inside, interpolate


def slow_curve(x, f, at, method):
    """One number on one line of points, by the equations, in scalars."""
    if at in x:
        return f[list(x).index(at)]
    i = max(j for j in range(len(x)) if x[j] < at)
    h, u = x[i + 1] - x[i], (at - x[i]) / (x[i + 1] - x[i])
    if method == "linear" or len(x) == 2:
        return f[i] + u * (f[i + 1] - f[i])

    def second(j):  # divided difference around an inner point
        left, right = (f[j] - f[j - 1]) / (x[j] - x[j - 1]), (f[j + 1] - f[j]) / (x[j + 1] - x[j])
        return (right - left) / (x[j + 1] - x[j - 1])

    def at_end(near, far):
        if not 0 < far < len(x) - 1:
            return second(near)
        if second(near) * second(far) <= 0:
            return 0.0
        return min(second(near), 2 * second(far), key=abs)

    secant = (f[i + 1] - f[i]) / h
    m0 = secant - h * (second(i) if i > 0 else at_end(1, 2))
    m1 = secant + h * (second(i + 1) if i + 2 < len(x) else at_end(i, i - 1))

    def control(c):
        if m0 * m1 >= 0 or i == 0 or i + 2 == len(x):
            return min(max(c, min(f[i], f[i + 1])), max(f[i], f[i + 1]))
        return c

    if method == "quadratic":
        c = control(((f[i] + m0 * h / 2) + (f[i + 1] - m1 * h / 2)) / 2)
        return (1 - u) ** 2 * f[i] + 2 * u * (1 - u) * c + u**2 * f[i + 1]
    c0, c1 = control(f[i] + m0 * h / 3), control(f[i + 1] - m1 * h / 3)
    return (1 - u) ** 3 * f[i] + 3 * u * (1 - u) ** 2 * c0 + 3 * u**2 * (1 - u) * c1 + u**3 * f[i + 1]


def slow(axes, flux, point, method):
    """Along the first label, then the next."""
    if not axes:
        return flux
    lines = flux.reshape(len(axes[0]), -1).T
    reduced = np.array([slow_curve(axes[0], line, point[0], method) for line in lines])
    return slow(axes[1:], reduced.reshape(flux.shape[1:]), point[1:], method)


AXES = (
    np.array([0.0, 1.0, 1.5, 3.0, 3.5, 5.0]),
    np.array([-1.0, 0.0, 2.0]),
    np.array([7.0, 8.0]),
    np.array([4.0]),
)


def points_inside(rng, n):
    return np.column_stack([rng.uniform(axis[0], axis[-1], n) for axis in AXES])


@pytest.mark.parametrize("method", METHODS)
def test_equals_the_slow_twin(method):
    rng = np.random.default_rng(1)
    flux = rng.uniform(0.2, 1.0, (*map(len, AXES), 3))
    points = points_inside(rng, 40)
    points[:6, 0], points[6:9, 1] = AXES[0], AXES[1]
    expected = [slow(AXES, flux, point, method) for point in points]
    np.testing.assert_allclose(interpolate(AXES, flux, points, method), expected, rtol=0, atol=1e-13)


def test_blocks_of_pixels_and_float32():
    """More pixels than one block holds; single precision stays single, and good to 1e-6."""
    rng = np.random.default_rng(2)
    flux = rng.uniform(0.2, 1.0, (*map(len, AXES), 5000)).astype(np.float32)
    points = points_inside(rng, 3)
    got = interpolate(AXES, flux, points)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, interpolate(AXES, flux.astype(np.float64), points), rtol=0, atol=1e-6)
    np.testing.assert_array_equal(got[:, 4990:], interpolate(AXES, flux[..., 4990:], points))


@pytest.mark.parametrize("method", METHODS)
def test_points_of_the_grid_are_returned_as_they_are(method):
    flux = np.random.default_rng(3).normal(size=(*map(len, AXES), 4))
    points = np.stack(np.meshgrid(*AXES, indexing="ij"), axis=-1).reshape(-1, len(AXES))
    np.testing.assert_array_equal(interpolate(AXES, flux, points, method), flux.reshape(len(points), -1))


def test_analytic_grid():
    """Cubic: 1e-6 where the function is smooth; exact for parabolas on an even grid, to its ends."""
    axes = [np.linspace(0, 1, 41), np.linspace(-1, 1, 41), np.linspace(0, 2, 41)]
    rng = np.random.default_rng(4)
    points = np.column_stack([rng.uniform(axis[0], axis[-1], 200) for axis in axes])

    def smooth(x, y, z):
        return np.exp(-0.3 * x) * (1 + 0.1 * np.sin(y)) / (3 + 0.2 * z)

    def parabola(x, y, z):
        return (1 + x + 0.3 * x**2) * (2 + y + 0.2 * y**2) * (4 - z + 0.1 * z**2)

    for function, accuracy in ((smooth, 1e-6), (parabola, 1e-12)):
        flux = function(*np.meshgrid(*axes, indexing="ij"))[..., None]
        truth = function(*points.T)
        worst = {m: np.abs(interpolate(axes, flux, points, m)[:, 0] - truth).max() for m in METHODS}
        assert worst["cubic"] < accuracy
        assert worst["linear"] > 10 * worst["cubic"]


@given(
    arrays(np.float64, 6, elements=st.floats(0.0, 1.0)),
    st.lists(st.floats(0.0, 5.0), min_size=2, max_size=20),
    st.sampled_from(METHODS),
)
@settings(max_examples=300)
def test_monotone_data_give_monotone_curves(steps, where, method):
    flux = np.cumsum(steps)[:, None]
    got = interpolate(AXES[:1], flux, np.sort(where)[:, None], method)[:, 0]
    assert (np.diff(got) >= -1e-12).all()
    assert got.min() >= flux[0] - 1e-12 and got.max() <= flux[-1] + 1e-12


def slow_with_holes(axes, flux, point, method):
    """As `slow`, NaN being holes: of the points around a cell, those up to the next hole."""
    if not axes:
        return flux
    x, at = axes[0], point[0]
    on = np.flatnonzero(x == at)
    low = on[0] if len(on) else np.searchsorted(x, at) - 1
    window = range(max(0, min(low - 1, len(x) - 4)), min(len(x), max(low + 3, 4)))

    def value(line):
        if len(on):
            return line[on[0]]
        first, last = low, low + 1
        if np.isnan(line[[first, last]]).any():
            return np.nan
        while first - 1 in window and np.isfinite(line[first - 1]):
            first -= 1
        while last + 1 in window and np.isfinite(line[last + 1]):
            last += 1
        return slow_curve(x[first : last + 1], line[first : last + 1], at, method)

    reduced = np.array([value(line) for line in flux.reshape(len(x), -1).T])
    return slow_with_holes(axes[1:], reduced.reshape(flux.shape[1:]), point[1:], method)


@pytest.mark.parametrize("method", METHODS)
def test_equals_the_slow_twin_with_holes(method):
    rng = np.random.default_rng(6)
    flux = rng.uniform(0.2, 1.0, (*map(len, AXES), 2))
    present = rng.uniform(size=flux.shape[:-1]) > 0.1
    flux[~present] = 1e9
    points = points_inside(rng, 300)
    points[:60, 1] = rng.choice(AXES[1], 60)
    points = points[inside(AXES, present, points)]
    assert 50 < len(points) < 250
    marked = np.where(present[..., None], flux, np.nan)
    expected = [slow_with_holes(AXES, marked, point, method) for point in points]
    got = interpolate(AXES, flux, points, method, present)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-13)


def test_a_hole_is_an_end_of_the_grid():
    """What lies in a hole never matters, and behind it the curve is that of a shorter grid."""
    axes = [np.arange(7.0), np.arange(2.0)]
    flux = np.random.default_rng(5).uniform(size=(7, 2, 3))
    present = np.ones((7, 2), dtype=bool)
    present[4, 0] = False
    points = np.array([[2.3, 0.0], [2.3, 0.5], [3.0, 0.2]])
    results = []
    for filler in (0.0, 1e6):
        flux[4, 0] = filler
        results.append(interpolate(axes, flux, points, present=present))
    np.testing.assert_array_equal(*results)
    # Of the line with the hole, the points 1, 2 and 3 are in reach of the curve.
    short = interpolate([axes[0][1:4]], flux[1:4, 0], points[:1, :1])
    np.testing.assert_allclose(results[0][:1], short, atol=1e-14)
    whole = interpolate([axes[0]], flux[:, 1], points[1:2, :1])
    np.testing.assert_allclose(results[0][1:2], (short + whole) / 2, atol=1e-14)


def test_outside_and_holes_are_refused():
    present = np.ones((3, 3), dtype=bool)
    present[1, 1] = False
    axes, flux = [np.arange(3.0), np.arange(3.0)], np.ones((3, 3, 2))
    points = [
        [0.5, 0.5],
        [0.5, 0.0],
        [1.0, 0.0],
        [1.0, 0.5],
        [2.0, 2.0],
        [-1e-9, 1.0],
        [2.1, 2.0],
        [np.nan, 0.0],
    ]
    expected = [False, True, True, False, True, False, False, False]
    assert inside(axes, present, points).tolist() == expected
    for point, good in zip(points, expected, strict=True):
        if good:
            assert (interpolate(axes, flux, [point], present=present) == 1).all()
        else:
            with pytest.raises(ValueError, match="outside the grid or in a hole"):
                interpolate(axes, flux, [point], present=present)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"method": "spline"}, "method: expected one of linear, quadratic, cubic"),
        ({"axes": [[0.0, 0.0]]}, "axes\\[0\\]: expected one increasing"),
        ({"flux": np.ones((3, 4))}, "flux: the axes have \\(2,\\) points"),
        ({"labels": [[0.0, 1.0]]}, "labels: expected shape \\('N', 1\\)"),
    ],
)
def test_wrong_arguments(change, message):
    arguments = {"axes": [[0.0, 1.0]], "flux": np.ones((2, 4)), "labels": [[0.5]]} | change
    with pytest.raises(ValueError, match=message):
        interpolate(**arguments)


@pytest.fixture(scope="module")
def kurucz(data_folder):
    return read_grid(data_folder / "theory" / "kurucz_stds_v5.fit")


def errors_left_out(grid, label, method, normalised=False):
    """Median and rms error of the normalised flux, each inner point of each line of the grid left out."""
    normal = np.full_like(grid.flux, np.nan)
    normal[grid.present] = grid.flux[grid.present] / running_median(grid.flux[grid.present])
    source = normal if normalised else grid.flux
    axis = grid.labels.index(label)
    errors = []
    for place in np.argwhere(grid.present):
        line = tuple(slice(None) if i == axis else p for i, p in enumerate(place))
        kept = np.flatnonzero(grid.present[line])
        inner = kept.tolist().index(place[axis])
        if inner in (0, len(kept) - 1):
            continue
        kept = np.delete(kept, inner)
        x = grid.axes[axis]
        flux = interpolate([x[kept]], source[line][kept], [[x[place[axis]]]], method)[0]
        flux = flux if normalised else flux / running_median(flux)
        error = flux - normal[tuple(place)]
        errors.append((np.median(np.abs(error)), np.sqrt(np.mean(error**2))))
    return np.array(errors)


@pytest.mark.parametrize("label, n, by_line", [("teff", 69, 0.00066), ("fe_h", 53, 0.00131)])
def test_kurucz_spectra_left_out(kurucz, label, n, by_line):
    """A line through the neighbours of normalised spectra errs by `by_line`; cubic curves by half at most.

    Curves go through the flux itself: divided by a running median it is no smooth function of the labels.
    """
    cubic, linear = errors_left_out(kurucz, label, "cubic"), errors_left_out(kurucz, label, "linear")
    assert len(cubic) == n
    line = errors_left_out(kurucz, label, "linear", normalised=True)
    assert np.median(line[:, 0]) == pytest.approx(by_line, rel=0.02)
    assert (cubic[:, 0] <= line[:, 0]).all()
    assert np.median(cubic[:, 0]) < 0.5 * by_line
    # No worse anywhere, by the median and by the rms of each spectrum.
    assert (cubic <= linear).all()
