"""How the documentation is built (`./dev docs`): offline, its formulas as MathML, its reference from the docstrings."""

from __future__ import annotations

import inspect

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

import prunec
from prunec.backends import BACKENDS
from prunec.passes import PASSES

project = "prunec"
author = "the prunec authors"
release = prunec.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["**/.*"]

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3
myst_links_external_new_tab = False

default_role = "code"  # docstrings put names in single backticks
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"prunec {release}"
html_copy_source = False
html_show_sphinx = False
html_math_renderer = "mathml"


def setup(app: Sphinx) -> None:
    """Add the renderer of formulas and fill in the reference."""
    app.add_html_math_renderer("mathml", (_formula, None), (_display, None))
    app.connect("source-read", _fill_reference)


def _formula(writer: HTML5Translator, node: nodes.math) -> None:
    writer.body.append(tex2mathml(node.astext()))
    raise nodes.SkipNode


def _display(writer: HTML5Translator, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{tex2mathml(node.astext(), as_block=True)}</div>\n')
    raise nodes.SkipNode


def _fill_reference(app: Sphinx, page: str, source: list[str]) -> None:
    """Replace the marks in `api.md` by directives for what the tables of the package name."""
    if page != "api":
        return
    exported = {name: inspect.isclass(getattr(prunec, name)) for name in sorted(prunec.PLACES)}
    filled = {
        "functions": ("autofunction", [f"prunec.{name}" for name, is_class in exported.items() if not is_class], False),
        "classes": ("autoclass", [f"prunec.{name}" for name, is_class in exported.items() if is_class], True),
        "passes": ("autoclass", [place.replace(":", ".") for place in PASSES.values()], False),
        "backends": ("autoclass", [place.replace(":", ".") for place in BACKENDS.values()], True),
    }
    for mark, (directive, paths, has_members) in filled.items():
        members = "\n   :members:" if has_members else ""
        lines = [f".. {directive}:: {path}{members}\n" for path in paths]
        source[0] = source[0].replace(f"<!-- {mark} -->", "\n".join(["```{eval-rst}", *lines, "```"]))
