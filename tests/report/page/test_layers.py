"""Bars for what is left of each layer, and the sentence on what went."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from prunec.report.data import Layer
from prunec.report.page.layers import layer_charts, removal_sentence
from tests.report.samples import layer, report


def bars(layers: tuple[Layer, ...]) -> dict[str, Any]:
    """The bars of the only chart by what they are called."""
    (chart,) = layer_charts(layers)
    return {trace["name"]: trace for trace in json.loads(chart.figure)["data"]}


def test_bars_add_up_to_what_was_there() -> None:
    found = bars((layer(0, "ffn", 4, 10), layer(1, "ffn", 0, 10), layer(2, "ffn", 10, 10)))
    assert {name: trace["y"] for name, trace in found.items()} == {
        "kept": [4, 0, 10],
        "removed": [6, 0, 0],
        "× went with its sublayer": [0, 10, 0],  # noqa: RUF001
    }


def test_colours_are_not_all_that_tells_bars_apart() -> None:
    found = bars((layer(0, "ffn", 4, 10), layer(1, "ffn", 0, 10)))
    shapes = [trace["marker"].get("pattern", {}).get("shape") for trace in found.values()]
    assert shapes == [None, "/", "x"]


def test_pointing_at_a_bar_tells_counts_and_share() -> None:
    found = bars((layer(3, "ffn", 384, 1536),))
    assert found["kept"]["hovertext"] == ["layer 3: 384 of 1,536 neurons kept, 1,152 removed (75 %); weights re-fitted"]


def test_the_table_has_a_row_for_each_layer() -> None:
    (chart,) = layer_charts((layer(0, "ffn", 4, 10), layer(1, "ffn", 0, 10)))
    assert chart.table.rows == (
        ("0", "10", "4", "6", "60 %", "weights re-fitted"),
        ("1", "10", "0", "10", "100 %", "ffn sublayer went whole"),
    )


def test_a_sublayer_without_units_counts_as_one() -> None:
    whole = layer(0, "ffn", 1, 1, family="", unit="", dense_units=0, slim_units=0, recovered=False)
    gone = replace(whole, sublayer="model.layers.1.mlp", dropped=True)
    (chart,) = layer_charts((whole, gone))
    assert [row[1:4] for row in chart.table.rows] == [("1", "1", "0"), ("1", "0", "1")]


def test_the_sentence_adds_up_kinds_of_units() -> None:
    sentence = removal_sentence(report(layers=(layer(0, "ffn", 4, 10), layer(1, "ffn", 6, 10)), bypassed=()))
    assert sentence == "Removed: 10 of 20 neurons (50 %). Parameters: \N{MINUS SIGN}31.5 %."


def test_the_sentence_says_that_nothing_went() -> None:
    assert "Nothing was removed" in removal_sentence(report(layers=(layer(0, "ffn", 10, 10),), bypassed=()))


def test_latency_and_scores_are_told_where_they_are_known() -> None:
    known = layer(
        0, "ffn", 4, 10, dense_ms=3.0, slim_ms=1.25, kept_scores=(1, 2, 3, 4, 5), removed_scores=(0, 0, 0.5, 1, 1)
    )
    (chart,) = layer_charts((known, layer(1, "ffn", 10, 10)), 12.0)
    assert chart.table.head[6:] == (
        "ms, dense",
        "ms, slim",
        "share of the dense latency",
        "scores kept",
        "scores removed",
    )
    kept, removed = "1 to 5, median 3, half within 2 to 4", "0 to 1, median 0.5, half within 0 to 1"
    assert chart.table.rows[0][6:] == ("3", "1.25", "25 %", kept, removed)
    assert chart.table.rows[1][6:] == ("", "", "", "", "")
    first, second = json.loads(chart.figure)["data"][0]["hovertext"]
    assert first.endswith(
        f"<br>ms, dense: 3<br>ms, slim: 1.25<br>share of the dense latency: 25 %<br>scores kept: {kept}"
        f"<br>scores removed: {removed}"
    )
    assert "<br>" not in second
