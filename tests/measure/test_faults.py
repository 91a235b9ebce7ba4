"""Both goals of the flags in small: 95 % of planted faults are marked, and at most 2 % of good spectra."""

import faults
import mastar_flags
import numpy as np
import pytest

import maury
import maury._core as _core
from core_residuals import smooth_misfit, unexplained_part
from maury.catalog.columns import column_values
from maury.catalog.flags import Flag
from quick_emulator import HIGH, LOW, quick_emulator, spectra_of

EACH = 30


@pytest.fixture(scope="module")
def good():
    """Stars all over the labels at S/N 40 to 150, of the emulator's resolution, at rest."""
    rng = np.random.default_rng(4)
    labels = LOW + (0.05 + 0.9 * rng.random((200, 3))) * (HIGH - LOW)
    snr = rng.uniform(40, 150, len(labels))
    flux = spectra_of(labels)
    emulator = quick_emulator()
    noisy = flux * (1 + rng.normal(size=flux.shape) / snr[:, None])
    return maury.Spectra(
        emulator.wavelength, noisy, (snr[:, None] / flux) ** 2, rv=0.0, snr=snr, lsf=emulator.lsf
    )


@pytest.fixture(scope="module")
def measured(good):
    return maury.fit(good, quick_emulator())


def part_marked(spectra):
    return mastar_flags.marked(maury.fit(spectra, quick_emulator())).mean()


def test_good_spectra_are_not_marked(measured):
    assert mastar_flags.marked(measured).mean() <= 0.02


@pytest.mark.parametrize("kind", faults.FAULTS)
def test_planted_faults_are_marked(kind, good):
    rng = np.random.default_rng(1)
    caught = {fault.__name__: part_marked(fault(good[:EACH], rng)) for fault in faults.FAULTS[kind]}
    gentle = caught.pop("blue_slope", None)  # the continuum takes it out: see the next test
    assert np.mean(list(caught.values())) >= 0.95, caught
    assert min(caught.values()) >= 0.9, caught
    assert gentle is None or gentle < 0.1


def test_a_slope_moves_no_label(good, measured):
    """So it needs no mark."""
    rng = np.random.default_rng(1)
    catalog, sloped = measured[:EACH], maury.fit(faults.blue_slope(good[:EACH], rng), quick_emulator())
    for name in ("teff", "logg", "fe_h"):
        error = column_values(catalog, f"{name}_err_formal")
        moved = np.abs(column_values(sloped, name) - column_values(catalog, name)) / error
        assert np.median(moved) < 0.5


def test_good_spectra_are_valid(measured):
    assert measured["valid"].mean() >= 0.97


@pytest.mark.parametrize("fault", faults.FAULTS["wrong class"][:-1], ids=lambda fault: fault.__name__)
def test_no_spectrum_of_another_class_is_valid(fault, good):
    """White dwarfs, spectra without a line, quasars, galaxies, composites, carbon stars; no nebula."""
    catalog = maury.fit(fault(good[:EACH], np.random.default_rng(1)), quick_emulator())
    assert not catalog["valid"].any()


def test_the_part_not_explained_is_that_of_a_slow_loop():
    rng = np.random.default_rng(3)
    flux, model = 1 + rng.normal(0, 0.02, (3, 210)), 1 + rng.normal(0, 0.05, (3, 210))
    model[1] = flux[1] + rng.normal(0, 0.02, 210)
    ivar = rng.uniform(300, 3000, (3, 210))
    flux[0] += 0.2 * np.sin(np.arange(210) / 30)
    flux[:, 33:40] += 9.0  # a cosmic ray moves no median
    ivar[:, 40:55] = 0  # a cell that is known by less than half is left out
    model[2, :10] = np.nan
    scatter = rng.uniform(0.002, 0.03, 210)
    part = unexplained_part(flux, ivar, model, scatter)
    for i in range(3):
        r, m, v, s2 = [], [], [], []
        for cell in range(10):
            at = [p for p in range(20 * cell, 20 * cell + 20) if ivar[i, p] > 0 and np.isfinite(model[i, p])]
            if 2 * len(at) > 20:
                r.append(np.median([flux[i, p] - model[i, p] for p in at]))
                m.append(np.mean([model[i, p] - 1 for p in at]))
                v.append(np.pi / 2 / sum(ivar[i, p] for p in at))
                s2.append(np.mean([scatter[p] ** 2 for p in at]))
        r, m, v, s2 = np.array(r), np.array(m), np.array(v), np.array(s2)
        assert len(r) == (8 if i == 2 else 9)
        g2 = (v + s2 + 0.01**2) ** -2.0
        noise = np.sum(g2 * v)
        left = np.sum(g2 * r**2) - noise - 3 * np.sqrt(2 * np.sum(g2**2 * v**2))
        there = max(np.sum(g2 * (r + m) ** 2) - noise, np.sum(g2 * m**2))
        assert part[i] == pytest.approx(np.sqrt(max(0, left) / there), abs=1e-12)
    assert part[0] > 0.9
    assert part[1] == 0


