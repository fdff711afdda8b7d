"""A template filled: one file with its style, its script and plotly.js inside; nothing is fetched."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from plotly.offline import get_plotlyjs


def drawn(template: str, **values: object) -> str:
    """The page of `template`, a file beside this one, with `values` in it: all of them escaped but plotly.js."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(plotly=get_plotlyjs(), **values)
