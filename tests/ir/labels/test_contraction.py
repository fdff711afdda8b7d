"""Products with weights on labels."""

from __future__ import annotations

import torch

from tests.ir.sketch import Seen, Sketch

aten = torch.ops.aten


def test_linear_ties_rows_above_to_columns_below() -> None:
    sketch = Sketch()
    hidden = sketch.linear("up", sketch.input("x", 5, 4), 3, 4)
    seen = Seen(sketch, sketch.linear("down", hidden, 2, 3))
    assert seen.tied(("up", 0), ("down", 1))
    assert seen.pinned("up", 0) == []


def test_linear_pins_the_columns_that_read_an_input() -> None:
    sketch = Sketch()
    seen = Seen(sketch, sketch.linear("w", sketch.input("x", 5, 4), 3, 4))
    assert seen.pinned("w", 1) == [0, 1, 2, 3]


def test_outputs_are_pinned() -> None:
    sketch = Sketch()
    seen = Seen(sketch, sketch.linear("w", sketch.input("x", 5, 4), 3, 4))
    assert seen.pinned("w", 0) == [0, 1, 2]


def test_bias_is_tied_to_rows() -> None:
    sketch = Sketch()
    x, weight, bias = sketch.input("x", 5, 4), sketch.weight("w", 3, 4), sketch.weight("b", 3)
    seen = Seen(sketch, sketch(aten.linear.default, x, weight, bias))
    assert seen.tied(("w", 0), ("b", 0))


def test_addmm_reads_its_weight_the_other_way_round() -> None:
    sketch = Sketch()
    x, weight, bias = sketch.input("x", 5, 4), sketch.weight("w", 4, 3), sketch.weight("b", 3)
    hidden = sketch(aten.addmm.default, bias, x, weight)
    seen = Seen(sketch, sketch(aten.addmm.default, sketch.weight("c", 2), hidden, sketch.weight("v", 3, 2)))
    assert seen.tied(("w", 1), ("b", 0))
    assert seen.tied(("w", 1), ("v", 0))


def test_a_transposed_weight_is_known_by_its_stored_axes() -> None:
    sketch = Sketch()
    hidden = sketch.linear("up", sketch.input("x", 5, 4), 3, 4)
    turned = sketch(aten.permute.default, sketch.weight("down", 2, 3), [1, 0])
    seen = Seen(sketch, sketch(aten.matmul.default, hidden, turned))
    (contraction,) = (item for item in seen.flow.ledger.contractions if item.weight == "down")
    assert contraction.dim == 1
    assert seen.tied(("up", 0), ("down", 1))


def test_a_computed_weight_ties_all_the_same() -> None:
    sketch = Sketch()
    hidden = sketch.linear("up", sketch.input("x", 5, 4), 3, 4)
    doubled = sketch(aten.mul.Tensor, sketch.weight("down", 2, 3), 2.0)
    assert Seen(sketch, sketch(aten.linear.default, hidden, doubled)).tied(("up", 0), ("down", 1))


def test_convolutions_tie_channels() -> None:
    sketch = Sketch()
    bias = sketch.weight("b", 6)
    first = sketch(aten.conv2d.default, sketch.input("x", 2, 3, 8, 8), sketch.weight("a", 6, 3, 2, 2), bias)
    seen = Seen(sketch, sketch(aten.conv2d.default, first, sketch.weight("c", 4, 6, 2, 2)))
    assert seen.tied(("a", 0), ("c", 1))
    assert seen.tied(("a", 0), ("b", 0))


def test_grouped_convolutions_are_refused() -> None:
    sketch = Sketch()
    x, weight = sketch.linear("w", sketch.input("x", 2, 4, 8), 6, 8), sketch.weight("c", 4, 2, 3)
    grouped = sketch(aten.conv1d.default, x, weight, None, [1], [0], [1], 2)
    seen = Seen(sketch, grouped)
    assert seen.flow.ledger.refused == {grouped: "is a convolution in groups of several channels"}
    assert seen.pinned("w", 0) == list(range(6))


def test_one_matrix_for_all_heads_outlives_any_of_them() -> None:
    sketch = Sketch()
    heads = sketch(aten.reshape.default, sketch.linear("w", sketch.input("x", 5, 4), 6, 4), [5, 2, 3])
    mapped = sketch.linear("v", heads, 7, 3)
    seen = Seen(sketch, mapped)
    assert seen.alive(mapped, 1, w=[0, 1, 2]) == [False, True]
    assert not seen.survivors(w=[0, 1, 2]).gone[seen.flow.tensors["v"][1].numpy()].any()


def test_what_is_multiplied_by_a_computed_value_stays() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    left, right = sketch.linear("a", x, 3, 4), sketch.linear("b", x, 3, 4)
    scores = sketch(aten.matmul.default, left, sketch(aten.t.default, right))
    assert Seen(sketch, scores).pinned("a", 0) == [0, 1, 2]


def test_a_stack_of_matrices_is_a_site() -> None:
    sketch = Sketch()
    rows = sketch.linear("w", sketch.input("x", 2, 5, 4), 3, 4)
    seen = Seen(sketch, sketch(aten.bmm.default, rows, sketch.weight("stack", 2, 3, 6)))
    (site,) = (item for item in seen.flow.ledger.contractions if item.weight == "stack")
    assert site.dim == 1
    assert seen.tied(("w", 0), ("stack", 1))
    assert seen.pinned("w", 0) == []


def test_a_matrix_taken_out_of_a_stack_is_a_site() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    up, down = sketch.weight("up", 3, 6, 4), sketch.weight("down", 3, 4, 6)
    hidden = sketch(aten.linear.default, x, sketch(aten.select.int, up, 0, 1))
    seen = Seen(sketch, sketch(aten.linear.default, hidden, sketch(aten.select.int, down, 0, 1)))
    assert seen.tied(("up", 1), ("down", 2))
    assert seen.pinned("up", 1) == []
    assert [(item.weight, item.dim) for item in seen.flow.ledger.contractions] == [("down", 2)]


def test_a_convolution_is_read_along_its_channels() -> None:
    sketch = Sketch()
    x = sketch.input("x", 2, 3, 8)
    hidden = sketch(aten.conv1d.default, x, sketch.weight("a", 6, 3, 1))
    seen = Seen(sketch, sketch(aten.conv1d.default, hidden, sketch.weight("c", 4, 6, 1)))
    assert [item.axis for item in seen.flow.ledger.contractions] == [-2]
