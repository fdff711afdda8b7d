"""Numbers that are places on a labelled axis: what follows them, and what they pin."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import fx

from prunec.ir.slicing import slice_program
from tests.ir.sketch import Seen, Sketch

aten = torch.ops.aten
EXPERTS, CHOSEN = 4, 2


def ranked(sketch: Sketch) -> tuple[fx.Node, fx.Node]:
    """The scores of five tokens for four experts, and the places of the two best."""
    scores = sketch.linear("gate", sketch.input("x", 5, 3), EXPERTS, 3)
    return scores, sketch(operator.getitem, sketch(aten.topk.default, scores, CHOSEN), 1)


def looked_up(sketch: Sketch, places: fx.Node) -> fx.Node:
    return sketch(aten.index.Tensor, sketch.weight("stack", EXPERTS, 6), [places])


def test_what_is_looked_up_by_chosen_places_goes_with_what_they_are_chosen_from() -> None:
    sketch = Sketch()
    seen = Seen(sketch, looked_up(sketch, ranked(sketch)[1]))
    assert seen.tied(("gate", 0), ("stack", 0))
    assert seen.pinned("gate", 0) == []


@pytest.mark.parametrize(
    "copied",
    [
        lambda sketch, places: sketch(aten.reshape.default, places, [-1]),
        lambda sketch, places: sketch(operator.getitem, sketch(aten.sort.default, places), 0),
        lambda sketch, places: sketch(aten._to_copy.default, places, dtype=torch.int32),
        lambda sketch, places: sketch(aten.expand.default, sketch(aten.unsqueeze.default, places, 0), [3, -1, -1]),
        lambda sketch, places: sketch(aten.index.Tensor, places, [sketch.integers("order", torch.ones(3).long())]),
        lambda sketch, places: sketch(aten.index_select.default, places, 0, sketch.integers("at", torch.ones(3).int())),
        lambda sketch, places: sketch(aten.gather.default, places, 1, sketch.integers("at", torch.ones(5, 1).long())),
    ],
)  # fmt: skip
def test_copies_of_places_are_places(copied: Callable[[Sketch, fx.Node], fx.Node]) -> None:
    sketch = Sketch()
    seen = Seen(sketch, looked_up(sketch, copied(sketch, ranked(sketch)[1])))
    assert seen.tied(("gate", 0), ("stack", 0))
    assert seen.pinned("gate", 0) == []


@pytest.mark.parametrize(
    "used",
    [
        lambda sketch, places: places,
        lambda sketch, places: sketch(aten.add.Tensor, places, 1),
        lambda sketch, places: sketch(aten.eq.Scalar, places, 2),
        lambda sketch, places: sketch(aten.cat.default, [places, places]),
        lambda sketch, places: sketch(aten._to_copy.default, places, dtype=torch.bool),
        lambda sketch, places: sketch(aten._to_copy.default, places, dtype=torch.float16),
        lambda sketch, places: sketch(aten.renorm.default, sketch(aten._to_copy.default, places, dtype=torch.float32),
                                      2, 1, 1.0),
        lambda sketch, places: sketch(aten.one_hot.default, places, EXPERTS + 1),
        lambda sketch, places: sketch(aten.histc.default, sketch(aten._to_copy.default, places, dtype=torch.float32),
                                      EXPERTS, 0, EXPERTS),
        lambda sketch, places: sketch(aten.index.Tensor, sketch.stored("table", torch.arange(EXPERTS)), [places]),
        lambda sketch, places: sketch(aten.scatter.value, sketch.input("y", 5, EXPERTS), 1, places, 1.0),
    ],
)  # fmt: skip
def test_places_that_are_used_as_other_numbers_pin_what_they_are_chosen_from(
    used: Callable[[Sketch, fx.Node], fx.Node],
) -> None:
    sketch = Sketch()
    seen = Seen(sketch, used(sketch, ranked(sketch)[1]))
    assert seen.pinned("gate", 0) == list(range(EXPERTS))


def test_a_number_taken_out_of_places_pins_them() -> None:
    sketch = Sketch()
    scores = sketch.linear("gate", sketch.input("x", 3), EXPERTS, 3)
    sketch(aten.item.default, sketch(aten.argmax.default, scores, -1))
    seen = Seen(sketch, sketch.input("y", 1))
    assert seen.pinned("gate", 0) == list(range(EXPERTS))


def test_the_size_of_places_pins_nothing() -> None:
    sketch = Sketch()
    places = ranked(sketch)[1]
    sketch(aten.sym_size.int, places, 0)
    sketch(aten.empty_like.default, places)
    assert Seen(sketch, sketch.input("y", 1)).pinned("gate", 0) == []


def test_scores_gathered_at_their_own_places_are_free() -> None:
    sketch = Sketch()
    scores, places = ranked(sketch)
    seen = Seen(sketch, sketch(aten.gather.default, scores, 1, places))
    assert seen.pinned("gate", 0) == []


def test_an_embedding_by_places_goes_with_them() -> None:
    sketch = Sketch()
    seen = Seen(sketch, sketch(aten.embedding.default, sketch.weight("table", EXPERTS, 6), ranked(sketch)[1]))
    assert seen.tied(("gate", 0), ("table", 0))
    assert seen.pinned("table", 0) == []


@pytest.mark.parametrize(
    ("best", "absent"),
    [(aten.argmax.default, -np.inf), (aten.argmin.default, np.inf), (aten.max.dim, -np.inf), (aten.min.dim, np.inf)],
)
def test_the_place_of_the_best_is_a_place(best: object, absent: float) -> None:
    sketch = Sketch()
    place = sketch(best, sketch.linear("gate", sketch.input("x", 5, 3), EXPERTS, 3), -1)
    place = place if best in (aten.argmax.default, aten.argmin.default) else sketch(operator.getitem, place, 1)
    seen = Seen(sketch, looked_up(sketch, place))
    assert seen.tied(("gate", 0), ("stack", 0))
    (found,) = seen.flow.ledger.reduced
    assert (found.absent, found.axis, found.chosen) == (absent, -1, 1)


def test_the_best_of_each_group_leaves_a_label_a_group() -> None:
    sketch = Sketch()
    scores = sketch(aten.reshape.default, ranked(sketch)[0], [5, 2, 2])
    best = sketch(operator.getitem, sketch(aten.topk.default, scores, 1), 0)
    seen = Seen(sketch, best)
    assert seen.alive(best, 1, gate=[0, 1]) == [False, True]
    assert [(item.absent, item.chosen) for item in seen.flow.ledger.reduced] == [(-np.inf, CHOSEN), (None, 0)]


def test_as_many_as_an_input_says_are_told_apart() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 3, axes={0: "batch"})
    count = sketch(aten.sym_size.int, x, 0)
    seen = Seen(sketch, sketch(operator.getitem, sketch(aten.topk.default, sketch.linear("gate", x, 4, 3), count), 0))
    assert seen.pinned("gate", 0) == list(range(EXPERTS))


def counted(sketch: Sketch, places: fx.Node) -> fx.Node:
    """How many rows each expert has."""
    numbers = sketch(aten._to_copy.default, sketch(aten.reshape.default, places, [-1]), dtype=torch.float32)
    return sketch(aten.histc.default, numbers, EXPERTS, 0, EXPERTS - 1)


@pytest.mark.parametrize(
    ("count", "left"),
    [
        (counted, [3, 0, 2]),
        (lambda sketch, places: sketch(aten.one_hot.default, places, EXPERTS), [3]),
        (lambda sketch, places: sketch(aten.bincount.default, sketch(aten.reshape.default, places, [-1]), None, 4),
         [None, 3]),
    ],
)  # fmt: skip
def test_counts_and_marks_are_as_many_as_places_are_left(
    count: Callable[[Sketch, fx.Node], fx.Node], left: list[int | None]
) -> None:
    sketch = Sketch()
    program = sketch.program(sketch(aten.sum.default, count(sketch, ranked(sketch)[1])))
    slim = slice_program(program, {("gate", 0): np.array([1])})
    counting = (aten.histc.default, aten.one_hot.default, aten.bincount.default)
    call = next(node for node in slim.graph.nodes if node.target in counting)
    assert list(call.args[1:]) == left


def test_marks_on_zeros_are_laid_out_as_the_places() -> None:
    sketch = Sketch()
    marks = sketch(aten.scatter.value, sketch(aten.zeros.default, [5, EXPERTS]), 1, ranked(sketch)[1], 1.0)
    seen = Seen(sketch, sketch(aten.sum.default, marks))
    assert seen.pinned("gate", 0) == []
    assert seen.alive(marks, 1, gate=[3]) == [True, True, True, False]


def grouped(sketch: Sketch, ends: fx.Node) -> Seen:
    rows = sketch.linear("embed", sketch.input("rows", 10, 3), 3, 3)
    stack = sketch.weight("experts", EXPERTS, 3, 6)
    ends = sketch(aten._to_copy.default, ends, dtype=torch.int32)
    return Seen(sketch, sketch(torch.ops.transformers.grouped_mm_fallback.default, rows, stack, ends))


def test_experts_go_with_the_counts_that_their_rows_end_by() -> None:
    sketch = Sketch()
    seen = grouped(sketch, sketch(aten.cumsum.default, counted(sketch, ranked(sketch)[1]), 0))
    assert seen.tied(("gate", 0), ("experts", 0))
    assert seen.pinned("experts", 0) == []


def test_experts_whose_rows_end_anywhere_stay() -> None:
    sketch = Sketch()
    seen = grouped(sketch, counted(sketch, ranked(sketch)[1]))
    assert seen.pinned("experts", 0) == seen.pinned("gate", 0) == list(range(EXPERTS))
