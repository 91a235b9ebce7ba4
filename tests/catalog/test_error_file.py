"""The file of errors: read back, readable, refused when wrong, and what it does to a catalogue."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from astropy import units as u

from maury.catalog.error_file import apply_errors, read_errors, write_errors
from maury.catalog.repeats import calibrate_errors
from maury.catalog.text import describe_catalog
from repeat_visits import LABELS, make_visits


@pytest.fixture(scope="module")
def visits():
    return make_visits(n_stars=500, n_visits=1250)


@pytest.fixture(scope="module")
def likelihood(visits):
    return calibrate_errors(visits.catalog)


@pytest.fixture(scope="module", params=["likelihood", "paper"])
def model(visits, likelihood, request):
    return likelihood if request.param == "likelihood" else calibrate_errors(visits.catalog, request.param)


@pytest.mark.parametrize("apart", [False, True])
def test_round_trip(visits, model, tmp_path, apart):
    if apart:
        model = replace(model, hot_coefficients=model.coefficients + 0.1)
    path = tmp_path / "errors.ecsv"
    write_errors(model, path)
    back = read_errors(path)
    for field in fields(model):
        np.testing.assert_array_equal(
            getattr(back, field.name), getattr(model, field.name), err_msg=field.name
        )
    np.testing.assert_array_equal(back.predict(visits.catalog), model.predict(visits.catalog))
    assert path.stat().st_size < 12000
    with pytest.raises(FileExistsError, match=r"choose another name, or pass overwrite=True$"):
        write_errors(model, path)
    write_errors(model, path, overwrite=True)


@pytest.mark.parametrize("apart", [False, True])
def test_the_file_alone_is_enough(visits, model, tmp_path, apart):
    """A stranger with the equation of the file finds the same errors."""
    from astropy.table import Table

    if apart and model.extra:
        model = replace(model, hot_coefficients=model.coefficients + 0.1)
    write_errors(model, tmp_path / "errors.ecsv")
    table = Table.read(tmp_path / "errors.ecsv")
    row = visits.catalog[np.flatnonzero(visits.clean & (visits.catalog["teff"].value > 9000))[0]]
    value = {"1": 1.0, "sharper": float((row["flags"] & 512) != 0)}
    for name, v in table.meta["variables"].items():
        x = float(getattr(row[name], "value", row[name]))
        x = np.clip(np.log10(x) if v["log10"] else x, v["low"], v["high"])
        value[name] = (x - v["centre"]) / v["scale"]
        for term in table["term"]:
            if term.startswith(f"{name}>"):
                value[term] = max(0, x - np.log10(float(term.partition(">")[2]))) / v["scale"]
    hot = [term.startswith("hot:") for term in table["term"]]
    assert any(hot) == (apart and bool(model.extra))
    own = table[hot] if any(hot) else table
    names = [term.removeprefix("hot:") for term in own["term"]]
    terms = [np.prod([value[part] for part in term.split("*")]) for term in names]
    ln_sigma = np.clip(np.dot(terms, own["logg"]), *table.meta["ln_sigma_range"]["logg"])
    sigma_0 = 1.0
    if table.meta["sigma_0"] == "label_err_formal * sqrt(max(1, rchi2))":
        sigma_0 = row["logg_err_formal"].value * np.sqrt(max(1, row["rchi2"]))
    expected = model.predict(visits.catalog[visits.catalog["visit_id"] == row["visit_id"]])
    assert sigma_0 * np.exp(ln_sigma) == pytest.approx(expected[0, LABELS.index("logg")], rel=1e-12)


def test_apply(visits, model):
    before = visits.catalog.copy()
    after = apply_errors(visits.catalog, model)
    sigma = model.predict(before)
    for j, name in enumerate(LABELS):
        failed = np.isnan(before[name].value)
        assert failed.any()
        np.testing.assert_array_equal(after[f"{name}_err"].value, np.where(failed, np.nan, sigma[:, j]))
        assert after[f"{name}_err"].unit == before[name].unit
        assert after[f"{name}_err"].info.description == f"error of {name}"
        np.testing.assert_array_equal(after[f"{name}_err_formal"], before[f"{name}_err_formal"])
        np.testing.assert_array_equal(visits.catalog[f"{name}_err"], before[f"{name}_err"])
    assert model.method in after.meta["ERRORS"]
    assert f"{model.n_pairs} pairs" in after.meta["ERRORS"]
    assert before.meta["ERRORS"] == visits.catalog.meta["ERRORS"] == "formal"
    assert f"errors    {model.words}" in describe_catalog(after)


def test_repeats_replace_the_noise_and_not_the_model_part(visits, model):
    catalog = visits.catalog.copy()
    shared = np.array([60.0, 0.1, 0.08, 0.05, 0.1])
    catalog["covariance_formal"] = catalog["covariance"].copy()
    correlation = np.full((5, 5), 0.3) + 0.7 * np.eye(5)
    catalog["covariance"] = catalog["covariance"] + correlation * np.outer(shared, shared)
    catalog.meta["MODELCOR"] = json.dumps(correlation.tolist())
    for name, size in zip(LABELS, shared, strict=True):
        catalog[f"{name}_err_model"] = np.full(len(catalog), size) * catalog[name].unit
    after = apply_errors(catalog, model)
    known = np.isfinite(catalog["teff"].value)
    noise = model.predict(catalog)[known]
    for j, name in enumerate(LABELS):
        np.testing.assert_allclose(after[f"{name}_err"][known].value, np.hypot(noise[:, j], shared[j]))
    covariance = after["covariance"][known]
    np.testing.assert_allclose(np.diagonal(covariance, axis1=1, axis2=2), noise**2 + shared**2)
    np.testing.assert_allclose(covariance[:, 0, 1], 0.3 * shared[0] * shared[1])


def test_errors_are_refused_on_files_of_another_instrument(visits, tmp_path):
    catalog = visits.catalog.copy()
    catalog["format"] = np.full(len(catalog), "lamost")
    model = calibrate_errors(catalog)
    assert model.formats == ("lamost",)
    write_errors(model, tmp_path / "errors.ecsv")
    assert read_errors(tmp_path / "errors.ecsv").formats == ("lamost",)
    apply_errors(catalog, model)
    apply_errors(visits.catalog, model)  # an older catalogue does not tell
    catalog["format"][5] = "mastar"
    with pytest.raises(ValueError, match="calibrated on files of format lamost, got files of format mastar"):
        apply_errors(catalog, model)
    catalog["format"][:] = ""
    assert calibrate_errors(catalog).formats == ()
    apply_errors(catalog, model)


def test_units_are_converted(visits, model):
    other = visits.catalog.copy()
    other["teff_err"] = other["teff_err"].to(u.kK)
    new = apply_errors(other, model)["teff_err"]
    assert new.unit == u.kK
    assert new[0].to_value(u.K) == pytest.approx(apply_errors(visits.catalog, model)["teff_err"][0].value)


def test_a_catalogue_with_other_labels_is_refused(visits, model):
    other = visits.catalog.copy()
    other["c_fe"] = other["fe_h"]
    other.meta["LABELS"] += ",c_fe"
    with pytest.raises(
        ValueError, match="but the emulator has the labels teff, logg, fe_h, alpha_fe, log_vmicro, c_fe;"
    ):
        apply_errors(other, model)
    del other["snr"]
    other.meta["LABELS"] = "teff,logg,fe_h"
    with pytest.raises(ValueError, match="the catalogue has no column snr"):
        apply_errors(other, model)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("maury errors from repeat visits", "something", "not a table of errors"),
        ("method: likelihood", "method: guess", "unknown method"),
        ("teff*logg", "teff*snr", "not those of a quadratic"),
        ("\nsharper ", "\nblunter ", "unknown terms after the quadratic: blunter"),
        ("label_err_formal *", "label_err_formal /", "unknown sigma_0"),
        ("log10: true, low: ", "log10: true, lower: ", "damaged"),
        ("scale: ", "scale: -", "scale is not positive"),
        ("\n1 ", "\n1 nan", "not finite"),
        ("%ECSV", "%XCSV", "not an ECSV table"),
    ],
)
def test_a_file_that_is_not_right_is_refused_by_name(likelihood, tmp_path, old, new, message):
    path = tmp_path / "errors.ecsv"
    write_errors(likelihood, path)
    text = path.read_text()
    assert old in text
    if new == "\n1 nan":
        head, tail = text.split(old, 1)
        path.write_text(f"{head}\n1 nan {tail.split(' ', 1)[1]}")
    else:
        path.write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message) as caught:
        read_errors(path)
    assert str(path) in str(caught.value)


def test_no_file_and_a_wrong_ending(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="maury errors"):
        read_errors(tmp_path / "none.ecsv")
    with pytest.raises(ValueError, match=r"the extension of a file of errors must be \.ecsv"):
        write_errors(model, tmp_path / "errors.json")
