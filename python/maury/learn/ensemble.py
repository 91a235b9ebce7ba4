"""Effect of the initial weights of a network on measured labels: several networks from different seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from maury.measure.fit import fit_normalized

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator

Array = NDArray[np.float64]

# Teff [K]: the bins of Table 3 of the paper, open at the ends.
TEFF_EDGES = (5000.0, 8000.0, 12000.0, 20000.0)


def label_spread(members: Sequence[Emulator], flux: Array, ivar: Array, labels: Array) -> dict[str, Any]:
    """Spread of the labels measured by networks of several seeds, for stars that none was trained on.

    For each star the standard deviation over the members,

        s_i^2 = sum_m (x_im - mean_i)^2 / (M - 1),

    and then its median in each bin of Teff, so that a star that one member fits badly has no effect.

    Parameters
    ----------
    members : sequence of Emulator, M
        Two or more, with the same labels and pixels.
    flux, ivar : (N, P)
        Normalised spectra.
    labels : (N, L)
        Known labels; they determine the bin.

    Returns
    -------
    dict
        ``members``, M; ``teff_edges``, the B - 1 temperatures between bins [K]; ``stars``, B counts; and for
        each label B numbers, None for a bin without stars. Only values that JSON can represent.
    """
    names = members[0].labels
    fitted = np.stack([fit_normalized(member, flux, ivar).labels for member in members])
    spread = fitted.std(axis=0, ddof=1)
    known = np.isfinite(spread).all(axis=1)
    edges = TEFF_EDGES if "teff" in names else ()
    teff = labels[:, names.index("teff")] if "teff" in names else np.zeros(len(labels))
    place = np.searchsorted(edges, teff, side="right")
    bins = [known & (place == b) for b in range(len(edges) + 1)]
    told: dict[str, Any] = {
        "members": len(members),
        "teff_edges": list(edges),
        "stars": [int(inside.sum()) for inside in bins],
    }
    for j, name in enumerate(names):
        told[name] = [float(f"{np.median(spread[b, j]):.4g}") if b.any() else None for b in bins]
    return told
