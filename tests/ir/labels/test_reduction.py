"""Reductions, normalisations and look-ups on labels, and what has no rule."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import fx

from prunec.ir.labels.ledger import Ledger
from prunec.ir.labels.rules import RULES, Call, Planes
from tests.ir.sketch import Seen, Sketch

aten = torch.ops.aten


def projected(sketch: Sketch, out: int = 6) -> fx.Node:
    return sketch.linear("w", sketch.input("x", 5, 4), out, 4)


@pytest.mark.parametrize("operator", [aten.sum.dim_IntList, aten.amax.default])
def test_a_sum_over_features_is_a_set(operator: object) -> None:
    sketch = Sketch()
    seen = Seen(sketch, sketch(operator, projected(sketch), [-1], True))
    (sets,) = (item.sets for item in seen.flow.ledger.reduced)
    assert sets.tolist() == [seen.flow.tensors["w"][0].tolist()]


def test_a_mean_over_features_is_no_set_and_its_node_and_axes_are_noted() -> None:
    sketch = Sketch()
    call = sketch(aten.mean.dim, projected(sketch), [-1], True)
    seen = Seen(sketch, call)
    (mean,) = seen.flow.ledger.means
    assert (mean.node.name, mean.axes) == (call.name, (1,))
    assert mean.labels.tolist() == [seen.flow.tensors["w"][0].tolist()]
    assert seen.flow.ledger.reduced == seen.flow.ledger.averaged == []


def test_a_mean_over_tokens_is_not_noted() -> None:
    sketch = Sketch()
    assert Seen(sketch, sketch(aten.mean.dim, projected(sketch), [0])).flow.ledger.means == []


def test_a_mean_within_heads_leaves_a_label_a_head() -> None:
    sketch = Sketch()
    total = sketch(aten.mean.dim, sketch(aten.reshape.default, projected(sketch), [5, 2, 3]), [-1])
    seen = Seen(sketch, total)
    assert seen.alive(total, 1, w=[0, 1]) == [True, True]
    assert seen.alive(total, 1, w=[0, 1, 2]) == [False, True]


def test_a_sum_within_heads_is_a_set_a_head_and_leaves_a_label_a_head() -> None:
    sketch = Sketch()
    heads = sketch(aten.reshape.default, projected(sketch), [5, 2, 3])
    total = sketch(aten.sum.dim_IntList, heads, [-1])
    seen = Seen(sketch, total)
    assert seen.flow.ledger.reduced[0].sets.shape == (2, 3)
    assert seen.alive(total, 1, w=[0, 1, 2]) == [False, True]


def test_a_sum_over_tokens_is_no_set() -> None:
    sketch = Sketch()
    total = sketch(aten.sum.dim_IntList, projected(sketch), [0])
    seen = Seen(sketch, total)
    assert seen.flow.ledger.reduced == []
    assert seen.alive(total, 0, w=[1]) == [True, False, True, True, True, True]


def test_softmax_over_features_is_a_set() -> None:
    sketch = Sketch()
    assert len(Seen(sketch, sketch(aten.softmax.int, projected(sketch), -1)).flow.ledger.reduced) == 1


@pytest.mark.parametrize(("operator", "sets", "means"), [(aten.layer_norm, 1, 0), (aten.rms_norm, 0, 1)])
def test_a_norm_is_a_set_where_it_centres_and_ties_its_weight(operator: Any, sets: int, means: int) -> None:
    sketch = Sketch()
    seen = Seen(sketch, sketch(operator.default, projected(sketch), [6], sketch.weight("scale", 6)))
    assert seen.tied(("w", 0), ("scale", 0))
    assert (len(seen.flow.ledger.averaged), len(seen.flow.ledger.means)) == (sets, means)


def test_a_norm_over_what_stays_pins_its_weight() -> None:
    sketch = Sketch()
    norm = sketch(aten.layer_norm.default, sketch.input("x", 5, 4), [4], sketch.weight("scale", 4))
    seen = Seen(sketch, sketch.linear("w", norm, 3, 4))
    assert seen.pinned("scale", 0) == [0, 1, 2, 3]


def test_an_embedding_pins_its_rows_and_labels_by_columns() -> None:
    sketch = Sketch()
    ids = sketch.integers("ids", torch.ones(2, 5).long())
    looked_up = sketch(aten.embedding.default, sketch.weight("table", 7, 4), ids)
    total = sketch(aten.sum.default, looked_up)
    seen = Seen(sketch, total)
    assert seen.pinned("table", 0) == list(range(7))
    assert seen.pinned("table", 1) == []
    assert seen.alive(looked_up, 2, table__1=[2]) == [True, True, False, True]


def test_picking_by_position_pins_the_axis_and_keeps_the_others() -> None:
    sketch = Sketch()
    picked = sketch(aten.index.Tensor, sketch.weight("table", 7, 4), [sketch.integers("ids", torch.ones(5).long())])
    seen = Seen(sketch, sketch(aten.sum.default, picked))
    assert seen.pinned("table", 0) == list(range(7))
    assert seen.alive(picked, 1, table__1=[0]) == [False, True, True, True]


def test_gathering_pins_all() -> None:
    sketch = Sketch()
    ids = sketch.integers("ids", torch.ones(5, 2).long())
    seen = Seen(sketch, sketch(aten.gather.default, projected(sketch), 1, ids))
    assert seen.pinned("w", 0) == list(range(6))


def test_gathering_from_rows_that_heads_have_each_leaves_the_heads() -> None:
    sketch = Sketch()
    rows = sketch(aten.reshape.default, projected(sketch), [5, 3, 2])
    copies = sketch(aten.expand.default, sketch.integers("ids", torch.ones(5, 1, 1).long()), [5, 1, 2])
    picked = sketch(aten.gather.default, sketch(aten.slice.Tensor, rows, 1, 0, 3), 1, copies)
    seen = Seen(sketch, sketch(aten.sum.default, picked))
    survivors = seen.survivors(w=[1])
    assert survivors.gone[seen.flow.tensors["w"][0].numpy()].tolist() == [False, True] * 3
    assert survivors.alive(picked, 2).tolist() == [True, False]


def test_an_operator_without_a_rule_pins_and_is_listed() -> None:
    sketch = Sketch()
    call = sketch(aten.renorm.default, projected(sketch), 2, 1, 1.0)
    seen = Seen(sketch, sketch.input("y", 1))
    assert seen.flow.ledger.refused == {call: "has an operator without a label rule"}
    assert seen.pinned("w", 0) == list(range(6))


def test_an_operator_without_a_rule_is_no_matter_where_there_are_no_labels() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    sketch(aten.renorm.default, x, 2, 1, 1.0)
    seen = Seen(sketch, x)
    assert seen.flow.ledger.refused == {}


def test_a_rule_that_fails_pins_and_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(call: Call, ledger: Ledger) -> Planes:
        raise IndexError("no such axis")

    monkeypatch.setitem(RULES, aten.gelu, broken)
    sketch = Sketch()
    call = sketch(aten.gelu.default, projected(sketch))
    seen = Seen(sketch, sketch.input("y", 1))
    assert "no such axis" in seen.flow.ledger.refused[call]
    assert seen.pinned("w", 0) == list(range(6))


def test_a_rule_that_lays_labels_out_wrongly_pins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RULES, aten.gelu, lambda call, ledger: (torch.zeros(1, dtype=torch.long),))
    sketch = Sketch()
    call = sketch(aten.gelu.default, projected(sketch))
    assert call in Seen(sketch, sketch.input("y", 1)).flow.ledger.refused


def test_a_head_that_is_there_once_a_window_leaves_one_label() -> None:
    sketch = Sketch()
    rows = sketch.linear("w", sketch.input("x", 3, 4), 6, 4)
    heads = sketch(aten.reshape.default, rows, [3 * 2, 3])  # three windows of two heads
    total = sketch(aten.reshape.default, sketch(aten.sum.dim_IntList, heads, [-1]), [3, 2])
    seen = Seen(sketch, sketch.linear("o", sketch(aten.add.Tensor, total, sketch.weight("b", 2)), 5, 2))
    assert seen.pinned("b", 0) == []
    gone = seen.survivors(w=[0, 1, 2]).gone
    assert gone[seen.flow.tensors["b"][0].numpy()].tolist() == [True, False]
