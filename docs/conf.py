"""Sphinx: pages in Markdown, the API from the docstrings of the installed package."""

from importlib.metadata import version as installed_version

project = "maury"
author = "maury developers"
copyright = "maury developers"
version = release = installed_version("maury")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.mathjax"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

# Docstrings name code in single backquotes, and give types and shapes in words.
default_role = "code"
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_ivar = False
napoleon_attr_annotations = False

html_theme = "alabaster"
html_theme_options = {"description": "Stellar parameters from stellar spectra", "page_width": "1060px"}
html_show_sourcelink = False
