"""Loss against latency over several compiles of one model, by how they chose, and beside other points."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import plotly.graph_objects as go

from prunec.destination import REPORT
from prunec.errors import InputError
from prunec.report.data import Report, TextLoss
from prunec.report.latency import Latency
from prunec.report.page.chart import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, Chart, Grid, axis, figure, plain
from prunec.report.page.outlook import NAME, Expected, expected, line
from prunec.report.rivals import Rival
from prunec.report.terminal import headline
from prunec.report.units import milliseconds

MARK = 12
ALIKE = "slim artifacts"
"""What they are called where all are made by one pipeline."""
LOOKS = ((BLUE, "circle"), (GREEN, "square"), (PURPLE, "triangle-up"), (SKY, "pentagon"))
"""Colour and mark of the artifacts of each pipeline."""
_STEP = re.compile(r"[\w-]+(?:\{[^}]*\})?")
_FILE = re.compile(r"\{file=[^}]*\}")
"""Where a step reads or keeps something, which is no other way of choosing."""


@dataclass(frozen=True)
class Point:
    """One compile: the file of its report, what is told of it, how it chose, its latency, and its loss on a text."""

    name: str
    told: str
    how: str
    latency: Latency
    loss: TextLoss

    @property
    def label(self) -> str:
        """`slim-2x` of `slim-2x.report.json` and of `slim-2x/report.json`."""
        path = Path(self.name)
        return path.parent.name if path.name == REPORT else path.name.removesuffix(f".{REPORT}")


def frontier(reports: Mapping[str, Report], rivals: Sequence[Rival] = ()) -> list[Chart]:
    """A chart for each text that all of `reports`, by file, have a loss on; with those of `rivals` that have one, too.

    One report alone brings its solution path. Each compile timed the dense model beside its own artifact, so there is a
    dense point for each: how far these lie apart is what the machine's pace changed. Compiles with different pipelines
    have different marks.

    Raises:
        InputError: they are not of one model, workload and machine, one lacks latency or loss, or no text is common.
    """
    first = next(iter(reports))
    found: dict[str, dict[tuple[str, str], Point]] = {}
    ways = _ways(reports)
    for name, report in reports.items():
        found[name] = _points(name, report, ways[name])
        _require_alike(name, report, first, reports[first])
    common = [text for text in found[first] if all(text in points for points in found.values())]
    if not common:
        raise InputError("the reports have losses on no text in common", "give compiles with one --calibration")
    alone = next(iter(reports.values())) if len(reports) == 1 else None
    charts = []
    for text in common:
        points = [of_report[text] for of_report in found.values()]
        charts.append(_chart(points, rivals, expected(alone, points[0].loss) if alone else []))
    return charts


def _ways(reports: Mapping[str, Report]) -> dict[str, str]:
    """The steps of each report's pipeline that are not in all of them: how it chose what goes, or mended the rest."""
    steps = {name: _STEP.findall(_FILE.sub("", report.pipeline)) for name, report in reports.items()}
    common = set.intersection(*map(set, steps.values()))
    return {name: ", ".join(step for step in found if step not in common) or ALIKE for name, found in steps.items()}


def _points(name: str, report: Report, how: str) -> dict[tuple[str, str], Point]:
    """The point of a compile on each of its texts, by the text and the unit of the loss."""
    if report.latency is None or report.loss is None:
        missing = " and no ".join(part for part in ("latency", "loss") if getattr(report, part) is None)
        fix = "give reports of compiles that measure both, or one report alone"
        raise InputError(f"the report {name} has no {missing}", fix)
    told = f"{name}: {headline(report)}"
    return {(item.name, item.metric): Point(name, told, how, report.latency, item) for item in report.loss.texts}


def _require_alike(name: str, report: Report, first_name: str, first: Report) -> None:
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


def _chart(unsorted: Sequence[Point], known: Sequence[Rival], path: Sequence[Expected]) -> Chart:
    points = sorted(unsorted, key=lambda point: point.latency.slim.median_ms)
    text = points[0].loss
    rivals = {rival: rival.losses[text.name] for rival in known if text.name in rival.losses}
    drawn = figure(
        [*([line(path)] if path else []), *_traces(points), *([_others(rivals)] if rivals else [])],
        height=380,
        xaxis=axis("median ms a request", rangemode="tozero"),
        yaxis=axis(plain(text.metric)),
        showlegend=True,
    )
    floors = [point.latency.floor_ms for point in points if point.latency.floor_ms is not None]
    if floors:
        drawn.add_vline(x=min(floors), line_dash="dash", line_color=VERMILION, annotation_text="floor")
    rows = [
        (
            point.name,
            milliseconds(point.latency.slim.median_ms),
            milliseconds(point.latency.dense.median_ms),
            f"{point.loss.slim:.3f}",
            f"{point.loss.dense:.3f}",
            point.how,
        )
        for point in points
    ]
    rows += [(item.name, milliseconds(item.latency_ms), "", f"{loss:.3f}", "", "") for item, loss in rivals.items()]
    rows += [(NAME, milliseconds(item.latency_ms), "", f"{item.loss:.3f}", "", "") for item in path]
    head = ("report", "slim latency", "dense latency", f"slim {text.metric}", f"dense {text.metric}", "made by")
    lowest = f", floor {milliseconds(min(floors))}" if floors else ""
    summary = f"{len(points)} artifact{'s' * (len(points) != 1)}, {rows[0][1]} to {rows[len(points) - 1][1]}{lowest}"
    return Chart(f"{text.metric} on {text.name}, against latency", summary, drawn.to_json(), Grid(head, tuple(rows)))


def _traces(points: Sequence[Point]) -> list[go.Scatter]:
    """The artifacts of each pipeline, and the dense model as timed beside each; no line: nothing is known between."""
    ways = list(dict.fromkeys(point.how for point in points))
    slim = [_made([point for point in points if point.how == how], LOOKS[n % len(LOOKS)]) for n, how in enumerate(ways)]
    dense = go.Scatter(
        x=[point.latency.dense.median_ms for point in points],
        y=[point.loss.dense for point in points],
        name="dense model",
        mode="markers",
        marker={"size": MARK, "symbol": "diamond", "color": ORANGE},
        hovertext=[plain(f"dense model, timed for {point.name}") for point in points],
        hoverinfo="text",
    )
    return [*slim, dense]


def _made(points: Sequence[Point], look: tuple[str, str]) -> go.Scatter:
    """The artifacts of one pipeline, by name."""
    color, symbol = look
    return go.Scatter(
        x=[point.latency.slim.median_ms for point in points],
        y=[point.loss.slim for point in points],
        name=plain(points[0].how),
        mode="markers+text",
        text=[plain(point.label) for point in points],
        textposition="top center",
        marker={"size": MARK, "symbol": symbol, "color": color},
        hovertext=[plain(point.told) for point in points],
        hoverinfo="text",
    )


def _others(rivals: Mapping[Rival, float]) -> go.Scatter:
    """What other ways give, by name."""
    told = [f"{item.name}: {milliseconds(item.latency_ms)}, {loss:.3f}" for item, loss in rivals.items()]
    return go.Scatter(
        x=[item.latency_ms for item in rivals],
        y=list(rivals.values()),
        name="others",
        mode="markers+text",
        text=[plain(item.name) for item in rivals],
        textposition="bottom center",
        marker={"size": MARK, "symbol": "x", "color": VERMILION},
        hovertext=list(map(plain, told)),
        hoverinfo="text",
    )
