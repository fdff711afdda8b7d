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

    Damages are sums over places that were tried alone, in their own unit, and latencies those of parts timed alone, at
    another hour. Both are read in proportion between the dense model and the plan that was made, which were measured:
    the line goes through these. Empty where the report has no path, or its plan nothing to scale by.
    """
    found, latency = report.outlook, report.latency
    if found is None or latency is None or found.chosen.damage <= 0:
        return []
    chosen, dense = found.chosen, found.points[-1]
    if chosen.latency_ms >= dense.latency_ms:
        return []
    slower = (latency.dense.median_ms - latency.slim.median_ms) / (dense.latency_ms - chosen.latency_ms)
    worse = (text.slim - text.dense) / chosen.damage
    return [
        Expected(
            latency.slim.median_ms + slower * (point.latency_ms - chosen.latency_ms), text.dense + worse * point.damage
        )
        for point in found.points
        if point.damage <= MOST * chosen.damage
    ]


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
