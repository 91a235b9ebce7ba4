"""How near two fits of the same spectra are: the same minimum, and how many formal errors apart."""

import numpy as np
from peers.by_scipy import with_least_squares
from peers.network import Network

TIGHT = {"ftol": 1e-15, "xtol": 1e-15, "gtol": 1e-15}


def chi2_of(network, x, mock):
    """Return chi-square (n,) of the first n spectra at scaled labels x (n, L), over all pixels in float64."""
    rows = zip(np.float64(x), mock.flux, mock.ivar, strict=False)
    return np.array([np.sum(ivar * (network.flux(at) - flux) ** 2) for at, flux, ivar in rows])


def formal_errors_apart(labels, result):
    """Return how far the worst label of each of the first n spectra is off, in maury's formal error: (n,)."""
    n = len(labels)
    formal = np.sqrt(np.diagonal(result.covariance[:n], axis1=1, axis2=2))
    return np.max(np.abs(labels - result.labels[:n]) / formal, axis=1)


def may_miss(emulator):
    """Return the share of fits that may miss a criterion: none, but some where chi-square has kinks.

    With relu and leaky_relu a minimum often lies on a kink, where the linear model of a step fails. On
    the leaky_relu network of these benchmarks two methods of SciPy, trf and dogbox, end more than 1e-3 formal
    errors apart for 29 % of spectra of S/N 100, from the same start: no answer is better defined than that.
    """
    return 0.3 if any("relu" in kind for kind in emulator.activations) else 0.0


def off_minimum(mock, result):
    """Compare maury with SciPy, in float64 and to the last digit, from maury's solution.

    Returns how far the worst label of each spectrum is off, in formal errors, and by which part chi-square is
    too high: (N,) and (N,).
    """
    network = Network(mock.emulator)
    own = network.scaled(result.labels)
    np.testing.assert_allclose(chi2_of(network, own, mock), result.chi2, rtol=1e-9)
    tight = with_least_squares(network, mock.flux, mock.ivar, own, method="dogbox", **TIGHT)
    above = result.chi2 / chi2_of(network, tight, mock) - 1
    return formal_errors_apart(network.labels(tight), result), above


def assert_minimum(emulator, apart, above):
    """Raise unless labels are within 1e-3 formal errors and chi-square within 1e-6 of a minimum."""
    missed = (apart > 1e-3) | (above > 1e-6)
    assert missed.mean() <= may_miss(emulator), (
        f"{missed.sum()} of {len(missed)} fits are not at a minimum: labels off by up to {apart.max():.2g} "
        f"formal errors, chi-square {above.max():.2g} too high"
    )
