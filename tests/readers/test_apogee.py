"""allStar of APOGEE: columns, types, fill values, compression, blocks."""

import gzip

import numpy as np
import pytest

import mastar_small as small
from maury.readers import ReadError
from maury.readers.apogee import ASPCAP_BITS, STAR_BITS, read_allstar
from maury.reference.apogee_quality import (
    ASPCAP_REJECT,
    STAR_REJECT,
    apogee_labels,
    first_rows,
    select_apogee,
)


def write(path, n=5, **changes):
    fparam, covariance = np.zeros((n, 9)), np.zeros((n, 9, 9))
    fparam[:, 2], fparam[:, 3], fparam[:, 6] = 0.3, -0.4, 0.2
    covariance[:, 2, 2] = 0.0009
    values = {
        "APOGEE_ID": [f"2M{i:08d}+0000000" for i in range(n)], "RA": np.arange(n) + 10.0, "DEC": np.zeros(n),
        "GAIAEDR3_SOURCE_ID": 3318774253473913985 + np.arange(n), "N_COMPONENTS": np.ones(n, dtype=int),
        "SNR": np.full(n, 100.0), "VSCATTER": np.full(n, 0.1), "TEFF": np.full(n, 5000.0),
        "TEFF_ERR": np.full(n, 20.0), "LOGG": np.full(n, 3.0), "FE_H": np.full(n, -0.5),
        "FE_H_SPEC": np.full(n, -0.55), "FE_H_ERR": np.full(n, 0.03), "ALPHA_M_ERR": np.full(n, 0.04),
        "FPARAM": fparam, "FPARAM_COV": covariance.reshape(n, 81), "VMICRO": np.full(n, 10**0.3),
    }  # fmt: skip
    flags = dict.fromkeys(("STARFLAG", "ASPCAPFLAG", "EXTRATARG", "FE_H_FLAG"), np.zeros(n, dtype=np.int64))
    return small.schema.write_allstar(path, values | flags | changes)


@pytest.mark.parametrize("rows", [2, 100])
@pytest.mark.parametrize("packed", [False, True])
def test_columns(tmp_path, rows, packed):
    file = write(tmp_path / "allStar.fits")
    if packed:
        (tmp_path / "allStar.fits.gz").write_bytes(gzip.compress(file.read_bytes()))
        file = tmp_path / "allStar.fits.gz"
    table = read_allstar(file, rows)
    assert table["APOGEE_ID"].tolist() == [f"2M{i:08d}+0000000" for i in range(5)]
    assert table["GAIAEDR3_SOURCE_ID"].tolist() == [3318774253473913985 + i for i in range(5)]
    assert all(table[name].dtype.isnative for name in table.colnames)
    assert np.isnan(table["GAIAEDR3_PMRA"]).all()  # -999
    assert np.isnan(table["LOGG_ERR"]).all()


def test_labels(tmp_path):
    labels, errors = apogee_labels(read_allstar(write(tmp_path / "allStar.fits")))
    expected = {"teff": 5000, "logg": 3.0, "fe_h": -0.55, "alpha_fe": 0.2 - 0.4 + 0.55, "log_vmicro": 0.3}
    assert {name: pytest.approx(values[0], abs=1e-6) for name, values in labels.items()} == expected
    assert errors["alpha_fe"][0] == pytest.approx(0.05)
    assert errors["log_vmicro"][0] == pytest.approx(0.03)
    assert np.isnan(errors["logg"]).all()


def test_bits_above_31(tmp_path):
    flags = np.array([1 << 41, 1 << 40, 1 << 31, 1 << 6, 0], dtype=np.int64)
    selection = select_apogee(read_allstar(write(tmp_path / "allStar.fits", ASPCAPFLAG=flags)))
    assert selection.keep.tolist() == [False, False, False, True, True]
    lost = {reason for reason, n in selection.counts.items() if n and reason != "kept"}
    assert lost == {f"ASPCAPFLAG {bit}" for bit in ("MULTIPLE_SUSPECT", "PROBLEM_TARGET", "NO_ASPCAP_RESULT")}


@pytest.mark.parametrize("bit", ASPCAP_REJECT)
def test_every_aspcap_bit_rejects(tmp_path, bit):
    flags = np.array([1 << ASPCAP_BITS[bit], 0, 0, 0, 0], dtype=np.int64)
    selection = select_apogee(read_allstar(write(tmp_path / "allStar.fits", ASPCAPFLAG=flags)))
    assert selection.keep.tolist() == [False, True, True, True, True]
    assert selection.counts[f"ASPCAPFLAG {bit}"] == 1


@pytest.mark.parametrize("bit", STAR_REJECT)
def test_every_star_bit_rejects(tmp_path, bit):
    flags = np.array([0, 1 << STAR_BITS[bit], 0, 0, 0], dtype=np.int64)
    selection = select_apogee(read_allstar(write(tmp_path / "allStar.fits", STARFLAG=flags)))
    assert selection.keep.tolist() == [True, False, True, True, True]
    assert selection.counts[f"STARFLAG {bit}"] == 1


def test_the_other_reasons(tmp_path):
    table = read_allstar(
        write(
            tmp_path / "allStar.fits",
            N_COMPONENTS=[2, 1, 0, 1, 1],
            VSCATTER=[9.0, 1.1, np.nan, 0.9, 0.0],
            FE_H_FLAG=[0, 0, 0, 1 << 3, 1 << 8],  # the second is a warning
        )
    )
    selection = select_apogee(table)
    assert selection.keep.tolist() == [False, False, True, False, True]
    counts = {reason: n for reason, n in selection.counts.items() if n}
    assert counts == {"N_COMPONENTS above 1": 1, "VSCATTER above 1 km/s": 1, "FE_H_FLAG bad": 1, "kept": 2}
    assert select_apogee(table, vscatter_max=1.2).keep.tolist() == [False, True, True, False, True]
    with pytest.raises(ValueError, match=r"star: expected names among BAD_PIXELS.*got STAR_BAD"):
        select_apogee(table, star=("STAR_BAD",))


def test_the_best_row_of_a_star(tmp_path):
    table = read_allstar(
        write(
            tmp_path / "allStar.fits",
            APOGEE_ID=["a", "b", "a", "b", "b"],
            SNR=[50, 300, 80, 100, np.nan],
            EXTRATARG=[0, 1 << 4, 0, 0, 0],  # b's best is marked as the repetition of another
        )
    )
    assert first_rows(table).tolist() == [False, False, True, True, False]


def test_a_column_is_missing(tmp_path):
    layout = [column for column in small.schema.ALLSTAR if column[0] != "ASPCAPFLAG"]
    file = small.schema.write_table(tmp_path / "allStar.fits", "", layout, {"RA": np.zeros(2)})
    with pytest.raises(
        ReadError, match="expected allStar of APOGEE in its second HDU, got a table without ASP"
    ):
        read_allstar(file)
