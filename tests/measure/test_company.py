"""No row depends on the other rows of its block, batch, file or job: real spectra of several surveys."""

from functools import cache

import numpy as np
import pytest

import maury
from maury.catalog.columns import join_columns
from maury.measure.options import Options
from maury.measure.pipeline import measure
from maury.spectra import Spectra

pytestmark = pytest.mark.filterwarnings("ignore::maury.readers.ReadWarning")

OPTIONS = {
    "default": {},
    "all": {
        "broadening": True, "leave_out": ("telluric",), "n_starts": 3, "arm_rv": True, "resolution": 1500.0
    },
    "given": {"velocity": "given", "use_scatter": False, "clip": 0.0, "fwhm": 3.0},
}  # fmt: skip


@pytest.fixture(scope="module")
def pool(data_folder):
    """About 20 spectra: MaStar, LAMOST of four releases, SDSS, BOSS, DESI, one that cannot be read."""
    files = [
        *sorted((data_folder / "lamost_dr1").glob("*.fits"))[:3],
        *sorted((data_folder / "lamost_dr10").glob("*.fits.gz"))[:2],
        *sorted((data_folder / "lamost_formats").glob("*.fits*"))[:5],
        *sorted((data_folder / "sdss").glob("*.fits")),
        data_folder / "mastar_dr17" / "goodspec.fits",
        data_folder / "nowhere.fits",
    ]
    spectra = list(maury.read_spectra(files))
    coadd = maury.read_spectra(data_folder / "desi" / "coadd-4-80613-thru20210324.fits.gz")
    return [*spectra, *coadd[:2]]


@cache
def emulator():
    return maury.Emulator.load()


ALONE = {}


def alone(pool, i, name):
    if (i, name) not in ALONE:
        ALONE[i, name] = measure(pool[i], emulator(), Options(**OPTIONS[name]))
    return ALONE[i, name]


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("seed", range(6))
def test_company_does_not_matter(pool, seed, name):
    """Random rows in any order, some twice, on grids of their own or padded, on any number of threads."""
    rng = np.random.default_rng(seed)
    rows = rng.integers(len(pool), size=rng.integers(2, 9)).tolist()
    spectra = Spectra.concatenate([pool[i] for i in rows])
    together = measure(spectra, emulator(), Options(**OPTIONS[name]), threads=int(rng.integers(1, 4)))
    expected = join_columns([alone(pool, i, name) for i in rows])
    assert set(together) == set(expected)
    for column, values in together.items():
        assert repr(values.tolist()) == repr(expected[column].tolist()), column
