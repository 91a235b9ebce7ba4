"""What noise, resolution and gaps do to labels through the running median, and what is left once undone.

    python tools/median_bias.py

Stars of MILES that the built-in emulator never saw get noise, a broader instrument or gaps before the running
median is taken, and are measured with and without `maury.measure.continuum.median_ratio`. Printed is the median
over stars of the label less that of the star as it comes, in Markdown. Takes some minutes.
"""

from dataclasses import replace
from unittest.mock import patch

import numpy as np
from scipy.ndimage import gaussian_filter1d

import maury
from maury.learn.reference import load_reference
from maury.measure import pipeline
from maury.spectra import FWHM_PER_SIGMA

DRAWS = 4
CASES = [  # FWHM [Angstrom], S/N, gaps
    *((None, snr, False) for snr in (10, 20, 30, 100)),
    *((5.0, snr, False) for snr in (10, 50)),
    (None, 30, True),
]


def worsened(spectra, fwhm, snr, gaps, rng):
    """Return spectra broadened from the 2.5 of MILES to `fwhm` Angstrom, with noise, and gaps of 50 pixels."""
    flux, mask = np.where(spectra.mask, 1.0, spectra.flux), spectra.mask.copy()
    lsf = spectra.lsf
    if fwhm is not None:
        step = np.median(
            np.diff(spectra.wavelength[0] if spectra.wavelength.ndim == 2 else spectra.wavelength)
        )
        flux = gaussian_filter1d(flux, np.sqrt(fwhm**2 - 2.5**2) / FWHM_PER_SIGMA / step, axis=1)
        lsf = np.full(flux.shape, fwhm / FWHM_PER_SIGMA)
    noise = np.abs(flux) / snr
    if gaps:
        for row in mask:
            for first in rng.choice(mask.shape[1] - 50, 15, replace=False):
                row[first : first + 50] = True
    flux = flux + noise * rng.normal(size=flux.shape)
    return replace(spectra, flux=flux, ivar=1 / noise**2, mask=mask, lsf=lsf)


def labels(spectra, emulator, undo):
    """Return labels (N, L), with the running median put right or not."""
    if undo:
        catalog = maury.fit(spectra, emulator)
    else:
        with patch.object(pipeline, "median_ratio", lambda observed, *_: np.ones_like(observed.flux)):
            catalog = maury.fit(spectra, emulator)
    return np.column_stack([catalog[name].value for name in emulator.labels])


def main():
    """Print the table."""
    emulator = maury.Emulator.load("default")
    stars = load_reference("miles")
    teff = stars.labels["teff"]
    stars = stars[np.isin(stars.star_id, emulator.meta["validation_stars"]) & (teff > 4000)]
    groups = {"4000-6500 K": stars.labels["teff"] < 6500, "hotter": stars.labels["teff"] >= 6500}
    as_it_comes = labels(stars, emulator, undo=False)
    print(
        "| stars | FWHM [A] | S/N | gaps | | Teff [K] | log g | [Fe/H] |\n|---|---|---|---|---|---|---|---|"
    )
    for fwhm, snr, gaps in CASES:
        off = {True: [], False: []}
        for draw in range(DRAWS):
            spectra = worsened(stars, fwhm, snr, gaps, np.random.default_rng(draw))
            for undo, differences in off.items():
                differences.append(labels(spectra, emulator, undo) - as_it_comes)
        for name, rows in groups.items():
            for undo, word in ((False, "as taken"), (True, "put right")):
                t, g, m = np.nanmedian(np.concatenate([d[rows] for d in off[undo]]), axis=0)
                print(
                    f"| {name}, {rows.sum()} | {fwhm or 2.5} | {snr} | {'yes' if gaps else 'no'} | {word} "
                    f"| {t:+.0f} | {g:+.3f} | {m:+.3f} |"
                )


if __name__ == "__main__":
    main()
