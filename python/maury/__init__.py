"""Measure stellar parameters from stellar spectra, fast, on a laptop.

>>> import maury
>>> spectra = maury.read_spectra("spec-0266-51602-0031.fits")  # doctest: +SKIP
>>> catalog = maury.fit(spectra)  # doctest: +SKIP

`fit` does everything: rest frame, normalisation, fit, errors, quality flags. `fit_files` does it to files of
any size, and goes on where it was ended; `cluster` is for many machines. `fit_normalized` is the fit alone,
for pipelines that prepare their spectra themselves. The method is that of Imig et al. 2021 (AJ).

Everything below is loaded when it is first used, so ``import maury`` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .catalog import read_catalog, write_catalog
    from .emulator import Emulator
    from .learn.train import train
    from .measure import cluster
    from .measure.fit import fit_normalized
    from .measure.pipeline import fit
    from .measure.quality import Flag
    from .measure.survey import fit_files
    from .prepare import running_median
    from .readers import ReadError, ReadWarning, read_spectra
    from .spectra import Spectra

    __version__: str

__all__ = [
    "Emulator",
    "Flag",
    "ReadError",
    "ReadWarning",
    "Spectra",
    "__version__",
    "cluster",
    "fit",
    "fit_files",
    "fit_normalized",
    "read_catalog",
    "read_spectra",
    "running_median",
    "train",
    "write_catalog",
]

_HOME = {
    "Emulator": ".emulator",
    "Flag": ".measure.quality",
    "ReadError": ".readers",
    "ReadWarning": ".readers",
    "Spectra": ".spectra",
    "cluster": ".measure",
    "fit": ".measure.pipeline",
    "fit_files": ".measure.survey",
    "fit_normalized": ".measure.fit",
    "read_catalog": ".catalog",
    "read_spectra": ".readers",
    "running_median": ".prepare",
    "train": ".learn.train",
    "write_catalog": ".catalog",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import PackageNotFoundError, version

        try:
            value: Any = version("maury")
        except PackageNotFoundError:  # a source tree on the path, never installed
            value = "0+unknown"
    elif name in _HOME:
        home = import_module(_HOME[name], __name__)
        value = getattr(home, name, None) or import_module(f"{_HOME[name]}.{name}", __name__)
    else:
        raise AttributeError(f"module 'maury' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
