"""Measure stellar parameters from stellar spectra, fast, on a laptop.

>>> from importlib.resources import files
>>> import maury
>>> spectra = maury.read_spectra(files("maury") / "data" / "demo")
>>> catalog = maury.fit(spectra)
>>> int(catalog["valid"].sum())
12
>>> emulator = maury.Emulator.load("default")
>>> emulator.predict(teff=5772, logg=4.44, fe_h=0.0).shape
(4025,)

`fit` does everything: rest frame, normalisation, fit, errors, quality flags. `fit_files` does the same for
files of any size, and resumes interrupted runs; `cluster` uses several machines. `fit_normalized` is the fit
alone, for pipelines that prepare their own spectra. The method is that of Imig et al. 2021 (AJ).

Every name below is loaded when first used, so that ``import maury`` is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from maury._version import __version__
    from maury.catalog import Flag, read_catalog, write_catalog
    from maury.emulator import Emulator
    from maury.learn.train import train
    from maury.measure.best_fit import best_fit
    from maury.measure.fit import fit_normalized
    from maury.measure.pipeline import fit
    from maury.measure.posterior import posterior
    from maury.prepare import running_median
    from maury.readers import ReadError, ReadWarning, read_spectra
    from maury.show.star import plot
    from maury.spectra import Spectra
    from maury.survey import cluster, fit_files

_HOME = {
    "Emulator": "maury.emulator",
    "Flag": "maury.catalog.flags",
    "ReadError": "maury.readers",
    "ReadWarning": "maury.readers",
    "Spectra": "maury.spectra",
    "__version__": "maury._version",
    "best_fit": "maury.measure.best_fit",
    "cluster": "maury.survey",
    "fit": "maury.measure.pipeline",
    "fit_files": "maury.survey",
    "fit_normalized": "maury.measure.fit",
    "plot": "maury.show.star",
    "posterior": "maury.measure.posterior",
    "read_catalog": "maury.catalog.table",
    "read_spectra": "maury.readers",
    "running_median": "maury.prepare",
    "train": "maury.learn.train",
    "write_catalog": "maury.catalog.table",
}

__all__ = [
    "Emulator",
    "Flag",
    "ReadError",
    "ReadWarning",
    "Spectra",
    "__version__",
    "best_fit",
    "cluster",
    "fit",
    "fit_files",
    "fit_normalized",
    "plot",
    "posterior",
    "read_catalog",
    "read_spectra",
    "running_median",
    "train",
    "write_catalog",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'maury' has no attribute {name!r}")
    home = import_module(_HOME[name])
    value = getattr(home, name, None) or import_module(f"{_HOME[name]}.{name}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
