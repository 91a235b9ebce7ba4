"""A slow equivalent of `maury.readers._fits_file.FitsFile`: the same HDUs, opened and decoded by astropy."""

import gzip
import io
import warnings
from contextlib import contextmanager
from dataclasses import fields

import numpy as np
from astropy.io import fits

from maury.readers.read import FORMATS, _format_of
from maury.spectra import Spectra


class Rows:
    """Some rows of an HDU."""

    def __init__(self, hdu, first, n):
        self._hdu, self._slice, self.n = hdu, slice(first, first + n), n

    def image(self):
        return self._hdu.data[self._slice]

    def table(self):
        return {name.upper(): self._hdu.data.field(name)[self._slice] for name in self._hdu.columns.names}


class Head:
    """The header properties used by readers."""

    layout = None  # astropy has its own

    def __init__(self, hdu):
        self.is_table = isinstance(hdu, fits.BinTableHDU)
        self.shape = () if hdu.data is None else np.shape(hdu.data)
        self.name = hdu.name.upper()
        names = hdu.columns.names if self.is_table else ()
        self.column_names = {name.upper() for name in names}
        self.n_rows = self.shape[0] if self.shape else 0
        self.row_bytes = hdu.header["NAXIS1"] if self.is_table else 0

    def has_columns(self, *names):
        return set(names) <= self.column_names


class Hdu:
    """One HDU."""

    def __init__(self, hdu):
        self._hdu, self.header, self.head = hdu, hdu.header, Head(hdu)

    def image(self):
        return self._hdu.data

    def read(self, first, n):
        return Rows(self._hdu, first, n)

    def whole(self):
        return Rows(self._hdu, 0, self.head.n_rows)

    def check(self):
        pass


class File:
    """A whole file in memory."""

    def __init__(self, path, hdus):
        self.path, self._hdus = path, [Hdu(hdu) for hdu in hdus]

    @property
    def primary(self):
        return self._hdus[0]

    def at(self, position):
        return self._hdus[position] if position < len(self._hdus) else None

    def find(self, name):
        return next((hdu for hdu in self._hdus if hdu.head.name == name), None)

    def random_access(self):
        pass


@contextmanager
def opened(path):
    """Open with astropy, decompressed by gzip of the standard library."""
    data = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data)) as hdus:
            yield hdus


def read(path):
    """Return the format and all spectra of a file, read with astropy; None if maury has no reader for it."""
    with opened(path) as hdus:
        file = File(path, hdus)
        module = _format_of(path, file, None)
        if module is None:
            return None, None
        name = module.__name__.rpartition(".")[2]
        assert name in FORMATS
        spectra = Spectra.concatenate([block.read() for block in module.blocks(file)])
        spectra.format = np.full(len(spectra), name)
        return name, spectra


def assert_same(one, other):
    """Check that all arrays are identical in values and type."""
    for field in fields(Spectra):
        a, b = getattr(one, field.name), getattr(other, field.name)
        if field.name == "labels":
            assert a.keys() == b.keys()
            for name in a:
                np.testing.assert_array_equal(a[name], b[name], err_msg=name)
        elif a is None or b is None:
            assert a is b, field.name
        else:
            assert a.dtype == b.dtype or a.dtype.kind == b.dtype.kind == "U", field.name
            np.testing.assert_array_equal(a, b, err_msg=field.name)
