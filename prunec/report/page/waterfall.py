"""Where the milliseconds went: from the dense artifact to the slim one, by what was removed."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from prunec.report.data import Layer, Report
from prunec.report.layers import title
from prunec.report.page.chart import BLUE, GREEN, VERMILION, Chart, Grid, axis, figure, plain
from prunec.report.page.layers import by_column
from prunec.report.units import milliseconds, share

HEIGHT = 340
MINUS = "\N{MINUS SIGN}"
LEAST = 0.05
"""Share of the dense latency below which a step's number is left to the table."""


def waterfall(report: Report) -> Chart | None:
    """The dense and the slim artifact as measured by turns, and what each kind of units saves by the cost tables.

    What the tables did not foresee is a step of its own. None where no latency or no table is known.
    """
    latency = report.latency
    if latency is None or not any(layer.dense_ms is not None for layer in report.layers):
        return None
    dense, slim = latency.dense.median_ms, latency.slim.median_ms
    # The machine may have been faster or slower when the tables were brought to the dense model's latency.
    pace = dense / (tabled(report) or dense)
    saved = [
        (title(column), pace * _saved([layer for _, layer in found]))
        for column, found in by_column(report.layers).items()
    ]
    steps = [(f"{name} removed", -value) for name, value in saved if value]
    steps.append(("not foreseen", slim - dense + sum(value for _, value in saved)))
    values = [dense, *(value for _, value in steps), slim]
    names = ["dense artifact", *(name for name, _ in steps), "slim artifact"]
    how = ["measured", *(["cost tables"] * (len(steps) - 1)), "difference", "measured"]
    sums = {0, len(values) - 1}
    texts = [milliseconds(value) if place in sums else _signed(value) for place, value in enumerate(values)]
    rows = tuple(zip(names, texts, [share(abs(value), dense) for value in values], how, strict=True))
    drawn = figure(
        [_bars(names, values, texts, dense)],
        height=HEIGHT,
        showlegend=False,
        xaxis=axis(),
        yaxis=axis("ms a request", rangemode="tozero"),
    )
    summary = "; ".join(f"{name} {text}" for name, text in zip(names, texts, strict=True))
    return Chart("Where the milliseconds went", summary, drawn.to_json(), Grid(("step", "ms", "of dense", "by"), rows))


def tabled(report: Report) -> float | None:
    """What a request takes in the dense model by the tables and the floor, in milliseconds; None where one lacks."""
    known = [layer.dense_ms for layer in report.layers if layer.dense_ms is not None]
    if report.latency is None or report.latency.floor_ms is None or not known:
        return None
    return report.latency.floor_ms + sum(known)


def _saved(layers: Sequence[Layer]) -> float:
    """What removal takes off the latency by the cost tables, in milliseconds."""
    return sum((layer.dense_ms or 0.0) - (layer.slim_ms or 0.0) for layer in layers)


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else MINUS}{milliseconds(abs(value))}"


def _bars(names: Sequence[str], values: Sequence[float], texts: Sequence[str], dense: float) -> go.Waterfall:
    steps = ["absolute", *(["relative"] * (len(values) - 2)), "total"]
    return go.Waterfall(
        # A line for each word of a name, so that names lie flat on a narrow screen.
        x=["<br>".join(map(plain, name.split(" "))) for name in names],
        y=list(values),
        measure=steps,
        text=[text if abs(value) > LEAST * dense else "" for text, value in zip(texts, values, strict=True)],
        textposition="outside",
        cliponaxis=False,
        hovertext=[plain(f"{name}: {text}") for name, text in zip(names, texts, strict=True)],
        hoverinfo="text",
        totals={"marker": {"color": BLUE}},
        decreasing={"marker": {"color": GREEN}},
        increasing={"marker": {"color": VERMILION}},
        connector={"line": {"width": 1, "dash": "dot"}},
    )
