"""A warning for spectra outside the wavelengths of the emulator, which a wrong unit can cause."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from maury.emulator.emulator import Emulator
    from maury.spectra import Spectra


def warn_without_overlap(spectra: Spectra, emulator: Emulator) -> None:
    """Warn if no spectrum has a pixel within the wavelengths of the emulator."""
    seen = spectra.wavelength[np.isfinite(spectra.wavelength)]
    low, high = emulator.wavelength[[0, -1]]
    if not seen.size or ((seen >= low) & (seen <= high)).any():
        return
    nm = 10.0 * seen
    hint = "; if they are nm, pass a Quantity" if ((nm >= low) & (nm <= high)).any() else ""
    warnings.warn(
        f"no spectrum can be fitted: their wavelengths, {seen.min():g}-{seen.max():g} A, are outside those "
        f"of the emulator, {low:.0f}-{high:.0f} A{hint}",
        stacklevel=3,
    )
