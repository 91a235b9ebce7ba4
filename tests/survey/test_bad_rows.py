"""One bad spectrum is one bad row: everything that can be wrong with a row of a file, among good ones."""

import functools

import numpy as np
import pytest
from astropy.io import fits

import made_up_stars
import maury
import survey_files
from bad_rows import BAD, BESIDE
from desi_files import write_desi
from maury.catalog.flags import Flag
from maury.readers import blocks
from survey_run import write_visits


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch, tmp_path):
    monkeypatch.setattr(blocks, "ROWS", 8)
    monkeypatch.setattr(blocks, "LARGE", 1000)
    monkeypatch.chdir(tmp_path)


def run(files, output="run.fits", emulator="small.onnx", **options):
    return maury.fit_files(files, output, emulator, overwrite=True, **options)


def rows_alike(catalog, other, rows, other_rows=None):
    """Same bytes in every column, except the name of the file."""
    assert set(catalog.colnames) == set(other.colnames)
    for name in catalog.colnames:
        if name != "file":
            a, b = (
                np.asarray(catalog[name])[rows],
                np.asarray(other[name])[rows if other_rows is None else other_rows],
            )
            assert a.dtype.kind == b.dtype.kind and a.tolist().__repr__() == b.tolist().__repr__(), name


HARMLESS = (
    "lsf of 150 pixels in one pixel", "the same, masked", "infinite lsf", "one wavelength at 1e200",
    "the last wavelength is infinite", "ivar of 1e-38",
)  # fmt: skip


def every_kind(n_each=4, step=1):
    """Kinds of faults by row: one in `n_each` rows."""
    kinds = list((BAD | BESIDE).items())[::step]
    return {n_each * i + 1: kind for i, kind in enumerate(kinds)}


def test_every_kind_of_bad_row(tmp_path):
    """None ends the run, none changes another, and each has a flag or a `problem` with file and row."""
    kinds = every_kind()
    n = 4 * len(kinds)
    clean = run(write_visits(tmp_path, n, "clean.fits"), "clean_catalog.fits")
    write_visits(tmp_path, n, "bad.fits", bad={row: change for row, (_, change) in kinds.items()})
    catalog = run("bad.fits")
    assert (catalog["problem"] != "").sum() >= 11
    assert len(catalog) == n
    rows_alike(catalog, clean, np.setdiff1d(np.arange(n), list(kinds)))
    for row, (name, _) in kinds.items():
        problem, flags = str(catalog["problem"][row]), int(catalog["flags"][row])
        if problem:
            assert problem.startswith(f"bad.fits: row {row + 1} of {n}: "), name
            assert flags == Flag.UNREADABLE | Flag.NOT_CONVERGED, name
        elif name in BAD:
            assert flags or name in HARMLESS, name
        assert "".join(catalog[row][c] for c in ("star_id", "visit_id", "problem")).isprintable(), name
        if name in BESIDE:
            rows_alike(
                catalog[[c for c in clean.colnames if c not in ("star_id", "visit_id", "ra", "dec", "snr")]],
                clean[[c for c in clean.colnames if c not in ("star_id", "visit_id", "ra", "dec", "snr")]],
                [row],
            )
    written = maury.read_catalog("run.fits")
    assert written["star_id"].tolist() == catalog["star_id"].tolist()


def test_one_row_in_a_hundred_is_bad(tmp_path):
    """As above, but in ECSV and with the good rows alone as the other run."""
    kinds = every_kind(100, 3)
    n, bad = 100 * len(kinds), list(kinds)
    file = write_visits(tmp_path, n, "bad.fits", bad={row: change for row, (_, change) in kinds.items()})
    catalog = run(file, "bad.ecsv")
    rows = np.setdiff1d(np.arange(n), bad)
    with fits.open(file) as hdus:
        fits.HDUList([hdus[0], fits.BinTableHDU(hdus[1].data[rows], hdus[1].header)]).writeto("good.fits")
    good = run("good.fits", "good.ecsv")
    rows_alike(catalog, good, rows, slice(None))
    assert maury.read_catalog("bad.ecsv")["star_id"].tolist() == catalog["star_id"].tolist()


