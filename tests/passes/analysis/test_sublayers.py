"""Which additions are residual branches, where they start and what they hold."""

from __future__ import annotations

import pytest
import torch
from torch import fx

from prunec.facts import Plan, Structure
from prunec.ir.program import Program
from tests.ir.sketch import Sketch
from tests.passes.analysis.test_structure import structure_of
from tests.passes.golden import TOLERANCE, all_but_one, deviation, no_sublayers

aten = torch.ops.aten


def bent(sketch: Sketch, x: fx.Node, name: str, out: int = 4, inner: int = 4) -> fx.Node:
    """A feed-forward of six neurons."""
    hidden = sketch(aten.relu.default, sketch.linear(f"{name}.up.weight", x, 6, inner))
    return sketch.linear(f"{name}.down.weight", hidden, out, 6)


def stream(sketch: Sketch) -> fx.Node:
    """Four features of five tokens, computed from an input."""
    return sketch.linear("embed.weight", sketch.input("x", 5, 3), 4, 3)


def held(structure: Structure) -> dict[str, tuple[str, ...]]:
    return {item.name: item.families for item in structure.sublayers}


def holds(program: Program, structure: Structure) -> None:
    """The golden rule without sublayers, and with one unit of each family."""
    for plan in (no_sublayers(structure), all_but_one(structure, 0)):
        assert deviation(program, structure, plan, program.example) < TOLERANCE


def test_a_branch_may_read_an_earlier_value_of_the_stream() -> None:
    sketch = Sketch()
    first = stream(sketch)
    x = sketch(aten.tanh.default, first)
    both = sketch(aten.mul.Tensor, bent(sketch, x, "mlp"), first)
    program = sketch.program(sketch(aten.add.Tensor, x, both))
    structure = structure_of(program)
    (sublayer,) = structure.sublayers
    assert (sublayer.skip, sublayer.start, sublayer.families) == (x.name, x.name, ("mlp.down",))
    holds(program, structure)


def test_a_stream_may_be_an_input() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    program = sketch.program(sketch(aten.add.Tensor, x, bent(sketch, x, "mlp")))
    structure = structure_of(program)
    assert held(structure) == {"mlp": ("mlp.down",)}
    holds(program, structure)


def test_a_sum_of_what_is_computed_apart_is_no_residual() -> None:
    sketch = Sketch()
    one, two = (sketch.linear(f"{name}.weight", sketch.input(name, 5, 3), 4, 3) for name in "ab")
    total = sketch(aten.add.Tensor, bent(sketch, one, "one"), bent(sketch, two, "two"))
    assert structure_of(sketch.program(total)).sublayers == ()


def test_a_stream_times_what_reads_its_size_alone_is_a_multiple_of_it() -> None:
    sketch = Sketch()
    x = stream(sketch)
    scaled = sketch(aten.mul.Tensor, x, sketch(aten.full_like.default, x, 0.5))
    program = sketch.program(sketch(aten.add.Tensor, scaled, bent(sketch, x, "mlp")))
    structure = structure_of(program)
    (sublayer,) = structure.sublayers
    assert (sublayer.skip, sublayer.start) == (scaled.name, x.name)
    holds(program, structure)


def test_what_is_added_to_a_part_of_the_stream_starts_from_all_of_it() -> None:
    sketch = Sketch()
    x = stream(sketch)
    last = sketch(aten.slice.Tensor, x, 0, 1, 5)
    first = bent(sketch, sketch(aten.slice.Tensor, x, 0, 0, 1), "mlp")
    program = sketch.program(sketch(aten.add.Tensor, last, first))
    structure = structure_of(program)
    (sublayer,) = structure.sublayers
    assert (sublayer.skip, sublayer.start, sublayer.families) == (last.name, x.name, ("mlp.down",))
    holds(program, structure)


def test_what_would_broadcast_to_the_branch_is_no_skip() -> None:
    sketch = Sketch()
    x = stream(sketch)
    one = sketch(aten.slice.Tensor, x, 0, 0, 1)
    assert structure_of(sketch.program(sketch(aten.add.Tensor, one, bent(sketch, x, "mlp")))).sublayers == ()


def test_a_shortcut_may_be_a_projection() -> None:
    sketch = Sketch()
    x = stream(sketch)
    shortcut = sketch.linear("shortcut.weight", x, 8, 4)
    program = sketch.program(sketch(aten.add.Tensor, bent(sketch, x, "mlp", out=8), shortcut))
    structure = structure_of(program)
    (sublayer,) = structure.sublayers
    assert (sublayer.skip, sublayer.start, sublayer.families) == (shortcut.name, x.name, ("mlp.down",))
    holds(program, structure)


def test_two_projections_are_neither_the_shortcut_of_the_other() -> None:
    sketch = Sketch()
    x = stream(sketch)
    low = sketch.linear("b.weight", sketch.linear("a.weight", x, 2, 4), 8, 2)
    assert (
        structure_of(sketch.program(sketch(aten.add.Tensor, sketch.linear("w.weight", x, 8, 4), low))).sublayers == ()
    )


def test_scores_beside_a_projection_are_no_branch() -> None:
    sketch = Sketch()
    x = stream(sketch)
    keys = sketch(aten.tanh.default, sketch.linear("keys.weight", x, 4, 4))
    scores = sketch(aten.matmul.default, x, sketch(aten.t.default, keys))
    assert (
        structure_of(sketch.program(sketch(aten.add.Tensor, sketch.linear("p.weight", x, 5, 4), scores))).sublayers
        == ()
    )


def test_a_family_is_held_by_the_innermost_branch_around_all_that_reads_it() -> None:
    sketch = Sketch()
    x = stream(sketch)
    low = sketch(aten.tanh.default, sketch.linear("outer.down.weight", x, 4, 4))
    inner = sketch(aten.add.Tensor, low, bent(sketch, low, "inner"))
    program = sketch.program(sketch(aten.add.Tensor, x, sketch.linear("outer.up.weight", inner, 4, 4)))
    structure = structure_of(program)
    assert held(structure) == {"inner": ("inner.down",), "outer": ("inner.up",)}
    holds(program, structure)


@pytest.mark.parametrize("elsewhere", [False, True])
def test_a_branch_holds_no_family_that_outlives_it(elsewhere: bool) -> None:
    sketch = Sketch()
    x = stream(sketch)
    branch = bent(sketch, x, "mlp")
    total = sketch(aten.add.Tensor, x, branch)
    program = sketch.program(total, *([sketch(aten.tanh.default, branch)] if elsewhere else []))
    structure = structure_of(program)
    assert held(structure) == {"mlp": () if elsewhere else ("mlp.down",)}
    plan = Plan({"mlp.down": (0, 3)}, ("mlp",))
    assert deviation(program, structure, plan, program.example) < TOLERANCE


def test_tokens_that_the_example_has_none_of_have_a_branch_with_units() -> None:
    sketch = Sketch()
    x = stream(sketch)
    mask = sketch.integers("mask", torch.zeros(5, dtype=torch.bool))
    chosen = sketch(aten.index.Tensor, x, [mask])
    total = sketch(aten.add.Tensor, chosen, bent(sketch, chosen, "mlp"))
    program = sketch.program(sketch(aten.index_put.default, x, [mask], total))
    structure = structure_of(program)
    assert held(structure) == {"mlp": ("mlp.down",)}
    inputs = {**program.example, "mask": torch.tensor([True, False, True, True, False])}
    for plan in (no_sublayers(structure), Plan({"mlp.down": (0, 3)})):
        assert deviation(program, structure, plan, inputs) < TOLERANCE
