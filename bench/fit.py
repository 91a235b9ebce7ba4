"""Time fits of mock spectra against peers on the same network: python bench/fit.py

maury searches the whole box; the peers start at its centre. One thread each. First the results are compared:
maury with SciPy's least squares in float64 to full precision, then every peer with maury.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import machine
import networks
import numpy as np
from comparison import assert_minimum, chi2_of, formal_errors_apart, may_miss, off_minimum
from mocks import labels_in_range, labels_of_stars, mock_spectra
from peers import batched_numpy, batched_torch, by_cannon, by_scipy
from peers.network import Network
from timing import in_turn

import maury

SNR = 100
N_BATCH, N_SCIPY, N_SINGLE = 160, 16, 32
SAME = 0.1  # in chi-square: fits that differ by less are in the same minimum


@dataclass(frozen=True)
class Peer:
    """A way to fit n spectra: a call for their scaled labels, and the allowed deviation in formal errors."""

    name: str
    call: object
    n: int
    tolerance: float


def built_in():
    """Return the built-in emulator and labels of its stars."""
    emulator = maury.Emulator.load("default")
    return emulator, labels_of_stars(emulator, N_BATCH)


def synthetic():
    """Return five labels on MaStar's pixels, with a bottleneck, and labels from the whole box."""
    emulator = networks.network()
    return emulator, labels_in_range(emulator, N_BATCH)


def foreign():
    """Return a network like those of The Payne: a full last layer, leaky ReLU."""
    emulator = networks.network(coefficients=None, activation="leaky_relu")
    return emulator, labels_in_range(emulator, N_BATCH)


NETWORKS = {"built-in": built_in, "synthetic": synthetic, "foreign": foreign}


def peers_of(mock):
    """Return the peers, with everything prepared that is needed only once per network."""
    double, single = Network(mock.emulator), Network(mock.emulator, np.float32)
    few = double, mock.flux[:N_SCIPY], mock.ivar[:N_SCIPY]
    many = single, mock.flux.astype(np.float32), mock.ivar.astype(np.float32)
    truth = double.scaled(mock.truth)

    def peer(name, tolerance, function, *arguments, **options):
        return Peer(name, partial(function, *arguments, **options), len(arguments[1]), tolerance)

    peers = [
        peer("scipy curve_fit", 1e-2, by_scipy.with_curve_fit, *few),
        peer("scipy curve_fit, as The Payne calls it", 1, by_scipy.as_the_payne, *few),
        peer("scipy least_squares, exact Jacobian", 1e-2, by_scipy.with_least_squares, *few),
        peer("NumPy float32 batches, pixels", 0.1, batched_numpy.with_pixels, *many),
        peer("  started at the truth", 0.1, batched_numpy.with_pixels, *many, starts=truth),
    ]
    if single.kinds[-2] == "identity":
        pairs = batched_numpy.basis_pairs(single)
        peers += [
            peer("NumPy float32 batches, bottleneck", 0.1, batched_numpy.with_bottleneck, *many, pairs=pairs)
        ]
    tensors = batched_torch.layers(single)
    return [
        *peers,
        peer("torch float32 batches, pixels", 0.1, batched_torch.with_torch, *many, tensors=tensors),
    ]


def agreement(mock, result, peer):
    """Return how many fits of a peer end in maury's, a higher, a lower minimum; deviation of the first."""
    network = Network(mock.emulator)
    x = peer.call()
    own = result.chi2[: peer.n]
    excess = chi2_of(network, x, mock) - own
    same, lower = np.abs(excess) < SAME, excess < -SAME
    assert lower.mean() <= may_miss(mock.emulator), f"{peer.name} found a lower minimum {lower.sum()} times"
    off = np.median(formal_errors_apart(network.labels(np.float64(x)), result)[same])
    assert off <= peer.tolerance, f"{peer.name} is off by {off:.2g} formal errors in the same minimum"
    return f"{same.sum():5d} {(excess > SAME).sum():6d} {lower.sum():5d} {off:9.0e}"


def table(emulator, truth, name, rounds):
    """Print one table."""
    mock = mock_spectra(emulator, truth, SNR)
    fit = partial(maury.fit_normalized, emulator, use_scatter=False, threads=1)
    result = fit(mock.flux, mock.ivar)
    assert result.converged.mean() >= 0.99
    off, above = off_minimum(mock, result)
    assert_minimum(emulator, off, above)
    peers = peers_of(mock)
    words = {peer.name: agreement(mock, result, peer) for peer in peers}
    counts = {
        "maury": N_BATCH,
        "maury, one spectrum a call": N_SINGLE,
        **{peer.name: peer.n for peer in peers},
    }
    rows = list(zip(mock.flux[:N_SINGLE], mock.ivar[:N_SINGLE], strict=True))
    seconds = in_turn(
        {
            "maury": lambda: fit(mock.flux, mock.ivar),
            "maury, one spectrum a call": lambda: [fit(*row) for row in rows],
            **{peer.name: peer.call for peer in peers},
        },
        rounds,
    )
    layers = "-".join(str(n) for n in (len(emulator.labels), *(len(bias) for bias in emulator.biases)))
    kinds = "/".join(dict.fromkeys(emulator.activations))
    print(f"\n{name} network: {layers}, {kinds}; S/N {SNR}")
    print(
        f"maury against scipy least_squares in float64 to the last digit: {(off <= 1e-3).sum()} of "
        f"{len(off)} within 1e-3 formal errors, the worst {off.max():.0e}"
    )
    print(f"{'':40} {'':11} {'':7}   its minimum against maury's")
    print(f"{'':40} {'ms/spectrum':>11} {'ratio':>7}  same higher lower  off by [formal errors]")
    each = {name: 1e3 * taken / counts[name] for name, taken in seconds.items()}
    for name, taken in each.items():
        print(f"{name:40} {taken:11.3f} {taken / each['maury']:7.3g} {words.get(name, '')}", flush=True)


def cannon_table(emulator, rounds):
    """Print how long The Cannon's own, simpler model takes to fit, if it is installed."""
    if not find_spec("thecannon"):
        print("\nThe Cannon: omitted, since annieslasso is not installed")
        return
    mock, cannon = by_cannon.prepare(emulator, SNR)
    fit = partial(maury.fit_normalized, emulator, mock.flux, mock.ivar, use_scatter=False, threads=1)
    off = np.median(np.abs(cannon() - mock.truth)[:, 0])
    assert fit().converged.all()
    assert off < 200, f"The Cannon's teff is off by {off:.0f} K"  # the accuracy of a quadratic
    seconds = in_turn({"maury": fit, "The Cannon's test step": cannon}, rounds)
    print(f"\nThe Cannon fits a quadratic model of its own; {len(mock)} FGK stars; S/N {SNR}")
    for name, taken in seconds.items():
        print(f"{name:40} {1e3 * taken / len(mock):11.3f} {taken / seconds['maury']:7.3g}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", choices=NETWORKS, help="only this one")
    parser.add_argument("--rounds", type=int, default=5, help="of each, the best counts")
    options = parser.parse_args()
    machine.print_header()
    for name, make in NETWORKS.items():
        if options.network in (None, name):
            table(*make(), name, options.rounds)
    if options.network in (None, "synthetic"):
        cannon_table(networks.network(), options.rounds)


if __name__ == "__main__":
    main()
