"""Errors of emulated flux, counted in bins, against counts of the pixels themselves."""

import numpy as np
import pytest

from maury.labels import TEFF_BINS
from maury.learn.flux_errors import flux_errors
from maury.show.flux_errors import plot_flux_errors
from maury.show.tables import flux_error_table

rng = np.random.default_rng(2)
TRUE = rng.uniform(0.4, 1.2, size=(30, 400))
ERROR = rng.normal(0, 0.02, size=TRUE.shape)
IVAR = (rng.random(TRUE.shape) > 0.2).astype(float)
TEFF = np.repeat([2900.0, 4000.0, 15000.0], 10)  # nothing from 5000 to 12,000 K, nor above 20,000


def test_limits_are_quantiles():
    found = flux_errors(TRUE, IVAR, TRUE + ERROR, TEFF)
    assert found.spectra.tolist() == [20, 0, 0, 10, 0]
    for part in (0.5, 0.9, 0.99):
        limits = found.within(part)
        for b, rows in ((0, TEFF < 5000), (3, TEFF > 5000)):
            size = np.abs(ERROR[rows])[IVAR[rows] > 0]
            assert limits[b] == pytest.approx(np.quantile(size, part), abs=4e-4)
        assert np.isnan(limits[[1, 2, 4]]).all()
    assert found.errors.sum() == (IVAR > 0).sum()


def test_cumulative_ends_at_all_pixels_and_keeps_the_sign_apart():
    found = flux_errors(TRUE, IVAR, TRUE + 0.01, TEFF)
    size, part = found.cumulative()
    assert part[0, -1] == 1 and (np.diff(part[0]) >= 0).all()
    assert part[0, np.searchsorted(size, 0.0105)] == 1 and part[0, np.searchsorted(size, 0.0095)] == 0
    assert found.errors[0, : found.errors.shape[1] // 2].sum() == 0


def test_wild_errors_are_in_the_last_bins():
    found = flux_errors(TRUE, IVAR, TRUE + 7, TEFF)
    assert found.errors[0, -1] == (IVAR[:20] > 0).sum()


def test_parts_add_up():
    whole = flux_errors(TRUE, IVAR, TRUE + ERROR, TEFF)
    halves = [flux_errors(TRUE[r], IVAR[r], (TRUE + ERROR)[r], TEFF[r]) for r in (slice(13), slice(13, 30))]
    for name in ("spectra", "errors", "joint"):
        np.testing.assert_array_equal(getattr(halves[0] + halves[1], name), getattr(whole, name))


def test_words_and_picture():
    found = flux_errors(TRUE, IVAR, TRUE + ERROR, TEFF)
    lines = flux_error_table(found).splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["3000-5000", "12000-20000"]
    figure = plot_flux_errors(found, "made up")
    assert len(figure.axes) == 3 * 2
    assert figure.axes[0].get_title().startswith(f"{TEFF_BINS[0]:.0f}-{TEFF_BINS[1]:.0f} K\n20 spectra")
    with pytest.raises(ValueError, match="found: no spectra"):
        plot_flux_errors(flux_errors(TRUE[:0], IVAR[:0], TRUE[:0], TEFF[:0]))
