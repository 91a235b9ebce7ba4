"""Print the table of docs/lamost.md: LAMOST DR1 spectra measured by the built-in emulator for LAMOST.

    python tools/lamost_table.py FOLDER

FOLDER contains the spectra and `labels.csv` (filename, snrg, teff, logg, feh, ...).
"""

import sys
from pathlib import Path

import numpy as np
from astropy.table import Table

import maury

SNR_MIN = 20
FGK = (4000, 6500)  # K
NAMES = ("Teff", "log g", "[Fe/H]")


def main() -> None:
    """Measure, compare, print Markdown."""
    folder = Path(sys.argv[1])
    known = Table.read(folder / "labels.csv")
    catalog = maury.fit(maury.read_spectra([folder / name for name in known["filename"]]))
    listed = np.column_stack([known["teff"], known["logg"], known["feh"]]).astype(float)
    measured = np.column_stack([catalog[name].value for name in ("teff", "logg", "fe_h")])
    bright = np.asarray(known["snrg"] > SNR_MIN)
    fgk = bright & (listed[:, 0] > FGK[0]) & (listed[:, 0] < FGK[1])

    print("| stars | n | | Teff [K] | log g | [Fe/H] |\n|---|---|---|---|---|---|")
    for name, rows in (("FGK, 4000-6500 K", fgk), ("all", bright)):
        difference = (measured - listed)[rows]
        offset = np.median(difference, axis=0)
        mad = np.median(np.abs(difference - offset), axis=0)
        print(f"| {name} | {rows.sum()} | offset | {offset[0]:+.0f} | {offset[1]:+.2f} | {offset[2]:+.2f} |")
        print(f"| | | MAD | {mad[0]:.0f} | {mad[1]:.3f} | {mad[2]:.3f} |")

    head = [
        "spectrum",
        "S/N g",
        *(f"{name}, {who}" for name in NAMES for who in ("listed", "measured")),
        "rchi2",
    ]
    print(f"\n| {' | '.join(head)} |")
    print("|---|---|---|---|---|---|---|---|---|")
    for i in np.flatnonzero(bright)[np.argsort(listed[bright, 0])]:
        pairs = [
            f"{a:{style}} | {b:{style}}"
            for a, b, style in zip(listed[i], measured[i], (".0f", ".2f", "+.2f"), strict=True)
        ]
        name = known["filename"][i].removeprefix("spec-").removesuffix(".fits")
        print(f"| {name} | {known['snrg'][i]:.0f} | {' | '.join(pairs)} | {catalog['rchi2'][i]:.2f} |")


if __name__ == "__main__":
    main()
