"""Zero points on the scale of LAMOST (LASP), for the emulator "default": ``--calibration lamost``.

    python tools/lamost_zero_points.py DATA

DATA has the folder ``lamost_dr10`` with labels.csv (file, teff, logg, feh of LASP). All spectra are measured,
and python/maury/data/lamost_zero_points_default.ecsv is written; run it again whenever this emulator changes.
It takes a minute. LASP's labels above 8500 K are poor, so hot stars have no zero point.
"""

import argparse
from pathlib import Path

import numpy as np
from astropy.table import Table

import maury
from maury.catalog.columns import column_values, label_names
from maury.catalog.compare import Matched
from maury.catalog.formats import formats_of
from maury.catalog.zero_points import HOT, learn_zero_points, write_zero_points

THEIRS = {"teff": "teff", "logg": "logg", "fe_h": "feh"}
OUTPUT = Path(__file__).parents[1] / "python" / "maury" / "data" / "lamost_zero_points_default.ecsv"


def main():
    """Write the file, and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", type=Path)
    options = parser.parse_args()
    folder = options.data / "lamost_dr10"
    table = Table.read(folder / "labels.csv")
    catalog = maury.fit(maury.read_spectra([folder / str(file) for file in table["file"]]), "default")
    names = label_names(catalog)
    ours = np.column_stack([column_values(catalog, name) for name in names])
    theirs = np.column_stack([np.asarray(table[THEIRS[name]], dtype=float) for name in names])
    use = np.asarray(catalog["valid"]) & (theirs[:, 0] < HOT)
    matched = Matched(tuple(names), ours[use], theirs[use], "LAMOST DR10 (LASP)", "id")
    zero_points = learn_zero_points(matched, catalog.meta["EMUHASH"], formats_of(catalog))
    write_zero_points(zero_points, OUTPUT, overwrite=True)
    print("\n".join(zero_points.table.pformat(max_lines=-1, max_width=-1)))


if __name__ == "__main__":
    main()
