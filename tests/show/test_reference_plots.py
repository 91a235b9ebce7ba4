"""Pictures of a reference set: drawn for one origin or two, with and without [alpha/Fe] or errors."""

import numpy as np
import pytest

from maury.reference.file import Reference
from maury.show.plots import save_figure
from maury.show.reference import plot_label_errors, plot_reference
from maury.spectra import Spectra


def reference(n=30, labels=("teff", "logg", "fe_h", "alpha_fe"), hot=0, errors=("teff", "logg")):
    rng = np.random.default_rng(0)
    ranges = {"teff": (3500, 30000), "logg": (0, 5), "fe_h": (-2, 0.5), "alpha_fe": (-0.1, 0.4)}
    spectra = Spectra(
        np.arange(5000, 5004), np.ones((n, 4)), np.ones((n, 4)),
        labels={name: rng.uniform(*ranges[name], n) for name in labels},
    )  # fmt: skip
    origin = np.where(np.arange(n) < hot, "theoretical", "empirical")
    return Reference(spectra, {name: 0.1 + rng.random(n) for name in errors}, origin, np.full(n, ""))


@pytest.mark.parametrize("hot", [0, 10, 30])
def test_stars_and_models(tmp_path, hot):
    figure = plot_reference(reference(hot=hot))
    kiel, plane = figure.axes[:2]
    drawn = {points.get_label(): len(points.get_offsets()) for points in kiel.collections}
    assert drawn == {f"{n} {origin}": n for n, origin in ((hot, "theoretical"), (30 - hot, "empirical")) if n}
    assert sum(len(points.get_offsets()) for points in plane.collections) == 30
    assert kiel.get_xlim()[0] > kiel.get_xlim()[1]  # hot on the left
    assert kiel.get_ylim()[0] > kiel.get_ylim()[1]  # giants at the top
    save_figure(figure, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10000


def test_without_alpha(tmp_path):
    figure = plot_reference(reference(labels=("teff", "logg", "fe_h")))
    save_figure(figure, tmp_path / "a.png")
    assert [axes.get_xlabel() for axes in figure.axes if axes.get_xlabel()] == [r"$T_{\rm eff}$ [K]"]


def test_one_star(tmp_path):
    save_figure(plot_reference(reference(1)), tmp_path / "a.png")


def test_errors(tmp_path):
    given = reference()
    figure = plot_label_errors(given)
    assert len(figure.axes) == 2
    assert figure.axes[0].get_title() == f"median {np.median(given.label_errors['teff']):.0f} K"
    save_figure(figure, tmp_path / "a.png")


def test_what_cannot_be_drawn():
    with pytest.raises(ValueError, match="teff, logg and fe_h; logg is missing"):
        plot_reference(reference(labels=("teff", "fe_h"), errors=()))
    with pytest.raises(ValueError, match="no label of this set has an error"):
        plot_label_errors(reference(errors=()))
