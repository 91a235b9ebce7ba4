"""What the core finds in the residual of a fit, by the functions of which `residual_signs` consists.

Spectra are (N, P) or (P,); the formulas are in `cpp/src/emission.hpp` and `misfit.hpp`.
"""

import numpy as np

import maury._core as _core

LINES = _core.EMISSION_LINES  # vacuum Angstrom by name


def rows(values, shape=None):
    values = np.atleast_2d(np.asarray(values, dtype=np.float64))
    return np.ascontiguousarray(values if shape is None else np.broadcast_to(values, shape))


def emission_lines(wavelength, flux, ivar, model, rv, scatter=0.0):
    """Height and significance (N, M) of emission at each of `LINES`; rv (N,) in km/s."""
    flux = rows(flux)
    star = np.ascontiguousarray(np.broadcast_to(np.asarray(rv, dtype=float), len(flux)))
    return _core.emission_lines(
        rows(wavelength), flux, rows(ivar), rows(model), star, rows(scatter, flux.shape)
    )


def shows_emission(height, significance):
    """Whether heights and significances (N, M) of the lines are those of emission, (N,)."""
    return _core.shows_emission(rows(height), rows(significance))


def smooth_misfit(flux, ivar, model, scatter, cell=20, edge=0):
    """Rms and largest value (N,) of the residual in cells."""
    flux = rows(flux)
    return _core.smooth_misfit(flux, rows(ivar), rows(model), rows(scatter, flux.shape), cell, edge)


def unexplained_part(flux, ivar, model, scatter=0.0, cell=20):
    """Rms of the residual over that of the features, (N,)."""
    flux = rows(flux)
    return _core.unexplained_part(flux, rows(ivar), rows(model), rows(scatter, flux.shape), cell)
