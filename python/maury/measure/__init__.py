"""From prepared spectra to labels with errors and flags. Read `pipeline.py` first."""
