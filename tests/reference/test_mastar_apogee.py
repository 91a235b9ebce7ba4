"""The empirical reference set, end to end, on made-up DR17 files whose truth is known."""

import numpy as np
import pytest

import mastar_made as made
from maury.prepare import prepare, running_median
from maury.reference.file import read_reference, write_reference
from maury.reference.load import load_reference
from maury.reference.mastar_apogee import build_mastar_apogee, coverage

LABELS = ("teff", "logg", "fe_h", "alpha_fe", "log_vmicro")


@pytest.fixture(scope="module")
def truth():
    table = made.made()[1]
    table.add_index("star_id")
    return table


@pytest.fixture(scope="module")
def reference():
    return build_mastar_apogee(**made.arguments(), rows=100)


def stars_of(truth, *kinds):
    return set(truth["star_id"][np.isin(truth["kind"], kinds)].tolist())


def test_every_planted_bad_star_is_out_and_no_good_one(reference, truth):
    wanted = set(truth["star_id"][truth["in_reference"]].tolist())
    assert len(wanted) > 60
    assert set(reference.spectra.star_id.tolist()) == wanted
    assert len(reference.spectra) == len(wanted)
    assert (reference.origin == "empirical").all()
    known = dict(zip(truth["star_id"].tolist(), truth["apogee_id"].tolist(), strict=True))
    assert reference.label_id.tolist() == [known[s] for s in reference.spectra.star_id.tolist()]


def test_counts_are_those_of_the_truth(reference, truth):
    kinds = truth["kind"].tolist()
    n = {kind: kinds.count(kind) for kind in set(kinds)}
    counts = reference.provenance["counts"]
    bad_visits = {
        bit: int(truth["n_visits"][np.isin(truth["kind"], kind)].sum())
        for bit, kind in (("SKYSUBBAD", "no good visit: SKYSUBBAD"), ("LOWSN", "no good visit: low S/N"))
    }
    visits = counts["visits"]
    assert visits["visits"] == truth["n_visits"].sum() == made.N_VISITS
    assert visits["kept"] == truth["n_good_visits"].sum()
    assert {bit: visits[bit] for bit in bad_visits} == bad_visits
    emission = n["emission"]
    unusable = n["no good visit: SKYSUBBAD"] + n["no good visit: low S/N"]
    assert counts["MaStar"] == {
        "stars": made.N_STARS, "no good visit": unusable, "emission lines": emission,
        "kept": made.N_STARS - emission - unusable,
    }  # fmt: skip
    assert counts["APOGEE"]["a star again"] == n["good, two APOGEE rows"]
    assert counts["match"] == {
        "stars": made.N_STARS - emission - unusable,
        "no partner within 3 arcsec": n["MaStar only"] + n["wrong match: passing"],
        "Gaia ids differ": n["wrong match: Gaia id"], "partner of a nearer star": 0,
        "matched by Gaia id": counts["match"]["stars"] - n["MaStar only"] - n["wrong match: passing"]
        - n["wrong match: Gaia id"],
        "matched by position": 0,
    }  # fmt: skip
    lost = {reason: number for reason, number in counts["quality"].items() if number and reason != "kept"}
    assert lost == {
        "ASPCAPFLAG STAR_BAD": n["flagged: STAR_BAD"],
        "ASPCAPFLAG TEFF_BAD": n["flagged: TEFF_BAD"],
        "ASPCAPFLAG MULTIPLE_SUSPECT": n["binary: ASPCAPFLAG"],
        "ASPCAPFLAG ROTATION_WARN": n["flagged: ROTATION_WARN"],
        "STARFLAG MULTIPLE_SUSPECT": n["binary: STARFLAG"],
        "STARFLAG SUSPECT_BROAD_LINES": n["flagged: SUSPECT_BROAD_LINES"],
        "N_COMPONENTS above 1": n["binary: N_COMPONENTS"],
        "VSCATTER above 1 km/s": n["binary: VSCATTER"],
        "FE_H_FLAG bad": n["flagged: FE_H_FLAG"],
        "no alpha_fe": n["label missing: alpha_fe"],
    }
    assert counts["quality"]["kept"] == len(reference.spectra)


