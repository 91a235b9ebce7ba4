"""SciPy, one spectrum at a time, from the middle of the box: what most pipelines do."""

from functools import partial

import numpy as np
from scipy.optimize import curve_fit, least_squares


def with_curve_fit(network, flux, ivar, tol=1e-8, product=np.matmul):
    """Fit with finite differences, as Imig et al. (2021) do, with SciPy's own tolerance: (N, L)."""
    found = []
    for row, weight in zip(flux, ivar, strict=True):
        x, _ = curve_fit(
            lambda _, *x: network.flux(np.array(x), product),
            xdata=[],
            ydata=row,
            sigma=1 / np.sqrt(weight),
            p0=network.middle,
            absolute_sigma=True,
            bounds=(network.lower, network.upper),
            ftol=tol,
            xtol=tol,
        )
        found.append(x)
    return np.array(found)


def as_the_payne(network, flux, ivar):
    """Fit with the settings of The Payne's code (Ting et al. 2019): its tolerance, einsum for layers."""
    return with_curve_fit(network, flux, ivar, tol=5e-4, product=partial(np.einsum, "ij,j->i"))


def with_least_squares(network, flux, ivar, starts=None, **options):
    """Fit with the exact Jacobian: (N, L). Options are those of `scipy.optimize.least_squares`."""
    found = []
    for i, (row, weight) in enumerate(zip(flux, np.sqrt(ivar), strict=True)):
        found.append(
            least_squares(
                lambda x, row=row, weight=weight: weight * (network.flux(x) - row),
                network.middle if starts is None else starts[i],
                lambda x, weight=weight: weight[:, None] * network.jacobian(x),
                bounds=(network.lower, network.upper),
                x_scale="jac",
                **options,
            ).x
        )
    return np.array(found)
