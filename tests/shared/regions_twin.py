"""Pixels in named regions of the spectrum, as `left_out` of the core finds them."""

import numpy as np

from maury.measure.regions import REGIONS
from maury.spectra import SPEED_OF_LIGHT


def in_regions(names, wavelength, rv):
    """Which pixels (N, P) are in the named regions.

    Parameters
    ----------
    names : sequence of str
        Keys of `maury.measure.regions.REGIONS`.
    wavelength : (P,) or (N, P) float64
        As observed, vacuum Angstrom.
    rv : (N,) float64
        Velocity of the star, c*z [km/s].
    """
    observed = np.atleast_2d(wavelength)
    rest = observed / (1.0 + rv / SPEED_OF_LIGHT)[:, None]
    inside = np.zeros(rest.shape, dtype=bool)
    for name in names:
        moves, ranges = REGIONS[name]
        for low, high in ranges:
            inside |= ((rest if moves else observed) > low) & ((rest if moves else observed) < high)
    return inside
