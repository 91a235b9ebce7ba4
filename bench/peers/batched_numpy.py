"""A bounded Levenberg-Marquardt for many spectra at once in NumPy, float32, as an expert would write it.

Each step of a batch is one matrix product a layer: a column for the value and one for each label's tangent. A
spectrum that has converged leaves its slot to the next. `PixelProblem` works on all pixels in every step, 16
spectra at a time, which keeps its arrays in the cache. `CompressedProblem` needs a network with a linear
bottleneck of K units: it forms the K x K normal matrix of each spectrum once and then steps in the space of
the K coefficients, 64 spectra at a time.
"""

import numpy as np
from peers.network import Network, activated

MOST_STEPS = 50
CHUNK = 128  # spectra whose normal matrices are made at once
# Stop when a step changes chi-square by less than this, by its linear model: 1 % of a formal error.
ENOUGH = np.float32(1e-4)
ROUNDING = np.float32(2e-7)  # of chi-square in float32
FIRST_DAMPING, MOST_DAMPING = 0.1, 1e3


def with_pixels(network, flux, ivar, starts=None, size=16):
    """Fit (N, P) spectra from the middle of the box, or scaled labels (N, L): scaled labels (N, L)."""
    return solve(PixelProblem(network, flux, ivar, size), network, len(flux), size, starts)


def basis_pairs(network):
    """Return the products of every two columns of the basis (P, K (K + 1) / 2), made once a network.

    With them the normal matrices G = B' W B of many spectra are one matrix product with their weights: half
    the work of full matrices, at the full speed of BLAS.
    """
    basis = network.weights[-1]
    i, j = np.triu_indices(basis.shape[1])
    return basis[:, i] * basis[:, j]


def with_bottleneck(network, flux, ivar, pairs, size=64):
    """Do the same in the space of the bottleneck, with the pairs of `basis_pairs`."""
    return solve(CompressedProblem(network, pairs, flux, ivar, size), network, len(flux), size)


def solve(problem, network, n, size, starts=None):
    """Minimise chi2 of n spectra, `size` at a time."""
    lower, upper = np.float32(network.lower), np.float32(network.upper)
    n_labels = len(lower)
    starts = np.float32(np.tile(network.middle, (n, 1)) if starts is None else starts)
    found = np.empty((n, n_labels), dtype=np.float32)
    size = min(size, n)
    spectrum = np.arange(size)  # that sits in each slot
    waiting = size
    diagonal = np.arange(n_labels)
    x = starts[:size].copy()
    trial = x.copy()
    chi2 = np.full(size, np.inf, dtype=np.float32)
    gradient = np.zeros((size, n_labels), dtype=np.float32)
    hessian = np.zeros((size, n_labels, n_labels), dtype=np.float32)
    damping = np.full(size, FIRST_DAMPING, dtype=np.float32)
    steps = np.zeros(size, dtype=int)
    problem.put(np.arange(size), spectrum)
    while len(spectrum):
        trial_chi2, trial_gradient, trial_hessian = problem.evaluate(trial)
        better = trial_chi2 <= chi2 + ROUNDING * trial_chi2
        damping *= np.where(better, np.float32(0.1), np.float32(10))
        damping[steps == 0] = FIRST_DAMPING
        np.maximum(damping, np.float32(1e-6), out=damping)
        x[better] = trial[better]
        chi2[better] = trial_chi2[better]
        gradient[better] = trial_gradient[better]
        hessian[better] = trial_hessian[better]
        steps += 1

        held = ((x <= lower) & (gradient > 0)) | ((x >= upper) & (gradient < 0))
        matrix = hessian.copy()
        matrix[:, diagonal, diagonal] *= 1 + damping[:, None]
        matrix[held[:, :, None] | held[:, None, :]] = 0
        matrix[:, diagonal, diagonal] += held
        slope = np.where(held, 0, gradient)
        trial = np.clip(x - np.linalg.solve(matrix, slope[:, :, None])[:, :, 0], lower, upper)
        gain = (slope * (x - trial)).sum(axis=1)
        small = gain <= np.maximum(ENOUGH, ROUNDING * chi2)
        done = small | (steps >= MOST_STEPS) | (damping > MOST_DAMPING)
        if not done.any():
            continue
        found[spectrum[done]] = np.where(small[done, None], trial[done], x[done])
        free = np.flatnonzero(done)
        new = np.arange(waiting, min(waiting + len(free), n))
        waiting += len(new)
        filled, empty = free[: len(new)], free[len(new) :]
        if len(filled):
            spectrum[filled] = new
            problem.put(filled, new)
            trial[filled], chi2[filled], steps[filled] = starts[new], np.inf, 0
        if len(empty):
            stay = np.ones(len(spectrum), dtype=bool)
            stay[empty] = False
            problem.keep(stay)
            spectrum, x, trial, chi2, gradient, hessian, damping, steps = (
                state[stay] for state in (spectrum, x, trial, chi2, gradient, hessian, damping, steps)
            )
    return found


