"""Small valid files of every format that maury reads, made by the writers of the tests; past failures."""

import gzip
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAST = ROOT / "tests" / "data" / "fuzz"
sys.path[:0] = [str(ROOT / "tests" / "shared"), str(ROOT / "bench")]

import numpy as np  # noqa: E402
from astropy.io import fits  # noqa: E402
from astropy.table import Table  # noqa: E402

import made_up_stars  # noqa: E402
import mastar_small  # noqa: E402
import plain_files  # noqa: E402
import survey_files  # noqa: E402
from desi_files import write_desi  # noqa: E402
from maury.catalog.table import write_catalog  # noqa: E402
from maury.emulator.emulator import Emulator  # noqa: E402
from network_twin import three_labels  # noqa: E402

N_ROWS = 5  # of the files of several spectra


@cache
def seeds() -> dict[str, bytes]:
    """Contents by file name."""
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        folder = Path(name)
        survey_files.write_sdss(folder / "spec-1.fits")
        survey_files.write_sdss(folder / "spec-2.fits", upper=True)
        survey_files.write_lamost_image(folder / "lamost.fits")
        survey_files.write_lamost_table(folder / "lamost-table.fits")
        survey_files.write_miles(folder)
        survey_files.write_stelib(folder)
        mastar_small.write_goodspec(folder / "goodspec.fits", n=N_ROWS, n_pixels=60)
        mastar_small.write_mastarhc(folder / "mastarhc.fits")
        write_desi(folder / "coadd.fits", n=N_ROWS, step=40.0)
        write_desi(folder / "exposures.fits", n=2, step=80.0, exposures=True)
        fits.PrimaryHDU(np.ones(50)).writeto(folder / "image.fits")
        for kind in ("maury", "image", "table", "text"):
            path = plain_files.write_plain(folder, kind)
        for ending in ("ecsv", "csv"):
            Table.read(path, format="ascii").write(folder / f"plain.{ending}")
        emulator = made_up_stars.emulator()
        warnings.simplefilter("ignore")  # the emulator knows no errors
        catalog = made_up_stars.build_catalog(
            made_up_stars.result(), made_up_stars.spectra(emulator), emulator
        )
        for ending in ("ecsv", "fits"):
            write_catalog(catalog, folder / f"catalog.{ending}")
        found = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    for name in ("spec-1.fits", "goodspec.fits", "coadd.fits"):
        found[f"{name}.gz"] = gzip.compress(found[name], mtime=0)
    found["emulator.onnx"] = Emulator.from_layers(**three_labels()).to_bytes()
    return found


def past_failures() -> list[Path]:
    """Files that once ended, hung or bent a run."""
    return sorted(path for path in PAST.iterdir() if path.is_file())
