"""Survey files to `Spectra`, one module a format; isochrones."""

from maury.readers._fits import ReadError, ReadWarning
from maury.readers.read import FORMATS, read_spectra

__all__ = ["FORMATS", "ReadError", "ReadWarning", "read_spectra"]
