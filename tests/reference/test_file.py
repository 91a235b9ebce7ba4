"""The one file of a reference set: what goes in comes out; files that are damaged or something else."""

import gzip

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

import made_up_stars
from maury.readers import ReadError
from maury.reference.file import Reference, is_reference, read_reference, write_reference
from maury.reference.load import load_reference, open_reference
from maury.spectra import Spectra

WAVE = 10 ** (3.6 + 1e-4 * np.arange(40))


def reference(n=3, seed=0, lsf=True, own_grids=False, **changes):
    rng = np.random.default_rng(seed)
    wave = WAVE * (1 + 1e-5 * np.arange(n)[:, None]) if own_grids else WAVE
    labels = {"fe_h": rng.normal(size=n), "teff": rng.uniform(4000, 7000, n), "Mg_Fe": rng.random(n)}
    labels["fe_h"][:1] = np.nan
    spectra = Spectra(
        wave,
        rng.random((n, 40)).astype(np.float32),
        rng.random((n, 40)).astype(np.float32),
        mask=rng.random((n, 40)) < 0.2,
        lsf=rng.random((n, 40)).astype(np.float32) if lsf else None,
        star_id=[f"7-{i}" for i in range(n)],
        visit_id="8312-12701-57400+8313-12701-57401",
        file="goodspec.fits.gz",
        rv=0.0,
        snr=rng.random(n),
        labels=labels,
    )
    given = {
        "spectra": spectra, "label_errors": {"teff": rng.random(n)}, "origin": np.full(n, "empirical"),
        "label_id": np.array([f"2M{i}" for i in range(n)]),
        "provenance": {"counts": {"kept": n}, "long": "x'y" * 200},
    }  # fmt: skip
    return Reference(**given | changes)


def same(one, other):
    for name in ("wavelength", "flux", "mask", "star_id", "visit_id", "file", "rv", "snr"):
        np.testing.assert_array_equal(getattr(one.spectra, name), getattr(other.spectra, name))
    np.testing.assert_array_equal(np.where(one.spectra.mask, 0, one.spectra.ivar), other.spectra.ivar)
    assert (one.spectra.lsf is None) == (other.spectra.lsf is None)
    if one.spectra.lsf is not None:
        np.testing.assert_array_equal(one.spectra.lsf, other.spectra.lsf)
    assert set(one.spectra.labels) == set(other.spectra.labels)
    for name, values in one.spectra.labels.items():
        np.testing.assert_array_equal(values, other.spectra.labels[name])
    assert set(one.label_errors) == set(other.label_errors)
    for name, values in one.label_errors.items():
        np.testing.assert_array_equal(values, other.label_errors[name])
    assert one.origin.tolist() == other.origin.tolist()
    assert one.label_id.tolist() == other.label_id.tolist()
    assert one.provenance == other.provenance


@settings(max_examples=15)
@given(st.integers(1, 4), st.integers(0, 99), st.booleans(), st.booleans())
def test_what_goes_in_comes_out(tmp_path_factory, n, seed, lsf, own_grids):
    path = tmp_path_factory.mktemp("reference") / "set.fits"
    given_set = reference(n, seed, lsf, own_grids)
    write_reference(given_set, path)
    same(given_set, read_reference(path))


def test_the_source_of_the_labels_is_kept(tmp_path):
    given_set = reference(3)
    given_set.spectra.source = np.array(["MILES", "", "LAMOST"])
    write_reference(given_set, tmp_path / "set.fits")
    back = read_reference(tmp_path / "set.fits").spectra
    assert back.source.tolist() == ["MILES", "", "LAMOST"]
    assert list(back.labels) == ["teff", "fe_h", "Mg_Fe"]
    assert Spectra.concatenate([back, back[2]]).source.tolist() == ["MILES", "", "LAMOST", "LAMOST"]


def test_labels_come_in_their_usual_order_and_train_takes_them(tmp_path):
    path = tmp_path / "set.fits.gz"
    write_reference(reference(), path)
    assert is_reference(path)
    spectra = load_reference(path)
    assert list(spectra.labels) == ["teff", "fe_h", "Mg_Fe"]
    np.testing.assert_array_equal(spectra.labels["teff"], reference().spectra.labels["teff"])


def test_the_file_says_what_it_is(tmp_path):
    path = tmp_path / "set.fits"
    write_reference(reference(), path)
    with fits.open(path) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "STARS", "WAVELENGTH", "FLUX", "IVAR", "LSF"]
        assert {"MAURYREF", "MAURYVER", "DATE", "PROV"} <= set(hdus[0].header)
        assert hdus["FLUX"].data.dtype == np.dtype(">f4")
        assert hdus["WAVELENGTH"].data.dtype == np.dtype(">f8")
        assert hdus["WAVELENGTH"].header["BUNIT"] == "Angstrom"
        units = {column.name: column.unit for column in hdus["STARS"].columns}
        assert (units["teff"], units["teff_err"], units["rv"], units["fe_h"]) == ("K", "K", "km/s", None)
        hdus.verify("exception")


