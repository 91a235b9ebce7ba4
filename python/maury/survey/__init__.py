"""Files of any number and size to one catalogue. Start reading at `run.py`."""

from maury.survey.run import fit_files

__all__ = ["fit_files"]
