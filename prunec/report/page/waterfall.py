"""Where the milliseconds went: from a plain export to the dense artifact and to the slim one, by what was removed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Bar:
    """A bar of the chart: a whole latency, or a step between two, in milliseconds; `how` says where it is from."""

    name: str
    value: float
    how: str
    total: bool = False

    @property
    def text(self) -> str:
        """Its value, with a sign where it is a step."""
        return milliseconds(self.value) if self.total else _signed(self.value)


def waterfall(report: Report) -> Chart | None:
    """The dense and the slim artifact as measured by turns, and what each kind of units saves by the cost tables.

    What the tables did not foresee is a step of its own. A plain export, where one was timed, comes before; it is
    brought to the dense latency by the ratio of the turns that timed both. None where no latency or no table is known.
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
    bars = [
        *_before(report, dense),
        Bar("dense artifact", dense, "measured", total=True),
        *(Bar(f"{name} removed", -value, "cost tables") for name, value in saved if value),
        Bar("not foreseen", slim - dense + sum(value for _, value in saved), "difference"),
        Bar("slim artifact", slim, "measured", total=True),
    ]
    drawn = figure(
        [_drawn(bars, dense)],
        height=HEIGHT,
        showlegend=False,
        xaxis=axis(),
        yaxis=axis("ms a request", rangemode="tozero"),
    )
    rows = tuple((bar.name, bar.text, share(abs(bar.value), dense), bar.how) for bar in bars)
    summary = "; ".join(f"{bar.name} {bar.text}" for bar in bars)
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


def _before(report: Report, dense: float) -> list[Bar]:
    """What comes before the dense artifact."""
    if report.plain_export is None:
        return []
    start = dense * report.plain_export.speedup
    return [
        Bar("plain export", start, "measured", total=True),
        Bar("lossless rewrites", dense - start, "difference"),
    ]


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else MINUS}{milliseconds(abs(value))}"


def _drawn(bars: Sequence[Bar], dense: float) -> go.Waterfall:
    return go.Waterfall(
        # A line for each word of a name, so that names lie flat on a narrow screen.
        x=["<br>".join(map(plain, bar.name.split(" "))) for bar in bars],
        y=[bar.value for bar in bars],
        measure=["absolute" if bar.total else "relative" for bar in bars],
        text=[bar.text if abs(bar.value) > LEAST * dense else "" for bar in bars],
        textposition="outside",
        cliponaxis=False,
        hovertext=[plain(f"{bar.name}: {bar.text}") for bar in bars],
        hoverinfo="text",
        totals={"marker": {"color": BLUE}},
        decreasing={"marker": {"color": GREEN}},
        increasing={"marker": {"color": VERMILION}},
        connector={"line": {"width": 1, "dash": "dot"}},
    )
