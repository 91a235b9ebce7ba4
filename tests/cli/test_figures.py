"""Figures of a catalogue, from the command line: the diagrams of the paper, pictures by several processes."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import made_up_stars as made_up
import maury
from command_line import fit, run
from gaia_stars import photometry
from maury.measure.colours import with_photometry
from maury.show.spectra import resolution_curves


@pytest.fixture
def stars(tmp_path, monkeypatch):
    """A folder, now the working one, with an emulator and the catalogue of four star files."""
    emulator = made_up.emulator()
    emulator.save(tmp_path / "small.onnx")
    for i, labels in enumerate(made_up.LABELS):
        made_up.write_sdss(tmp_path / f"spec-{i}.fits", emulator, labels, seed=i)
    monkeypatch.chdir(tmp_path)
    fit(*(f"spec-{i}.fits" for i in range(4)))
    return maury.read_catalog("maury_catalog.fits")


def plot(*words, code=0):
    return run("plot", "maury_catalog.fits", "--emulator", "small.onnx", "-o", "plots", *words, code=code)


def test_diagrams_of_the_paper(stars, data_folder, tmp_path):
    photometry(stars["star_id"][:2]).write("gaia.csv")
    isochrones = data_folder / "isochrones" / "basti_gaia_dr3_3000myr.isc"
    plot("--max-spectra", 2, "--isochrones", isochrones, "--photometry", "gaia.csv", "--resolution")
    names = {path.name for path in (tmp_path / "plots").iterdir()}
    assert {"kiel.png", "isochrones.png", "colour_magnitude.png", "resolution.png"} < names
    assert len(names) == 6
    photometry(["somebody else"]).write("others.csv")
    assert "photometry: none of the stars" in plot("--photometry", "others.csv", code=1).stderr


@pytest.mark.slow
def test_several_processes_draw_the_same_pictures(stars, tmp_path, monkeypatch):
    monkeypatch.setattr("maury.cli.plot._FEW", 0)
    drawn = []
    for threads in (1, 2):
        shutil.rmtree("plots", ignore_errors=True)
        assert "5 figures" in plot("--threads", threads).stdout
        drawn.append({path.name: path.read_bytes() for path in (tmp_path / "plots").iterdir()})
    assert len(drawn[0]) == 5 and drawn[0] == drawn[1]


def test_photometry_joins_by_name_and_without_extinction(stars):
    """A hundred parsec at 10 mas: the distance modulus is 5; E(B-V) makes stars bluer and brighter."""
    table = photometry(stars["star_id"][[2, 0]], bp_rp=[0.5, 0.9])
    joined = with_photometry(stars, table)
    np.testing.assert_allclose(joined["bp_rp0"].value, [0.9, np.nan, 0.5, np.nan])
    np.testing.assert_allclose(joined["m_g"].value, [4.5, np.nan, 4.5, np.nan])
    assert "bp_rp0" not in stars.colnames
    table["ebv"] = 0.1
    dusty = with_photometry(stars, table)
    assert 0.05 < 0.9 - dusty["bp_rp0"].value[0] < 0.2
    assert 0.2 < 4.5 - dusty["m_g"].value[0] < 0.4


def test_a_report_has_the_colours(stars):
    pytest.importorskip("bokeh", reason="the report needs bokeh: pip install 'maury[report]'")
    photometry(stars["star_id"]).write("gaia.csv")
    run("report", "maury_catalog.fits", "--emulator", "small.onnx", "--photometry", "gaia.csv")
    page = Path("report.html").read_text(encoding="utf-8")
    facts = json.loads(re.search(r'id="facts"[^>]*>(.*?)</script>', page, re.S).group(1))
    assert facts["axes"]["cmd"] == ["bp_rp0", "m_g"]


def test_resolution_curves_are_percentiles():
    """Of 101 spectra of width 1.00 to 2.00, 75 % are below 1.75; where a spectrum ends it is not counted."""
    emulator = made_up.emulator()
    every = made_up.spectra(emulator, np.tile(made_up.LABELS[0], (101, 1)))
    every.lsf = np.repeat(np.linspace(1, 2, 101)[:, None], every.flux.shape[1], axis=1)
    every.lsf[50:, :700] = np.nan
    wavelength, sigma = resolution_curves([every])["75 %"]
    cut = emulator.wavelength[700]
    np.testing.assert_allclose(sigma[wavelength > cut], 1.75, atol=1e-6)
    np.testing.assert_allclose(sigma[wavelength < 0.999 * cut], 1 + 0.75 * 0.49, atol=1e-6)
    every.lsf = None
    with pytest.raises(ValueError, match="none of them has a line-spread function"):
        resolution_curves([every])


def test_the_summary_is_json(stars, tmp_path):
    (tmp_path / "bad.fits").write_bytes(b"SIMPLE  =")
    fit("spec-0.fits", "bad.fits", "-o", "two.fits", "--summary", "two.json")
    told = json.loads((tmp_path / "two.json").read_text())
    catalog = maury.read_catalog("two.fits")
    assert told["rows"] == 2 and told["stars"] == 2 and told["valid"] == told["converged"] == 1
    assert told["flags"]["unreadable"] == 1
    assert [entry["file"] for entry in told["problems"]] == ["bad.fits"]
    assert told["labels"]["teff"]["median"] == pytest.approx(catalog["teff"][0].value)
    assert told["emulator_hash"] == catalog.meta["EMUHASH"]
    assert "two.json exists" in fit("spec-0.fits", "-o", "new.fits", "--summary", "two.json", code=1).stderr
    assert not (tmp_path / "new.fits").exists()


def test_the_log_tells_as_much_as_was_asked_for(stars, caplog):
    def steps(*words):
        caplog.clear()
        fit("spec-0.fits", "-o", "log.fits", "--overwrite", *words)
        told = [record for record in caplog.records if record.name == "maury"]
        return [record.message for record in told if record.levelname != "WARNING"]

    assert steps() == steps("--quiet") == []
    assert steps("--verbose") == [
        steps("--verbose")[0],
        "Block 0: 1 spectra are finished.",
        "1 rows are written to log.fits.",
    ]
    assert "Block 0" in fit("spec-0.fits", "-o", "log.fits", "--overwrite", "-v").stderr
