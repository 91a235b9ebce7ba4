"""The command ``maury``."""
