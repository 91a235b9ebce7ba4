"""Column names of the stellar parameters in MaStar DR17 (value-added catalogue, group JI)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from maury.catalog.columns import column_values

if TYPE_CHECKING:
    from astropy.table import QTable

#: Label -> its name in DR17.
DR17_NAMES = {"teff": "TEFF", "logg": "LOGG", "fe_h": "FEH", "alpha_fe": "ALPHA", "log_vmicro": "VMICRO"}
MISSING = -999.0


def add_dr17_names(catalog: QTable) -> QTable:
    """Return a copy of a catalogue with columns ``MANGAID``, ``TEFF_JI``, ``TEFF_ERR_JI``, ..., ``VALID_JI``.

    ``ra`` and ``dec`` keep their names, which are those of DR17 in lower case. As in DR17, values are in
    single precision, and -999 where a row is not valid. ``CHISQ_JI`` is ``rchi2_noise``, the reduced chi2 of
    the paper; a table of stars has no such column.
    """
    table = catalog.copy()
    table["MANGAID"] = catalog["star_id"]
    table["MANGAID"].info.description = "star_id, named as in MaStar DR17"
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
        table[theirs].info.description = f"{ours}, named as in MaStar DR17"
    table["VALID_JI"] = valid.astype(np.int16)
    table["VALID_JI"].info.description = "1 = good, named as in MaStar DR17"
    return table
