"""Loss against latency over several compiles of one model."""

from __future__ import annotations

from collections.abc import Mapping

import plotly.graph_objects as go

from prunec.errors import InputError
from prunec.report.data import Latency, Report, TextLoss
from prunec.report.page.chart import BLUE, ORANGE, VERMILION, Chart, Grid, axis, figure, plain
from prunec.report.terminal import headline
from prunec.report.units import milliseconds

MARK = 12
DENSE = "dense model"


def frontier(reports: Mapping[str, Report]) -> list[Chart]:
    """A chart for each text that all of `reports`, by file, have a loss on.

    Each compile timed the dense model beside its own artifact, so there is a dense point for each: how far these lie
    apart is what the machine's pace changed.

    Raises:
        InputError: they are not of one model at one workload, one lacks latency or loss, or no text is common to all.
    """
    for name, report in reports.items():
        _require_comparable(name, report, *next(iter(reports.items())))
    losses = {name: {(item.name, item.metric): item for item in _texts(report)} for name, report in reports.items()}
    common = [key for key in next(iter(losses.values())) if all(key in found for found in losses.values())]
    if not common:
        raise InputError(
            "the reports have no text in common to measure a loss on", "give compiles with one --calibration"
        )
    return [_chart(reports, {name: found[key] for name, found in losses.items()}) for key in common]


def _require_comparable(name: str, report: Report, first_name: str, first: Report) -> None:
    missing = [part for part in ("latency", "loss") if getattr(report, part) is None]
    if missing:
        fix = "give reports of compiles that measure both, or one report alone"
        raise InputError(f"the report {name} has no {' and no '.join(missing)}", fix)
    for what, one, other in (
        ("model", _dense(report), _dense(first)),
        ("workload", _work(report), _work(first)),
        ("machine", report.machine.cpu, first.machine.cpu),
    ):
        if one != other:
            fix = "give reports of one model, workload and machine"
            raise InputError(f"the {what} is {one} in {name} and {other} in {first_name}", fix)


def _dense(report: Report) -> str:
    return f"{report.model.model_class} of {report.model.parameters_dense:,} parameters"


def _work(report: Report) -> str:
    return f"{report.workload.text} on {report.workload.threads} threads"


def _latency(report: Report) -> Latency:
    assert report.latency is not None, "checked before"
    return report.latency


def _texts(report: Report) -> tuple[TextLoss, ...]:
    assert report.loss is not None, "checked before"
    return report.loss.texts


def _chart(reports: Mapping[str, Report], losses: Mapping[str, TextLoss]) -> Chart:
    names = sorted(reports, key=lambda name: _latency(reports[name]).slim.median_ms)
    text = losses[names[0]]
    slim = {name: (_latency(reports[name]).slim.median_ms, losses[name].slim) for name in names}
    dense = {name: (_latency(reports[name]).dense.median_ms, losses[name].dense) for name in names}
    told = {name: plain(f"{name}: {headline(reports[name])}") for name in names}
    traces = [
        _points("slim artifacts", slim, told, mode="lines+markers", color=BLUE, symbol="circle", dash="dot"),
        _points(
            DENSE, dense, {name: plain(f"{DENSE}, timed for {name}") for name in names}, color=ORANGE, symbol="diamond"
        ),
    ]
    drawn = figure(
        traces,
        height=380,
        xaxis=axis("median ms a request", rangemode="tozero"),
        yaxis=axis(plain(text.metric)),
        showlegend=True,
    )
    floors = [floor for name in names if (floor := _latency(reports[name]).floor_ms) is not None]
    if floors:
        drawn.add_vline(x=min(floors), line_dash="dash", line_color=VERMILION, annotation_text="floor")
    rows = tuple(
        (
            name,
            milliseconds(slim[name][0]),
            milliseconds(dense[name][0]),
            f"{slim[name][1]:.3f}",
            f"{dense[name][1]:.3f}",
        )
        for name in names
    )
    head = ("report", "slim latency", "dense latency", f"slim {text.metric}", f"dense {text.metric}")
    lowest = f", floor {milliseconds(min(floors))}" if floors else ""
    summary = f"{len(names)} artifacts, {rows[0][1]} to {rows[-1][1]}{lowest}"
    return Chart(f"{text.metric} on {text.name}, against latency", summary, drawn.to_json(), Grid(head, rows))


def _points(
    title: str,
    points: Mapping[str, tuple[float, float]],
    told: Mapping[str, str],
    *,
    color: str,
    symbol: str,
    mode: str = "markers",
    dash: str = "solid",
) -> go.Scatter:
    return go.Scatter(
        x=[x for x, _ in points.values()],
        y=[y for _, y in points.values()],
        name=title,
        mode=mode,
        line={"dash": dash, "color": color},
        marker={"size": MARK, "symbol": symbol, "color": color},
        hovertext=[told[name] for name in points],
        hoverinfo="text",
    )
