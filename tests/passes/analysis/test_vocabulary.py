"""Vocabularies: which rows of tables can go, and what keeps the others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import fx

from prunec.facts import ADDITIVE, Structure
from prunec.ir.program import Program
from prunec.ir.slicing import slice_program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from tests.ir.sketch import Sketch

aten = torch.ops.aten
WORDS = 6


def structure_of(program: Program, *kinds: str) -> Structure:
    (structure,) = StructurePass(kinds or ("vocabulary",)).run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    return structure


def ids(sketch: Sketch, name: str = "ids") -> fx.Node:
    return sketch.integers(name, torch.arange(6).view(2, 3) % WORDS)


def embedded(sketch: Sketch, positions: fx.Node, name: str = "table.weight", rows: int = WORDS) -> fx.Node:
    return sketch(aten.embedding.default, sketch.weight(name, rows, 4), positions)


def slots(structure: Structure) -> list[list[tuple[str, int]]]:
    return [[(slot.tensor, slot.dim) for slot in family.slots] for family in structure.unmasked]


def test_rows_go_with_the_columns_of_logits_that_are_as_many() -> None:
    sketch = Sketch()
    logits = sketch(aten.linear.default, embedded(sketch, ids(sketch)), sketch.weight("head.weight", WORDS, 4),
                    sketch.weight("head.bias", WORDS))  # fmt: skip
    structure = structure_of(sketch.program(logits))
    assert [(item.name, item.kind, item.units) for item in structure.unmasked] == [
        ("table.vocabulary", "vocabulary", WORDS)
    ]
    assert slots(structure) == [[("table.weight", 0), ("head.weight", 0), ("head.bias", 0)]]


def test_rows_go_alone_where_outputs_have_other_columns() -> None:
    sketch = Sketch()
    program = sketch.program(sketch.linear("head.weight", embedded(sketch, ids(sketch)), 3, 4))
    assert slots(structure_of(program)) == [[("table.weight", 0)]]


def test_columns_that_are_summed_over_outlive_the_rows() -> None:
    sketch = Sketch()
    logits = sketch.linear("head.weight", embedded(sketch, ids(sketch)), WORDS, 4)
    assert slots(structure_of(sketch.program(sketch(aten.softmax.int, logits, -1)))) == [[("table.weight", 0)]]


def test_tables_of_two_inputs_are_two_vocabularies_and_share_no_columns() -> None:
    sketch = Sketch()
    one, two = ids(sketch, "one"), ids(sketch, "two")
    both = sketch(aten.add.Tensor, embedded(sketch, one, "a.weight"), embedded(sketch, two, "b.weight"))
    program = sketch.program(sketch.linear("head.weight", both, WORDS, 4))
    assert slots(structure_of(program)) == [[("a.weight", 0)], [("b.weight", 0)]]


def test_columns_as_many_as_the_rows_of_a_small_table_are_not_theirs() -> None:
    sketch = Sketch()
    words, types = ids(sketch, "words"), ids(sketch, "types")
    both = sketch(aten.add.Tensor, embedded(sketch, words, "a.weight", 9), embedded(sketch, types, "b.weight"))
    program = sketch.program(sketch.linear("classes.weight", both, WORDS, 4))
    assert slots(structure_of(program)) == [[("a.weight", 0)], [("b.weight", 0)]]


def test_moving_and_casting_the_numbers_is_no_other_use_of_them() -> None:
    sketch = Sketch()
    flat = sketch(aten.view.default, ids(sketch), [-1])
    wide = sketch(aten._to_copy.default, flat, dtype=torch.int32)
    assert len(structure_of(sketch.program(embedded(sketch, wide))).unmasked) == 1


def test_shapes_of_the_numbers_may_be_read() -> None:
    sketch = Sketch()
    words = ids(sketch)
    ones = sketch(aten.ones_like.default, words, dtype=torch.float32)
    assert len(structure_of(sketch.program(embedded(sketch, words), ones)).unmasked) == 1


Use = Callable[[Sketch, fx.Node, fx.Node], fx.Node]
"""What a sketch returns, of its numbers and what they look up."""


def compared(sketch: Sketch, words: fx.Node, _: fx.Node) -> fx.Node:
    return sketch(aten.eq.Scalar, words, 2)


def as_truth(sketch: Sketch, words: fx.Node, _: fx.Node) -> fx.Node:
    return sketch(aten._to_copy.default, words, dtype=torch.bool)


def offset(sketch: Sketch, words: fx.Node, _: fx.Node) -> fx.Node:
    return embedded(sketch, sketch(aten.sub.Tensor, words, 1), "other.weight")


def elsewhere(sketch: Sketch, words: fx.Node, _: fx.Node) -> fx.Node:
    return embedded(sketch, words, "other.weight")


def returned(_: Sketch, words: fx.Node, __: fx.Node) -> fx.Node:
    return words


def chosen(sketch: Sketch, _: fx.Node, rows: fx.Node) -> fx.Node:
    return sketch(aten.argmax.default, sketch(aten.linear.default, rows, sketch.graph.get_attr("table.weight")), -1)


@pytest.mark.parametrize(
    ("use", "why"),
    [
        (compared, "ids, which looks it up, is also read by eq_scalar (aten.eq.Scalar)"),
        (as_truth, "ids, which looks it up, is also read by _to_copy_default (aten._to_copy.default)"),
        (offset, "ids, which looks it up, is also read by sub_tensor (aten.sub.Tensor)"),
        (elsewhere, "ids, which looks it up, also looks up other.weight"),
        (returned, "ids, which looks it up, is also read by the output"),
        (chosen, "is an output of the graph"),
    ],
)
def test_what_tells_rows_apart_otherwise_keeps_them(use: Use, why: str) -> None:
    sketch = Sketch()
    words = ids(sketch)
    rows = embedded(sketch, words)
    structure = structure_of(sketch.program(rows, use(sketch, words, rows)))
    assert structure.unmasked == ()
    assert ("table.weight, axis 0", why) in [(pin.what, pin.why) for pin in structure.pins]


def test_a_table_that_computed_numbers_look_up_is_no_vocabulary() -> None:
    sketch = Sketch()
    places = sketch(aten.cumsum.default, sketch(aten.ones_like.default, ids(sketch)), -1)
    structure = structure_of(sketch.program(embedded(sketch, places)))
    assert (structure.unmasked, structure.pins) == ((), ())


def test_numbers_computed_from_an_input_are_named() -> None:
    sketch = Sketch()
    structure = structure_of(sketch.program(embedded(sketch, sketch(aten.clamp.default, ids(sketch), 1))))
    assert [pin.why for pin in structure.pins] == [
        "embedding_default looks up what clamp_default (aten.clamp.default) computes from ids"
    ]


def test_other_kinds_keep_every_row() -> None:
    sketch = Sketch()
    words = ids(sketch)
    table = sketch.weight("table.weight", WORDS, 4)
    rows = sketch(aten.embedding.default, table, words)
    # The same rows as neurons: made by one product and read by the next.
    inner = sketch(aten.linear.default, rows, table)
    program = sketch.program(sketch.linear("down.weight", inner, 4, WORDS))
    assert structure_of(program, *ADDITIVE).families == ()


@pytest.mark.parametrize(("removed", "padding"), [([0], 1), ([5], 2), ([2], -1)])
def test_the_padding_row_is_counted_anew(removed: list[int], padding: int) -> None:
    sketch = Sketch()
    rows = sketch(aten.embedding.default, sketch.weight("table.weight", WORDS, 4), ids(sketch), 2)
    program = sketch.program(rows)
    (family,) = structure_of(program).unmasked
    slim = slice_program(program, family.cuts(np.array(removed)))
    (lookup,) = slim.graph.find_nodes(op="call_function", target=aten.embedding.default)
    assert lookup.args[2] == padding