@pytest.mark.parametrize("column", ["PLATE", "MJD", "IFUDESIGN", "DISP", "MASK", "S2N", "MJDQUAL", "RA"])
def test_a_column_that_is_missing(tmp_path, column):
    file = write_visits(tmp_path, 12, "visits.fits")
    with fits.open(file) as hdus:
        hdus[1].columns.del_col(column)
        fits.HDUList([hdus[0], fits.BinTableHDU.from_columns(hdus[1].columns)]).writeto("less.fits")
    catalog = run("less.fits")
    assert len(catalog) == 12 and (catalog["problem"] == "").all()
    parts = {"PLATE": "8312", "IFUDESIGN": "12701", "MJD": "57000"}
    assert catalog["visit_id"][0] == "-".join(v for k, v in parts.items() if k != column)


def retyped(hdu, column, code, row, value):
    """Table with a column of another type, and another value in one row."""
    columns = []
    for old in hdu.columns:
        if old.name == column:
            array = np.asarray(hdu.data[column])
            array = np.char.mod("%g", array) if code.endswith("A") else array.astype(float)
            array[row] = value
            old = fits.Column(column, code, array=array)
        columns.append(old)
    return fits.BinTableHDU.from_columns(columns, name=hdu.name)


@pytest.mark.parametrize(
    "column, code, value",
    [
        ("MJD", "D", np.inf),
        ("PLATE", "D", np.nan),
        ("MJDQUAL", "D", np.inf),
        ("S2N", "9A", "none"),
        ("RA", "9A", "none"),
    ],
)
def test_a_column_of_another_type(tmp_path, column, code, value):
    """An infinite plate becomes no name; text where a number belongs costs its row."""
    n, row = 16, 5
    file = write_visits(tmp_path, n, "visits.fits")
    clean = run(file, "clean.fits")
    with fits.open(file) as hdus:
        fits.HDUList([hdus[0], retyped(hdus[1], column, code, row, value)]).writeto("other.fits")
    catalog = run("other.fits")
    rows_alike(catalog, clean, np.setdiff1d(np.arange(n), [row]))
    assert (
        catalog["visit_id"][row].replace("--", "-").strip("-").count("-") in (1, 2)
        or catalog["problem"][row] != ""
    )
    assert (catalog["problem"][row] != "") == (code == "9A")
    if code == "9A":
        assert "other.fits: row 6 of 16: it cannot be read (ValueError: " in catalog["problem"][row]


@functools.cache
def emulator():
    return made_up_stars.emulator(lsf=np.full(made_up_stars.N_PIXELS, 0.8))


def changed(hdu, value, *at):
    def change(hdus):
        data = hdus[hdu].data.copy()
        data[at] = value
        hdus[hdu].data = data

    return change


def retype(column, code, value):
    def change(hdus):
        at = hdus.index_of("FIBERMAP")
        hdus[at] = retyped(hdus[at], column, code, 5, value)

    return change


DESI = {
    "one element of the resolution is 1e30": changed("B_RESOLUTION", 1e30, 5, 5, 1200),
    "one element of the resolution is infinite": changed("B_RESOLUTION", np.inf, 5, 5, 1200),
    "the resolution is 0": changed("B_RESOLUTION", 0, 5),
    "one element of the resolution is negative": changed("B_RESOLUTION", -1, 5, 5, 1200),
    "flux is infinite": changed("B_FLUX", np.inf, 5),
    "flux of 3e38": changed("B_FLUX", 3e38, 5),
    "ivar is infinite": changed("B_IVAR", np.inf, 5, 3),
    "EXPID is infinite": retype("EXPID", "D", np.inf),
    "EXPID is text": retype("EXPID", "9A", "none"),
    "TARGETID is NaN": retype("TARGETID", "D", np.nan),
    "TARGET_RA is infinite": retype("TARGET_RA", "D", np.inf),
    "TARGET_RA is text": retype("TARGET_RA", "9A", "none"),
}


@pytest.fixture(scope="module")
def desi(tmp_path_factory):
    """A DESI file of eight exposures, and its catalogue."""
    folder = tmp_path_factory.mktemp("desi")
    write_desi(folder / "clean.fits", n=8, step=1.6, exposures=True)
    return folder / "clean.fits", maury.fit_files(folder / "clean.fits", folder / "c.fits", emulator())


@pytest.mark.parametrize("kind", DESI)
def test_a_bad_row_of_a_desi_file(desi, kind):
    file, clean = desi
    with fits.open(file) as hdus:
        DESI[kind](hdus)
        hdus.writeto("bad.fits")
    catalog = run("bad.fits", emulator=emulator())
    names = ("star_id", "visit_id") if "TARGETID" in kind else ()
    others = [c for c in clean.colnames if c not in names]
    rows_alike(catalog[others], clean[others], [0, 1, 2, 3, 4, 6, 7])
    assert (catalog["problem"][5] != "") == (kind == "TARGET_RA is text")
    if "EXPID" in kind:
        assert catalog["visit_id"][5] == ("none" if "text" in kind else "")


