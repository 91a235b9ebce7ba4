"""Initial labels from Gaia photometry: the nearest isochrone point in colour and absolute magnitude.

Imig et al. 2021, sec. 3.2. With errors s of colour C = BP - RP and absolute magnitude M, both corrected for
extinction, the point minimises ((C - C_i) / s_C)^2 + ((M - M_i) / s_M)^2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from maury.catalog.columns import column_values
from maury.readers.isochrones import column

if TYPE_CHECKING:
    from astropy.table import Table

Array = NDArray[np.float64]

R_V = 3.1
# k = A / A0, A0 = R_V E(B-V), is c1 + c2 C + c3 C^2 + c4 C^3 + c5 A0 + c6 A0^2 + c7 C A0, C being the colour
# without extinction: the law of Danielski et al. 2018, A&A 614, A19, with the coefficients of Gaia
# Collaboration, Babusiaux et al. 2018, A&A 616, A10, table 1.
_LAW = {
    "G": (0.9761, -0.1704, 0.0086, 0.0011, -0.0438, 0.0013, 0.0099),
    "BP": (1.1517, -0.0871, -0.0333, 0.0173, -0.0230, 0.0006, 0.0043),
    "RP": (0.6104, -0.0170, -0.0026, -0.0017, -0.0078, 0.00005, 0.0006),
}
# The law was fitted to models of 3500 to 10000 K; outside this range its value at the end is used.
_LAW_COLOURS = (-0.06, 2.5)
# Scatter not explained by isochrones of a few ages and metallicities, and single stars [mag]. Measured.
COLOUR_FLOOR, MAGNITUDE_FLOOR = 0.05, 0.25
# log10(v_micro / km/s) as a cubic in log g: APOGEE, Holtzman et al. 2018, AJ 156, 125, eq. 2.
_VMICRO = (0.226, -0.0228, 0.0297, -0.0113)
_VMICRO_LOGG = (0.0, 5.0)
# Bayestar19 in E(B-V) (Green et al. 2019; argonaut.skymaps.info/usage, from E(g-r)).
_BAYESTAR = 0.884

# Names in catalogues: those of Gaia first, then those of its match to MaStar.
_NAMES = {
    "G": ("phot_g_mean_mag",),
    "BP": ("phot_bp_mean_mag",),
    "RP": ("phot_rp_mean_mag",),
    "colour": ("bp_rp",),
    "parallax": ("parallax",),
    "parallax_error": ("parallax_error",),
    "parallax_snr": ("parallax_over_error",),
    "distance": ("distance", "r_est"),
    "ebv": ("ebv",),
    "flux_snr_G": ("phot_g_mean_flux_over_error",),
    "flux_snr_BP": ("phot_bp_mean_flux_over_error",),
    "flux_snr_RP": ("phot_rp_mean_flux_over_error",),
}
_SOME_DUST = 0.03  # E(B-V) that tells the extinction per unit
_FILL = -900.0  # -999 and similar values mean unknown
_MAG_PER_SNR = 2.5 / np.log(10)


def start_of_stars(star_id: ArrayLike, photometry: Table, isochrones: Table, labels: Sequence[str]) -> Array:
    """Labels (N, L) for named stars, from a table of photometry; NaN for stars that are not in it.

    Parameters
    ----------
    star_id : (N,) str
        As in `Spectra`.
    photometry : astropy Table
        With a column star_id (or MANGAID), and those of `photometric_start`. Of several rows with the same
        name the first is used.
    isochrones, labels
        See `photometric_start`.

    Raises
    ------
    ValueError
        If a column is missing, or none of the stars is in the table.
    """
    known = labels_by_name(photometry, isochrones, labels)
    problem = why_none_is_named(star_id, known, photometry)
    if problem:
        raise ValueError(problem)
    return named_labels(star_id, known, len(labels))


def why_none_is_named(star_id: ArrayLike, known: Mapping[str, Array], photometry: Table) -> str:
    """Return the message if no star is in the table that `known` is from; "" if one is."""
    names = np.asarray(star_id)
    if not len(names) or any(str(name).strip() in known for name in names):
        return ""
    return (
        f"photometry: none of the stars is in its column {_name_column(photometry)}; the first star is "
        f"{names[0]}, the first name in the table {next(iter(known), '(none)')}"
    )


def labels_by_name(photometry: Table, isochrones: Table, labels: Sequence[str]) -> dict[str, Array]:
    """Labels (L,) by the name of the star, for all of a table; see `start_of_stars`."""
    return rows_by_name(photometry, photometric_start(photometry, isochrones, labels))


def rows_by_name(photometry: Table, rows: Array) -> dict[str, Array]:
    """Rows (N, ...) of a table of stars by the name of the star; of several rows the first."""
    known: dict[str, Array] = {}
    for name, row in zip(photometry[_name_column(photometry)], rows, strict=True):
        known.setdefault(str(name).strip(), row)
    return known


def _name_column(photometry: Table) -> str:
    names = {name.lower(): name for name in photometry.colnames}
    column = names.get("star_id", names.get("mangaid"))
    if column is None:
        raise ValueError(
            f"photometry: expected a column star_id or MANGAID, got {', '.join(photometry.colnames)}"
        )
    return str(column)


def named_labels(star_id: ArrayLike, known: Mapping[str, Array], n_labels: int) -> Array:
    """Labels (N, L) of `labels_by_name` for named stars; NaN for stars that are not in it."""
    nothing = np.full(n_labels, np.nan)
    rows = [known.get(str(name).strip(), nothing) for name in np.asarray(star_id)]
    return np.array(rows).reshape(-1, n_labels)


def photometric_start(
    photometry: Any,
    isochrones: Table,
    labels: Sequence[str],
    *,
    ebv: ArrayLike | None = None,
) -> Array:
    """Labels at which to start a fit, from Gaia photometry.

    Parameters
    ----------
    photometry : astropy Table, or dict of (N,) arrays
        With the names of Gaia, in any case: phot_g_mean_mag; bp_rp, or phot_bp_mean_mag and phot_rp_mean_mag;
        parallax [mas], or distance [pc] (or r_est, of the match to MaStar). Optional: parallax_error or
        parallax_over_error, phot_*_mean_flux_over_error, ebv. Masked, not finite or -999 = unknown.
    isochrones : astropy Table
        From `maury.readers.isochrones.read_isochrones`.
    labels : sequence of str, L
        In this order: teff, logg, fe_h and alpha_fe are those of the isochrone point, log_vmicro
        follows from log g. Any other label stays NaN.
    ebv : (N,) or a number, optional
        E(B-V); by default the column ebv, else 0. NaN = unknown.

    Returns
    -------
    (N, L) float64
        A row is NaN if the colour, the magnitude or the distance is unknown, or the parallax is not positive.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    stars = observed_stars(photometry, ebv)
    point = nearest_point(
        stars.colour,
        stars.magnitude,
        np.hypot(COLOUR_FLOOR, stars.colour_error),
        np.hypot(MAGNITUDE_FLOOR, stars.magnitude_error),
        isochrones,
    )
    found = point >= 0
    result = np.full((len(point), len(labels)), np.nan)
    for i, name in enumerate(labels):
        if name == "log_vmicro":
            logg = np.clip(column(isochrones, "logg")[point[found]], *_VMICRO_LOGG)
            result[found, i] = np.polynomial.polynomial.polyval(logg, _VMICRO)
        elif name in ("teff", "logg", "fe_h", "alpha_fe"):
            result[found, i] = column(isochrones, name)[point[found]]
    return result


