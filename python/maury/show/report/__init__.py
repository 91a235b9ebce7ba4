"""The page of ``maury report``."""
