"""Data movement on labels."""

from __future__ import annotations

import torch

from tests.ir.sketch import Seen, Sketch

aten = torch.ops.aten


def test_reshape_and_transpose_carry_labels_to_the_head_axis() -> None:
    sketch = Sketch()
    rows = sketch.linear("w", sketch.input("x", 2, 5, 4), 6, 4)
    heads = sketch(aten.transpose.int, sketch(aten.reshape.default, rows, [2, 5, 2, 3]), 1, 2)
    assert Seen(sketch, heads).alive(heads, 1, w=[3, 4, 5]) == [True, False]


def test_a_head_cut_in_part_is_ragged_only_with_another_cut_elsewhere() -> None:
    sketch = Sketch()
    heads = sketch(aten.reshape.default, sketch.linear("w", sketch.input("x", 5, 4), 6, 4), [5, 2, 3])
    assert Seen(sketch, heads).alive(heads, 2, w=[1, 4]) == [True, False, True]


def test_slice_keeps_the_labels_of_its_part() -> None:
    sketch = Sketch()
    part = sketch(aten.slice.Tensor, sketch.linear("w", sketch.input("x", 5, 4), 6, 4), 1, 2, 5)
    assert Seen(sketch, part).alive(part, 1, w=[0, 3]) == [True, False, True]


def test_split_gives_each_part_its_labels() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    rows = sketch.linear("w", x, 6, 4)
    parts = sketch(aten.split.Tensor, rows, 3, -1)
    seen = Seen(sketch, x)
    survivors = seen.survivors(w=[1, 3])
    assert survivors.alive(parts, -1, result=0).tolist() == [True, False, True]
    assert survivors.alive(parts, -1, result=1).tolist() == [False, True, True]


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


def test_copies_by_a_literal_number_are_labelled() -> None:
    sketch = Sketch()
    scale = sketch.weight("scale", 3, 1)
    copies = sketch(aten.expand.default, sketch.input("x", 1, 1), [3, 1])
    product = sketch(aten.mul.Tensor, copies, scale)
    assert Seen(sketch, product).alive(copies, 0, scale=[1]) == [True, False, True]


def test_filled_tensors_shrink_with_what_they_are_added_to() -> None:
    sketch = Sketch()
    zeros = sketch(aten.zeros.default, [1, 3])
    total = sketch(aten.add.Tensor, sketch.linear("w", sketch.input("x", 5, 4), 3, 4), zeros)
    seen = Seen(sketch, total)
    assert seen.alive(zeros, 1, w=[2]) == [True, True, False]


def test_padding_stays() -> None:
    sketch = Sketch()
    padded = sketch(aten.constant_pad_nd.default, sketch.linear("w", sketch.input("x", 5, 4), 2, 4), [1, 0], 0.0)
    assert Seen(sketch, padded).alive(padded, 1, w=[0]) == [True, False, True]