class _Trunk:
    """All layers but the last: values and tangents of a batch, one product a layer."""

    def __init__(self, network: Network, n_labels):
        self.layers = list(zip(network.weights[:-1], network.biases[:-1], network.kinds[:-1], strict=True))
        self.n_labels = n_labels

    def __call__(self, x):
        """Return (B, 1 + L, H): the value, and its derivative by each label."""
        columns = None
        for weight, bias, kind in self.layers:
            if columns is None:
                columns = np.empty((len(x), 1 + self.n_labels, len(bias)), dtype=np.float32)
                columns[:, 0] = x @ weight.T
                columns[:, 1:] = weight.T
            else:
                columns = (columns.reshape(-1, weight.shape[1]) @ weight.T).reshape(*columns.shape[:2], -1)
            columns[:, 0] += bias
            if kind != "identity":
                columns[:, 0], slope = activated(kind, columns[:, 0])
                columns[:, 1:] *= slope[:, None]
        return columns


class PixelProblem:
    """Chi-square over the pixels."""

    def __init__(self, network, flux, ivar, size):
        n_labels = len(network.lower)
        self.trunk = _Trunk(network, n_labels)
        self.basis = network.weights[-1].T.copy()
        self.bias = network.biases[-1]
        self.flux, self.ivar = flux, ivar
        self.target = np.empty((size, flux.shape[1]), dtype=np.float32)
        self.root = np.empty_like(self.target)
        self.space = np.empty((size, 1 + n_labels, flux.shape[1]), dtype=np.float32)

    def put(self, slots, spectra):
        self.target[slots] = self.flux[spectra] - self.bias
        self.root[slots] = np.sqrt(self.ivar[spectra])

    def keep(self, stay):
        self.target, self.root = self.target[stay], self.root[stay]

    def evaluate(self, x):
        columns = self.trunk(x)
        product = self.space[: len(x)]
        np.matmul(
            columns.reshape(-1, columns.shape[2]), self.basis, out=product.reshape(-1, product.shape[2])
        )
        product[:, 0] -= self.target
        product *= self.root[:, None]
        gram = product @ product.transpose(0, 2, 1)
        return gram[:, 0, 0], gram[:, 1:, 0], gram[:, 1:, 1:]


class CompressedProblem:
    """chi2 = s - 2 c.h + h'Gh, with h the output of the bottleneck."""

    def __init__(self, network, pairs, flux, ivar, size):
        self.trunk = _Trunk(network, len(network.lower))
        self.basis = network.weights[-1]
        self.bias = network.biases[-1]
        n_columns = self.basis.shape[1] + 1
        self.all_grams = np.empty((len(flux), n_columns, n_columns), dtype=np.float32)
        for first in range(0, len(flux), CHUNK):
            rows = slice(first, first + CHUNK)
            self._compress(pairs, flux[rows], ivar[rows], self.all_grams[rows])
        self.gram = np.empty((size, n_columns, n_columns), dtype=np.float32)

    def _compress(self, pairs, flux, ivar, grams):
        i, j = np.triu_indices(self.basis.shape[1])
        grams[:, 1 + i, 1 + j] = grams[:, 1 + j, 1 + i] = ivar @ pairs
        residual = self.bias - flux
        weighted = ivar * residual
        grams[:, 0, 0] = np.einsum("np,np->n", weighted, residual)
        grams[:, 0, 1:] = grams[:, 1:, 0] = weighted @ self.basis

    def put(self, slots, spectra):
        self.gram[slots] = self.all_grams[spectra]

    def keep(self, stay):
        self.gram = self.gram[stay]

    def evaluate(self, x):
        columns = self.trunk(x)
        full = np.zeros((*columns.shape[:2], columns.shape[2] + 1), dtype=np.float32)
        full[:, 0, 0] = 1  # the residual is bias - flux + basis h
        full[:, :, 1:] = columns
        gram = full @ self.gram @ full.transpose(0, 2, 1)
        return gram[:, 0, 0], gram[:, 1:, 0], gram[:, 1:, 1:]
