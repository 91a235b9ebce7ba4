"""Gaia colours and absolute magnitudes as columns of a catalogue, for its colour-magnitude diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maury.measure.photometry import named_labels, observed_stars, rows_by_name, why_none_is_named

if TYPE_CHECKING:
    from astropy.table import QTable, Table

#: Columns of `with_photometry`: BP - RP and absolute G, both without extinction.
COLOUR, MAGNITUDE = "bp_rp0", "m_g"


def with_photometry(catalog: QTable, photometry: Table) -> QTable:
    """Return the catalogue with the columns ``bp_rp0`` and ``m_g`` [mag], corrected for extinction.

    Parameters
    ----------
    catalog : QTable
        Of visits or of stars.
    photometry : Table
        With a column star_id (or MANGAID), and those of `maury.measure.photometry.photometric_start`. Stars
        that are not in it have NaN.

    Raises
    ------
    ValueError
        If a column is missing, or none of the stars is in the table.
    """
    from astropy import units as u

    stars = observed_stars(photometry)
    known = rows_by_name(photometry, np.column_stack([stars.colour, stars.magnitude]))
    problem = why_none_is_named(catalog["star_id"], known, photometry)
    if problem:
        raise ValueError(problem)
    joined = catalog.copy()
    values = named_labels(catalog["star_id"], known, 2)
    for name, column in zip((COLOUR, MAGNITUDE), values.T, strict=True):
        joined[name] = column * u.mag
    return joined
