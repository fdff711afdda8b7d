"""The solution path of one compile as a line: what other budgets would be expected to give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import plotly.graph_objects as go

from prunec.report.data import Report, TextLoss
from prunec.report.page.chart import PURPLE, plain
from prunec.report.units import milliseconds

NAME = "expected under other budgets"
MOST = 3.0
"""How much more than the plan that was made a plan may lose to be drawn: beyond that nobody would ship it."""


@dataclass(frozen=True)
class Expected:
    """A point of the line."""

    latency_ms: float
    loss: float


def expected(report: Report, text: TextLoss) -> list[Expected]:
    """What plans along the solution path are expected to have on `text`, ascending in latency.

    Damages are sums over places that were tried alone, in their own unit. They are read as shares of the damage of the
    plan that was made, and its measured loss gives the scale: the line goes through the dense model and the artifact.
    Empty where the report has no path or its plan no damage to scale by.
    """
    if (found := report.outlook) is None or found.chosen <= 0:
        return []
    scale = (text.slim - text.dense) / found.chosen
    near = [point for point in found.points if point.damage <= MOST * found.chosen]
    return [Expected(point.latency_ms, text.dense + scale * point.damage) for point in near]


def line(points: Sequence[Expected]) -> go.Scatter:
    """The line through `points`; small marks are the plans on it."""
    return go.Scatter(
        x=[point.latency_ms for point in points],
        y=[point.loss for point in points],
        name=NAME,
        mode="lines+markers",
        line={"dash": "dot", "color": PURPLE, "width": 2},
        marker={"size": 6, "symbol": "line-ns-open", "color": PURPLE},
        hovertext=[plain(f"{NAME}: {milliseconds(point.latency_ms)}, {point.loss:.3f}") for point in points],
        hoverinfo="text",
    )
