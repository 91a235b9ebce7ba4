"""Sphinx: pages in Markdown, some with code that is executed, the API from docstrings, options from click."""

import os
import sys
from importlib.metadata import version as installed_version
from importlib.util import find_spec
from pathlib import Path

project = "maury"
author = "maury developers"
copyright = "maury developers"
version = release = installed_version("maury")

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

# Tutorials, gallery and first page are executed; an error in one of them is an error of the build.
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_merge_streams = True
nb_execution_excludepatterns = [] if find_spec("torch") else ["tutorials/train_your_own*"]
# They call maury as a command, and as many threads as there are processors would only wait for each other.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ.setdefault("OMP_NUM_THREADS", "1")

# Names in single backquotes are links where they are documented, and plain code elsewhere.
default_role = "py:obj"
smartquotes_action = "qe"  # the two hyphens of an option stay two
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_numpy_docstring = True
napoleon_google_docstring = False
napoleon_use_ivar = False
napoleon_attr_annotations = False
napoleon_preprocess_types = True
napoleon_type_aliases = {
    "QTable": "~astropy.table.QTable",
    "QTable.Row": "~astropy.table.Row",
    "Table": "~astropy.table.Table",
    "Quantity": "~astropy.units.Quantity",
    "Figure": "~matplotlib.figure.Figure",
    "Spectra": "~maury.Spectra",
    "Emulator": "~maury.Emulator",
    "FitResult": "~maury.measure.fit.FitResult",
    "Reference": "~maury.reference.file.Reference",
}

# Links into the documentation of other packages need the network: only where the pages are published.
if os.environ.get("READTHEDOCS") or os.environ.get("MAURY_DOCS_ONLINE"):
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "scipy": ("https://docs.scipy.org/doc/scipy/", None),
        "astropy": ("https://docs.astropy.org/en/stable/", None),
        "matplotlib": ("https://matplotlib.org/stable/", None),
    }

html_theme = "pydata_sphinx_theme"
html_title = f"maury {version}"
html_static_path = ["_static"]
html_css_files = ["maury.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "maury"},
    "header_links_before_dropdown": 5,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
html_sidebars = {"index": []}


def escape_stars(_app, _context, lines):
    """Help of click is plain text, not reStructuredText: a star in it is a star."""
    lines[:] = [line.replace("*", r"\*") for line in lines]


def setup(app):
    """Connect what this file defines to Sphinx."""
    app.connect("sphinx-click-process-description", escape_stars)