def test_nothing_is_unexplained_where_there_is_nothing():
    flux = np.full((2, 50), 2.0)
    ivar, model = np.ones((2, 50)), np.ones((2, 50))
    ivar[0], model[1] = 0, np.nan
    assert unexplained_part(flux, ivar, model).tolist() == [0, 0]
    assert unexplained_part(flux[:, :5], ivar[:, :5], model[:, :5]).tolist() == [0, 0]


def test_stars_beyond_the_training_range_are_marked(good):
    limits = {"teff": (9000, 20000), "logg": (3.5, 4.5), "fe_h": (-0.3, 0.3)}
    rng = np.random.default_rng(2)
    for beyond in (
        limits,
        limits | {"teff": (3300, 3900)},
        limits | {"teff": (5000, 6000), "fe_h": (-4, -3)},
    ):
        assert part_marked(mastar_flags.outside(good[:EACH], beyond, rng)) >= 0.95


def test_the_misfit_is_that_of_a_slow_loop():
    rng = np.random.default_rng(0)
    flux, ivar = 1 + rng.normal(0, 0.03, (3, 205)), rng.uniform(500, 2000, (3, 205))
    flux[0] += 0.1 * np.sin(np.arange(205) / 15)
    flux[1, 60:80] += 0.2
    flux[2, 100] += 5.0  # a spike is not a misfit
    ivar[:, :7] = ivar[1, 150:] = 0
    model, scatter = np.ones_like(flux), np.full(205, 0.01)
    rms, worst = smooth_misfit(flux, ivar, model, scatter, cell=20, edge=10)
    for i in range(3):
        seen = np.flatnonzero(ivar[i] > 0)
        a, v = [], []
        for start in range(0, 200, 20):
            w, wr = 0.0, 0.0
            for p in range(max(start, seen[0] + 10), min(start + 20, seen[-1] - 9)):
                weight = 1 / (1 / ivar[i, p] + 0.01**2)
                if (flux[i, p] - 1) ** 2 * weight <= 36:
                    w, wr = w + weight, wr + weight * (flux[i, p] - 1)
            if w:
                a.append(wr / w)
                v.append(1 / w)
        a, v = np.array(a), np.array(v)
        square = (np.sum(a**2 - v) - 3 * np.sqrt(2 * np.sum(v**2))) / len(a)
        assert rms[i] == pytest.approx(np.sqrt(max(0, square)), abs=1e-12)
        assert worst[i] == pytest.approx(max(0, np.max(np.abs(a) - 3 * np.sqrt(v))), abs=1e-12)
    assert rms[0] > 0.05
    assert worst[1] > 0.1
    assert rms[2] == 0


def test_spectra_without_a_pixel_or_a_fit_are_no_misfit():
    flux = np.full((2, 50), 2.0)
    ivar, model = np.ones((2, 50)), np.ones((2, 50))
    ivar[0], model[1] = 0, np.nan
    assert [x.tolist() for x in smooth_misfit(flux, ivar, model, 0.01)] == [[0, 0], [0, 0]]


def test_an_emulator_that_does_not_know_its_error_marks_no_misfit(good):
    emulator = quick_emulator()
    assert _core.usual_error(emulator.meta["held_out_rms"]) == 0.008  # not less
    blind = maury.Emulator.from_layers(
        emulator.weights,
        emulator.biases,
        activation="tanh",
        labels=emulator.labels,
        label_min=emulator.label_min,
        label_max=emulator.label_max,
        wavelength=emulator.wavelength,
        scatter=emulator.scatter,
        lsf=emulator.lsf,
    )
    spoilt = faults.ripple(good[:EACH], np.random.default_rng(1))
    seen, not_seen = (maury.fit(spoilt, e)["flags"] & int(Flag.MISFIT) for e in (emulator, blind))
    assert (seen != 0).mean() > 0.9
    assert not np.any(not_seen)
