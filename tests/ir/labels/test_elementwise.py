"""Elementwise operators on labels."""

from __future__ import annotations

import pytest
import torch

from tests.ir.sketch import Seen, Sketch

aten = torch.ops.aten


@pytest.mark.parametrize("operator", [aten.mul.Tensor, aten.add.Tensor, aten.maximum.default])
def test_operands_are_tied_place_by_place(operator: object) -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    product = sketch(operator, sketch.linear("gate", x, 3, 4), sketch.linear("up", x, 3, 4))
    assert Seen(sketch, product).tied(("gate", 0), ("up", 0))


@pytest.mark.parametrize("operator", [aten.gelu.default, aten.silu.default, aten.relu.default, aten.tanh.default])
def test_functions_keep_labels(operator: object) -> None:
    sketch = Sketch()
    result = sketch(operator, sketch.linear("w", sketch.input("x", 5, 4), 3, 4))
    assert Seen(sketch, result).alive(result, 1, w=[0]) == [False, True, True]


def scaled_heads() -> Seen:
    """Two heads of three dims, and a scale a head."""
    sketch = Sketch()
    heads = sketch(aten.reshape.default, sketch.linear("w", sketch.input("x", 5, 4), 6, 4), [5, 2, 3])
    return Seen(sketch, sketch(aten.mul.Tensor, heads, sketch.weight("scale", 2, 1)))


def test_a_repeated_label_goes_with_the_last_it_stands_for() -> None:
    seen = scaled_heads()
    labels = seen.flow.tensors["scale"][0].numpy()
    assert seen.survivors(w=[0, 1, 2]).gone[labels].tolist() == [True, False]


def test_a_repeated_label_stays_while_one_it_stands_for_stays() -> None:
    seen = scaled_heads()
    labels = seen.flow.tensors["scale"][0].numpy()
    assert seen.survivors(w=[0, 2, 4]).gone[labels].tolist() == [False, False]


def test_an_operand_without_labels_pins() -> None:
    sketch = Sketch()
    rows = sketch.linear("w", sketch.input("x", 5, 4), 3, 4)
    seen = Seen(sketch, sketch(aten.add.Tensor, rows, sketch.input("y", 5, 3)))
    assert seen.pinned("w", 0) == [0, 1, 2]


def test_an_operand_of_size_one_pins_nothing() -> None:
    sketch = Sketch()
    rows = sketch.linear("w", sketch.input("x", 5, 4), 3, 4)
    total = sketch(aten.sum.default, sketch(aten.mul.Tensor, rows, sketch.input("y", 5, 1)))
    assert Seen(sketch, total).pinned("w", 0) == []


def test_a_table_over_dims_pins_the_dims_and_not_the_heads() -> None:
    sketch = Sketch()
    heads = sketch(aten.reshape.default, sketch.linear("w", sketch.input("x", 5, 4), 6, 4), [5, 2, 3])
    turned = sketch(aten.mul.Tensor, heads, sketch.input("table", 5, 1, 3))
    seen = Seen(sketch, sketch(aten.sum.default, turned))
    assert seen.pinned("w", 0) == []
    (stay,) = (labels for labels, why in seen.flow.ledger.pins if "meets" in why)
    assert seen.survivors(w=[0, 1, 2]).gone[stay].tolist() == [False] * 3


def test_a_value_that_varies_along_two_axes_meets_each_of_two_planes() -> None:
    sketch = Sketch()
    heads = sketch(aten.reshape.default, sketch.linear("w", sketch.input("x", 5, 4), 6, 4), [5, 2, 3])
    outer = sketch(aten.mul.Tensor, sketch.weight("a", 2, 1), sketch.weight("b", 1, 3))
    total = sketch(aten.add.Tensor, outer, heads)
    seen = Seen(sketch, total)
    gone = seen.survivors(w=[0, 1, 2, 5]).gone
    assert gone[seen.flow.tensors["a"][0].numpy()].tolist() == [True, False]
    assert gone[seen.flow.tensors["b"][1].numpy()].tolist() == [False, False, True]


def test_two_factors_of_a_head_keep_their_places_and_lose_the_head_together() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    keys = sketch(aten.reshape.default, sketch.linear("k", x, 6, 4), [5, 2, 3, 1])
    values = sketch(aten.reshape.default, sketch.linear("v", x, 8, 4), [5, 2, 1, 4])
    outer = sketch(aten.mul.Tensor, keys, values)
    seen = Seen(sketch, sketch(aten.sum.default, outer))
    assert seen.pinned("k", 0) == seen.pinned("v", 0) == []
    assert seen.alive(outer, 2, k=[1, 4]) == [True, False, True]
    narrow = seen.survivors(k=[0, 1, 2], v=[0, 1, 2, 3])
    assert (narrow.alive(outer, 1).tolist(), narrow.alive(outer, 2).tolist()) == ([False, True], [True] * 3)
