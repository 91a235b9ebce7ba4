"""Training with labels that are uncertain, incomplete or on two scales, on made-up stars of known truth.

The spectra are those of the built-in emulator (with [alpha/Fe]: those of `synthetic.py`) at labels near those
of its stars, with noise, and with errors that are correlated over pixels, as misfits are. Stars that were not
used are measured, and compared with the truth.
"""

import argparse

import numpy as np
import synthetic
from scipy.ndimage import gaussian_filter1d

import maury
from maury.labels import offset_and_mad
from maury.learn.recipe import Recipe
from maury.learn.select import select
from maury.learn.zero_points import to_one_scale

LABELS = ("teff", "logg", "fe_h")
ERROR = np.array([100.0, 0.2, 0.1])
SPREAD = (-0.7, 0.5)  # log10 of the factor by which errors differ between stars
SHIFT = np.array([-73.0, 0.0, -0.15])  # of the labels of the second source
JITTER = np.array([60.0, 0.1, 0.1])  # between the stars that are made and those of the emulator
NOISE, MISFIT, LENGTH = 0.015, 0.01, 20.0  # of flux; pixels
N_TRAIN, N_TEST = 600, 400
WAVELENGTH = (4200.0, 6800.0)


def made_up(n, rng, alpha=False):
    """Return spectra of n FGK stars, with their true labels."""
    emulator = maury.Emulator.load()
    known = emulator.training_labels
    known = known[(known[:, 0] > 4100) & (known[:, 0] < 6900)]
    truth = known[rng.integers(len(known), size=n)] + JITTER * rng.standard_normal((n, 3))
    truth = np.clip(truth, *emulator.bounds.T)
    if alpha:
        truth[:, 2] = np.clip(truth[:, 2], synthetic.LOW[2], synthetic.HIGH[2])
        alpha_fe = np.clip(0.1 * rng.standard_normal(n) - 0.2 * truth[:, 2], -0.25, 0.6)
        truth = np.column_stack([truth, alpha_fe])
        first, last = np.searchsorted(synthetic.WAVELENGTH, (WAVELENGTH[0] - 50, WAVELENGTH[1] + 50))
        wavelength = synthetic.WAVELENGTH[first:last]
        flux = synthetic.spectra(np.column_stack([truth, np.full(n, 0.25)]))[:, first:last]
        flux = flux / np.median(flux, axis=1, keepdims=True)
    else:
        wavelength, flux = emulator.wavelength, emulator.predict(truth)
    misfit = gaussian_filter1d(rng.standard_normal(flux.shape), LENGTH) * np.sqrt(2 * LENGTH * np.sqrt(np.pi))
    flux = flux + MISFIT * misfit + NOISE * rng.standard_normal(flux.shape)
    names = (*LABELS, "alpha_fe")[: truth.shape[1]]
    return maury.Spectra(
        wavelength,
        flux,
        np.full(flux.shape, NOISE**-2),
        rv=0.0,
        labels=dict(zip(names, truth.T, strict=True)),
    )


def table_of(spectra):
    return np.column_stack(list(spectra.labels.values()))


def with_labels(spectra, labels):
    """Return the spectra with other labels (n, L)."""
    changed = spectra[:]
    changed.labels = dict(zip(spectra.labels, labels.T.copy(), strict=True))
    return changed


def show(what, train, unseen, **options):
    """Train, and print slope - 1, offset and MAD of the labels of unseen stars."""
    emulator = maury.train(train, folds=0, wavelength=WAVELENGTH, validation_fraction=0.0, **options)
    chosen = select(unseen, emulator.labels, emulator.wavelength, emulator.window)
    found, truth = maury.fit_normalized(emulator, chosen.flux, chosen.ivar).labels, chosen.labels
    words = []
    for j, label in enumerate(emulator.labels):
        digits = 0 if label == "teff" else 3
        difference = found[:, j] - truth[:, j]
        offset, mad = offset_and_mad(difference)
        slope = np.polyfit(truth[:, j], difference, 1)[0]
        words.append(f"{slope:+.3f} {offset:+.{digits}f} {mad:.{digits}f}")
    print(f"| {what} | {' | '.join(words)} |", flush=True)


def errors(seed):
    rng = np.random.default_rng(seed)
    train, unseen = made_up(N_TRAIN, rng), made_up(N_TEST, rng)
    truth = table_of(train)
    show("exact labels", train, unseen)
    factors = np.ones((N_TRAIN, 1)), 10 ** rng.uniform(*SPREAD, (N_TRAIN, 1))
    for what, factor in zip(("equal errors", "unequal errors"), factors, strict=True):
        size = factor * ERROR
        given = with_labels(train, truth + size * rng.standard_normal(truth.shape))
        show(f"{what}, not told", given, unseen)
        show(f"{what}, told", given, unseen, label_errors=dict(zip(LABELS, size.T, strict=True)))


def missing(seed, label, fraction):
    rng = np.random.default_rng(seed)
    train, unseen = (made_up(n, rng, alpha=label == "alpha_fe") for n in (N_TRAIN, N_TEST))
    lack = rng.random(N_TRAIN) < fraction
    show("all known", train, unseen)
    show(f"{label} missing for {fraction:.0%}, these left out", train[~lack], unseen)
    train.labels[label][lack] = np.nan
    show(f"{label} missing for {fraction:.0%}, kept", train, unseen)


def two_sources(seed):
    rng = np.random.default_rng(seed)
    train, unseen = made_up(N_TRAIN, rng), made_up(N_TEST, rng)
    other = rng.random(N_TRAIN) < 0.4
    given = table_of(train) + 0.5 * ERROR * rng.standard_normal((N_TRAIN, 3)) + other[:, None] * SHIFT
    train = with_labels(train, given)
    show("two sources, not told", train, unseen)
    train.source = np.where(other, "B", "A")
    show("two sources, told", train, unseen)


def zero_points(seed, n=5):
    """Print the zero points of several sets in units of their errors, given minus planted."""
    for k in range(n):
        rng = np.random.default_rng([seed, k])
        train = made_up(N_TRAIN, rng)
        other = rng.random(N_TRAIN) < 0.4
        given = table_of(train) + 0.5 * ERROR * rng.standard_normal((N_TRAIN, 3)) + other[:, None] * SHIFT
        train = with_labels(train, given)
        train.source = np.where(other, "B", "A")
        chosen = select(train, None, WAVELENGTH, Recipe.window)
        told = to_one_scale(chosen, np.ones(N_TRAIN, dtype=bool), Recipe())[1]["zero_points"]["sources"]["B"]
        cells = ["{:.4g} +- {:.2g}".format(*told[label]) for label in LABELS]
        print(f"| set {k + 1} | {' | '.join(cells)} |", flush=True)


PARTS = {
    "zero": zero_points,
    "errors": errors,
    "fe_h": lambda seed: missing(seed, "fe_h", 0.5),
    "alpha": lambda seed: missing(seed, "alpha_fe", 0.7),
    "sources": two_sources,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    print("| training | slope - 1, offset, MAD of: Teff [K] | log g | [Fe/H] | [alpha/Fe] |")
    print("|---|---|---|---|---|")
    for part in options.parts:
        PARTS[part](options.seed)
