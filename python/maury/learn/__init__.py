"""Learn: from labelled spectra to an emulator."""
