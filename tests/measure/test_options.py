"""The record of options: checked once, written whole into the header, read back from there."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import made_up_stars
import maury
from maury.catalog import read_catalog, write_catalog
from maury.measure.best_fit import fit_of_row
from maury.measure.options import Options
from maury.measure.regions import REGIONS
from maury.spectra import Spectra

positive = st.floats(1e-3, 1e6)
choices = st.builds(
    Options,
    velocity=st.sampled_from(["fit", "given"]),
    max_rv=positive,
    arm_rv=st.sampled_from([None, True, False]),
    broadening=st.booleans(),
    leave_out=st.lists(st.sampled_from(sorted(REGIONS)), max_size=3),
    bounds=st.none() | st.lists(st.tuples(st.floats(0, 1), st.floats(2, 3)), min_size=1, max_size=5),
    use_scatter=st.booleans(),
    n_starts=st.integers(1, 50),
    clip=st.floats(0, 10),
    resolution=st.none() | positive,
    format=st.sampled_from([None, "sdss"]),
)


@given(choices)
def test_a_header_gives_the_options_back(options):
    meta = {"OPTIONS": json.dumps(options.as_dict() | {"start": "search", "photometry": True})}
    assert Options.of_catalog(meta) == options
    assert set(options.as_dict()) == {field.name for field in fields(Options)}


def test_options_that_an_older_header_lacks_have_their_default():
    assert Options.of_catalog({"OPTIONS": '{"velocity": "given"}'}) == Options(velocity="given")


@pytest.mark.parametrize("meta", [{}, {"OPTIONS": "[]"}, {"OPTIONS": "no"}, {"OPTIONS": '{"max_rv": -1}'}])
def test_a_header_without_options_is_refused(meta):
    with pytest.raises(ValueError, match="its header OPTIONS does not contain the options of a fit"):
        Options.of_catalog(meta)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"velocity": "no"}, "velocity: expected 'fit' or 'given', got 'no'"),
        ({"max_rv": 0.0}, "max_rv: expected km/s above 0, got 0.0"),
        ({"max_rv": np.nan}, "max_rv: expected km/s above 0, got nan"),
        ({"n_starts": 0}, "n_starts: expected a whole number, at least 1, got 0"),
        ({"clip": -1.0}, "clip: expected a number of sigma, or 0 for no clipping, got -1.0"),
        ({"resolution": 1800.0, "fwhm": 2.5}, "resolution, fwhm: pass one of them, got both"),
        ({"resolution": 0.0}, "resolution: expected a number above 0, got 0.0"),
        ({"fwhm": np.inf}, "fwhm: expected a number above 0, got inf"),
        ({"leave_out": ["ballmer"]}, "leave_out: unknown region ballmer; known are telluric"),
        ({"leave_out": "balmer"}, "leave_out: expected a list of names, got the text 'balmer'"),
        (
            {"bounds": [4000, 5000]},
            r"bounds: expected a lower and an upper bound .* got \(2,\)",
        ),
        ({"bounds": "teff"}, "bounds: expected a lower and an upper bound for each label"),
    ],
)
def test_a_wrong_value_is_refused_by_name(wrong, message):
    with pytest.raises(ValueError, match=message):
        Options(**wrong)


def test_bounds_of_other_labels_are_refused_before_the_work(tmp_path):
    emulator = made_up_stars.emulator()
    spectra = made_up_stars.spectra(emulator)
    with pytest.raises(ValueError, match=r"bounds: expected shape \(3, 2\), a lower .* teff"):
        maury.fit(spectra, emulator, bounds=[[4000, 5000]])
    with pytest.raises(ValueError, match=r"bounds: expected shape \(3, 2\)"):
        maury.fit_files(tmp_path / "none.fits", tmp_path / "c.fits", emulator, bounds=[[4000, 5000]])
    assert list(tmp_path.iterdir()) == []


def test_the_header_tells_all_that_was_chosen(tmp_path):
    emulator = made_up_stars.emulator()
    spectra = made_up_stars.spectra(emulator)
    chosen = {
        "bounds": [[4000.0, 7500.0], [0.5, 5.0], [-2.0, 0.9]],
        "resolution": 1800.0,
        "leave_out": ["balmer"],
        "velocity": "given",
        "n_starts": 3,
    }
    write_catalog(maury.fit(spectra, emulator, **chosen), tmp_path / "c.fits")
    told = json.loads(read_catalog(tmp_path / "c.fits").meta["OPTIONS"])
    assert {name: told[name] for name in chosen} == chosen


def test_what_is_redrawn_is_what_was_fitted():
    """The line-spread function that the user gave, and the regions that were left out."""
    made = made_up_stars.emulator()
    emulator = made_up_stars.emulator(lsf=made.wavelength / 4000 / 2.355)
    own = Spectra(made.wavelength, emulator.predict(made_up_stars.LABELS), np.full((4, 1500), 1e6), rv=0.0)
    catalog = maury.fit(own, emulator, resolution=1500.0, leave_out=["balmer"])
    other = maury.fit(own, emulator)
    row, plain = (fit_of_row(own[1], emulator, table[1]) for table in (catalog, other))
    common = np.isin(plain.wavelength, row.wavelength)  # a broader row needs more of the emulator at its ends
    assert common.mean() > 0.99 and not np.allclose(row.model, plain.model[common], atol=1e-3)
    balmer = (row.wavelength > 4855) & (row.wavelength < 4870)
    assert balmer.any()
    assert (row.ivar[balmer] == 0).all()
    assert (plain.ivar[common][balmer] > 0).all()
    given = fit_of_row(replace(own[1], lsf=own.wavelength / 1500 / 2.3548), emulator, catalog[1])
    np.testing.assert_allclose(row.model, given.model, atol=1e-5)
