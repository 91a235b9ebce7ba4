"""`Spectra`, the container shared by all stages of maury; air to vacuum; noise of files that give none."""

from maury.spectra.container import Spectra
from maury.spectra.convert import air_to_vacuum, assumed_ivar
from maury.spectra.units import FWHM_PER_SIGMA, SPEED_OF_LIGHT, Floats

__all__ = ["FWHM_PER_SIGMA", "SPEED_OF_LIGHT", "Floats", "Spectra", "air_to_vacuum", "assumed_ivar"]
