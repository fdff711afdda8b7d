"""Joined values on labels."""

from __future__ import annotations

import torch
from torch import fx

from tests.ir.sketch import Seen, Sketch

aten = torch.ops.aten


def test_cat_puts_labels_side_by_side() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    joined = sketch(aten.cat.default, [sketch.linear("a", x, 2, 4), sketch.linear("b", x, 3, 4)], -1)
    assert Seen(sketch, joined).alive(joined, 1, a=[0], b=[2]) == [False, True, True, True, False]


def test_cat_along_another_axis_ties_its_parts() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    joined = sketch(aten.cat.default, [sketch.linear("a", x, 3, 4), sketch.linear("b", x, 3, 4)], 0)
    assert Seen(sketch, joined).tied(("a", 0), ("b", 0))


def test_cat_with_a_value_that_stays_pins_what_must_match_it() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    rows = sketch.linear("w", x, 4, 4)
    seen = Seen(sketch, sketch(aten.sum.default, sketch(aten.cat.default, [rows, x], 0)))
    assert seen.pinned("w", 0) == [0, 1, 2, 3]


def test_cat_skips_empty_vectors() -> None:
    sketch = Sketch()
    rows = sketch.linear("w", sketch.input("x", 5, 4), 3, 4)
    joined = sketch(aten.cat.default, [sketch.weight("nothing", 0), rows], 0)
    assert Seen(sketch, joined).alive(joined, 1, w=[1]) == [True, False, True]


def test_stack_ties_its_parts() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    pair = sketch(aten.stack.default, [sketch.linear("a", x, 3, 4), sketch.linear("b", x, 3, 4)], -1)
    assert Seen(sketch, pair).tied(("a", 0), ("b", 0))


def by_heads(sketch: Sketch, name: str, size: int) -> fx.Node:
    """A projection `[1, 3 heads, 5, size]`."""
    rows = sketch.linear(name, next(iter(sketch.graph.find_nodes(op="placeholder"))), 3 * size, 4)
    return sketch(aten.transpose.int, sketch(aten.reshape.default, rows, [1, 5, 3, size]), 1, 2)


def test_a_part_that_heads_share_is_joined_by_its_copies_too() -> None:
    sketch = Sketch()
    x = sketch.input("x", 1, 5, 4)
    shared = sketch(aten.unsqueeze.default, sketch.linear("s", x, 2, 4), 1)
    copies = sketch(aten.expand.default, shared, [-1, 3, -1, -1])
    joined = sketch(aten.cat.default, [by_heads(sketch, "w", 2), copies], -1)
    seen = Seen(sketch, joined)
    assert seen.alive(joined, 3, s=[1]) == [True, True, True, False]
    assert len(seen.flow.values[joined].planes) == 2


def test_heads_joined_with_a_value_that_has_as_many_but_no_labels_stay() -> None:
    sketch = Sketch()
    sketch.input("x", 1, 5, 4)
    joined = sketch(aten.cat.default, [by_heads(sketch, "w", 2), sketch.input("past", 1, 3, 5, 2)], -1)
    assert Seen(sketch, sketch(aten.sum.default, joined)).pinned("w", 0) == list(range(6))


def test_what_only_one_part_has_is_not_lost() -> None:
    sketch = Sketch()
    x = sketch.input("x", 1, 5, 4)
    table = sketch(aten.mul.Tensor, sketch.weight("rows", 5, 1), sketch.weight("columns", 1, 3))
    joined = sketch(aten.cat.default, [sketch.linear("w", x, 3, 4), sketch(aten.unsqueeze.default, table, 0)], -1)
    seen = Seen(sketch, joined)
    assert seen.pinned("rows", 0) == list(range(5))
    assert seen.alive(joined, 2, w=[0], columns__1=[2]) == [False, True, True, True, True, False]


def test_what_is_written_into_a_part_takes_its_place() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    whole, part = sketch.linear("w", x, 5, 4), sketch.linear("v", x, 2, 4)
    written = sketch(aten.slice_scatter.default, whole, part, 1, 1, 3)
    assert Seen(sketch, written).alive(written, 1, w=[1, 4], v=[1]) == [True, True, False, True, False]


def test_a_part_of_one_element_stays() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    joined = sketch(aten.cat.default, [sketch.linear("w", x, 1, 4), sketch.linear("v", x, 2, 4)], 1)
    seen = Seen(sketch, joined)
    assert seen.pinned("w", 0) == [0]


def test_an_index_that_is_written_must_shrink_with_the_others() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    row = sketch(aten.select.int, sketch.linear("v", x, 3, 4), 0, 0)
    written = sketch(aten.select_scatter.default, sketch.linear("w", x, 3, 4), row, 0, 2)
    assert Seen(sketch, written).tied(("w", 0), ("v", 0))


def test_a_part_that_is_sliced_to_nothing_is_no_part() -> None:
    sketch = Sketch()
    sketch.input("x", 1, 5, 4)
    heads = by_heads(sketch, "w", 2)
    joined = sketch(aten.cat.default, [heads, sketch(aten.slice.Tensor, heads, 3, 2, 2**63 - 1)], -1)
    seen = Seen(sketch, joined)
    assert seen.flow.ledger.refused == {}
    assert seen.alive(joined, 1, w=[0, 1]) == [False, True, True]


def test_a_part_whose_labels_stand_for_all_heads_outlives_any_of_them() -> None:
    sketch = Sketch()
    heads = sketch(aten.reshape.default, sketch.linear("w", sketch.input("x", 5, 4), 6, 4), [5, 2, 3])
    state = sketch(aten.zeros.default, [1, 2, 3])
    joined = sketch(aten.cat.default, [state, heads], 0)
    assert Seen(sketch, joined).alive(joined, 1, w=[0, 1, 2]) == [False, True]
