"""Physical removal: what is left computes what it computed, and literals follow."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import fx

from prunec.errors import PassError
from prunec.ir.program import Program
from prunec.ir.slicing import slice_program
from tests.ir.sketch import Sketch

aten = torch.ops.aten
Draw = Callable[[Sketch, fx.Node], fx.Node]


def rows_then(draw: Draw, out: int = 6) -> Program:
    """`draw` over `[5, out]` rows of the weight `w`."""
    sketch = Sketch()
    return sketch.program(draw(sketch, sketch.linear("w", sketch.input("x", 5, 4), out, 4)))


def sliced(program: Program, removed: list[int], **more: list[int]) -> tuple[Program, torch.Tensor]:
    """The program without rows of `w` (and of other tensors), and what it gives on the example."""
    slim = slice_program(program, {(name, 0): np.array(rows) for name, rows in {"w": removed, **more}.items()})
    return slim, slim(program.example)["output_0"]


def call(target: Any, *args: Any) -> Draw:
    return lambda sketch, rows: sketch(target, rows, *args)


SHAPES: dict[str, tuple[Draw, list[int], Callable[[torch.Tensor], torch.Tensor]]] = {
    # name: what is drawn, the rows that go, and which part of the full result is left
    "reshape to heads, one gone": (call(aten.reshape.default, [5, 2, 3]), [0, 1, 2], lambda y: y[:, 1:]),
    "reshape to heads, dims gone": (call(aten.reshape.default, [5, 2, 3]), [1, 4], lambda y: y[:, :, [0, 2]]),
    "reshape with an open size": (call(aten.reshape.default, [-1, 2, 3]), [3, 4, 5], lambda y: y[:, :1]),
    "unflatten": (call(aten.unflatten.int, -1, [2, 3]), [0, 1, 2], lambda y: y[:, 1:]),
    "slice from the start": (call(aten.slice.Tensor, 1, 0, 3), [1, 4], lambda y: y[:, [0, 2]]),
    "slice to the end": (call(aten.slice.Tensor, 1, 3, 2**63 - 1), [1, 4], lambda y: y[:, [0, 2]]),
    "slice by negative bounds": (call(aten.slice.Tensor, 1, -4, -1), [0, 5, 3], lambda y: y[:, [0, 2]]),
    "slice to a negative bound that all survives": (call(aten.slice.Tensor, 1, 0, -2), [5, 4, 0], lambda y: y[:, 1:]),
    "slice beyond the end": (call(aten.slice.Tensor, 1, 2, 99), [0, 2], lambda y: y[:, 1:]),
    "slice along another axis": (call(aten.slice.Tensor, 0, 1, 3), [2], lambda y: y[:, [0, 1, 3, 4, 5]]),
    "narrow": (call(aten.narrow.default, 1, 2, 3), [0, 3], lambda y: y[:, [0, 2]]),
    "select": (call(aten.select.int, 1, 4), [0, 5], lambda y: y),
    "select from the end": (call(aten.select.int, 1, -2), [0, 5], lambda y: y),
    "expand": (
        lambda sketch, rows: sketch(aten.expand.default, sketch(aten.unsqueeze.default, rows, 1), [5, 2, 6]),
        [1, 2],
        lambda y: y[:, :, [0, 3, 4, 5]],
    ),
    "roll": (call(aten.roll.default, [2], [1]), [4], lambda y: y[:, 1:]),
    "one half scaled by the other": (call(aten.glu.default, 1), [1, 4], lambda y: y[:, [0, 2]]),
    "a kernel a row": (
        lambda sketch, rows: sketch(
            aten.conv1d.default,
            sketch(aten.unsqueeze.default, rows, -1),
            sketch.weight("k", 6, 1, 1),
            None,
            [1],
            [0],
            [1],
            6,
        ),
        [0, 3],
        lambda y: y[:, [1, 2, 4, 5]],
    ),
    "every second row": (call(aten.slice.Tensor, 1, 1, 6, 2), [2, 3], lambda y: y[:, [0, 2]]),
    "every second copy": (
        lambda sketch, rows: sketch(
            aten.slice.Tensor, sketch(aten.repeat_interleave.self_int, rows, 2, -1), 1, 0, 12, 2
        ),
        [0, 3],
        lambda y: y[:, [1, 2, 4, 5]],
    ),
    "layer norm within heads": (
        lambda sketch, rows: sketch(aten.layer_norm.default, sketch(aten.reshape.default, rows, [5, 2, 3]), [3]),
        [0, 1, 2],
        lambda y: y[:, 1:],
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_left_is_a_part_of_the_whole(name: str) -> None:
    draw, removed, part = SHAPES[name]
    program = rows_then(draw)
    _, result = sliced(program, removed)
    torch.testing.assert_close(result, part(program(program.example)["output_0"]))


@pytest.mark.parametrize(
    ("split", "sizes"), [(aten.split.Tensor, 3), (aten.split_with_sizes.default, [3, 3]), (aten.chunk.default, 2)]
)
def test_parts_shrink_alike(split: Any, sizes: Any) -> None:
    def draw(sketch: Sketch, rows: fx.Node) -> fx.Node:
        return sketch(aten.mul.Tensor, *_both(sketch, sketch(split, rows, sizes, -1)))

    program = rows_then(draw)
    _, result = sliced(program, [1, 4])
    torch.testing.assert_close(result, program(program.example)["output_0"][:, [0, 2]])


def _both(sketch: Sketch, parts: fx.Node) -> list[fx.Node]:
    return [sketch(operator.getitem, parts, index) for index in range(2)]


@pytest.mark.parametrize(
    ("split", "sizes"), [(aten.split.Tensor, 4), (aten.split_with_sizes.default, [4, 2]), (aten.chunk.default, 2)]
)
def test_parts_may_shrink_unequally(split: Any, sizes: Any) -> None:
    def draw(sketch: Sketch, rows: fx.Node) -> fx.Node:
        return _both(sketch, sketch(split, rows, sizes, -1))[0]

    program = rows_then(draw)
    _, result = sliced(program, [0])
    torch.testing.assert_close(result, program(program.example)["output_0"][:, 1:])


def test_scores_keep_their_scale_when_queries_shrink() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    query, key = (sketch(aten.reshape.default, sketch.linear(name, x, 6, 4), [1, 1, 5, 6]) for name in ("q", "k"))
    values = sketch(aten.reshape.default, sketch.linear("v", x, 6, 4), [1, 1, 5, 6])
    program = sketch.program(sketch(aten.scaled_dot_product_attention.default, query, key, values))
    slim = slice_program(program, {("q", 0): np.array([1, 4]), ("k", 0): np.array([1, 4])})
    (node,) = slim.graph.find_nodes(op="call_function", target=aten.scaled_dot_product_attention.default)
    assert node.kwargs["scale"] == pytest.approx(6**-0.5)


def test_pairs_behind_an_odd_number_of_rows_are_read_as_numbers_all_the_same() -> None:
    def draw(sketch: Sketch, rows: fx.Node) -> fx.Node:
        pairs = sketch(aten.view.default, sketch(aten.slice.Tensor, rows, 1, 2, 6), [5, 2, 2])
        return sketch(aten.view_as_real.default, sketch(aten.view_as_complex.default, pairs))

    program = rows_then(draw)
    _, result = sliced(program, [0])
    torch.testing.assert_close(result, program(program.example)["output_0"])


@pytest.mark.parametrize(
    ("draw", "removed", "said"),
    [
        (call(aten.reshape.default, [5, 2, 3]), [0, 4], "ragged"),
        (call(aten.slice.Tensor, 1, 0, 6, 2), [1], "step 2"),
        (call(aten.select.int, 1, 2), [2], "selected"),
        (call(aten.unbind.int, 1), [2], "told apart"),
    ],
)
def test_a_cut_that_cannot_be_made_names_its_node(draw: Draw, removed: list[int], said: str) -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    draw(sketch, sketch.linear("w", x, 6, 4))
    program = sketch.program(x)
    with pytest.raises(PassError, match=said) as caught:
        sliced(program, removed)
    assert "%" in caught.value.what


@pytest.mark.parametrize("target", [aten.reshape.default, aten.unflatten.int])
def test_a_size_taken_from_what_is_cut_has_shrunk_by_itself(target: Any) -> None:
    def draw(sketch: Sketch, rows: fx.Node) -> fx.Node:
        heads = sketch(aten.reshape.default, rows, [5, 2, 3])
        twice = sketch(operator.mul, sketch(aten.sym_size.int, heads, 1), 2)
        pairs = sketch(aten.cat.default, [heads, heads], 1)
        flat = sketch(aten.reshape.default, pairs, [5, -1])
        return sketch(target, flat, *([5, twice, 3],) if target is aten.reshape.default else (1, [twice, 3]))

    program = rows_then(draw)
    _, result = sliced(program, [0, 1, 2])
    torch.testing.assert_close(result, program(program.example)["output_0"][:, [1, 3]])


def test_an_emptied_axis_is_refused() -> None:
    program = rows_then(call(aten.relu.default), out=2)
    with pytest.raises(PassError, match="nothing would be left of w along axis 0"):
        sliced(program, [0, 1])


def test_calls_that_lose_nothing_are_left_alone() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    other = sketch(aten.reshape.default, x, [5, 2, 2])
    program = sketch.program(sketch.linear("w", x, 6, 4), other)
    slim, _ = sliced(program, [1])
    before, after = (next(n for n in p.graph.nodes if n.target is aten.reshape.default) for p in (program, slim))
    assert after.args[1:] == before.args[1:]


def test_a_size_computed_in_the_graph_is_left_to_torch() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4, axes={0: "batch"})
    rows = sketch.linear("w", x, 6, 4)
    count = sketch(operator.mul, sketch(aten.sym_size.int, x, 0), 2)
    flat = sketch(aten.reshape.default, sketch(aten.reshape.default, rows, [-1, 2, 3]), [count, 3])
    program = sketch.program(flat)
    _, result = sliced(program, [0, 1, 2])
    torch.testing.assert_close(result, program(program.example)["output_0"][1::2])


def test_tied_tensors_stay_tied() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    first = sketch.linear("w", x, 6, 4)
    again = sketch(aten.linear.default, x, sketch.stored("v", sketch.tensors["w"]))
    slim, _ = sliced(sketch.program(first, again), [1])
    assert slim.tensor("w") is slim.tensor("v")


def test_parameters_stay_parameters() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    weight = sketch.stored("w", torch.nn.Parameter(torch.randn(6, 4), requires_grad=False))
    slim, _ = sliced(sketch.program(sketch(aten.linear.default, x, weight)), [1])
    assert isinstance(slim.tensor("w"), torch.nn.Parameter)
    assert not slim.tensor("w").requires_grad


def test_the_original_is_left_alone() -> None:
    program = rows_then(call(aten.reshape.default, [5, 2, 3]))
    before = program.fingerprint()
    sliced(program, [0, 1, 2])
    assert program.fingerprint() == before


def test_a_computed_size_is_scaled_where_heads_are_counted_with_samples() -> None:
    sketch = Sketch()
    x = sketch.input("x", 3, 8, axes={0: "batch"})
    heads = sketch(aten.reshape.default, sketch.linear("up.weight", x, 12, 8), [-1, 4, 3])
    rows = sketch(operator.mul, sketch(aten.sym_size.int, x, 0), 4)
    threes = sketch(aten.reshape.default, heads, [rows, 3])
    back = sketch(aten.reshape.default, threes, [sketch(aten.sym_size.int, x, 0), 12])
    program = sketch.program(sketch.linear("down.weight", back, 8, 12))
    gone = np.array([3, 4, 5, 9, 10, 11])
    slim = slice_program(program, {("up.weight", 0): gone, ("down.weight", 1): gone})
    weight = program.tensor("down.weight").clone()
    weight[:, gone] = 0
    for batch in (3, 5):
        given = torch.randn(batch, 8)
        expected = given @ program.tensor("up.weight").T @ weight.T
        torch.testing.assert_close(slim({"x": given})["output_0"], expected)
