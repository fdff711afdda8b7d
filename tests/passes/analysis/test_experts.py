"""Experts: what is chosen from by place, how many must stay, and where masks keep them from being chosen."""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import fx

from prunec.facts import KINDS, Family, MaskPoint, Plan, Structure
from prunec.ir.program import Program
from prunec.passbase import Context, Facts
from prunec.passes.analysis.structure import StructurePass
from tests.ir.sketch import Sketch
from tests.passes.golden import TOLERANCE, all_but_one, deviation

aten = torch.ops.aten
Scale = Callable[[Sketch, fx.Node], fx.Node]


def mixture(scale: Scale, chosen: int = 2, experts: int = 5) -> Program:
    """Rows of a stack that are chosen by many tokens of three features, weighted by their scores after `scale`."""
    torch.manual_seed(0)
    sketch = Sketch()
    scores = scale(sketch, sketch.linear("mlp.gate.weight", sketch.input("x", 40, 3), experts, 3))
    best = sketch(aten.topk.default, scores, chosen)
    values, places = (sketch(operator.getitem, best, index) for index in (0, 1))
    rows = sketch(aten.index.Tensor, sketch.weight("mlp.experts", experts, 6), [places])
    return sketch.program(sketch(aten.mul.Tensor, rows, sketch(aten.unsqueeze.default, values, -1)))


def as_they_are(sketch: Sketch, scores: fx.Node) -> fx.Node:
    return scores


def softmax(sketch: Sketch, scores: fx.Node) -> fx.Node:
    return sketch(aten.softmax.int, scores, -1)


def shares(sketch: Sketch, scores: fx.Node) -> fx.Node:
    positive = sketch(aten.sigmoid.default, scores)
    return sketch(aten.div.Tensor, positive, sketch(aten.sum.dim_IntList, positive, [-1], True))


def centred(sketch: Sketch, scores: fx.Node) -> fx.Node:
    return sketch(aten.sub.Tensor, scores, sketch(aten.mean.dim, scores, [-1], True))


def structure_of(program: Program, *kinds: str) -> Structure:
    (structure,) = StructurePass(kinds or KINDS).run(program, Facts(), Context(Path(), Path())).facts
    assert isinstance(structure, Structure)
    return structure


def told(point: MaskPoint) -> tuple[str, int, float | None]:
    return point.node, point.axis, point.absent


def test_an_expert_is_a_row_of_all_that_its_place_chooses_from() -> None:
    (family,) = structure_of(mixture(as_they_are)).families
    assert (family.name, family.kind, family.units, family.least) == ("mlp.expert", "expert", 5, 2)
    assert {(slot.tensor, slot.dim): slot.positions.ravel().tolist() for slot in family.slots} == {
        ("mlp.gate.weight", 0): [0, 1, 2, 3, 4],
        ("mlp.experts", 0): [0, 1, 2, 3, 4],
    }


def test_experts_are_found_only_where_they_are_asked_for() -> None:
    assert structure_of(mixture(as_they_are), "neuron").families == ()


@pytest.mark.parametrize(
    ("scale", "points"),
    [
        (as_they_are, [("topk_default", -1, -np.inf)]),
        (softmax, [("softmax_int", -1, -np.inf), ("topk_default", -1, -np.inf)]),
        (shares, [("sum_dim_int_list", -1, 0.0), ("topk_default", -1, -np.inf)]),
        (centred, [("topk_default", -1, -np.inf), ("mean_dim", -1, None)]),
    ],
)
def test_a_masked_expert_counts_for_nothing(scale: Scale, points: list[tuple[str, int, float | None]]) -> None:
    program = mixture(scale)
    structure = structure_of(program)
    (family,) = structure.families
    assert [told(point) for point in family.points] == points
    inputs = {"x": torch.randn(40, 3, generator=torch.Generator().manual_seed(2))}
    for removed in ((0,), (1, 4), (0, 2, 3)):
        assert deviation(program, structure, Plan({family.name: removed}), inputs) < TOLERANCE


def test_what_is_ranked_and_not_looked_up_is_no_expert() -> None:
    sketch = Sketch()
    scores = sketch.linear("classes.weight", sketch.input("x", 40, 3), 5, 3)
    scores = sketch(aten.mul.Tensor, scores, sketch.weight("classes.scale", 5))
    best = sketch(operator.getitem, sketch(aten.max.dim, scores, -1), 0)
    assert structure_of(sketch.program(best)).families == ()


def test_experts_that_are_all_chosen_stay_and_that_is_said() -> None:
    structure = structure_of(mixture(as_they_are, chosen=5))
    assert structure.families == ()
    assert [(pin.what, pin.why) for pin in structure.pins] == [
        ("mlp.expert", "as many as its 5 units are chosen at once")
    ]


def test_as_few_stay_as_are_chosen() -> None:
    structure = structure_of(mixture(softmax, chosen=3))
    (family,) = structure.families
    assert (family.least, family.spare) == (3, 2)
    assert [len(removed) for removed in all_but_one(structure, 0).units.values()] == [2]


def test_a_plain_family_keeps_one_unit() -> None:
    assert Family("f", "neuron", 4, (), ()).spare == 3
