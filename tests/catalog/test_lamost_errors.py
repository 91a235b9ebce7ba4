"""The installed errors of LAMOST spectra: for the built-in emulators, tested on repeat visits."""

import numpy as np
import pytest
from astropy.table import Table

import made_up_stars as made_up
import maury
from maury.catalog.columns import column_values
from maury.catalog.error_file import BUILT_IN, errors_for
from maury.catalog.repeats import repeat_pairs


@pytest.fixture(scope="module", params=["default", "lamost"])
def emulator(request):
    return maury.Emulator.load(request.param)


def test_they_belong_to_the_built_in_emulators_and_to_lamost(emulator):
    """If this fails after the emulator was trained anew: python tools/lamost_errors.py DATA."""
    model = errors_for("lamost", emulator.labels, emulator.file_hash)
    assert model.emulator_hash == emulator.file_hash
    assert model.formats == ("lamost",)
    assert list(BUILT_IN) == ["lamost"]
    np.testing.assert_allclose(model.pull_width, 1, atol=0.15)
    assert model.rv[1] == pytest.approx(1, abs=0.15)
    with pytest.raises(ValueError, match="errors: lamost: these errors were calibrated with the emulator"):
        errors_for("lamost", emulator.labels, "f" * 64)


def test_spectra_of_another_instrument_are_refused_before_the_work(emulator, monkeypatch):
    def measure(*_, **__):
        raise AssertionError("a spectrum was measured")

    monkeypatch.setattr("maury.measure.pipeline.measure", measure)
    spectra = made_up.spectra(made_up.emulator(), format="sdss")
    with pytest.raises(ValueError, match="calibrated on files of format lamost, got files of format sdss"):
        maury.fit(spectra, emulator, errors="lamost")


def repeat_visits(data_folder):
    """Return Spectra of all stars with more than one visit."""
    parts = []
    for folder, name in (("lamost_dr8_repeats", "groups.csv"), ("lamost_dr10", "labels.csv")):
        table = Table.read(data_folder / folder / name)
        stars = [f"{folder} {star}" for star in table["star"]]
        again = np.array([stars.count(star) > 1 for star in stars])
        part = maury.read_spectra([data_folder / folder / str(file) for file in table["file"][again]])
        part.star_id = np.array(stars)[again]
        parts.append(part)
    return maury.Spectra.concatenate(parts)


def test_pairs_of_visits_scatter_as_the_errors_say(data_folder, emulator):
    """Of the stars that the file was learnt from; tools/lamost_errors.py leaves stars out."""
    spectra = repeat_visits(data_folder)
    catalog = maury.fit(spectra, emulator, errors="lamost")
    assert catalog.meta["ERRORS"].startswith("repeat visits")
    pairs = repeat_pairs(catalog, list(emulator.labels))
    assert pairs.weight.sum() > 60
    for name in (*emulator.labels, "rv"):
        value = column_values(catalog, name)
        noise = column_values(catalog, f"{name}_err")
        if f"{name}_err_model" in catalog.colnames:
            noise = np.sqrt(noise**2 - column_values(catalog, f"{name}_err_model") ** 2)
        pulls = (value[pairs.first] - value[pairs.second]) / np.hypot(noise[pairs.first], noise[pairs.second])
        order = np.argsort(np.abs(pulls))
        share = np.cumsum(pairs.weight[order]) / pairs.weight.sum()
        assert np.interp(0.6827, share, np.abs(pulls)[order]) == pytest.approx(1, abs=0.15), name
