"""The site: ``sphinx-build -W --keep-going -c docs . build/site``. It renders the saved outputs and needs no network.

The pages are the repository's own: README, CONTRIBUTING, the notebooks and their map, and the packages' docstrings.
"""

import ast
import contextlib
import os
import pkgutil
import sys
from pathlib import Path

from docutils import nodes
from sphinx.util import logging

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
PACKAGES = ["tensorflow_basics", "keras_advanced", "architectures", "recommendation"]
logger = logging.getLogger(__name__)

project = "Daybook"
author = "the authors of Daybook"
copyright = "the authors of Daybook, MIT licence"
root_doc = "README"
include_patterns = ["README.md", "CONTRIBUTING.md", "notebooks/README.md", "notebooks/day_*.ipynb", "docs/api/*.md"]
exclude_patterns = ["build", ".*", "tests", "*.egg-info"]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "sphinx_copybutton",
]

nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
myst_heading_slug_func = "claim_map.anchor"

autodoc_default_options = {"members": True, "member-order": "bysource"}
default_role = "code"  # `argument` in a docstring
autodoc_typehints = "none"
autodoc_inherit_docstrings = False
napoleon_use_ivar = True
napoleon_google_docstring = False
napoleon_use_rtype = False

highlight_language = "text"  # of blocks that do not say

html_theme = "sphinx_book_theme"
html_title = "Daybook"
html_favicon = "static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_static_path = ["static"]
html_css_files = ["daybook.css"]
html_extra_path = ["index.html"]  # leads to README.html
html_theme_options = {"show_toc_level": 2, "home_page_in_toc": True, "navbar_persistent": []}  # search is in the sidebar

TABLE_OF_CONTENTS = """

```{toctree}
:hidden:
:caption: The course
:glob:

notebooks/README
notebooks/day_*
```

```{toctree}
:hidden:
:caption: The packages
:glob:

docs/api/*
CONTRIBUTING
```
"""


def complete_source(app, docname, source):
    """Add what GitHub need not show: the table of contents to the home page, the modules to each package's page."""
    if docname == app.config.root_doc:
        source[0] += TABLE_OF_CONTENTS
    elif docname.startswith("docs/api/"):
        package = docname.rpartition("/")[2]
        modules = [package] + [f"{package}.{module.name}" for module in pkgutil.iter_modules([str(ROOT / package)])]
        for module in modules:
            if not module.endswith((".exercises", ".checks")):  # answers, and checks of arguments
                heading = f"## {module.removeprefix(package + '.')}" if module != package else ""
                source[0] += f"\n{heading}\n\n```{{eval-rst}}\n.. automodule:: {module}\n```\n"


def describe_figures(app, doctree):
    """Give each figure an alternative text: `alt` in its cell's metadata, or else its titles, axes and legend."""
    notebook = Path(doctree["source"]).name
    for cell in doctree.findall(nodes.container):
        images = [image for image in cell.findall(nodes.image) if not image.get("alt")]
        if cell.get("nb_element") != "cell_code" or not images:
            continue
        source = next(block.astext() for block in cell.findall(nodes.literal_block))
        text = cell["cell_metadata"].get("alt") or words_of_figure(source)
        if not text:
            number = cell.get("exec_count")
            logger.warning(f"{notebook}, In [{number}]: the figure needs a title or 'alt' in the metadata of its cell")
        for image in images:
            image["alt"] = text
    for image in doctree.findall(nodes.image):
        if "alt" not in image:
            logger.warning(f"a picture ({image['uri']}) lacks its alternative text", location=image)


def words_of_figure(source):
    """The titles, axes and legend in a cell's source as one text, or '' if no title is written out in it."""
    found = {name: [] for name in ("suptitle", "title", "ylabel", "xlabel", "label")}
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            function = getattr(node.func, "attr", "").removeprefix("set_")
            written = [(keyword.arg, keyword.value) for keyword in node.keywords]
            written += [(function, argument) for argument in node.args[:1]]
            for name, value in written:
                if name in found and isinstance(value, ast.Constant) and value.value not in found[name]:
                    found[name].append(value.value)
    if not found["suptitle"] + found["title"]:
        return ""
    parts = [
        "; ".join(found["suptitle"] + found["title"]),
        "; ".join(found["ylabel"]) + " against " * bool(found["ylabel"] and found["xlabel"]) + "; ".join(found["xlabel"]),
        "; ".join(found["label"]),
    ]
    return ". ".join(part for part in parts if part)


def setup(app):
    """Set the environment of the tests before autodoc imports anything, and connect the functions above."""
    from notebook_environment import notebook_environment

    os.environ.update(notebook_environment())
    with contextlib.suppress(ImportError):
        import triton  # noqa: F401  # before TensorFlow, as in conftest.py
    app.connect("source-read", complete_source)
    app.connect("doctree-read", describe_figures)