def test_labels_are_the_calibrated_and_the_raw_ones(reference, truth):
    rows = truth.loc[reference.spectra.star_id.tolist()]
    for name in LABELS:
        given = np.asarray(rows[f"apogee_{name}"])
        np.testing.assert_allclose(reference.spectra.labels[name], given, rtol=2e-7, atol=1e-6)
        error = np.asarray(rows[f"apogee_{name}_err"])
        if name == "alpha_fe":
            error = np.hypot(error, rows["apogee_fe_h_err"])
        np.testing.assert_allclose(reference.label_errors[name], error, rtol=1e-6)
        pull = (given - rows[name]) / rows[f"apogee_{name}_err"]
        assert np.abs(pull).max() < 5


def test_stacked_spectra_are_those_of_the_stars(reference, truth):
    """Against the star without noise, at the line-spread function that the stack claims."""
    spectra = reference.spectra
    rows = truth.loc[spectra.star_id.tolist()]
    pixel = spectra.wavelength * np.log(10) * 1e-4
    known = np.isfinite(spectra.lsf)
    flux = made.noise_free(rows, np.where(known, spectra.lsf / pixel, 1.0))
    flux *= 10 ** (-0.4 * 3.1 * np.asarray(rows["ebv"])[:, None] * (5500 / spectra.wavelength) ** 1.3)
    prepared = prepare(spectra, spectra.wavelength)
    model = flux / running_median(flux, mask=prepared.ivar == 0)
    use = (prepared.ivar > 0) & known
    pull = np.where(use, (prepared.flux - model) * np.sqrt(prepared.ivar), np.nan)
    # The continuum of noisy pixels, and calibration within the window, cost a little; cosmic rays would more.
    assert np.nanmedian(np.abs(pull)) * 1.4826 < 1.25
    several = np.array([v.count("+") > 1 for v in spectra.visit_id])
    assert several.sum() > 15
    assert (np.abs(pull[several]) > 20).mean() < 2e-5  # a visit has 3 rays in 4563 pixels
    snr = np.sqrt(np.nansum(spectra.snr[several] ** 2))
    assert snr > np.sqrt(several.sum()) * 60


def test_stacks_have_the_good_visits_only(reference, truth):
    rows = truth.loc[reference.spectra.star_id.tolist()]
    number = np.array([v.count("+") + 1 for v in reference.spectra.visit_id])
    np.testing.assert_array_equal(number, rows["n_good_visits"])
    some = rows["kind"] == "good, a visit with a bad bit"
    assert (rows["n_good_visits"] < rows["n_visits"])[some].any()


def test_without_gaia_ids_positions_do(truth):
    reference = build_mastar_apogee(**made.arguments(gaia=None))
    stars = set(reference.spectra.star_id.tolist())
    # A neighbour within 3 arcsec cannot be told from the star then; a passing one can.
    expected = set(truth["star_id"][truth["in_reference"]].tolist()) | stars_of(truth, "wrong match: Gaia id")
    assert stars == expected
    assert reference.provenance["counts"]["match"]["matched by Gaia id"] == 0
    assert stars_of(truth, "good, fast") <= stars


def test_rejecting_less_and_more(truth):
    reference = build_mastar_apogee(
        **made.arguments(), aspcap=(), star=(), vscatter_max=100.0, reject=(), snr_min=0
    )
    stars = set(reference.spectra.star_id.tolist())
    assert stars_of(truth, "binary: STARFLAG", "binary: VSCATTER", "flagged: STAR_BAD") <= stars
    assert stars_of(truth, "no good visit: low S/N") <= stars
    assert not stars & stars_of(truth, "binary: N_COMPONENTS")
    with pytest.raises(ValueError, match="aspcap: expected names among TEFF_WARN"):
        build_mastar_apogee(**made.arguments(), aspcap=("STARBAD",))


def test_the_file_of_the_set(reference, tmp_path):
    write_reference(reference, tmp_path / "set.fits")
    again = read_reference(tmp_path / "set.fits")
    assert again.provenance == reference.provenance
    assert again.provenance["files"]["allstar"] == "allStar-made.fits"
    assert again.provenance["options"]["radius"] == 3.0
    spectra = load_reference(tmp_path / "set.fits")
    assert tuple(spectra.labels) == LABELS
    np.testing.assert_allclose(spectra.flux, reference.spectra.flux, rtol=1e-7)


def test_coverage():
    labels = {
        "teff": np.array([6000.0, 6000.1, 3750.0, 3750.0, 5000.0]),
        "logg": np.array([4.0, 4.5, 4.0, 3.9, 4.5]),
        "fe_h": np.array([-1.5, -2.0, -1.6, -1.6, -1.4]),
    }
    assert list(coverage(labels).values()) == [2, 1]