def test_a_broken_file_beside_desi(desi, monkeypatch):
    """In one block: a row without pixels has no arms."""
    monkeypatch.setattr(blocks, "LARGE", 10**9)
    file, clean = desi
    (file.parent / "broken.fits").write_bytes(b"SIMPLE  =")
    catalog = run([file, file.parent / "broken.fits"], emulator=emulator())
    rows_alike(catalog[:8], clean, slice(None))
    assert "broken.fits" in catalog["problem"][8]


def of_table(column, value, at=slice(None)):
    return lambda hdus: hdus[1].data[column].__setitem__(at, value)


def of_star(column, value):
    return lambda hdus: hdus[2].data[column].__setitem__(0, value)


SDSS = {
    "wdisp of 150": of_table("wdisp", 150),
    "wdisp of 1e30": of_table("wdisp", 1e30),
    "a wavelength at 1e200": of_table("loglam", 200, -1),
    "a wavelength that overflows": of_table("loglam", 400, -1),
    "wavelengths at 1e290": lambda hdus: of_table("loglam", 290 + 1e-4 * np.arange(1500))(hdus),
    "a wavelength is NaN": of_table("loglam", np.nan, 700),
    "a velocity of -c": of_star("Z", -1),
    "beyond -c": of_star("Z", -2),
    "a velocity of 1e30": of_star("Z", 1e30),
    "an infinite velocity": of_star("Z", np.inf),
    "a fill value": of_star("Z", -9999.0),
    "flux of 1e300": of_table("flux", 1e300),
    "one flux of 1e300": of_table("flux", 1e300, 700),
    "ivar of 1e300": of_table("ivar", 1e300),
    "a position that overflows": lambda hdus: hdus[0].header.update(PLUG_RA=1e308, PLUG_DEC=1e308),
    "no pixels": lambda hdus: hdus.__setitem__(1, fits.BinTableHDU(hdus[1].data[:0])),
    "one pixel": lambda hdus: hdus.__setitem__(1, fits.BinTableHDU(hdus[1].data[:1])),
}


@pytest.fixture(scope="module")
def sdss(tmp_path_factory):
    """Three spec files, and their catalogues with fitted and with given velocities."""
    folder = tmp_path_factory.mktemp("sdss")
    files = [folder / f"spec-{i}.fits" for i in range(3)]
    for i, file in enumerate(files):
        made_up_stars.write_sdss(file, emulator(), made_up_stars.LABELS[i], seed=i)
    return files, {
        v: maury.fit_files(files, folder / f"{v}.fits", emulator(), velocity=v) for v in ("fit", "given")
    }


NO_VELOCITIES = (
    "a velocity of -c", "beyond -c", "a velocity of 1e30", "an infinite velocity", "a fill value",
)  # fmt: skip


def bad_sdss_file(good, kind):
    name = f"bad-{[*SDSS].index(kind)}.fits"
    with fits.open(good) as hdus, np.errstate(over="ignore"):
        SDSS[kind](hdus)
        hdus.writeto(name)
    return name


@pytest.mark.parametrize("kind", SDSS)
def test_a_bad_sdss_file(sdss, kind):
    files, clean = sdss
    catalog = run([files[0], bad_sdss_file(files[1], kind), files[2]], emulator=emulator(), velocity="fit")
    rows_alike(catalog, clean["fit"], [0, 2])
    assert not catalog["flags"][1] & Flag.RV_UNKNOWN


def test_bad_sdss_files_with_given_velocities(sdss):
    """All of them among good ones, in one block."""
    files, clean = sdss
    bad = [bad_sdss_file(files[1], kind) for kind in SDSS]
    catalog = run([files[0], *bad, files[2]], emulator=emulator(), velocity="given")
    rows_alike(catalog, clean["given"], [0, -1], [0, 2])
    unknown = catalog["flags"][1:-1] & Flag.RV_UNKNOWN != 0
    assert {kind for kind, here in zip(SDSS, unknown, strict=True) if here} == set(NO_VELOCITIES)


