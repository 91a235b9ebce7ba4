"""Emulators made by others: all they say is checked when they are loaded, not at the end of a run."""

import copy
import functools
import json
import pickle

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import made_up_stars
import maury
from maury.catalog.table import _DESCRIPTIONS, read_catalog, write_catalog
from maury.emulator.checks import EmulatorFileError
from maury.emulator.emulator import Emulator
from maury.labels import COLUMNS
from network_twin import three_labels
from tampered_emulator import GOOD, change_entry, refused, set_entry, tampered

NAMES = {
    "with a comma": "teff, x",
    "a column": "rv",
    "a column in capitals": "CHI2",
    "an error": "logg_err",
    "not ASCII": "[Fe/H]\u00e9",
    "too long for a card of FITS": "x" * 41,
    "empty": "",
    "with a space before it": " x",
    "with a line break": "a\nb",
    "with a line separator": "a\u2028b",
    "with an escape": "\x1b[31m",
}


@pytest.mark.parametrize("case", NAMES)
def test_names_of_labels(case):
    refused(tampered(change_entry("labels", lambda rows: rows[2].update(name=NAMES[case]))), "labels: ")
    with pytest.raises(ValueError, match="labels: "):
        made_up_stars.emulator(labels=["teff", "logg", NAMES[case]])


def test_no_label_is_a_column():
    assert set(_DESCRIPTIONS) == COLUMNS


UNITS = ["foo", "Å", "1e400 K", "K\n", "x" * 1000, "\x1b[31m", "1/0 K", "-1 K"]


@pytest.mark.parametrize("unit", UNITS)
def test_units(unit):
    data = tampered(change_entry("labels", lambda rows: rows[2].update(unit=unit)))
    message = refused(data, "units: ", core=False)  # astropy knows them, the core does not
    assert message.isprintable() and len(message) < 600


def test_units_that_astropy_knows():
    for unit in ("", "km/s", "dex(cm/s2)", "%"):
        assert made_up_stars.emulator(units=["K", "dex", unit]).units[2] == unit


WAVELENGTHS = {
    "too short": ({"log10_start": 0.5}, "expected 10 to 1e"),
    "too long": ({"log10_start": 9.0}, "expected 10 to 1e"),
    "steps of nothing": ({"log10_step": 1e-12}, "expected steps of"),
    "steps of everything": ({"log10_start": 1.1, "log10_step": 0.9, "values": None}, "wavelength: "),
    "text": ({"log10_start": "3.5x"}, "does not have the expected form"),
    "a list": ({"log10_start": [3.5]}, "does not have the expected form"),
}


@pytest.mark.parametrize("case", WAVELENGTHS)
def test_wavelengths(case):
    changes, message = WAVELENGTHS[case]

    def change(grid):
        grid.pop("values", None)
        grid.update({k: v for k, v in changes.items() if v is not None})

    refused(tampered(change_entry("wavelength", change)), message)


KEYS = [e.key.removeprefix("maury.") for e in onnx.load_model_from_string(GOOD).metadata_props]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


def loads_or_is_refused(data):
    try:
        emulator = Emulator.from_bytes(data, "bad.onnx")
    except EmulatorFileError as error:
        assert str(error).startswith("bad.onnx: ")
    else:
        assert emulator.describe().replace("\n", "").isprintable()
        Emulator.from_bytes(emulator.to_bytes(), "again")


@pytest.mark.slow
@settings(max_examples=300)
@given(st.sampled_from(KEYS), JSON)
def test_metadata_of_a_wrong_type(key, value):
    loads_or_is_refused(tampered(set_entry(key, json.dumps(value))))


@pytest.mark.slow
@settings(max_examples=300)
@given(st.sampled_from([k for k in KEYS if k != "format_version"]), JSON, st.data())
def test_a_value_of_a_wrong_type_inside(key, value, data):
    def change(found):
        inner = found
        while isinstance(inner, (dict, list)) and inner:
            at = data.draw(st.sampled_from(sorted(inner) if isinstance(inner, dict) else range(len(inner))))
            if not isinstance(inner[at], (dict, list)) or data.draw(st.booleans()):
                inner[at] = value
                return
            inner = inner[at]

    entries = {e.key: e.value for e in onnx.load_model_from_string(GOOD).metadata_props}
    found = json.loads(entries[f"maury.{key}"])
    change(found)
    loads_or_is_refused(tampered(set_entry(key, json.dumps(found))))


