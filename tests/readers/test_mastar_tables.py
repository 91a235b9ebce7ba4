"""mastarall, the Gaia cross-match and the published parameters, in the layouts of DR17."""

import numpy as np
import pytest
from astropy import units as u

import mastar_small as small
from maury.readers import ReadError
from maury.readers.mastar_bits import PAPER_BITS, QUALITY_BITS
from maury.readers.mastar_tables import (
    read_gaia,
    read_parameters,
    read_stars,
    read_visits,
    select_visits,
    visit_names,
)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("names", [False, True])
def test_tables_are_found_by_what_they_hold(tmp_path, swapped, names):
    file = small.schema.write_mastarall(
        tmp_path / "mastarall.fits", small.visits(), small.stars(), swapped=swapped, names=names
    )
    visits, stars = read_visits(file), read_stars(file)
    assert visits["MANGAID"].tolist() == small.visits()["MANGAID"]
    assert stars["MANGAID"].tolist() == small.stars()["MANGAID"]
    assert visit_names(visits).tolist()[0] == "8312-12701-57400"
    assert visits["RA"].unit == u.deg
    assert visits["RA"].dtype == np.dtype("=f8")
    assert visits["HELIOV"].mask.all()  # -999
    assert not visits["MJDQUAL"].mask.any()


def test_the_selection_of_the_paper(tmp_path):
    file = small.schema.write_mastarall(tmp_path / "mastarall.fits", small.visits(), small.stars())
    selection = select_visits(read_visits(file))
    assert selection.keep.tolist() == [
        True,
        False,
        True,
        False,
        True,
        True,
    ]  # EMLINE is for the reference set
    lost = {reason: n for reason, n in selection.counts.items() if n}
    assert lost == {"SKYSUBBAD": 1, "S/N not above 15": 1, "kept": 4}
    assert set(PAPER_BITS) < set(selection.counts)


def test_a_selection_of_ones_own(tmp_path):
    visits = small.visits()
    visits["MJDQUAL"] = np.array([1 << QUALITY_BITS["CRITICAL"], 0, 1 << 8, 0, 0, 1 << 8 | 1 << 30])
    visits["S2N"][4] = -999
    file = small.schema.write_mastarall(tmp_path / "mastarall.fits", visits, small.stars())
    selection = select_visits(read_visits(file), snr_min=10, reject=("EMLINE", "CRITICAL"))
    assert selection.counts == {"EMLINE": 2, "CRITICAL": 1, "S/N not above 10": 1, "kept": 2}
    assert np.flatnonzero(selection.keep).tolist() == [1, 3]
    with pytest.raises(ValueError, match=r"reject: expected names among NODATA.*got EMLINES"):
        select_visits(read_visits(file), reject=("EMLINES",))


def test_bits_are_those_of_sdss(data_folder):
    told = {}
    for line in (data_folder / "sdssMaskbits.par").read_text().splitlines():
        if line.startswith("maskbits MASTAR_QUAL"):
            _, _, bit, name = line.split()[:4]
            told[name] = int(bit)
    assert told == QUALITY_BITS


def test_a_column_is_missing(tmp_path):
    layout = [column for column in small.schema.VISITS if column[0] != "MJDQUAL"]
    file = small.schema.write_table(tmp_path / "a.fits", "GOODVISITS", layout, small.visits())
    with pytest.raises(ReadError, match=r"GOODVISITS.*none of its 1 tables has MJDQUAL"):
        read_visits(file)
    with pytest.raises(ReadError, match="none of its 1 tables has NVISITS"):
        read_stars(file)


def test_no_table(tmp_path):
    from astropy.io import fits

    fits.PrimaryHDU(np.ones(4)).writeto(tmp_path / "a.fits")
    with pytest.raises(ReadError, match="got a file without tables"):
        read_gaia(tmp_path / "a.fits")


def test_a_star_twice(tmp_path):
    stars = small.stars()
    stars["MANGAID"][1] = stars["MANGAID"][0]
    file = small.schema.write_mastarall(tmp_path / "a.fits", small.visits(), stars)
    with pytest.raises(ReadError, match="1 stars in more than one row, for example MANGAID 7-00000000"):
        read_stars(file)


def test_gaia(tmp_path):
    ids = np.array([3318774253473913984, 3318774253473913985], dtype=np.int64)  # floats would make them one
    values = {"MANGAID": ["7-1", "7-2"], "SOURCE_ID": ids, "BP_RP": [0.8, -999.0]}
    file = small.schema.write_table(tmp_path / "gaia.fits", "XMATCH", small.schema.GAIA, values)
    table = read_gaia(file)
    assert table["SOURCE_ID"].tolist() == ids.tolist()
    assert table["BP_RP"].mask.tolist() == [False, True]
    assert table["PARALLAX"].unit == u.mas


def parameter_file(path):
    values = {
        **{key: small.visits(3)[key] for key in ("MANGAID", "PLATE", "IFUDESIGN", "MJD")},
        "TEFF_MED": [5000.0, -999, 6000], "TEFF_MED_ERR": [20.0, -999, 30], "NGROUPS": [3, 0, 1],
        "TEFF_JI": [5010.0, 5100, 5200], "TEFF_ERR_JI": [11.0, 12, 13], "VALID_JI": [1, 1, 0],
        "VMICRO_JI": [0.2, 0.3, 0.4], "VMICRO_ERR_JI": [0.01, 0.02, 0.03], "FEH_JI": [-1.0, -0.5, 0.0],
    }  # fmt: skip
    return small.schema.write_parameters(path, values)


def test_published_parameters(tmp_path):
    file = parameter_file(tmp_path / "params.fits")
    ji = read_parameters(file, "JI")
    assert [name for name in ji.colnames if not name.endswith("_err")] == [
        "star_id", "visit_id", "teff", "logg", "fe_h", "alpha_fe", "log_vmicro", "valid",
    ]  # fmt: skip
    assert ji["visit_id"].tolist() == [f"8312-12701-{57400 + i}" for i in range(3)]
    np.testing.assert_array_equal(ji["teff"], [5010, 5100, np.nan])
    np.testing.assert_allclose(ji["log_vmicro_err"], [0.01, 0.02, np.nan], rtol=1e-6)
    assert np.isnan(ji["logg"]).all()  # -999
    assert ji["teff"].unit == u.K
    med = read_parameters(file)
    assert "log_vmicro" not in med.colnames
    np.testing.assert_array_equal(med["teff"], [5000, np.nan, 6000])
    np.testing.assert_array_equal(med["teff_err"], [20, np.nan, 30])


def test_parameters_of_another_group(tmp_path):
    file = parameter_file(tmp_path / "params.fits")
    with pytest.raises(ReadError, match="none of its 1 tables has TEFF_DL and VALID_DL"):
        read_parameters(file, "DL")
    with pytest.raises(ValueError, match="group: expected one of MED, JI, DL, YC, got 'XX'"):
        read_parameters(file, "XX")
