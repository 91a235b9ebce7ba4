"""The empirical reference set from files that are not what they should be: every message says what to do."""

import numpy as np
import pytest
from astropy.io import fits

import mastar_made as made
import mastar_small as small
from maury.readers import ReadError
from maury.reference.mastar_apogee import build_mastar_apogee


def changed(path, tmp_path, change, hdu=1):
    """Return a copy of a file with something about one table changed."""
    with fits.open(path) as hdus:
        table = hdus[hdu]
        hdus[hdu] = change(table) or table
        hdus.writeto(tmp_path / path.name)
    return tmp_path / path.name


def without(name):
    return lambda table: fits.BinTableHDU.from_columns(
        [column for column in table.columns if column.name != name], name=table.name
    )


@pytest.mark.parametrize("name", ["FPARAM", "GAIAEDR3_PMRA", "N_COMPONENTS", "APOGEE_ID"])
def test_allstar_without_a_column(tmp_path, name):
    file = changed(made.arguments()["allstar"], tmp_path, without(name))
    with pytest.raises(ReadError, match=f"expected allStar of APOGEE in its second HDU.*without {name}"):
        build_mastar_apogee(**made.arguments(allstar=file))


def test_swapped_files(tmp_path):
    files = made.arguments()
    with pytest.raises(ReadError, match=r"a table of MaStar spectra.*without WAVE, FLUX, IVAR"):
        build_mastar_apogee(**files | {"goodspec": files["mastarall"]})
    with pytest.raises(ReadError, match="GOODVISITS"):
        build_mastar_apogee(**files | {"mastarall": files["allstar"]})


def test_allstar_tables_swapped(tmp_path):
    with fits.open(made.arguments()["allstar"]) as hdus:
        fits.HDUList([hdus[0], hdus[3], hdus[2], hdus[1]]).writeto(tmp_path / "allStar.fits")
    with pytest.raises(ReadError, match="got a table without APOGEE_ID, RA"):
        build_mastar_apogee(**made.arguments(allstar=tmp_path / "allStar.fits"))


def test_no_star_in_common(tmp_path):
    def away(table):
        table.data["DEC"][:] = -85.0
        table.data["GAIAEDR3_SOURCE_ID"][:] += 5 * 10**17

    file = changed(made.arguments()["allstar"], tmp_path, away)
    with pytest.raises(ValueError, match=r"no star of .* is in .*check that the files cover the same sky"):
        build_mastar_apogee(**made.arguments(allstar=file))


@pytest.mark.parametrize(
    ("column", "label"), [("TEFF", "teff"), ("FE_H_SPEC", "fe_h"), ("FPARAM", "alpha_fe"), ("LOGG", "logg")]
)
def test_a_label_missing_everywhere(tmp_path, column, label):
    def lose(table):
        table.data[column][:] = -9999.0 if column == "LOGG" else np.nan

    file = changed(made.arguments()["allstar"], tmp_path, lose)
    with pytest.raises(ValueError, match=f"{label}: missing for all"):
        build_mastar_apogee(**made.arguments(allstar=file))


def test_a_visit_twice(tmp_path):
    def repeat(table):
        table.data[1] = table.data[0]

    file = changed(made.arguments()["mastarall"], tmp_path, repeat, hdu=2)
    with pytest.raises(ReadError, match="GOODVISITS has 1 visits in more than one row"):
        build_mastar_apogee(**made.arguments(mastarall=file))


def test_a_gaia_id_twice(tmp_path):
    def repeat(table):
        ids = table.data["GAIAEDR3_SOURCE_ID"]
        ids[:] = np.where(np.arange(len(ids)) < 50, ids[0], ids)

    file = changed(made.arguments()["allstar"], tmp_path, repeat)
    with pytest.raises(ValueError, match="have one Gaia id"):
        build_mastar_apogee(**made.arguments(allstar=file))


def test_a_star_twice_in_the_cross_match(tmp_path):
    def repeat(table):
        table.data["MANGAID"][1] = table.data["MANGAID"][0]

    file = changed(made.arguments()["gaia"], tmp_path, repeat)
    with pytest.raises(ReadError, match="the Gaia cross-match has 1 stars in more than one row"):
        build_mastar_apogee(**made.arguments(gaia=file))


def test_all_stars_flagged(tmp_path):
    def flag(table):
        table.data["ASPCAPFLAG"][:] = 1 << 23

    file = changed(made.arguments()["allstar"], tmp_path, flag)
    with pytest.raises(ValueError, match="all stars are flagged by APOGEE: ASPCAPFLAG STAR_BAD"):
        build_mastar_apogee(**made.arguments(allstar=file))


def test_no_visit_left():
    with pytest.raises(ValueError, match=r"no visit of MaStar is left.*lower snr_min"):
        build_mastar_apogee(**made.arguments(), snr_min=1e4)


def test_spectra_of_other_stars(tmp_path):
    file = small.write_goodspec(tmp_path / "goodspec.fits")
    with pytest.raises(
        ReadError, match=r"has none of the .* selected visits; check that it belongs to mastarall"
    ):
        build_mastar_apogee(**made.arguments(goodspec=file))


def test_without_calibration_the_raw_iron_is_the_only_one(tmp_path):
    file = changed(made.arguments()["allstar"], tmp_path, without("FE_H_SPEC"))
    reference = build_mastar_apogee(**made.arguments(allstar=file))
    whole = build_mastar_apogee(**made.arguments())
    np.testing.assert_allclose(
        reference.spectra.labels["fe_h"] - whole.spectra.labels["fe_h"], 0.04, atol=1e-6
    )
