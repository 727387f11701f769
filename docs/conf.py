"""How Sphinx builds the site: `make docs`. Warnings are errors there, and so is a link to nothing."""

from importlib.metadata import version as _version

project = "Trilha"
author = "the Trilha developers"
version = release = _version("trilha")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist", "fieldlist"]
myst_heading_anchors = 3

# Names of other projects: the build reads nothing from a network. Type variables are no pages.
nitpick_ignore_regex = [(r"py:.*", r"(?!trilha\.).*"), (r"py:.*", r"trilha\..*\.[A-Z]")]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False

html_theme = "furo"
html_title = "Trilha"
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
