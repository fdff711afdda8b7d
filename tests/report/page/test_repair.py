"""What repair gave back: a pair of bars for each sublayer that it changed."""

from __future__ import annotations

import json

from prunec.report.page.render import render
from prunec.report.page.repair import repair_charts
from tests.report.samples import layer, report

REPAIRED = (
    layer(0, "attention", 1, 3, missing=(0.4, 0.1)),
    layer(0, "ffn", 512, 1536, missing=(0.25, 0.125)),
    layer(1, "attention", 3, 3),
    layer(1, "ffn", 1024, 1536, missing=(0.5, 0.05)),
)


def test_each_kind_has_a_chart_of_the_layers_that_were_repaired() -> None:
    attention, ffn = repair_charts(REPAIRED)
    before, after = json.loads(ffn.figure)["data"]
    assert (before["y"], after["y"]) == ([0.25, 0.5], [0.125, 0.05])
    assert ffn.table.rows == (("0", "25.0%", "12.5%"), ("1", "50.0%", "5.0%"))
    assert attention.summary == "layer 0: 40.0% missing before, 10.0% after"


def test_a_sublayer_of_several_families_is_shown_once() -> None:
    family = layer(0, "attention", 2, 4, family="model.layers.0.self_attn.v", missing=(0.4, 0.1))
    (chart,) = repair_charts((REPAIRED[0], family))
    assert chart.table.rows == (("0", "40.0%", "10.0%"),)


def test_the_page_has_it_where_something_was_repaired() -> None:
    assert "What repair gave back" in render({"a": report(layers=REPAIRED)})
    assert "What repair gave back" not in render({"a": report()})
