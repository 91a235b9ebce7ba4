"""The text that `maury info` prints about a catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maury.catalog.columns import column_values, label_names
from maury.catalog.flags import Flag, flag_names, is_valid

if TYPE_CHECKING:
    from astropy.table import QTable


def describe_catalog(table: QTable) -> str:
    """Describe a catalogue: version, emulator, rows, label ranges, median errors and flags."""
    meta = table.meta
    n_rows, n_converged = len(table), int(np.sum(table["converged"]))
    if meta.get("ROWS") == "stars":
        head = f"{n_rows} {'star' if n_rows == 1 else 'stars'}, {int(np.sum(table['n_visits']))} visits"
    else:
        head = f"{n_rows} {'spectrum' if n_rows == 1 else 'spectra'}, {len(set(table['star_id']))} star names"
    lines = [
        f"maury catalogue: {head}, {n_converged} converged",
        f"  made      by maury {meta['MAURYVER']}",
        f"  emulator  {meta['EMULATOR'] or '(no name)'}, {meta['EMUHASH'][:12]}",
        f"  errors    {meta['ERRORS']}",
    ]
    if meta["OPTIONS"] != "{}":
        lines.append(f"  options   {meta['OPTIONS']}")
    heads = ("lowest", "median", "highest", "median error")
    widths = (10, 10, 10, 14)
    lines += [
        "",
        f"  {'label':<12}{'unit':<6}" + "".join(f"{h:>{w}}" for h, w in zip(heads, widths, strict=True)),
    ]
    for name in label_names(table):
        unit = str(table[name].unit or "")
        values = column_values(table, name)
        errors = column_values(table, f"{name}_err")
        digits = ".0f" if name == "teff" else ".3f"
        if np.isfinite(values).any():
            numbers = (np.nanmin(values), np.nanmedian(values), np.nanmax(values), np.nanmedian(errors))
            text = "".join(f"{x:>{w}{digits}}" for x, w in zip(numbers, widths, strict=True))
            lines.append(f"  {name:<12}{unit:<6}{text}")
        else:
            lines.append(f"  {name:<12}{unit:<6}{'no value':>10}")
    flags = np.asarray(table["flags"])
    n_valid = int(np.sum(is_valid(flags)))
    lines += ["", f"  {n_valid} rows are valid; {int(np.sum(flags == 0))} of these have no flag at all"]
    for bit in Flag:
        count = int(np.sum((flags & bit) != 0))
        if count:
            lines.append(f"  {count} {flag_names(bit)[0]}: {bit.meaning}")
    return "\n".join(lines)
