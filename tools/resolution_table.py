"""Print the tables of docs/resolution.md and draw its figure: the same stars at four resolutions.

    pip install --no-deps sdss-mangadap==4.5.0
    python tools/resolution_table.py FOLDER

FOLDER has `theory/kurucz_stds_v5.fit`, `stars/spEigenStar-55734.fits` and `stars/spEigenStar_labels.csv`.
As in fig. 14 of Imig et al. (2021): every star is broadened to the curves below which 60, 75, 90 and 99.5 %
of the spectra of MaStar are, rebinned to the pixels of MaStar with noise, and measured, with and without its
line-spread function.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table
from scipy.interpolate import CubicSpline
from scipy.sparse import csr_array
from scipy.special import ndtr
from scipy.stats import norm
from velocity_table import emulated

import maury
from maury.reference.load import load_reference
from maury.spectra import FWHM_PER_SIGMA, assumed_ivar

FIGURE = Path(__file__).parents[1] / "docs" / "images" / "resolution.png"
LABELS = ("teff", "logg", "fe_h")
PERCENT = (60.0, 75.0, 90.0, 99.5)
SNR = 100.0
SEEDS = (None, 0, 1, 2)  # of the noise; None = no noise
STEP = 0.1  # A, of the grid on which spectra are broadened
# MaStar: R of the 99.5 % curve, and of the mean of all spectra, at these wavelengths.
KNOTS = np.array([3700.0, 4500.0, 5500.0, 6500.0, 8000.0])
R_COARSEST = np.array([1150.0, 1210.0, 1530.0, 1610.0, 1950.0])
R_MEAN = np.array([1440.0, 1700.0, 1860.0, 1800.0, 2085.0])
SHOWN = (3700, 4500, 5500, 6500, 7300)  # A, in the table of curves
COLOURS = ("tab:blue", "tab:green", "gold", "tab:red")
# FWHM [A] of the samples. SDSS: the same stars in MILES, broadened until they agree, window by window.
# Kurucz: R = 1850.
SDSS_FWHM = ([3850, 4150, 5600, 6000, 6350, 6800, 7175], [3.28, 3.13, 3.13, 3.43, 3.43, 4.14, 3.43])
KURUCZ_FWHM = ([3600, 7400], [3600 / 1850, 7400 / 1850])
PIXEL_EDGE = 10.0 ** (3.5589 - 5e-5 + 1e-4 * np.arange(3091))  # the pixels of MaStar in the range of MILES
PIXEL = 10.0 ** (3.5589 + 1e-4 * np.arange(3090))


@dataclass(frozen=True)
class Source:
    """Stars (N, ...) without noise: flux on `fine`, line-spread function sigma [A] on PIXEL, Teff."""

    name: str
    fine: np.ndarray
    flux: np.ndarray
    sigma: np.ndarray
    teff: np.ndarray


def curve(percent: float) -> np.ndarray:
    """Sigma [A] below which a fraction of all spectra is, at PIXEL.

    Sigma is assumed to be normal at each wavelength, about its mean, with 99.5 % below the widest curve:
    s(p) = s_mean + (s_99.5 - s_mean) z(p) / z(99.5).
    """
    mean, coarsest = (KNOTS / (R * FWHM_PER_SIGMA) for R in (R_MEAN, R_COARSEST))
    at_knots = mean + (coarsest - mean) * norm.ppf(percent / 100) / norm.ppf(0.995)
    return np.interp(PIXEL, KNOTS, at_knots)


def seen(fine: np.ndarray, flux: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Flux (N, P) in the pixels, through a Gaussian of sigma (P,) [A]; 0 = none.

    The fraction of cell [a, b] of the fine grid in pixel [l, h] is, with H(x) = x Phi(x) + phi(x), the
    integral of the normal distribution:  s / (h - l) (H((h-a)/s) - H((h-b)/s) - H((l-a)/s) + H((l-b)/s)).
    """
    sigma = np.fmax(sigma, 1e-4)[:, None]
    low, high = PIXEL_EDGE[:-1, None], PIXEL_EDGE[1:, None]
    reach = int(6 * sigma.max() / STEP) + 12
    cell = np.rint((PIXEL[:, None] - fine[0]) / STEP).astype(int) + np.arange(-reach, reach + 1)

    def part(end: np.ndarray, edge: np.ndarray) -> np.ndarray:
        x = (end - edge) / sigma
        return x * ndtr(x) + norm.pdf(x)

    a, b = fine[0] + (cell - 0.5) * STEP, fine[0] + (cell + 0.5) * STEP
    weight = sigma / (high - low) * (part(high, a) - part(high, b) - part(low, a) + part(low, b))
    rows = np.repeat(np.arange(len(PIXEL)), cell.shape[1])
    matrix = csr_array((weight.ravel(), (rows, cell.ravel())), shape=(len(PIXEL), len(fine)))
    return np.ascontiguousarray((matrix @ flux.T).T)


