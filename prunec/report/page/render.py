"""Reports to HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunec.report.companions import Companion, fits
from prunec.report.data import Report
from prunec.report.page.chart import Chart, Grid
from prunec.report.page.drawn import drawn
from prunec.report.page.forgotten import forgotten_chart
from prunec.report.page.frontier import frontier
from prunec.report.page.layers import layer_charts, removal_sentence
from prunec.report.page.repair import repair_charts
from prunec.report.page.speed import distribution, prediction, stage_chart
from prunec.report.page.summary import before_and_after, circumstances, settings, versions
from prunec.report.page.waterfall import tabled, waterfall
from prunec.report.rivals import Rival, Rivals
from prunec.report.semantics import Semantics
from prunec.report.terminal import caveats, headline

if TYPE_CHECKING:
    from prunec.report.page.texts import TextsView

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
    forgotten: list[Chart]
    texts: list[TextsView]
    repair: list[Chart]
    stages: Chart | None
    circumstances: Grid
    settings: Grid
    versions: Grid


def render(reports: Mapping[str, Report], companions: Sequence[Companion] = ()) -> str:
    """The page of one report, or of several of one model with the frontier over them first.

    Args:
        reports: by the file that each is from.
        companions: what is shown with the reports that it was made for; points of other making are on the frontier.

    Raises:
        InputError: several that cannot be compared; see `frontier`.
    """
    rivals = [point for item in companions if isinstance(item, Rivals) for point in item.points]
    rivals += [point for report in reports.values() if (point := _quantised(report)) is not None]
    return drawn(
        TEMPLATE,
        views={name: _view(report, companions) for name, report in reports.items()},
        frontier=frontier(reports, rivals) if len(reports) > 1 or rivals or _has_path(reports) else [],
    )


def _has_path(reports: Mapping[str, Report]) -> bool:
    """Whether there is a solution path, and what it is drawn with."""
    return all(report.outlook and report.latency and report.loss for report in reports.values())


def _quantised(report: Report) -> Rival | None:
    """The dense model in fewer bits, which the compile timed beside its artifact."""
    if (found := report.rival) is None or report.latency is None or report.loss is None:
        return None
    losses = {text.name: text.slim for text in found.texts}
    return Rival(f"dense in {found.dtype}", found.latency.median_ms, losses)


def _texts(report: Report, companions: Sequence[Companion]) -> list[TextsView]:
    """The comparisons of calibration texts for the model of `report`."""
    found = [item for item in companions if not isinstance(item, Semantics | Rivals) and fits(item, report)]
    if not found:
        return []
    # What it reads names facts of the compiler, which takes seconds to import.
    from prunec.report.page.texts import texts_view

    return [texts_view(item) for item in found]


def _view(report: Report, companions: Sequence[Companion]) -> View:
    latency, budget = report.latency, report.budget
    return View(
        report,
        headline(report),
        removal_sentence(report),
        before_and_after(report),
        distribution(latency, budget) if latency else None,
        caveats(report),
        layer_charts(report.layers, tabled(report)),
        waterfall(report),
        prediction(latency, budget) if latency and latency.rounds else None,
        [forgotten_chart(item) for item in companions if isinstance(item, Semantics) and fits(item, report)],
        _texts(report, companions),
        repair_charts(report.layers),
        stage_chart(report.stages) if report.stages else None,
        circumstances(report),
        settings(report),
        versions(report),
    )
