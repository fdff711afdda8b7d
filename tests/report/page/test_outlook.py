"""The solution path of one compile: scaled to what was measured, and drawn beside it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from prunec.report.data import Report
from prunec.report.outlook import Outlook, Point
from prunec.report.page.frontier import frontier
from prunec.report.page.outlook import NAME, expected
from prunec.report.page.render import render
from tests.report.samples import report

# 2 ms of what is measured for each that is predicted between the plan that was made and the dense model.
PATH = Outlook("KL", Point(19.0, 0.5), (Point(15.0, 4.0), Point(18.0, 1.0), Point(19.0, 0.5), Point(24.9, 0.0)))
SAMPLE = report(outlook=PATH)
assert SAMPLE.loss is not None
NEWS = SAMPLE.loss.texts[0]


def test_it_goes_through_the_dense_model_and_the_artifact() -> None:
    points = expected(SAMPLE, NEWS)
    assert [point.latency_ms for point in points] == pytest.approx([17.4, 19.4, 31.2])
    assert [point.loss for point in points] == pytest.approx([3.412 + 2 * 0.175, 3.587, 3.412])


def test_a_higher_figure_that_is_better_falls_with_what_goes() -> None:
    cosine = replace(NEWS, dense=1.0, slim=0.9)
    assert [point.loss for point in expected(SAMPLE, cosine)] == pytest.approx([0.8, 0.9, 1.0])


@pytest.mark.parametrize(
    "outlook", [None, replace(PATH, chosen=Point(19.0, 0.0)), replace(PATH, chosen=PATH.points[-1])]
)
def test_without_a_path_or_a_scale_there_is_none(outlook: Outlook | None) -> None:
    assert expected(report(outlook=outlook), NEWS) == []


def test_one_report_shows_it_on_every_text_and_in_the_table() -> None:
    charts = frontier({"a": SAMPLE})
    assert len(charts) == 2
    (line,) = (trace for trace in json.loads(charts[0].figure)["data"] if trace["name"] == NAME)
    assert line["x"] == pytest.approx([17.4, 19.4, 31.2])
    assert (NAME, "17.4 ms", "", "3.762", "", "") in charts[0].table.rows
    assert NAME in render({"a": SAMPLE})


def test_of_several_reports_the_artifacts_alone_are_shown() -> None:
    (chart, _) = frontier({"a": SAMPLE, "b": SAMPLE})
    assert NAME not in [trace["name"] for trace in json.loads(chart.figure)["data"]]


@pytest.mark.parametrize("sample", [report(), replace(SAMPLE, latency=None), replace(SAMPLE, loss=None)])
def test_a_page_that_has_nothing_to_draw_it_from_is_drawn_without(sample: Report) -> None:
    assert "Loss against latency" not in render({"a": sample})
