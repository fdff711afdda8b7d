"""What the latency is, how well it was predicted, and where the compile's own time went."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from prunec.report.data import BudgetOutcome, Stage
from prunec.report.latency import Latency, Measured
from prunec.report.page.chart import BLUE, GREEN, ORANGE, VERMILION, Chart, Grid, axis, figure, plain
from prunec.report.units import change, duration, milliseconds, size

ROW = 22
"""Pixels for each bar that lies."""
MARK = 12


def distribution(latency: Latency, budget: BudgetOutcome) -> Chart:
    """Median, 20th and 95th percentile of a request, dense and slim, beside the budget where it is one of time."""
    traces = [_span("slim", latency.slim, BLUE, "circle"), _span("dense", latency.dense, ORANGE, "diamond")]
    across, up = axis("ms a request", rangemode="tozero"), axis(range=[-0.6, 1.6])
    drawn = figure(traces, height=190, showlegend=False, xaxis=across, yaxis=up)
    if budget.unit == "ms":
        label = {"text": "budget", "y": 1.12}
        drawn.add_vline(x=budget.target, line_dash="dot", line_color=VERMILION, annotation=label)
    rows = tuple(
        (name, *map(milliseconds, (item.p20_ms, item.median_ms, item.p95_ms)), f"{item.samples}")
        for name, item in (("dense", latency.dense), ("slim", latency.slim))
    )
    head = ("", "20th percentile", "median", "95th percentile", "requests")
    summary = f"dense {_spread(latency.dense)}; slim {_spread(latency.slim)}"
    return Chart("Latency of a request: 20th percentile, median, 95th", summary, drawn.to_json(), Grid(head, rows))


def _span(name: str, item: Measured, color: str, symbol: str) -> go.Scatter:
    """The median as a mark, with what lies between the percentiles as a bar through it."""
    above, below = item.p95_ms - item.median_ms, item.median_ms - item.p20_ms
    return go.Scatter(
        x=[item.median_ms],
        y=[name],
        mode="markers",
        marker={"size": MARK, "symbol": symbol, "color": color},
        error_x={"array": [above], "arrayminus": [below], "color": color, "thickness": 3},
        hovertext=f"{name}: {_spread(item)}",
        hoverinfo="text",
    )


def _spread(item: Measured) -> str:
    low, median, high = map(milliseconds, (item.p20_ms, item.median_ms, item.p95_ms))
    return f"median {median}, {low} to {high}, {item.samples} requests"


def prediction(latency: Latency, budget: BudgetOutcome) -> Chart:
    """What each search promised and what its artifact then took; there is at least one round."""
    rounds = latency.rounds
    traces = [
        _line("predicted", [item.predicted_ms for item in rounds], ORANGE, "circle-open", "dash"),
        _line("measured", [item.measured_ms for item in rounds], BLUE, "square", "solid"),
    ]
    across = axis("round", tickvals=list(range(1, len(rounds) + 1)))
    drawn = figure(traces, height=260, xaxis=across, yaxis=axis("ms", rangemode="tozero"), showlegend=True)
    if budget.unit == "ms":
        drawn.add_hline(y=budget.target, line_dash="dot", line_color=VERMILION, annotation_text="budget")
    rows = tuple(
        (
            f"{number}",
            milliseconds(item.predicted_ms),
            milliseconds(item.measured_ms),
            change(item.predicted_ms, item.measured_ms),
        )
        for number, item in enumerate(rounds, 1)
    )
    summary = f"in the last round {rows[-1][1]} were predicted and {rows[-1][2]} measured"
    head = ("round", "predicted", "measured", "difference")
    return Chart("Predicted and measured latency, by round", summary, drawn.to_json(), Grid(head, rows))


def _line(name: str, values: Sequence[float], color: str, symbol: str, dash: str) -> go.Scatter:
    return go.Scatter(
        x=list(range(1, len(values) + 1)),
        y=values,
        name=name,
        mode="lines+markers",
        line={"dash": dash, "color": color},
        marker={"size": MARK, "symbol": symbol},
        hovertext=[f"round {number}: {name} {milliseconds(value)}" for number, value in enumerate(values, 1)],
        hoverinfo="text",
    )


def stage_chart(stages: Sequence[Stage]) -> Chart:
    """Seconds of each stage in the order that they ran, and the most memory that the process had held by its end."""
    names = [f"{stage.name}, round {stage.round}" if stage.round > 1 else stage.name for stage in stages]
    at = list(range(len(stages)))
    hover = [plain(f"{name}: {_spent(stage)}") for name, stage in zip(names, stages, strict=True)]
    common = {"y": at, "orientation": "h", "hovertext": hover, "hoverinfo": "text"}
    memory = [stage.peak_memory_bytes / 1e9 for stage in stages]
    drawn = figure(
        [
            go.Bar(x=[stage.seconds for stage in stages], marker={"color": BLUE}, **common),
            go.Bar(x=memory, marker={"color": GREEN}, xaxis="x2", yaxis="y2", **common),
        ],
        height=110 + ROW * len(stages),
        showlegend=False,
        xaxis=axis("seconds", domain=[0, 0.58]),
        xaxis2=axis("GB of memory at most so far", domain=[0.62, 1], anchor="y2"),
        yaxis=axis(autorange="reversed", tickvals=at, ticktext=list(map(plain, names))),
        yaxis2=axis(matches="y", showticklabels=False, anchor="x2"),
    )
    longest = max(zip(names, stages, strict=True), key=lambda pair: pair[1].seconds)
    rows = tuple(
        (name, duration(stage.seconds), size(stage.peak_memory_bytes), stage.log)
        for name, stage in zip(names, stages, strict=True)
    )
    summary = f"{len(stages)} stages, the longest {longest[0]} with {duration(longest[1].seconds)}"
    return Chart("Time and memory by stage", summary, drawn.to_json(), Grid(("stage", "time", "memory", "log"), rows))


def _spent(stage: Stage) -> str:
    return f"{duration(stage.seconds)}, {size(stage.peak_memory_bytes)} at most"
