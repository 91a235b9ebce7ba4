"""Noise and model in the catalogue: their sums, what repeat visits change, and a model that is not known."""

import json
import warnings

import numpy as np
import pytest
from astropy import units as u

import made_up_stars as made_up
import maury
from maury.catalog.error_file import apply_errors
from maury.catalog.errors import NO_MODEL_WORDS, ErrorModel, model_part, noise_errors
from maury.catalog.table import read_catalog, write_catalog
from maury.emulator.model_error import ModelError
from maury.measure.options import Options

NAMES = ("teff", "logg", "fe_h")
CORRELATION = np.array([[1.0, 0.5, 0.25], [0.5, 1.0, -0.125], [0.25, -0.125, 1.0]])
SIGMA = np.array([80.0, 0.2, 0.1])


def knowing():
    """Return the made-up emulator with an error that is the same everywhere."""
    bare = made_up.emulator()
    return bare.with_model_error(
        ModelError(
            labels=NAMES, variables=(), log10=np.zeros(0, dtype=bool), centre=np.zeros(0), scale=np.zeros(0),
            low=np.zeros(0), high=np.zeros(0), terms=("1",), coefficients=np.log([SIGMA]),
            ln_sigma_range=np.log([SIGMA, SIGMA]), correlation=CORRELATION, offset=np.zeros(3),
            offset_error=np.ones(3), outliers=np.zeros(3), pull_width=np.ones(3), n_stars=100, folds=5,
        )
    )  # fmt: skip


def values(catalog, end):
    return np.column_stack([np.asarray(catalog[f"{name}{end}"].value) for name in NAMES])


@pytest.fixture
def catalog():
    """Four stars, the second of which failed; rchi2 is 2, formal errors are 50 K, 0.1, ..."""
    emulator = knowing()
    return made_up.build_catalog(made_up.failed_result(), made_up.spectra(emulator), emulator, Options())


def test_errors_add_in_quadrature(catalog):
    good = np.isfinite(values(catalog, "")).all(axis=1)
    assert good.tolist() == [True, False, True, True]
    formal, model, total = (values(catalog, end) for end in ("_err_formal", "_err_model", "_err"))
    np.testing.assert_allclose(model[good], np.broadcast_to(SIGMA, (3, 3)), rtol=1e-12)
    assert np.isnan(model[1]).all() and np.isnan(total[1]).all()
    noise = formal * np.sqrt(catalog["rchi2"])[:, None]
    np.testing.assert_allclose(total[good], np.hypot(noise, model)[good], rtol=1e-12)
    np.testing.assert_allclose(noise_errors(catalog, NAMES)[good], noise[good], rtol=1e-9)
    assert catalog["teff_err_model"].unit == u.K


def test_covariances_are_of_the_errors(catalog):
    for rows in catalog[[0, 2, 3]]:
        total, formal = rows["covariance"], rows["covariance_formal"]
        sigma = [np.array([rows[f"{n}{end}"].value for n in NAMES]) for end in ("_err", "_err_formal")]
        np.testing.assert_allclose(np.sqrt(np.diag(total)), sigma[0], rtol=1e-12)
        np.testing.assert_allclose(np.sqrt(np.diag(formal)), sigma[1], rtol=1e-12)
        expected = rows["rchi2"] * formal + CORRELATION * SIGMA * SIGMA[:, None]
        np.testing.assert_allclose(total, expected, rtol=1e-12)
    assert np.isnan(catalog["covariance"][1]).all()


def test_a_fit_that_is_better_than_its_noise_keeps_its_formal_error():
    emulator = knowing()
    fit = made_up.result(chi2=np.full(4, 1.0))
    found = made_up.build_catalog(fit, made_up.spectra(emulator), emulator, Options())
    assert (found["rchi2"] < 1).all()
    np.testing.assert_allclose(
        found["teff_err"].value, np.hypot(found["teff_err_formal"].value, 80.0), rtol=1e-12
    )


def test_the_header_names_noise_and_model(catalog):
    assert catalog.meta["ERRORS"] == (
        "noise: formal, times sqrt(rchi2) where above 1; "
        "model: cross-validation of the training, 100 stars in 5 folds"
    )
    np.testing.assert_array_equal(json.loads(catalog.meta["MODELCOR"]), CORRELATION)


