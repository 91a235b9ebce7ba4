"""Print the tables of velocities of docs/resolution.md: injected shifts, and surveys against their headers.

    pip install --no-deps sdss-mangadap==4.5.0
    python tools/velocity_table.py FOLDER

FOLDER holds `sdss/` and `lamost_dr1/` with spectra. Nothing is known beforehand: the velocity is searched over
+-1000 km/s, whatever the file says.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

import maury
from maury.learn.reference import load_reference
from maury.spectra import SPEED_OF_LIGHT, assumed_ivar

SNRS = (20.0, 50.0, 100.0, 200.0)
MAX_SHIFT = 500.0  # km/s
N_STARS = 150


def chosen_stars() -> maury.Spectra:
    """MILES stars with all labels, 4000-7000 K, at rest."""
    stars = load_reference("miles")
    known = np.all([np.isfinite(values) for values in stars.labels.values()], axis=0)
    teff = stars.labels["teff"]
    usable = np.flatnonzero(known & (teff > 4000) & (teff < 7000))
    return stars[usable[np.linspace(0, len(usable) - 1, N_STARS).astype(int)]]


def moved(stars: maury.Spectra, snr: float, seed: int) -> tuple[maury.Spectra, np.ndarray]:
    """Stars with noise, at velocities known to us alone (c*z, km/s): moved by their wavelengths."""
    random = np.random.default_rng(seed)
    rv = random.uniform(-MAX_SHIFT, MAX_SHIFT, len(stars))
    ivar = assumed_ivar(stars.flux, stars.mask, snr=snr)
    noise = np.divide(1.0, np.sqrt(ivar), out=np.zeros_like(ivar), where=ivar > 0)
    return maury.Spectra(
        np.atleast_2d(stars.wavelength) * (1 + rv / SPEED_OF_LIGHT)[:, None],
        stars.flux + noise * random.standard_normal(ivar.shape),
        ivar,
        mask=stars.mask,
        lsf=stars.lsf * (1 + rv / SPEED_OF_LIGHT)[:, None],
    ), rv


def width(values: np.ndarray) -> float:
    """Robust sigma."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def line(name: str, snr: float, got: np.ndarray, error: np.ndarray, rv: np.ndarray) -> str:
    """One line of the table of injected shifts."""
    off = got - rv
    pull = off / error
    return (
        f"| {name} | {snr:.0f} | {np.median(off):+.2f} | {width(off):.2f} | {np.median(error):.2f} | "
        f"{np.median(pull):+.2f} | {width(pull):.2f} | {np.std(pull):.2f} | {np.sum(np.abs(off) > 50)} |"
    )


def injected() -> None:
    """Shifts of +-500 km/s, of the emulator's own spectra and of stars."""
    emulator = maury.Emulator.load()
    stars = chosen_stars()
    labels = np.column_stack([stars.labels[name] for name in emulator.labels])
    planck = emulator.wavelength**-5.0 / np.expm1(1.43877e8 / (emulator.wavelength * labels[:, :1]))
    # The scatter of the emulator is what a star may differ by; here nothing does.
    made = maury.Spectra(
        emulator.wavelength,
        emulator.predict(labels) * planck,
        np.ones(planck.shape),
        lsf=np.broadcast_to(emulator.lsf, planck.shape),
    )
    # Without noise, at rest: where the fit sees the lines of a star, for reasons of its own.
    still, zero = moved(stars, 1e4, 0)
    own = maury.fit(still)["rv"].value - zero
    print(f"stars at S/N 10,000: median {np.median(own):+.2f}, width {width(own):.2f} km/s\n")
    head = "spectra|S/N|median|width|error|pull: median|width|std|off by 50".split("|")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for snr in SNRS:
        spectra, rv = moved(made, snr, int(snr))
        table = maury.fit(spectra, use_scatter=False)
        print(line("emulator", snr, table["rv"].value, table["rv_err"].value, rv), flush=True)
    for snr in SNRS:
        spectra, rv = moved(stars, snr, int(snr))
        table = maury.fit(spectra)
        got, error = table["rv"].value, table["rv_err"].value
        print(line("stars", snr, got, error, rv))
        print(line("stars, less their own at S/N 10,000", snr, got - own, error, rv), flush=True)


def surveys(folder: Path) -> None:
    """Velocities of SDSS and LAMOST against their headers."""
    print("\n| spectra | n | median | MAD | worst | \n|---|---|---|---|---|")
    for name in ("sdss", "lamost_dr1"):
        spectra = maury.read_spectra(sorted((folder / name).glob("*.fits")))
        listed = spectra.rv
        table = maury.fit(replace_rv(spectra))
        off = table["rv"].value - listed
        worst = int(np.nanargmax(np.abs(off)))
        print(
            f"| {name} | {len(off)} | {np.nanmedian(off):+.1f} | {np.nanmedian(np.abs(off - np.nanmedian(off))):.1f} | "
            f"{off[worst]:+.1f} ({spectra.visit_id[worst]}) |"
        )
        for i in np.argsort(-np.abs(off))[:8]:
            print(
                f"  {spectra.visit_id[i]} {Path(spectra.file[i]).name} listed {listed[i]:+.1f} got {table['rv'][i]:+.1f} "
                f"+- {table['rv_err'][i]:.1f} snr {table['snr'][i]:.0f} teff {table['teff'][i]:.0f} rchi2 {table['rchi2'][i]:.2f}"
            )


def replace_rv(spectra: maury.Spectra) -> maury.Spectra:
    """Forget the velocities."""
    return replace(spectra, rv=np.full(len(spectra), np.nan))


def main() -> None:
    """Measure, compare, print Markdown."""
    surveys(Path(sys.argv[1]))
    injected()


if __name__ == "__main__":
    main()
