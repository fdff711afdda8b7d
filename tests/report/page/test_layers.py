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
