"""The catalogue: its columns, flags, errors and files; independent of the fit."""

from maury.catalog.errors import ErrorModel
from maury.catalog.flags import Flag
from maury.catalog.table import read_catalog, write_catalog

__all__ = ["ErrorModel", "Flag", "read_catalog", "write_catalog"]
