"""Labelled spectra for training: tables, MaStar stars with APOGEE labels, grids of model spectra."""

from maury.reference.file import Reference, read_reference, write_reference
from maury.reference.load import load_reference

__all__ = ["Reference", "load_reference", "read_reference", "write_reference"]
