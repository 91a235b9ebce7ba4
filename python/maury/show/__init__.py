"""Figures and tables of the results."""
