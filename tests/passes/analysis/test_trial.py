"""What label flow misses shows when the cut program is run on shapes: such a family stays, and the others go."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import fx

from prunec.facts import Structure
from prunec.ir.program import Program
from prunec.ir.shapes import Shapes
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from tests.ir.sketch import Sketch

aten = torch.ops.aten


def structure_of(program: Program) -> Structure:
    (structure,) = StructurePass().run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    return structure


def squeezed(sketch: Sketch, x: fx.Node, name: str) -> fx.Node:
    """A feed-forward whose neurons' axis is squeezed away once there is one."""
    hidden = sketch(aten.unsqueeze.default, sketch.linear(f"{name}.up", x, 6, 4), 1)
    return sketch.linear(f"{name}.down", sketch(aten.squeeze.default, hidden), 4, 6)


def plain(sketch: Sketch, x: fx.Node, name: str) -> fx.Node:
    return sketch.linear(f"{name}.down", sketch(aten.relu.default, sketch.linear(f"{name}.up", x, 6, 4)), 4, 6)


def test_families_that_cannot_be_cut_are_told_from_those_that_can() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    for index, layer in enumerate((plain, squeezed, plain, plain, squeezed)):
        x = sketch(aten.add.Tensor, x, layer(sketch, x, f"layers.{index}"))
    structure = structure_of(sketch.program(x))
    assert [family.name for family in structure.families] == [f"layers.{index}.down" for index in (0, 2, 3)]
    failing = [pin.what for pin in structure.pins if "could not run after it" in pin.why]
    assert failing == ["layers.1.down", "layers.4.down"]


def test_shapes_say_which_call_cannot_run() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    program = sketch.program(sketch(aten.add.Tensor, x, sketch.weight("w", 3, 3)))
    failure = Shapes.of(program).failure()
    assert failure is not None
    assert failure.node.name == "add_tensor"


def test_shapes_hold_no_numbers_and_keep_tied_tensors_one() -> None:
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    both = sketch.stored("w", torch.randn(4, 4))
    again = sketch.stored("v", sketch.tensors["w"])
    program = sketch.program(sketch(aten.linear.default, sketch(aten.linear.default, x, both), again))
    shapes = Shapes.of(program)
    assert shapes.failure() is None
    assert shapes.program.tensor("w") is shapes.program.tensor("v")
    assert isinstance(shapes.program.tensor("w"), torch._subclasses.FakeTensor)
