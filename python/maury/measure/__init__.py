"""From prepared spectra to labels with errors and flags. Start reading at `pipeline.py`."""
