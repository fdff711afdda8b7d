"""Charts of latency, of predictions and of the compile's own time."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from prunec.report.data import BudgetOutcome, Stage
from prunec.report.latency import Latency, Round
from prunec.report.page.speed import distribution, prediction, stage_chart
from tests.report.samples import report

SAMPLE = report()
SMALLER = BudgetOutcome("parameters", 95e6, "parameters", 95e6, 92.1e6)


def latency(*rounds: Round) -> Latency:
    assert SAMPLE.latency is not None
    return replace(SAMPLE.latency, rounds=rounds)


def test_the_bar_of_a_latency_reaches_from_low_to_high() -> None:
    slim = json.loads(distribution(latency(), SAMPLE.budget).figure)["data"][0]
    assert slim["x"] == [19.4]
    assert slim["error_x"]["array"] == pytest.approx([20.5 - 19.4])
    assert slim["error_x"]["arrayminus"] == pytest.approx([19.4 - 19.2])


def test_a_budget_is_drawn_where_it_is_one_of_time() -> None:
    rounds = latency(Round(19.1, 19.4))
    for draw in (distribution, prediction):
        (line,) = json.loads(draw(rounds, SAMPLE.budget).figure)["layout"]["shapes"]
        assert 20.0 in (line["x0"], line["y0"])
        assert "shapes" not in json.loads(draw(rounds, SMALLER).figure)["layout"]


def test_rounds_tell_by_how_much_the_prediction_was_off() -> None:
    chart = prediction(latency(Round(20.0, 25.0), Round(19.0, 19.0)), SAMPLE.budget)
    assert chart.table.rows == (
        ("1", "20.0 ms", "25.0 ms", "+25.0 %"),
        ("2", "19.0 ms", "19.0 ms", "unchanged"),
    )
    assert [trace["y"] for trace in json.loads(chart.figure)["data"]] == [[20.0, 19.0], [25.0, 19.0]]


def test_stages_of_the_same_name_keep_a_bar_each() -> None:
    chart = stage_chart([Stage("emit", 1, 2.0, 10**9), Stage("emit", 1, 3.0, 2 * 10**9), Stage("emit", 2, 4.0, 10**9)])
    seconds, memory = json.loads(chart.figure)["data"]
    assert (seconds["y"], seconds["x"], memory["x"]) == ([0, 1, 2], [2.0, 3.0, 4.0], [1.0, 2.0, 1.0])
    assert [row[0] for row in chart.table.rows] == ["emit", "emit", "emit, round 2"]
