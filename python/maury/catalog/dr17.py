"""Column names of the stellar parameters of MaStar DR17 (value-added catalogue, group JI), beside ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maury.catalog.columns import column_values

if TYPE_CHECKING:
    from astropy.table import QTable

#: Label -> its name there.
DR17_NAMES = {"teff": "TEFF", "logg": "LOGG", "fe_h": "FEH", "alpha_fe": "ALPHA", "log_vmicro": "VMICRO"}
MISSING = -999.0


def add_dr17_names(catalog: QTable) -> QTable:
    """Return a copy of a catalogue with columns ``MANGAID``, ``TEFF_JI``, ``TEFF_ERR_JI``, ..., ``VALID_JI``.

    ``ra`` and ``dec`` keep their names, which in FITS are those of DR17 in small letters. Single precision
    and -999 where a row is not valid, as there. ``CHISQ_JI`` is ``rchi2_noise``, the paper's reduced chi2,
    and is left out of a table of stars.
    """
    table = catalog.copy()
    table["MANGAID"] = catalog["star_id"]
    table["MANGAID"].info.description = "star_id under its name in MaStar DR17"
    valid = np.asarray(catalog["valid"], dtype=bool)
    columns = {}
    for end in ("", "_err"):
        for label, name in DR17_NAMES.items():
            if label + end in catalog.colnames:
                columns[f"{name}{end.upper()}_JI"] = label + end
    if "rchi2_noise" in catalog.colnames:
        columns["CHISQ_JI"] = "rchi2_noise"
    for theirs, ours in columns.items():
        values = column_values(catalog, ours).astype(np.float32)
        values = np.where(valid & np.isfinite(values), values, np.float32(MISSING))
        unit = catalog[ours].unit
        table[theirs] = values if unit is None else values * unit
        table[theirs].info.description = f"{ours} under its name in MaStar DR17"
    table["VALID_JI"] = valid.astype(np.int16)
    table["VALID_JI"].info.description = "1 = good, under its name in MaStar DR17"
    return table
