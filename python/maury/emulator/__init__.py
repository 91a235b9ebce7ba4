"""The emulator: from labels to normalised flux, and its file."""

from maury.emulator.checks import EmulatorFileError
from maury.emulator.emulator import Emulator

__all__ = ["Emulator", "EmulatorFileError"]
