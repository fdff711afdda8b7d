"""Fillings and paddings on labels."""

from __future__ import annotations

import torch

from tests.ir.sketch import Seen, Sketch

aten = torch.ops.aten


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


def test_padding_along_another_axis_leaves_labels_as_they_are() -> None:
    sketch = Sketch()
    padded = sketch(aten.pad.default, sketch.linear("w", sketch.input("x", 5, 4), 3, 4), [0, 0, 0, 2])
    assert Seen(sketch, padded).alive(padded, 1, w=[1]) == [True, False, True]


def test_padding_of_a_head_goes_with_the_head() -> None:
    sketch = Sketch()
    heads = sketch(aten.reshape.default, sketch.linear("w", sketch.input("x", 5, 4), 6, 4), [5, 2, 3])
    padded = sketch(aten.pad.default, heads, [0, 1])
    seen = Seen(sketch, padded)
    assert seen.alive(padded, 1, w=[0, 1, 2]) == [False, True]
    assert seen.alive(padded, 2, w=[0, 1, 2]) == [True] * 4


def test_a_mirrored_border_pins() -> None:
    sketch = Sketch()
    rows = sketch.linear("w", sketch.input("x", 5, 4), 4, 4)
    padded = sketch(aten.pad.default, rows, [1, 1], "reflect")
    assert Seen(sketch, sketch(aten.sum.default, padded)).pinned("w", 0) == [0, 1, 2, 3]


def test_a_tensor_like_another_shrinks_with_it() -> None:
    sketch = Sketch()
    ones = sketch(aten.ones_like.default, sketch.linear("w", sketch.input("x", 5, 4), 3, 4))
    assert Seen(sketch, ones).alive(ones, 1, w=[1]) == [True, False, True]
