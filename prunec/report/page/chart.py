"""A chart of plotly, and the same numbers as a table for those who cannot or would not look at it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

# The palette of Okabe and Ito (2008), which the colour-blind can tell apart. No colour says what no pattern, symbol or
# word says as well.
BLUE = "#0072B2"
ORANGE = "#E69F00"
VERMILION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
SKY = "#56B4E9"

NO_FILL = "rgba(0,0,0,0)"


@dataclass(frozen=True)
class Grid:
    """A table: its headings, and rows of as many cells."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Chart:
    """What is drawn.

    Attributes:
        title: what it shows; `summary`: what is to be seen on it, for those who do not see it.
        figure: data and layout as JSON of plotly.
        table: the same numbers.
    """

    title: str
    summary: str
    figure: str
    table: Grid


def figure(traces: Sequence[Any], *, height: int, **layout: Any) -> go.Figure:
    """`traces` on no ground of their own, so that the page's colours show, light or dark; `height` is in pixels."""
    return go.Figure(
        traces,
        {
            # The default look is seven kilobytes in each figure, and made for a light ground.
            "template": "none",
            "paper_bgcolor": NO_FILL,
            "plot_bgcolor": NO_FILL,
            "height": height,
            "margin": {"l": 8, "r": 8, "t": 36, "b": 8},
            "legend": {
                "orientation": "h",
                "traceorder": "normal",
                "yanchor": "bottom",
                "y": 1.02,
                "xanchor": "left",
                "x": 0,
            },
            **layout,
        },
    )


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """An axis that makes room for its own labels."""
    return {"title": {"text": title}, "automargin": True, "zeroline": False, **more}


def plain(text: str) -> str:
    """`text` as plotly shows it to the letter: it reads a subset of HTML in labels."""
    return html.escape(text)