def test_a_jacobian_of_another_shape(monkeypatch):
    """If onnxruntime gives one, whatever the graph declares."""
    import onnxruntime

    class Session:
        def __init__(self, *_, **__):
            pass

        def run(self, *rest):
            flux, jacobian = real(GOOD, providers=["CPUExecutionProvider"]).run(*rest)
            return flux, jacobian[..., :2]

    real = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    refused(
        GOOD, r"jacobian of its graph has shape \(8, 40, 2\), that of its layers \(8, 40, 3\)", core=False
    )


TEXTS = st.text(max_size=60).filter(lambda text: "\x00" not in text)


@functools.cache
def catalog_of(name):
    """Return the catalogue of an emulator of this name that has been in a file."""
    emulator = made_up_stars.emulator(meta={"name": name})
    emulator = Emulator.from_bytes(emulator.to_bytes(), "test")
    return made_up_stars.build_catalog(made_up_stars.result(), made_up_stars.spectra(emulator), emulator)


@pytest.mark.parametrize("ending", ["fits", "ecsv", "parquet"])
@pytest.mark.parametrize(
    "name",
    [
        "été",
        "日本語",
        "a\u2028b\u0085c",
        "a\nb\r",
        "\x00",
        "é" * 300,
        '"q"',
        "trail ",
        "\U0001f600",
        "\x1b[31m",
        "&'/ x",
    ],
)
def test_a_name_in_any_unicode_comes_back(tmp_path, name, ending):
    catalog = catalog_of(name)
    write_catalog(catalog, tmp_path / f"c.{ending}")
    assert read_catalog(tmp_path / f"c.{ending}").meta == catalog.meta
    assert catalog.meta["EMULATOR"] == name


@pytest.mark.slow
@settings(max_examples=100)
@given(st.lists(TEXTS, min_size=4, max_size=4))
def test_names_of_stars_come_back_from_ecsv(tmp_path_factory, names):
    """As `Spectra` cleans them: comments, quotes, spaces, line breaks."""
    emulator, path = made_up_stars.emulator(), tmp_path_factory.mktemp("ecsv") / "c.ecsv"
    spectra = made_up_stars.spectra(emulator, star_id=names, problem=names[::-1])
    catalog = made_up_stars.build_catalog(made_up_stars.result(), spectra, emulator)
    write_catalog(catalog, path)
    back = read_catalog(path)
    assert back["star_id"].tolist() == spectra.star_id.tolist()
    assert back["problem"].tolist() == spectra.problem.tolist()
    assert all(text.isprintable() for text in back["star_id"])


def test_names_that_begin_like_a_comment(tmp_path):
    emulator = made_up_stars.emulator()
    names = ["#1", "# 2", '#"3"', "4 #"]
    catalog = maury.fit(made_up_stars.spectra(emulator, star_id=names), emulator)
    write_catalog(catalog, tmp_path / "c.ecsv")
    assert read_catalog(tmp_path / "c.ecsv")["star_id"].tolist() == names


def test_surrogates_are_no_text():
    with pytest.raises(ValueError, match="meta: "):
        made_up_stars.emulator(meta={"name": "\ud800"})


def test_emulators_pickle_and_copy(tmp_path):
    """As the bytes of the file, with its hash; copies need no memory."""
    emulator = Emulator.from_layers(**three_labels())
    emulator.save(tmp_path / "e.onnx")
    loaded = Emulator.load(tmp_path / "e.onnx")
    for one in (emulator, loaded):
        back = pickle.loads(pickle.dumps(one))
        assert back.file_hash == one.file_hash and back.to_bytes() == one.to_bytes()
        assert copy.deepcopy(one) is one
        np.testing.assert_array_equal(
            copy.copy(one).predict([5000.0, 4.0, 0.0]), one.predict([5000.0, 4.0, 0.0])
        )
    older = Emulator.from_bytes(tampered(set_entry("meta", {"version": "0"})), "older")
    assert pickle.loads(pickle.dumps(older)).file_hash == older.file_hash
