"""HDUs from a file that is opened once, against astropy: headers, images, tables, whole and in part."""

import gzip

import numpy as np
import pytest
from astropy.io import fits
from astropy_twin import opened
from hypothesis import given, settings
from hypothesis import strategies as st

import maury.readers._fits_file as fits_file
from maury.readers._fits_file import open_file

IMAGES = ("u1", ">i2", ">i4", ">i8", ">f4", ">f8", "u2", "u4", "i1")
KINDS = ("plain", "packed", "large", "for headers")
COLUMNS = {
    "E": "f4", "D": "f8", "J": "i4", "I": "i2", "K": "i8", "B": "u1", "5E": "f4", "3J": "i4", "L": "bool",
    "7A": "S7",
}  # fmt: skip


def image(rng, kind):
    shape = tuple(int(n) for n in rng.integers(1, 5, rng.integers(1, 4)))
    values = rng.integers(0, 100, shape)
    return fits.ImageHDU(values.astype(kind), name=f"IMAGE_{kind.strip('>')}")


def table(rng):
    n, columns = int(rng.integers(1, 6)), []
    for form, kind in COLUMNS.items():
        shape = (n, int(form[0])) if form[0].isdigit() and form[-1] != "A" else (n,)
        values = rng.integers(0, 100, shape)
        columns.append(fits.Column(f"Col_{form}", form, array=values.astype(kind)))
    unsigned = rng.integers(0, 2**32, n, dtype=np.uint32)
    columns.append(fits.Column("unsigned", "J", bzero=2**31, array=unsigned))
    return fits.BinTableHDU.from_columns(columns, name="rows")


def write(path, seed, n_cards=0, packed=False):
    """Write images of all types and two tables, after a primary HDU with so many cards of its own."""
    rng = np.random.default_rng(seed)
    hdus = fits.HDUList([fits.PrimaryHDU(rng.normal(size=(2, 3)) if seed % 2 else None)])
    for i in range(n_cards):
        hdus[0].header[f"KEY{i}"] = (i, "END of nothing")
    hdus.extend(image(rng, kind) for kind in IMAGES)
    hdus.insert(1, table(rng))
    hdus.append(table(rng))
    hdus.writeto(path)
    fits.setval(path, "TSCAL3", value=0.5, ext=len(hdus) - 1)  # of whole numbers
    fits.setval(path, "TZERO4", value=100.0, ext=len(hdus) - 1)
    if packed:
        path.write_bytes(gzip.compress(path.read_bytes(), 1))
    return path


def assert_same_array(mine, theirs):
    mine, theirs = np.asarray(mine), np.asarray(theirs)
    if mine.dtype.kind == "S":  # text as it is stored
        assert theirs.dtype.kind == "U"
        mine = np.char.decode(mine, "ascii")
    else:
        assert mine.dtype.newbyteorder("=") == theirs.dtype.newbyteorder("=")
    np.testing.assert_array_equal(mine, theirs)


@settings(max_examples=12)
@given(st.integers(0, 2**31), st.sampled_from([0, 30, 300]), st.sampled_from([*KINDS]))
def test_everything_is_what_astropy_reads(tmp_path_factory, seed, n_cards, kind):
    path = write(tmp_path_factory.mktemp("hdus") / "a.fits", seed, n_cards, kind != "plain")
    with pytest.MonkeyPatch.context() as patch, opened(path) as theirs:
        if kind == "large":  # as it is read, not unpacked at once
            patch.setattr(fits_file, "_SMALL", 0)
        with open_file(path, whole=kind != "for headers") as file:
            for position in np.random.default_rng(seed).permutation(len(theirs)).tolist():
                mine, their = file.at(position), theirs[position]
                assert {key: mine.header.get(key) for key in their.header} == dict(their.header.items())
                if not isinstance(their, fits.BinTableHDU):
                    if their.data is not None:
                        assert_same_array(mine.image(), their.data)
                        first = mine.head.n_rows // 2
                        assert_same_array(mine.read(first).image(), their.data[first:])
                    continue
                for first, n in ((0, len(their.data)), (1, len(their.data) - 1)):
                    mine_table = mine.read(first, n).table()
                    assert set(mine_table) == {name.upper() for name in their.columns.names}
                    for name in their.columns.names:
                        assert_same_array(mine_table[name.upper()], their.data[name][first : first + n])
            assert file.at(len(theirs)) is None
            assert file.find("ROWS").head.is_table and file.find("nothing") is None
            file.check_end()


@pytest.mark.parametrize("kind", ["plain", "packed", "large"])
def test_bytes_are_passed_over_and_read_again(tmp_path, monkeypatch, kind):
    path = write(tmp_path / "a.fits", 1, packed=kind != "plain")
    if kind == "large":
        monkeypatch.setattr(fits_file, "_SMALL", 0)
    data = path.read_bytes() if kind == "plain" else gzip.decompress(path.read_bytes())
    with open_file(path) as file:
        assert file.pass_over(100, 5000) == 5000
        assert file.pass_over(len(data) - 100, 5000) == 100
        assert bytes(file.read(80, 4000)) == data[80:4080]
        assert bytes(file.read(len(data) - 7, 100)) == data[-7:]
        file.random_access()
        for offset in (5000, 0, 300):
            assert bytes(file.read(offset, 90)) == data[offset : offset + 90]


def test_what_follows_the_last_hdu_is_no_hdu(tmp_path):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(np.arange(5.0)).writeto(path)
    for rest in (b"\0" * 2880, b"some words", b""):
        path.write_bytes(path.read_bytes()[:5760] + rest)
        with open_file(path) as file:
            assert file.at(1) is None
            assert file.primary.image().tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("left", [1000, 2880 + 8, 5760 + 500])
def test_a_file_that_ends_early_says_so(tmp_path, left):
    """Within the first header, the first data, the second header."""
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(np.arange(5.0)), fits.ImageHDU(np.arange(5.0))]).writeto(path)
    path.write_bytes(path.read_bytes()[:left])
    with open_file(path) as file, pytest.raises(EOFError):
        file.at(1)


def test_a_header_without_end_is_not_read_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(fits_file, "_LONGEST", 30_000)
    path = tmp_path / "a.fits"
    path.write_bytes(b"SIMPLE  =                    T".ljust(80) + b"COMMENT".ljust(80) * 100_000)
    with open_file(path) as file:
        reads = []
        real = file.read
        monkeypatch.setattr(file, "read", lambda offset, n: reads.append(n) or real(offset, n))
        with pytest.raises(EOFError):
            file.at(0)
    assert sum(reads) < 200_000


def test_headers_that_differ_by_their_checksums_are_parsed_once(tmp_path):
    heads = []
    for i in range(2):
        path = tmp_path / f"{i}.fits"
        fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.full(5, i))]).writeto(path, checksum=True)
        with open_file(path) as file:
            heads.append(file.at(1).head)
            assert file.at(1).image().tolist() == [i] * 5
            assert "CHECKSUM" in file.primary.header
    assert heads[0] is heads[1]


def test_something_else_is_no_fits_file(tmp_path):
    path = tmp_path / "a.txt"
    for content in (b"", b"SIMPLE", b"\x1f\x8b", gzip.compress(b"dear diary")):
        path.write_bytes(content)
        try:
            with open_file(path) as file:
                assert file is None
        except (OSError, EOFError):  # not even gzip
            assert content == b"\x1f\x8b"