LAMOST = {
    "wavelengths that stand still": {"COEFF1": 0.0},
    "wavelengths that differ by less than an ulp": {"COEFF1": 1e-17},
    "wavelengths that decrease": {"COEFF1": -1e-4},
    "wavelengths at 1e200": {"COEFF0": 200.0},
    "wavelengths that overflow": {"COEFF0": 308.5},
    "a velocity of -c": {"Z": -1.0},
    "a position that overflows": {"RA": 1e300, "DEC": 1e300},
}


def test_bad_lamost_files(tmp_path):
    """All of them among good ones, in one block."""
    good = [survey_files.write_lamost_image(tmp_path / f"{i}.fits", OBSID=i) for i in range(2)]
    clean = run(good, "clean.fits", emulator())
    bad = []
    for i, cards in enumerate(LAMOST.values()):
        bad.append(survey_files.write_lamost_image(tmp_path / f"bad-{i}.fits", OBSID=9))
        for key, value in cards.items():
            fits.setval(bad[-1], key, value=value)
    for i, old, new in ((0, b"J0637", b"J\xc37\xff7"), (1, b"J0637", b"J\x1b[37")):
        path = survey_files.write_lamost_image(tmp_path / f"name-{i}.fits", OBSID=9)
        path.write_bytes(path.read_bytes().replace(old, new))
        bad.append(path)
    catalog = run([good[0], *bad, good[1]], emulator=emulator())
    assert len(catalog) == 2 + len(bad)
    rows_alike(catalog, clean, [0, -1], [0, 1])
    unreadable = catalog["problem"] != ""
    assert unreadable.tolist() == [False, True, True, True, False, True, False, False, True, True, False], (
        catalog["problem"]
    )


def test_a_spectrum_that_cannot_be_measured(tmp_path, monkeypatch):
    """A fault that nothing above finds: the block is measured row by row."""
    import maury.measure.pipeline as pipeline

    file = write_visits(tmp_path, 20, "visits.fits").name
    clean = run(file, "clean.fits")
    real = pipeline.fit_spectra

    def fails(emulator, spectra, *rest):
        if (~spectra.mask.all(axis=1) & (spectra.visit_id == "8312-12701-57011")).any():
            raise RuntimeError("of\nthis row")
        return real(emulator, spectra, *rest)

    monkeypatch.setattr(pipeline, "fit_spectra", fails)
    catalog = run(file)
    rows_alike(catalog, clean, np.setdiff1d(np.arange(20), [11]))
    assert catalog["problem"][11] == "visits.fits: it cannot be measured (RuntimeError: of this row)"
    assert catalog["flags"][11] == Flag.UNREADABLE | Flag.NOT_CONVERGED
    monkeypatch.setattr(pipeline, "fit_spectra", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):  # no fault of a spectrum
        run(file)


def test_arrays():
    """Of a user: rows that are no spectra, no pixels, more than 64 arms, velocities that are none."""
    model = emulator()
    good = made_up_stars.spectra(model)
    grid = np.tile(model.wavelength, (4, 1))
    grid[1, 700] = grid[1, 10]
    arms = np.zeros(grid.shape, dtype=int)
    arms[2] = np.minimum(np.arange(grid.shape[1]) // 10, 64)
    spectra = made_up_stars.spectra(model, wavelength=grid, arm=arms)
    assert spectra.problem.tolist()[::3] == ["", ""]
    assert "increasing" in spectra.problem[1] and "from 0 to 63" in spectra.problem[2]
    catalog, clean = maury.fit(spectra, model), maury.fit(good, model)
    shared = [c for c in clean.colnames if c in catalog.colnames]
    rows_alike(catalog[shared], clean[shared], [0, 3])
    assert (catalog["flags"][1:3] == Flag.UNREADABLE | Flag.NOT_CONVERGED).all()
    nothing = maury.fit(maury.Spectra([], np.empty((3, 0)), np.empty((3, 0))), model)
    assert (nothing["flags"] & Flag.NOT_CONVERGED != 0).all()
    for rv in (-299792.458, 3e5, -1e30, np.inf, -np.inf, np.nan):
        wrong = maury.fit(made_up_stars.spectra(model, rv=[0.0, rv, 0.0, 0.0]), model, velocity="given")
        rest = maury.fit(made_up_stars.spectra(model, rv=0.0), model, velocity="given")
        rows_alike(wrong, rest, [0, 2, 3])
        assert (wrong["flags"] & Flag.RV_UNKNOWN != 0).tolist() == [False, True, False, False]
