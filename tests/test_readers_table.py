"""The short way into FITS tables against astropy's long one."""

import io

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from maury.readers import ReadError
from maury.readers._table import columns, has_columns, table_at

FORMATS = ["E", "D", "B", "I", "J", "K", "5E", "3J", "0E", "L", "11X", "7A", "C", "M", "2D", "PE()"]


def make(formats, n_rows, seed=0):
    """Bytes of a file with one table of random columns C1, c2, C3, ..."""
    rng = np.random.default_rng(seed)
    made = []
    for i, form in enumerate(formats, start=1):
        repeat, kind = int("".join(filter(str.isdigit, form)) or 1), form.strip("0123456789")[0]
        shape = (n_rows,) if repeat == 1 else (n_rows, repeat)
        if kind == "P":
            array = np.empty(n_rows, dtype=object)
            array[:] = [np.arange(float(k % 3)) for k in range(n_rows)]
        elif kind == "A":
            array = np.full(n_rows, "Vega")
        elif kind in "LX":
            array = rng.integers(0, 2, shape).astype(bool)
        else:
            array = rng.integers(0, 100, shape)
        made.append(fits.Column(f"{'cC'[i % 2]}{i}", form, array=array))
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made, nrows=n_rows)]).writeto(stream)
    return stream.getvalue()


@given(st.lists(st.sampled_from(FORMATS), min_size=1, max_size=8), st.integers(0, 4), st.integers(0, 99))
def test_any_table_as_astropy_reads_it(formats, n_rows, seed):
    formats = ["E", *formats]  # astropy cannot write a table of no width
    with fits.open(io.BytesIO(make(formats, n_rows, seed))) as hdus:
        table = table_at(hdus, 1)
        numeric = [
            f"C{i}" for i, f in enumerate(formats, start=1) if f.strip("0123456789") in set("EDBIJKCM")
        ]
        assert has_columns(table, *numeric)
        ours = columns(table, *numeric, "ABSENT")
        assert set(ours) == set(numeric)
        for name in numeric:
            theirs = hdus[1].data.field(name)
            np.testing.assert_array_equal(ours[name], theirs)
            assert ours[name].dtype.isnative


def test_what_is_not_a_table():
    with fits.open(io.BytesIO(make(["E"], 1))) as hdus:
        assert table_at(hdus, 0) is None  # an image
        assert table_at(hdus, 2) is None  # absent
        assert not has_columns(None, "C1")
        assert not has_columns(hdus[1], "C1", "C2")
        assert columns(None, "C1") == {}


def test_scaled_columns_are_left_out():
    table = fits.BinTableHDU.from_columns([fits.Column("N", "I", array=np.array([1, 2], "u2"), bzero=2**15)])
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(stream)
    with fits.open(io.BytesIO(stream.getvalue())) as hdus:
        assert columns(table_at(hdus, 1), "N") == {}


def test_rows_that_do_not_add_up():
    with fits.open(io.BytesIO(make(["E", "D"], 3))) as hdus:
        hdus[1].header["TFORM1"] = "D"
        with pytest.raises(ReadError, match="12 bytes, but its columns 16"):
            columns(hdus[1], "C1")
        hdus[1].header["TFORM1"] = "Z"
        with pytest.raises(ReadError, match="TFORM1"):
            columns(hdus[1], "C1")
