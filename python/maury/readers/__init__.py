"""Readers: survey files to `Spectra`, one module per format; isochrones."""

from maury.readers._fits import ReadError, ReadWarning
from maury.readers.blocks import Block, spectra_blocks
from maury.readers.read import FORMATS, read_blocks, read_spectra

__all__ = ["FORMATS", "Block", "ReadError", "ReadWarning", "read_blocks", "read_spectra", "spectra_blocks"]
