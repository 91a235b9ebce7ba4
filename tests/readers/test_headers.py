"""Headers are checked before they are believed: no file hangs a run, or takes more memory than a bound."""

import gzip
import subprocess
import sys
import zlib

import numpy as np
import pytest
from astropy.io import fits

import mastar_small as small
import survey_files
from desi_files import write_desi
from maury.readers import ReadError, _fits_file, read, read_blocks, read_spectra
from maury.readers._fits_file import open_file, open_fits
from maury.readers._head import Header
from maury.readers.mastar_tables import read_visits

# Files are read in a process of their own, of 3 GB, in 60 s.
READ = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
import maury
for path in sys.argv[2:]:
    try:
        maury.read_spectra(path, sys.argv[1] or None)
        print(f"{path} was read")
    except maury.ReadError as error:
        print(error, flush=True)
"""


def read_apart(*paths, format=""):
    """Return the message of each file."""
    done = subprocess.run(
        [sys.executable, "-c", READ, format, *paths], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def sdss(folder):
    return survey_files.write_sdss(folder / "spec-1.fits")


def mastar(folder):
    return small.write_goodspec(folder / "goodspec.fits")


def desi(folder):
    write_desi(folder / "coadd.fits", n=2, step=4.0)
    return folder / "coadd.fits"


def lamost(folder):
    return survey_files.write_lamost_image(folder / "lamost.fits")


def with_card(path, key, value, hdu=1):
    """Replace the first card of an HDU with this key, or the last card before END."""
    data = bytearray(path.read_bytes())
    start = 0
    for _ in range(hdu):
        start = data.index(b"XTENSION", start + 1)
    at = data.find(f"{key:8}=".encode(), start)
    end = data.index(b"END".ljust(80), start)
    if at < 0 or at > end:
        at = end - 80
    data[at : at + 80] = f"{key:8}= {value:>20}".ljust(80).encode()
    path.write_bytes(data)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of memory there")
@pytest.mark.parametrize("file", [sdss, mastar, desi])
def test_a_header_that_asks_for_too_much(tmp_path, file):
    paths = {}
    for key in ("NAXIS", "TFIELDS", "NAXIS2"):
        (tmp_path / key).mkdir()
        paths[key] = with_card(file(tmp_path / key), key, 2**31 - 1)
    for (key, path), message in zip(paths.items(), read_apart(*paths.values()), strict=True):
        assert message.startswith(f"{path}: ")
        if key != "NAXIS2":
            assert f"{key} = 2147483647, expected 0 to 999" in message


@pytest.mark.parametrize("key", ["NAXIS", "BITPIX", "NAXIS1", "PCOUNT", "TFIELDS"])
@pytest.mark.parametrize("value", [-1, "1E400", "T", "'text'", 2**70])
def test_numbers_that_are_none(tmp_path, key, value):
    with pytest.raises(ReadError, match=rf"{key} = .*get"):
        read_spectra(with_card(sdss(tmp_path), key, value))


def test_of_two_cards_astropy_reads_the_first(tmp_path):
    path = sdss(tmp_path)
    with fits.open(path) as hdus:
        hdus[1].header["TFIELDX"] = 3
        hdus.writeto(tmp_path / "two.fits")
    with_card(tmp_path / "two.fits", "TFIELDX", 0)
    data = (tmp_path / "two.fits").read_bytes().replace(b"TFIELDX ", b"TFIELDS ")
    (tmp_path / "two.fits").write_bytes(data)
    np.testing.assert_array_equal(read_spectra(tmp_path / "two.fits").flux, read_spectra(path).flux)


def test_the_other_files(tmp_path):
    """Those that astropy reads itself."""
    path = small.schema.write_mastarall(tmp_path / "mastarall.fits", small.visits(), small.stars())
    with_card(path, "TFIELDS", 2147483647)
    with pytest.raises(ReadError, match="TFIELDS = 2147483647"):
        read_visits(path)
    with pytest.raises(ReadError, match="TFIELDS"), open_fits(path):
        pass
    other = tmp_path / "any.fits"
    fits.PrimaryHDU(np.ones(10)).writeto(other)
    data = other.read_bytes().replace(b"NAXIS   =                    1", b"NAXIS   =           2147483647")
    other.write_bytes(data)
    with pytest.raises(ReadError, match="NAXIS = 2147483647"):
        read_spectra(other, "generic")


def test_what_follows_the_last_hdu(tmp_path):
    """Zeros may; of other bytes astropy finds no end."""
    fits.PrimaryHDU(np.ones(10)).writeto(tmp_path / "any.fits")
    data = (tmp_path / "any.fits").read_bytes()
    for name, more in (("zeros", bytes(2880)), ("others", bytes(100) + b"x" * 2780)):
        (tmp_path / f"{name}.fits").write_bytes(data + more)
    with _fits_file.open_file(tmp_path / "zeros.fits") as file:
        file.check_headers()
    with (
        pytest.raises(ReadError, match="after HDU 0 of the file follows something"),
        open_fits(tmp_path / "others.fits"),
    ):
        pass


def test_many_hdus(tmp_path, monkeypatch):
    monkeypatch.setattr(_fits_file, "_HDUS", 20)
    fits.HDUList([fits.PrimaryHDU(), *[fits.ImageHDU() for _ in range(30)]]).writeto(tmp_path / "many.fits")
    with pytest.raises(ReadError, match="more than 20 HDUs"):
        read_spectra(tmp_path / "many.fits")


def test_a_header_without_end(tmp_path):
    (tmp_path / "long.fits").write_bytes(b"SIMPLE  =                    T".ljust(80) + b" " * 5_000_000)
    with pytest.raises(ReadError, match="cut short"):
        read_spectra(tmp_path / "long.fits")


def bomb(head, n_bytes, level=1):
    """Return gzip-compressed bytes of a head and zeros, which are never in memory together."""
    packer = zlib.compressobj(level, wbits=31)
    parts = [packer.compress(head)]
    zeros = bytes(1 << 24)
    parts += [packer.compress(zeros) for _ in range(n_bytes >> 24)]
    return b"".join([*parts, packer.flush()])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no limits of memory there")
@pytest.mark.parametrize("honest, format", [(True, ""), (False, ""), (True, "generic")])
def test_a_gzip_member_that_unpacks_to_gigabytes(tmp_path, honest, format):
    """Its size in the last bytes may be wrong."""
    data = bomb(small.write_goodspec(tmp_path / "goodspec.fits").read_bytes(), 1 << 30)
    path = tmp_path / "bomb.fits.gz"
    path.write_bytes(data if honest else data[:-4] + (1000).to_bytes(4, "little"))
    (message,) = read_apart(path, format=format)
    assert "it unpacks to more than 4" in message or "it unpacks to more than 2" in message


def test_a_compressed_array_of_gigabytes(tmp_path):
    path = mastar(tmp_path)
    data = path.read_bytes()
    (tmp_path / "goodspec.fits.gz").write_bytes(gzip.compress(data))
    header = fits.getheader(path, 1)
    column = list(fits.getdata(path).names).index("FLUX") + 1
    longer = 500_000_000 - int(header[f"TFORM{column}"].rstrip("E"))
    with_card(path, f"TFORM{column}", "'500000000E'")
    big = with_card(path, "NAXIS1", header["NAXIS1"] + 4 * longer)
    packed = tmp_path / "big.fits.gz"
    packed.write_bytes(gzip.compress(big.read_bytes() + np.random.default_rng(1).bytes(5_000_000)))
    with pytest.raises(ReadError, match=r"one array has|it unpacks to more than"):
        read_spectra(packed)
    assert len(read_spectra(tmp_path / "goodspec.fits.gz")) == 6


def test_rows_of_another_length_than_their_columns(tmp_path):
    """Refused once; each of many short rows would otherwise be tried in vain."""
    path = mastar(tmp_path)
    length = fits.getheader(path, 1)["NAXIS1"]
    with pytest.raises(ReadError, match=rf"columns have {length} bytes per row, NAXIS1 is 1\b"):
        list(read_blocks(with_card(path, "NAXIS1", 1)))


def test_members_of_gzip(tmp_path):
    """Two members, as `cat a.gz b.gz` gives, are one file."""
    data = mastar(tmp_path).read_bytes()
    (tmp_path / "two.fits.gz").write_bytes(gzip.compress(data[:20000]) + gzip.compress(data[20000:]))
    assert len(read_spectra(tmp_path / "two.fits.gz")) == 6


def test_too_many_pixels_or_diagonals(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "MOST_PIXELS", 299)
    with pytest.raises(ReadError, match="300 pixels per spectrum, maury reads up to 299"):
        list(read_blocks(mastar(tmp_path)))
    write_desi(tmp_path / "wide.fits", n=2, step=4.0, width={"B": 27})
    with pytest.raises(ReadError, match=r"B_RESOLUTION has the shape .*, D up to 25"):
        read_spectra(tmp_path / "wide.fits")


def same(one, other):
    return type(one) is type(other) and (one == other or one != one)


def test_values_are_those_of_astropy():
    """Of cards in all forms: long strings, undefined, repeated."""
    header = fits.Header()
    header["TEXT"], header["QUOTED"], header["EMPTY"] = "a / b  ", "it's", ""
    header["LONG"] = ",".join(f"label_{i}" for i in range(40))  # goes on in CONTINUE cards
    header["NUMBER"], header["WHOLE"], header["YES"], header["NONE"] = (1.5e-3, "c"), 7, True, None
    header.append(("WHOLE", 8))
    header["COMMENT"] = "TEXT    = 'not this one'"
    block = header.tostring().encode()
    found, expected = Header(block), fits.Header.fromstring(block)
    for key in {*header} - {"COMMENT"}:
        assert same(found.get(key), expected.get(key)), key
        assert key in found
    assert found.get("WHAT") is None and found.get("WHAT", 3) == 3 and "WHAT" not in found


@pytest.mark.parametrize("folder", ["lamost_dr1", "lamost_dr10", "sdss", "desi", "mastar_dr17"])
def test_values_of_real_files_are_those_of_astropy(data_folder, folder):
    n = 0
    for path in sorted(path for path in (data_folder / folder).iterdir() if ".fit" in path.name)[:5]:
        with open_file(path) as file:
            for position in range(8 if file else 0):
                hdu = file.at(position)
                if hdu is None:
                    break
                expected = fits.Header.fromstring(hdu.head._block)
                keys = [key for key in expected if key not in ("", "COMMENT", "HISTORY") and len(key) <= 8]
                different = [key for key in keys if not same(hdu.header.get(key), expected.get(key))]
                assert keys and not different
                n += 1
    assert n
