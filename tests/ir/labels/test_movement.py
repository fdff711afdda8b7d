"""Data movement on labels."""

from __future__ import annotations

from operator import mul

import torch

from prunec.ir.literals import Scaled, rederive
from prunec.ir.literals.shapes import interleaved, sized
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


def test_copies_by_a_literal_number_are_labelled() -> None:
    sketch = Sketch()
    scale = sketch.weight("scale", 3, 1)
    copies = sketch(aten.expand.default, sketch.input("x", 1, 1), [3, 1])
    product = sketch(aten.mul.Tensor, copies, scale)
    assert Seen(sketch, product).alive(copies, 0, scale=[1]) == [True, False, True]


def test_what_is_taken_out_alone_stays() -> None:
    sketch = Sketch()
    rows = sketch.linear("w", sketch.input("x", 5, 4), 4, 4)
    scaled = sketch(aten.mul.Tensor, rows, sketch(aten.narrow.default, rows, 1, 2, 1))
    assert Seen(sketch, sketch(aten.relu.default, scaled)).pinned("w", 0) != []


def test_parts_of_a_complex_number_go_together() -> None:
    sketch = Sketch()
    rows = sketch.linear("w", sketch.input("x", 5, 4), 4, 4)
    turned = sketch(aten.view_as_complex.default, sketch(aten.reshape.default, rows, [5, 2, 2]))
    back = sketch(aten.view_as_real.default, turned)
    assert Seen(sketch, back).alive(back, 1, w=[2]) == [True, False]


def test_a_shape_taken_from_another_value_ties_to_it() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    same = sketch(aten.view_as.default, sketch.linear("w", x, 3, 4), sketch.linear("v", x, 3, 4))
    assert Seen(sketch, same).tied(("w", 0), ("v", 0))


def test_halves_of_a_gate_go_together() -> None:
    sketch = Sketch()
    gated = sketch(aten.glu.default, sketch.linear("w", sketch.input("x", 5, 4), 6, 4), -1)
    assert Seen(sketch, gated).alive(gated, 1, w=[4]) == [True, False, True]


def test_copies_of_one_element_are_labelled_and_counted() -> None:
    sketch = Sketch()
    heads = sketch(aten.reshape.default, sketch.linear("w", sketch.input("x", 5, 4), 6, 4), [5, 2, 3])
    copies = sketch(aten.repeat_interleave.self_int, sketch.input("m", 5, 1, 1), 2, 1)
    seen = Seen(sketch, sketch(aten.mul.Tensor, heads, copies))
    assert seen.alive(copies, 1, w=[3, 4, 5]) == [True, False]
    assert interleaved(copies, seen.survivors(w=[3, 4, 5]))[1:] == [1, 1]


def test_copies_of_several_elements_are_not() -> None:
    sketch = Sketch()
    copies = sketch(aten.repeat_interleave.self_int, sketch.input("m", 5, 2, 1), 2, 1)
    assert Seen(sketch, copies).flow.values[copies].planes == ()


def test_copies_by_a_multiple_are_labelled_and_counted() -> None:
    sketch = Sketch()
    x = sketch.input("x", 3, 5, 4, axes={0: "batch"})
    heads = sketch(aten.reshape.default, sketch.linear("w", x, 6, 4), [-1, 5, 2, 3])
    merged = sketch(aten.reshape.default, sketch(aten.transpose.int, heads, 1, 2), [-1, 5, 3])
    size = sketch(mul, 2, sketch(aten.sym_size.int, x, 0))
    copies = sketch(aten.expand.default, sketch.input("mask", 1, 5, 1), [size, 5, 3])
    seen = Seen(sketch, sketch(aten.mul.Tensor, merged, copies))
    survivors = seen.survivors(w=[0, 1, 2])
    assert survivors.alive(copies, 0).tolist() == [False, True] * 2
    assert sized(copies, survivors)[1] == [Scaled(size, 2, 4), 5, 3]


def test_copies_whose_number_is_told_twice_are_counted_twice() -> None:
    sketch = Sketch()
    scale = sketch.weight("scale", 3, 1)
    single = sketch.input("x", 1, 4)
    copies = sketch(aten.repeat_interleave.self_int, single, 3, 0, output_size=3)
    seen = Seen(sketch, sketch(aten.mul.Tensor, copies, scale))
    found = rederive(copies, seen.survivors(scale=[1]))
    assert found == ([single, 2, 0], {"output_size": 2})