def on_fine(wavelength: np.ndarray, flux: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Spectra (N, P) averaged over pixels, in steps of STEP: centres, and averages with the same integral."""
    middle = 0.5 * (wavelength[1:] + wavelength[:-1])
    integral = np.zeros((len(flux), len(middle)))
    integral[:, 1:] = np.cumsum(flux[:, 1:-1] * np.diff(middle), axis=1)
    edge = np.arange(max(middle[0], 3560.0), min(middle[-1], 7470.0), STEP)
    return edge[:-1] + STEP / 2, np.diff(CubicSpline(middle, integral, axis=1)(edge), axis=1) / STEP


def miles_stars() -> tuple[np.ndarray, maury.Spectra]:
    """Training stars of the built-in emulator: every fourth below 7000 K, every other above."""
    stars = load_reference("miles")
    unseen = maury.Emulator.load().meta["validation_stars"]
    known = np.all([np.isfinite(stars.labels[name]) for name in LABELS], axis=0)
    teff = stars.labels["teff"]
    whole = ~stars.mask[:, (stars.wavelength > 3600) & (stars.wavelength < 7400)].any(axis=1)
    usable = np.flatnonzero(known & whole & (teff > 4000) & (teff < 13000) & ~np.isin(stars.star_id, unseen))
    chosen = np.concatenate([usable[teff[usable] < 7000][::4], usable[teff[usable] >= 7000][::2]])
    return teff[chosen], stars[chosen]


def sources(folder: Path) -> list[Source]:
    """All stars, by sample."""
    emulator = maury.Emulator.load()
    emulator_sigma = np.interp(PIXEL, emulator.wavelength, emulator.lsf)
    kurucz_sigma, sdss_sigma = (np.interp(PIXEL, *w) / FWHM_PER_SIGMA for w in (KURUCZ_FWHM, SDSS_FWHM))
    teff, stars = miles_stars()
    fine, flux = on_fine(stars.wavelength, stars.flux)
    made = [Source("MILES stars", fine, flux, emulator_sigma, teff)]

    predicted = emulated(stars, emulator)
    fine, flux = on_fine(predicted.wavelength, predicted.flux)
    made.append(Source("emulator's spectra", fine, flux, emulator_sigma, teff))

    with fits.open(folder / "theory" / "kurucz_stds_v5.fit") as hdus:
        header, flux = hdus[0].header, hdus[0].data.astype(float)
        wavelength = 10.0 ** (header["CRVAL1"] + header["CD1_1"] * np.arange(flux.shape[1]))
        fine, flux = on_fine(wavelength[600:4100], flux[:, 600:4100])
        made.append(Source("Kurucz models", fine, flux, kurucz_sigma, hdus[1].data["TEFF"]))

    listed = Table.read(folder / "stars" / "spEigenStar_labels.csv", format="csv").filled(np.nan)
    listed = listed[(listed["teff"] > 4000) & (listed["teff"] < 13000)]
    with fits.open(folder / "stars" / "spEigenStar-55734.fits") as hdus:
        header, flux = hdus[0].header, hdus[0].data[listed["row"]].astype(float)
        wavelength = 10.0 ** (header["COEFF0"] + header["COEFF1"] * np.arange(flux.shape[1]))
        fine, flux = on_fine(wavelength, flux)
        made.append(Source("stars of SDSS", fine, flux, sdss_sigma, np.asarray(listed["teff"])))
    return made


@dataclass(frozen=True)
class Measured:
    """Labels (seeds, N, 3) and their errors."""

    labels: np.ndarray
    errors: np.ndarray


def measure(source: Source, sigma: np.ndarray, added: np.ndarray, *, told: bool) -> Measured:
    """Measure the stars at a resolution, with their lsf (told) or without; the noise is the same for all."""
    flux = seen(source.fine, source.flux, added)
    noise = 1 / np.sqrt(assumed_ivar(flux, snr=SNR))
    out = []
    for seed in SEEDS:
        draw = 0.0 if seed is None else np.random.default_rng(seed).standard_normal(flux.shape)
        spectra = maury.Spectra(PIXEL, flux + draw * noise, noise**-2, lsf=sigma if told else None)
        table = maury.fit(spectra)
        labels, errors = (
            np.column_stack([table[name + end].value for name in LABELS]) for end in ("", "_err")
        )
        out.append((labels, errors))
    return Measured(*(np.stack(part) for part in zip(*out, strict=True)))


def run(source: Source) -> tuple[Measured, dict[bool, list[Measured]]]:
    """Measure the original stars, and the stars at the four curves: with (True) and without their lsf."""
    as_it_comes = measure(source, source.sigma, np.zeros(len(PIXEL)), told=True)
    found: dict[bool, list[Measured]] = {True: [], False: []}
    for percent in PERCENT:
        sigma = np.fmax(curve(percent), source.sigma)
        added = np.sqrt(sigma**2 - source.sigma**2)
        for told, parts in found.items():
            parts.append(measure(source, sigma, added, told=told))
    return as_it_comes, found


def rows(source: Source, as_it_comes: Measured, found: dict[bool, list[Measured]]) -> list[str]:
    """Lines of the table: median of labels minus the original, spread of the four, rms per star, error."""
    lines = []
    for group, inside in (("4000-7000 K", source.teff <= 7000), ("hotter", source.teff > 7000)):
        if inside.sum() < 3:
            continue
        for told in (False, True):
            labels = np.stack([m.labels for m in found[told]])[:, :, inside]  # (4, seeds, N, 3)
            bias = np.median((labels - as_it_comes.labels[:, inside])[:, 1:].mean(axis=1), axis=1)
            off = labels - labels.mean(axis=0)
            noiseless, noisy = (np.sqrt((d**2).mean(axis=(0, 1, 2))) for d in (off[:, :1], off[:, 1:]))
            error = np.median(found[told][0].errors[:, inside], axis=(0, 1))
            spread = np.ptp(bias, axis=0)
            for k, (name, style) in enumerate((("Teff [K]", "+.1f"), ("log g", "+.3f"), ("[Fe/H]", "+.3f"))):
                plain = style.removeprefix("+")
                numbers = [f"{value:{style}}" for value in bias[:, k]]
                numbers += [f"{value[k]:{plain}}" for value in (spread, noiseless, noisy, error)]
                lines.append(
                    f"| {source.name}, {group}, {inside.sum()} | {'yes' if told else 'no'} | {name} | "
                    f"{' | '.join(numbers)} |"
                )
    return lines


def draw(source: Source, found: dict[bool, list[Measured]]) -> None:
    """As fig. 14 of the paper: each label at the four curves minus their median, against Teff."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 7), layout="constrained")
    axes = figure.subplots(3, 2, sharex=True, sharey="row")
    inside = source.teff <= 7000
    for column, told in enumerate((False, True)):
        labels = np.stack([m.labels[1:].mean(axis=0) for m in found[told]])[:, inside]
        difference = labels - np.median(labels, axis=0)
        for k, name in enumerate(("Teff [K]", "log g", "[Fe/H]")):
            axis = axes[k, column]
            for percent, values, colour in zip(PERCENT, difference, COLOURS, strict=True):
                axis.plot(source.teff[inside], values[:, k], ".", ms=5, color=colour, label=f"{percent:g} %")
                axis.axhline(np.median(values[:, k]), color=colour, lw=1)
            if not told:
                axis.set_ylabel(f"{name}, minus median")
        axes[0, column].set_title("line-spread function " + ("given" if told else "not given"))
        axes[2, column].set_xlabel("Teff [K]")
    axes[0, 0].legend(ncol=4, fontsize="small")
    figure.savefig(FIGURE, dpi=110)


def main() -> None:
    """Measure, compare, print Markdown, draw."""
    print("| FWHM [Å] at |", " | ".join(f"{w:.0f}" for w in SHOWN), "|\n|---|" + "---|" * len(SHOWN))
    for percent in PERCENT:
        widths = np.interp(SHOWN, PIXEL, curve(percent)) * FWHM_PER_SIGMA
        print(f"| {percent:g} % |", " | ".join(f"{width:.2f}" for width in widths), "|")
    columns = ("spread", "rms, no noise", "rms", "error")
    head = ["stars", "lsf given", "label", *(f"{p:g} %" for p in PERCENT), *columns]
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for source in sources(Path(sys.argv[1])):
        as_it_comes, found = run(source)
        print("\n".join(rows(source, as_it_comes, found)), flush=True)
        if source.name == "MILES stars":
            draw(source, found)


if __name__ == "__main__":
    main()