@pytest.mark.parametrize("ending", [".fits", ".ecsv", ".parquet"])
def test_files_keep_both_covariances(catalog, tmp_path, ending):
    write_catalog(catalog, tmp_path / f"c{ending}")
    back = read_catalog(tmp_path / f"c{ending}")
    for name in ("covariance", "covariance_formal", "teff_err_model", "logg_err"):
        np.testing.assert_array_equal(np.asarray(back[name]), np.asarray(catalog[name]))
    model, correlation = model_part(back, NAMES)
    np.testing.assert_array_equal(correlation, CORRELATION)
    np.testing.assert_array_equal(model, values(catalog, "_err_model"))


def of_repeats(factor):
    """Return errors that are `factor` times those of the fit."""
    return ErrorModel(
        method="likelihood", labels=NAMES, units=("K", "dex", "dex"), variables=("snr",),
        centre=np.zeros(1), scale=np.ones(1), low=np.zeros(1), high=np.ones(1), relative=True, extra=(),
        coefficients=np.array([[np.log(factor)] * 3, [0.0] * 3, [0.0] * 3]),
        hot_coefficients=np.empty((0, 3)),
        ln_sigma_range=np.array([[-5.0] * 3, [5.0] * 3]), n_pairs=10, n_stars=5, outliers=np.zeros(3),
        pull_width=np.ones(3),
    )  # fmt: skip


def test_repeat_visits_replace_the_noise_and_never_the_model(catalog):
    catalog["snr"] = 50.0
    once = apply_errors(catalog, of_repeats(3.0))
    good = [0, 2, 3]
    noise = 3 * noise_errors(catalog, NAMES)
    np.testing.assert_allclose(values(once, "_err")[good], np.hypot(noise, SIGMA)[good], rtol=1e-9)
    np.testing.assert_array_equal(values(once, "_err_model"), values(catalog, "_err_model"))
    np.testing.assert_array_equal(once["covariance_formal"], catalog["covariance_formal"])
    for row in once[good]:
        expected = 9 * row["rchi2"] * row["covariance_formal"] + CORRELATION * SIGMA * SIGMA[:, None]
        np.testing.assert_allclose(row["covariance"], expected, rtol=1e-9)
    assert np.isnan(values(once, "_err")[1]).all()
    assert once.meta["ERRORS"].startswith("repeat visits, ")
    assert once.meta["ERRORS"].endswith("; model: cross-validation of the training, 100 stars in 5 folds")
    twice = apply_errors(once, of_repeats(3.0))  # the same, not the square
    np.testing.assert_array_equal(values(twice, "_err"), values(once, "_err"))
    assert twice.meta["ERRORS"] == once.meta["ERRORS"]


def test_an_emulator_that_does_not_know_its_error_says_so():
    emulator = made_up.emulator()
    with pytest.warns(UserWarning, match="model error of the emulator is unknown") as caught:
        found = maury.fit(made_up.spectra(emulator), emulator)
    assert len(caught) == 1
    assert found.meta["ERRORS"].endswith(NO_MODEL_WORDS)
    assert "MODELCOR" not in found.meta
    assert np.isnan(values(found, "_err_model")).all()
    formal = values(found, "_err_formal") * np.sqrt(np.maximum(1, found["rchi2"]))[:, None]
    np.testing.assert_allclose(values(found, "_err"), formal, rtol=1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maury.fit(made_up.spectra(emulator), knowing())


def test_the_built_in_emulator_knows_its_error():
    emulator = maury.Emulator.load("default")
    sun, giant, hot = emulator.model_error([[5772.0, 4.44, 0.0], [4500.0, 2.0, -0.1], [15000.0, 4.0, 0.0]])
    assert 40 < sun[0] < 120 and 0.1 < sun[1] < 0.3 and 0.05 < sun[2] < 0.15
    assert 40 < giant[0] < 120 and hot[0] > 300
    known = emulator.error_on_unseen
    assert known.n_stars > 750 and (np.abs(known.pull_width - 1) < 0.1).all()
