"""Files of any number and size to one catalogue. Read `run.py` first."""

from maury.survey.run import fit_files

__all__ = ["fit_files"]
