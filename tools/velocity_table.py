"""Print the tables of velocities of docs/resolution.md: injected shifts, and surveys against their headers.

    pip install --no-deps sdss-mangadap==4.5.0
    python tools/velocity_table.py FOLDER

FOLDER contains spectra in `sdss/` and `lamost_dr1/`, and `lamost_dr1/labels.csv` (filename, rv, ...).
Velocities are unknown beforehand: they are searched over +-1000 km/s, whatever the velocity in the file.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy.interpolate import CubicSpline

import maury
from maury.reference.load import load_reference
from maury.spectra import SPEED_OF_LIGHT, assumed_ivar

SNRS = (20.0, 50.0, 100.0, 200.0)
MAX_SHIFT = 500.0  # km/s
NO_NOISE = 1e6  # S/N


def chosen_stars() -> maury.Spectra:
    """Every other MILES star with all labels, 4000-7000 K, at rest."""
    stars = load_reference("miles")
    known = np.all([np.isfinite(values) for values in stars.labels.values()], axis=0)
    teff = stars.labels["teff"]
    return stars[np.flatnonzero(known & (teff > 4000) & (teff < 7000))[::2]]


def emulated(stars: maury.Spectra, emulator: maury.Emulator) -> maury.Spectra:
    """Spectra of the emulator where the stars have pixels, multiplied by the running median of the stars."""
    labels = np.column_stack([stars.labels[name] for name in emulator.labels])
    here = shared(stars, emulator)
    wavelength = emulator.wavelength[here]
    on_grid = np.ascontiguousarray(CubicSpline(stars.wavelength, stars.flux, axis=1)(wavelength))
    flux = emulator.predict(labels)[:, here] / np.sqrt(assumed_ivar(on_grid, snr=1.0))
    return maury.Spectra(wavelength, flux, np.ones(flux.shape), lsf=emulator.lsf[here])


def shared(stars: maury.Spectra, emulator: maury.Emulator) -> np.ndarray:
    """Which pixels (P,) of the emulator lie between the first and the last of the stars."""
    return (emulator.wavelength >= stars.wavelength[0]) & (emulator.wavelength <= stars.wavelength[-1])


def moved(
    stars: maury.Spectra, snr: float, rv: np.ndarray, noise_snr: float, scatter: np.ndarray | float = 0.0
) -> maury.Spectra:
    """Stars shifted to known velocities (c*z, km/s), by their wavelengths.

    Their nominal S/N is `snr`; their noise corresponds to `noise_snr`, and to the scatter.
    """
    random = np.random.default_rng(int(snr))
    ivar = assumed_ivar(stars.flux, stars.mask, snr=snr)
    continuum = np.divide(snr, np.sqrt(ivar), out=np.zeros_like(ivar), where=ivar > 0)
    noise = random.standard_normal(ivar.shape) / noise_snr + random.standard_normal(ivar.shape) * scatter
    doppler = (1 + rv / SPEED_OF_LIGHT)[:, None]
    return maury.Spectra(
        stars.wavelength * doppler,
        stars.flux + continuum * noise,
        ivar,
        mask=stars.mask,
        lsf=stars.lsf * doppler,
    )


def width(values: np.ndarray) -> float:
    """Robust sigma."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def line(name: str, snr: float, off: np.ndarray, error: np.ndarray) -> str:
    """One line of the table of injected shifts."""
    pull = off / error
    return (
        f"| {name} | {snr:.0f} | {np.median(off):+.2f} | {width(off):.2f} | {np.abs(off).max():.1f} | "
        f"{np.median(error):.2f} | {width(pull):.2f} | {np.std(pull):.2f} |"
    )


def injected() -> None:
    """Shifts of +-500 km/s, of the emulator's own spectra and of stars."""
    emulator = maury.Emulator.load()
    stars = chosen_stars()
    rv = np.random.default_rng(0).uniform(-MAX_SHIFT, MAX_SHIFT, len(stars))
    head = ["spectra", "S/N", "median", "width", "worst", "error", "width of pulls", "std of pulls"]
    print(f"\n{len(stars)} stars\n\n| {' | '.join(head)} |\n|{'---|' * len(head)}")

    made = emulated(stars, emulator)
    for snr in SNRS:
        table = maury.fit(moved(made, snr, rv, snr, emulator.scatter[shared(stars, emulator)]))
        print(line("emulator, noise and scatter", snr, table["rv"].value - rv, table["rv_err"].value))
    for snr in SNRS:
        found, still = (
            maury.fit(moved(made, snr, rv, noise_snr), use_scatter=False) for noise_snr in (snr, NO_NOISE)
        )
        off = (found["rv"] - still["rv"]).value
        print(line("emulator, noise alone, minus the same without", snr, off, found["rv_err"].value))
    for snr in SNRS:
        found, still = (maury.fit(moved(stars, snr, rv, noise_snr)) for noise_snr in (snr, NO_NOISE))
        error = found["rv_err"].value
        print(line("stars, no noise", snr, still["rv"].value - rv, error))
        print(line("stars, minus the same without noise", snr, (found["rv"] - still["rv"]).value, error))


def surveys(folder: Path) -> None:
    """Velocities of SDSS and LAMOST compared with those of their pipelines."""
    known = Table.read(folder / "lamost_dr1" / "labels.csv")
    listed = dict(zip(known["filename"], known["rv"], strict=True))
    worst = []
    print("| spectra | n | compared with | median | MAD | more than 10 km/s off |\n|---|---|---|---|---|---|")
    for name, arm_rv in (("sdss", False), ("lamost_dr1", False), ("lamost_dr1", True)):
        spectra = maury.read_spectra(sorted((folder / name).glob("*.fits")))
        table = maury.fit(replace(spectra, rv=np.full(len(spectra), np.nan)), arm_rv=arm_rv)
        rv = table["rv"].value
        in_list = np.array([listed.get(Path(file).name, np.nan) for file in spectra.file])
        for against, values in (("header", spectra.rv), ("list", in_list)):
            off = (rv - values)[np.isfinite(values)]
            if len(off):
                mad = np.median(np.abs(off - np.median(off)))
                far = np.sum(np.abs(off) > 10)
                which = f"{name}, blue arm" if arm_rv else name
                print(f"| {which} | {len(off)} | {against} | {np.median(off):+.1f} | {mad:.1f} | {far} |")
        if arm_rv:
            continue
        for i in np.flatnonzero(np.abs(rv - spectra.rv) > 10):
            measured = f"{rv[i]:+.0f} ± {table['rv_err'][i].value:.0f}"
            in_catalogue = f"{in_list[i]:+.0f}" if np.isfinite(in_list[i]) else ""
            worst.append(
                f"| {Path(spectra.file[i]).stem} | {table['snr'][i]:.0f} | {spectra.rv[i]:+.0f} | "
                f"{in_catalogue} | {measured} | {table['teff'][i].value:.0f} |"
            )
    print("\n| spectrum | S/N | header | list | measured | Teff [K] |\n|---|---|---|---|---|---|")
    print("\n".join(worst))


def main() -> None:
    """Measure, compare, print Markdown."""
    surveys(Path(sys.argv[1]))
    injected()


if __name__ == "__main__":
    main()