def test_two_sets_in_one(tmp_path):
    theory = reference(2, seed=1, lsf=False, label_errors={}, origin=np.full(2, "theoretical"))
    both = Reference.concatenate([reference(), theory])
    assert both.origin.tolist() == ["empirical"] * 3 + ["theoretical"] * 2
    assert np.isnan(both.label_errors["teff"][3:]).all()
    assert [part["counts"]["kept"] for part in both.provenance["parts"]] == [3, 2]
    write_reference(both, tmp_path / "both.fits")
    same(both, read_reference(tmp_path / "both.fits"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"origin": np.full(2, "empirical")}, r"origin: expected shape \(3,\)"),
        ({"origin": np.full(3, "guessed")}, "origin: expected empirical or theoretical, got 'guessed'"),
        ({"label_id": np.full(1, "x")}, r"label_id: expected shape \(3,\)"),
        (
            {"label_errors": {"logg": np.ones(3)}},
            r"label_errors: expected .* fe_h, teff, Mg_Fe.*got logg",
        ),
        ({"label_errors": {"teff": np.ones(4)}}, r"teff: expected shape \(3,\)"),
        (
            {"spectra": Spectra(WAVE, np.ones((3, 40)), np.ones((3, 40)))},
            "spectra: expected labels, got none",
        ),
    ],
)
def test_a_set_that_does_not_fit(changes, message):
    with pytest.raises(ValueError, match=message):
        reference(**changes)


def test_where_it_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match=r"extension must be \.fits or \.fits\.gz"):
        write_reference(reference(), tmp_path / "set.ecsv")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        write_reference(reference(), tmp_path / "nowhere" / "set.fits")
    write_reference(reference(), tmp_path / "set.fits")
    with pytest.raises(FileExistsError, match=r"choose another name, or pass overwrite=True$"):
        write_reference(reference(), tmp_path / "set.fits")
    write_reference(reference(2), tmp_path / "set.fits", overwrite=True)
    assert len(read_reference(tmp_path / "set.fits").spectra) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["set.fits"]  # no draft is left


def changed(path, change):
    """The file with something about its HDUs changed."""
    with fits.open(path) as hdus:
        change(hdus)
        hdus.writeto(path.with_name("changed.fits"))
    return path.with_name("changed.fits")


def swap(first, second):
    def change(hdus):
        one, other = hdus[first], hdus[second]
        one.name, other.name = second, first

    return change


def lose(name):
    return lambda hdus: hdus.pop(hdus.index_of(name))


def rename(old, new):
    def change(hdus):
        hdus["STARS"].columns[old].name = new

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lose("FLUX"), "it has no FLUX"),
        (lose("STARS"), "it has no STARS"),
        (swap("WAVELENGTH", "FLUX"), r"IVAR has the shape \(3, 40\), FLUX \(40,\)"),
        (rename("origin", "source"), "its table STARS has no origin"),
        (lambda hdus: hdus[0].header.update(MAURYREF=2), "layout has version 2, this maury reads 1"),
        (lambda hdus: hdus[0].header.remove("MAURYREF"), "not a reference set of maury"),
    ],
)
def test_a_file_that_is_not_whole(tmp_path, change, message):
    write_reference(reference(), tmp_path / "set.fits")
    with pytest.raises(ReadError, match=message):
        read_reference(changed(tmp_path / "set.fits", change))


@pytest.mark.parametrize("packed", [False, True])
def test_a_file_cut_short(tmp_path, packed):
    path = tmp_path / ("set.fits.gz" if packed else "set.fits")
    write_reference(reference(20), path)
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(ReadError, match=r"the reference set cannot be read|it has no"):
        read_reference(path)


def test_something_else(tmp_path):
    with pytest.raises(ReadError, match="no such file"):
        read_reference(tmp_path / "set.fits")
    (tmp_path / "text.fits").write_bytes(gzip.compress(b"no FITS file"))
    with pytest.raises(ReadError, match="the reference set cannot be read"):
        read_reference(tmp_path / "text.fits")
    assert not is_reference(tmp_path / "text.fits")


def test_a_table_may_have_errors_and_sources(tmp_path):
    emulator = made_up_stars.emulator()
    for k, labels in enumerate(made_up_stars.LABELS[:2]):
        made_up_stars.write_sdss(tmp_path / f"{k}.fits", emulator, labels)
    table = "file,source,teff,teff_err,fe_h\n0.fits,APOGEE,5000,40,\n1.fits,,5800,,0.1\n"
    (tmp_path / "stars.csv").write_text(table)
    found = open_reference(tmp_path / "stars.csv")
    assert found.spectra.source.tolist() == ["APOGEE", ""]
    np.testing.assert_array_equal(found.label_errors["teff"], [40, np.nan])
    np.testing.assert_array_equal(found.spectra.labels["fe_h"], [np.nan, 0.1])
