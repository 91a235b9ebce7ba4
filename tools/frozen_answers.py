"""Renew `tests/data/frozen_answers.ecsv`, labels and flags of real spectra, and print what changed.

The answers of `maury demo --check`, in the package, are renewed too.

    MAURY_TEST_DATA=FOLDER python tools/frozen_answers.py

The test `tests/measure/test_frozen_answers.py` compares the same spectra, measured with the built-in
emulator, with this table. Renew it if a change of the answers is intended, and state what was printed with
the change.
"""

import os
import sys
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from astropy.table import Table

import maury
from maury.catalog.columns import column_values, label_names
from maury.cli.check import answers_of

FROZEN = Path(__file__).parents[1] / "tests" / "data" / "frozen_answers.ecsv"
DEMO = Path(__file__).parents[1] / "python" / "maury" / "data" / "demo_answers.ecsv"
#: Largest accepted differences: below all errors, and above those between instruction sets, which are 1e-3 of
#: these, except where one of them rejects another outlier (one star in 57: 1.7 K, 0.008 dex, 0.4 km/s).
TOLERANCES = {"teff": 3.0, "rv": 0.5}  # K, km/s
OTHER_LABELS = 0.01  # dex
#: Files by folder of MAURY_TEST_DATA: every how many of them, and at most how many.
SURVEYS = {
    "lamost_dr1": (5, 9),
    "lamost_dr8_repeats": (20, 5),
    "lamost_dr10": (160, 10),
    "lamost_formats": (1, 14),
    "sdss": (1, 3),
    "mastar_dr17": (2, 1),
}


def measure_all(data: Path | None) -> Table:
    """Answers for the stars of `maury demo` and, if there is a folder of `data`, for those of the surveys."""
    parts = [answers("demo", measure_demo())]
    for name, (step, most) in SURVEYS.items() if data else ():
        paths = sorted(path for path in (data / name).iterdir() if ".fit" in path.name)
        parts.append(answers(name, maury.fit(maury.read_spectra(paths[::step][:most]))))
    names = parts[0].colnames
    table = Table({key: np.concatenate([part[key] for part in parts]) for key in names})
    table.meta = {"emulator": maury.Emulator.load().file_hash}
    return table


def measure_demo() -> Table:
    """Catalogue of the stars of `maury demo`."""
    with as_file(files("maury") / "data" / "demo") as folder:
        return maury.fit(maury.read_spectra(folder))


def answers(survey: str, catalog: Table) -> Table:
    """Return what is frozen of a catalogue: names, labels, velocity, flags, rounded below the tolerances."""
    table = Table({"survey": [survey] * len(catalog)})
    table["file"] = [Path(file).name for file in catalog["file"]]
    table["visit_id"] = np.asarray(catalog["visit_id"], dtype=str)
    for name in (*label_names(catalog), "rv"):
        table[name] = np.round(column_values(catalog, name), 5)
    table["flags"] = np.asarray(catalog["flags"])
    return table


def changes(measured: Table, frozen: Table) -> list[str]:
    """Return one line per difference beyond the tolerances; empty if all answers are as they were."""
    lines = []
    if measured.meta["emulator"] != frozen.meta["emulator"]:
        lines.append("the built-in emulator is another one")
    old = {tuple(row[name] for name in ("survey", "file", "visit_id")): row for row in frozen}
    for row in measured:
        key = tuple(row[name] for name in ("survey", "file", "visit_id"))
        before = old.pop(key, None)
        if before is None:
            lines.append(f"{' '.join(key)}: new")
            continue
        for name in measured.colnames[3:-1]:
            if name not in frozen.colnames:
                lines.append(f"{' '.join(key)}: {name} is new")
                continue
            tolerance = TOLERANCES.get(name, OTHER_LABELS)
            if not np.isclose(row[name], before[name], rtol=0, atol=tolerance, equal_nan=True):
                lines.append(f"{' '.join(key)}: {name} {before[name]:g} -> {row[name]:g}")
        if row["flags"] != before["flags"]:
            lines.append(f"{' '.join(key)}: flags {before['flags']} -> {row['flags']}")
    measured_surveys = set(measured["survey"])
    lines += [f"{' '.join(key)}: missing" for key in old if key[0] in measured_surveys]
    return lines


def main() -> None:
    """Measure, print the differences, write."""
    told = os.environ.get("MAURY_TEST_DATA")
    if not told:
        sys.exit("set MAURY_TEST_DATA to the folder of real survey files")
    measured = measure_all(Path(told))
    if FROZEN.exists():
        found = changes(measured, Table.read(FROZEN))
        print("\n".join(found) or "Nothing changed.")
    measured.write(FROZEN, overwrite=True)
    answers_of(measure_demo()).write(DEMO, overwrite=True)
    print(f"{len(measured)} spectra in {FROZEN}.")


if __name__ == "__main__":
    main()
