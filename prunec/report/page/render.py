"""Reports to HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prunec.report.data import Report
from prunec.report.page.chart import Chart, Grid
from prunec.report.page.drawn import drawn
from prunec.report.page.frontier import frontier
from prunec.report.page.layers import layer_charts, removal_sentence
from prunec.report.page.speed import distribution, prediction, stage_chart
from prunec.report.page.summary import before_and_after, circumstances, settings, versions
from prunec.report.page.waterfall import waterfall
from prunec.report.terminal import caveats, headline

TEMPLATE = "template.html.j2"


@dataclass(frozen=True)
class View:
    """A report as the template shows it, in the order of the page; a chart is None where nothing is known."""

    report: Report
    headline: str
    sentence: str
    comparison: Grid
    latency: Chart | None
    caveats: list[str]
    layers: list[Chart]
    waterfall: Chart | None
    prediction: Chart | None
    stages: Chart | None
    circumstances: Grid
    settings: Grid
    versions: Grid


def render(reports: Mapping[str, Report]) -> str:
    """The page of one report, or of several of one model with the frontier over them first.

    Args:
        reports: by the file that each is from.

    Raises:
        InputError: several that cannot be compared; see `frontier`.
    """
    return drawn(
        TEMPLATE,
        views={name: _view(report) for name, report in reports.items()},
        frontier=frontier(reports) if len(reports) > 1 else [],
    )


def _view(report: Report) -> View:
    latency, budget = report.latency, report.budget
    return View(
        report,
        headline(report),
        removal_sentence(report),
        before_and_after(report),
        distribution(latency, budget) if latency else None,
        caveats(report),
        layer_charts(report.layers, latency.dense.median_ms if latency else None),
        waterfall(report),
        prediction(latency, budget) if latency and latency.rounds else None,
        stage_chart(report.stages) if report.stages else None,
        circumstances(report),
        settings(report),
        versions(report),
    )