@dataclass(frozen=True)
class ObservedStars:
    """Photometry of N stars, without extinction, NaN where unknown: (N,) float64, mag.

    Attributes
    ----------
    colour, magnitude : (N,)
        BP - RP and absolute G.
    colour_error, magnitude_error : (N,)
        Of the photometry and the parallax.
    reddening, extinction : (N,)
        Of BP - RP and of G per unit of E(B-V).
    """

    colour: Array
    magnitude: Array
    colour_error: Array
    magnitude_error: Array
    reddening: Array
    extinction: Array


def observed_stars(photometry: Any, ebv: ArrayLike | None = None) -> ObservedStars:
    """Return the photometry of stars from a table; see `photometric_start`."""
    seen = _Columns(photometry)
    colour = seen.get("colour") if seen.has("colour") else seen.get("BP") - seen.get("RP")
    if seen.has("distance"):
        modulus = 5 * np.log10(_positive(seen.get("distance"))) - 5
        modulus_error = np.zeros_like(modulus)
    else:
        parallax = _positive(seen.get("parallax"))
        modulus = 10 - 5 * np.log10(parallax)
        modulus_error = 2 * _MAG_PER_SNR / _positive(seen.parallax_snr(parallax))
    g_mag = seen.get("G")
    if ebv is None:
        ebv = seen.get("ebv") if seen.has("ebv") else 0.0
    dust = np.broadcast_to(np.asarray(ebv, dtype=np.float64), g_mag.shape)
    intrinsic, a_g = _without_extinction(colour, dust)
    more_g, more_bp, more_rp = gaia_extinction(intrinsic, _SOME_DUST)
    return ObservedStars(
        colour=intrinsic,
        magnitude=g_mag - a_g - modulus,
        colour_error=np.hypot(seen.error("BP"), seen.error("RP")) + np.zeros_like(g_mag),
        magnitude_error=np.hypot(seen.error("G"), modulus_error),
        reddening=(more_bp - more_rp) / _SOME_DUST,
        extinction=more_g / _SOME_DUST,
    )


