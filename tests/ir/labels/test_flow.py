"""The label interpreter as a whole."""

from __future__ import annotations

import pytest
import torch

from prunec.errors import PassError
from prunec.ir.labels import run_flow
from tests.ir.sketch import Seen, Sketch

aten = torch.ops.aten


def test_runs_two_tokens_long() -> None:
    sketch = Sketch()
    x = sketch.input("x", 3, 5, 4, axes={0: "batch", 1: "sequence"})
    seen = Seen(sketch, sketch.linear("w", x, 6, 4))
    assert seen.flow.values[x].shape == (2, 2, 4)


def test_heads_that_are_merged_with_tokens_and_parted_in_another_order_stay() -> None:
    sketch = Sketch()
    x = sketch.input("x", 1, 3, 4, axes={1: "sequence"})
    length = sketch(aten.sym_size.int, x, 1)
    rows = sketch(aten.reshape.default, sketch.linear("w", x, 6, 4), [-1, 3])
    mixed = sketch(aten.reshape.default, rows, [1, 2, length, 3])
    heads = sketch(aten.transpose.int, sketch(aten.reshape.default, sketch.linear("v", x, 6, 4), [1, -1, 2, 3]), 1, 2)
    seen = Seen(sketch, sketch(aten.add.Tensor, mixed, heads))
    assert seen.pinned("w", 0) == list(range(6))


def test_runs_as_long_as_the_example_where_two_tokens_are_too_short() -> None:
    sketch = Sketch()
    x = sketch.input("x", 2, 4, 5, axes={0: "batch", 2: "sequence"})
    hidden = sketch(aten.conv1d.default, x, sketch.weight("a", 6, 4, 3))
    seen = Seen(sketch, sketch(aten.conv1d.default, hidden, sketch.weight("c", 3, 6, 1)))
    assert seen.flow.values[x].shape == (2, 4, 5)
    assert seen.tied(("a", 0), ("c", 1))


def test_runs_as_long_as_the_example_where_two_tokens_leave_nothing() -> None:
    sketch = Sketch()
    ids = sketch.integers("ids", torch.ones(2, 5).long())
    sketch.axes["ids"] = {1: "sequence"}
    words = sketch(aten.embedding.default, sketch.weight("table", 7, 4), ids)
    later = sketch(aten.slice.Tensor, words, 1, 2, 2**63 - 1)
    shifted = sketch(aten.pad.default, later, [0, 0, 0, 2], "constant", 0.0)
    both = sketch(aten.cat.default, [words, shifted], 2)
    assert Seen(sketch, both).alive(both, 2, table__1=[1]) == [True, False, True, True] * 2


def test_what_is_empty_for_the_example_too_pins() -> None:
    sketch = Sketch()
    rows = sketch.linear("w", sketch.input("x", 5, 4), 6, 4)
    sketch(aten.slice.Tensor, rows, 0, 5, 2**63 - 1)
    assert Seen(sketch, sketch(aten.sum.default, rows)).pinned("w", 0) == list(range(6))


def test_a_shape_that_depends_on_data_is_that_of_the_example() -> None:
    sketch = Sketch()
    hot = sketch(aten.gt.Scalar, sketch.input("x", 5, axes={0: "batch"}), 0)
    found = sketch(aten.nonzero.default, hot)
    seen = Seen(sketch, found)
    assert seen.flow.values[found].shape == (int((sketch.example["x"] > 0).sum()), 1)


def test_a_shape_that_depends_on_weights_without_numbers_is_an_error_that_names_the_call() -> None:
    sketch = Sketch()
    hot = sketch(aten.gt.Scalar, sketch.stored("w", torch.empty(5, device="meta")), 0)
    program = sketch.program(sketch(aten.nonzero.default, hot))
    with pytest.raises(PassError, match="%nonzero_default"):
        run_flow(program)


def test_integer_tensors_have_no_labels() -> None:
    sketch = Sketch()
    sketch.stored("positions", torch.arange(7))
    seen = Seen(sketch, sketch.input("x", 1))
    assert seen.flow.tensors["positions"] == ()


def test_a_tensor_with_two_names_has_its_labels_twice() -> None:
    sketch = Sketch()
    first = sketch.linear("w", sketch.input("x", 5, 4), 6, 4)
    second = sketch(aten.linear.default, sketch.input("y", 5, 4), sketch.stored("v", sketch.tensors["w"]))
    assert Seen(sketch, first, second).tied(("w", 0), ("v", 0))


def test_removal_follows_ties_to_values_without_tensors() -> None:
    sketch = Sketch()
    ones = sketch(aten.ones.default, [6])
    product = sketch(aten.mul.Tensor, sketch.linear("w", sketch.input("x", 5, 4), 6, 4), ones)
    assert Seen(sketch, product).alive(ones, 0, w=[1, 2]) == [True, False, False, True, True, True]
