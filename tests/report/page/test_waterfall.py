"""Where the milliseconds went: steps that add up from the dense artifact to the slim one."""

from __future__ import annotations

import json

import pytest

from prunec.report.page.waterfall import tabled, waterfall
from tests.report.samples import PLAIN_EXPORT, layer, report

TIMED = (
    layer(0, "attention", 1, 3, dense_ms=6.0, slim_ms=3.0),
    layer(0, "ffn", 0, 1536, dense_ms=8.0, slim_ms=0.0),
    layer(1, "ffn", 1536, 1536, dense_ms=8.0, slim_ms=8.0),
)


def test_the_steps_lead_from_the_dense_artifact_to_the_slim_one() -> None:
    chart = waterfall(report(layers=TIMED))
    assert chart is not None
    # The tables add up to 30.2 ms with the floor of 8.2; the dense artifact took 31.2 ms when it was timed last.
    pace = 31.2 / 30.2
    (bars,) = json.loads(chart.figure)["data"]
    assert bars["measure"] == ["absolute", "relative", "relative", "relative", "absolute"]
    first, *steps, last = bars["y"]
    assert (first, last) == (31.2, 19.4)
    assert steps[:2] == pytest.approx([-3.0 * pace, -8.0 * pace])
    assert first + sum(steps) == pytest.approx(last)
    assert [row[0] for row in chart.table.rows] == [
        "dense artifact",
        "attention, kv groups removed",
        "ffn, neurons removed",
        "not foreseen",
        "slim artifact",
    ]
    assert chart.table.rows[2] == ("ffn, neurons removed", "−8.26 ms", "26 %", "cost tables")  # noqa: RUF001
    assert chart.table.rows[-1][1:] == ("19.4 ms", "62 %", "measured")


def test_a_plain_export_comes_before_at_the_pace_of_the_dense_artifact() -> None:
    chart = waterfall(report(layers=TIMED, plain_export=PLAIN_EXPORT))
    assert chart is not None
    (bars,) = json.loads(chart.figure)["data"]
    assert bars["measure"][:4] == ["absolute", "relative", "absolute", "relative"]
    assert bars["y"][:3] == pytest.approx([31.2 * 1.06, -31.2 * 0.06, 31.2])
    assert [row[0] for row in chart.table.rows][:3] == ["plain export", "lossless rewrites", "dense artifact"]


def test_a_kind_that_saved_nothing_is_no_step() -> None:
    chart = waterfall(report(layers=TIMED[2:]))
    assert chart is not None
    assert [row[0] for row in chart.table.rows] == ["dense artifact", "not foreseen", "slim artifact"]


def test_without_tables_or_latency_there_is_none() -> None:
    assert waterfall(report()) is None
    assert waterfall(report(layers=TIMED, latency=None)) is None


def test_layers_have_shares_of_what_tables_and_floor_add_up_to() -> None:
    assert tabled(report(layers=TIMED)) == pytest.approx(8.2 + 6.0 + 8.0 + 8.0)
    assert tabled(report()) is None