def nearest_point(
    colour: ArrayLike,
    magnitude: ArrayLike,
    colour_error: ArrayLike,
    magnitude_error: ArrayLike,
    isochrones: Table,
) -> NDArray[np.intp]:
    """Row of the isochrone point nearest to each star, in units of the errors: (N,), -1 = unknown.

    Parameters
    ----------
    colour, magnitude : (N,) float64
        BP - RP and absolute G without extinction [mag].
    colour_error, magnitude_error : (N,) or a number
        Above 0 [mag].
    isochrones : astropy Table
        With the columns G, BP and RP.
    """
    from scipy.spatial import KDTree

    g, bp, rp = (column(isochrones, band) for band in ("G", "BP", "RP"))
    points = np.column_stack([bp - rp, g])
    stars = np.column_stack([colour, magnitude]).astype(np.float64)
    errors = np.column_stack([np.broadcast_to(e, len(stars)) for e in (colour_error, magnitude_error)])
    known = np.isfinite(stars).all(axis=1) & np.isfinite(errors).all(axis=1) & (errors > 0).all(axis=1)
    nearest = np.full(len(stars), -1, dtype=np.intp)
    # A tree uses one ratio of the two errors: stars with nearly the same ratio share a tree, which returns
    # all the points that can be the nearest.
    kind = np.zeros(len(stars), dtype=np.intp)
    kind[known] = np.rint(4 * np.log2(errors[known, 1] / errors[known, 0]))
    for ratio in np.unique(kind[known]):
        rows = np.flatnonzero(known & (kind == ratio))
        scale = np.array([1.0, 2.0 ** (ratio / 4)])
        tree = KDTree(points / scale)
        first = tree.query(stars[rows] / scale)[1]
        distance = np.sqrt((((points[first] - stars[rows]) / errors[rows]) ** 2).sum(axis=1))
        # Slightly more, to allow for rounding: the point found first must be among them.
        reach = distance * (errors[rows] / scale).max(axis=1) * (1 + 1e-9) + 1e-9
        for row, far in zip(rows, reach, strict=True):
            near = np.array(tree.query_ball_point(stars[row] / scale, far))
            nearest[row] = near[np.argmin((((points[near] - stars[row]) / errors[row]) ** 2).sum(axis=1))]
    return nearest


def gaia_extinction(colour: ArrayLike, ebv: ArrayLike) -> tuple[Array, Array, Array]:
    """Extinction in G, BP and RP [mag] of stars of a colour BP - RP without extinction, at E(B-V)."""
    c = np.clip(np.asarray(colour, dtype=np.float64), *_LAW_COLOURS)
    a0 = R_V * np.asarray(ebv, dtype=np.float64)
    terms = (np.ones_like(c), c, c**2, c**3, a0, a0**2, c * a0)
    g, bp, rp = (a0 * sum(k * term for k, term in zip(law, terms, strict=True)) for law in _LAW.values())
    return g, bp, rp


def map_ebv(
    ra: ArrayLike, dec: ArrayLike, distance: ArrayLike, query: Callable[..., Any] | None = None
) -> Array:
    """E(B-V) (N,) of stars in a three-dimensional map of the dust, through the package dustmaps.

    Parameters
    ----------
    ra, dec : (N,) float64
        [degree]
    distance : (N,) float64
        [pc]
    query : callable, optional
        A function of SkyCoord that returns E(B-V): any map of dustmaps in that unit. By default Bayestar19
        (Green et al. 2019), to be downloaded once: ``import dustmaps.bayestar; dustmaps.bayestar.fetch()``.

    Returns
    -------
    (N,) float64
        NaN outside the map.

    Raises
    ------
    ImportError
        If dustmaps is required and not installed.
    """
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    scale = 1.0
    if query is None:
        try:
            maps = import_module("dustmaps.bayestar")
        except ImportError as error:
            raise ImportError(
                "the map of the dust requires the package dustmaps: pip install dustmaps"
            ) from error
        bayestar, scale = maps.BayestarQuery(version="bayestar2019", max_samples=1), _BAYESTAR

        def query(coordinates: Any) -> Any:
            return bayestar(coordinates, mode="best")

    stars = [np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (ra, dec, distance)]
    known = np.isfinite(stars).all(axis=0) & (stars[2] > 0)
    result = np.full(len(known), np.nan)
    if known.any():
        ra_, dec_, distance_ = (v[known] for v in stars)
        place = SkyCoord(ra_ * u.deg, dec_ * u.deg, distance=distance_ * u.pc, frame="icrs")
        result[known] = scale * np.asarray(query(place), dtype=np.float64)
    return result


def _without_extinction(colour: Array, ebv: Array) -> tuple[Array, Array]:
    """Colour without extinction, and A_G, by iteration: the law depends on the resulting colour."""
    intrinsic = colour
    for _ in range(10):
        a_g, a_bp, a_rp = gaia_extinction(intrinsic, ebv)
        intrinsic = colour - (a_bp - a_rp)
    return intrinsic, a_g


def _positive(values: Array) -> Array:
    return np.where(values > 0, values, np.nan)


class _Columns:
    """Columns of a table by their meaning, NaN where masked."""

    def __init__(self, photometry: Any) -> None:
        self._table = photometry
        self._names = {str(name).lower(): name for name in photometry.keys()}  # noqa: SIM118  (a Table has rows)

    def has(self, what: str) -> bool:
        return any(name in self._names for name in _NAMES[what])

    def get(self, what: str) -> Array:
        found = [name for name in _NAMES[what] if name in self._names]
        if not found:
            raise ValueError(
                f"photometry: no column {' or '.join(_NAMES[what])}; it has {', '.join(self._names)}"
            )
        values = np.atleast_1d(column_values(self._table, self._names[found[0]]))
        return np.where(values > _FILL, values, np.nan)

    def parallax_snr(self, parallax: Array) -> Array:
        if self.has("parallax_snr"):
            return self.get("parallax_snr")
        return (
            parallax / _positive(self.get("parallax_error"))
            if self.has("parallax_error")
            else parallax * np.inf
        )

    def error(self, band: str) -> Array:
        """Error of a magnitude; 0 if unknown, since the floors are larger than the errors of Gaia."""
        name = f"flux_snr_{band}"
        return np.nan_to_num(_MAG_PER_SNR / _positive(self.get(name))) if self.has(name) else np.zeros(1)
