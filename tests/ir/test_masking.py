"""Masks as inputs of the graph."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from prunec.ir.masking import Mask, MaskSite, insert_masks
from prunec.ir.program import Program
from tests.ir.sketch import Sketch

aten = torch.ops.aten


@pytest.fixture
def program() -> Program:
    """`x + down(relu(up(x)))`, six neurons."""
    sketch = Sketch()
    x = sketch.input("x", 5, 4)
    hidden = sketch(aten.relu.default, sketch.linear("up", x, 6, 4))
    return sketch.program(sketch(aten.add.Tensor, x, sketch.linear("down", hidden, 4, 6)))


def neurons(index: list[int], size: int) -> Mask:
    return Mask(size, (MaskSite("linear_default_1", 0, np.array(index)),))


def branch(argument: int) -> Mask:
    return Mask(1, (MaskSite("add_tensor", argument),))


def outputs(program: Program, **masks: torch.Tensor) -> torch.Tensor:
    return program({**program.example, **{name.replace("__", "."): mask for name, mask in masks.items()}})["output_0"]


@pytest.mark.parametrize("index", [[0, 1, 2, 3, 4, 5], [0, 0, 1, 1, 2, 2], [2, -1, 0, 1, -1, -1]])
def test_ones_change_nothing(program: Program, index: list[int]) -> None:
    masked = insert_masks(program, {"n": neurons(index, max(index) + 1)})
    torch.testing.assert_close(masked(masked.example)["output_0"], outputs(program), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("index", "zero", "gone"),
    [([0, 1, 2, 3, 4, 5], 1, [1]), ([0, 0, 1, 1, 2, 2], 2, [4, 5]), ([2, -1, 0, 1, -1, -1], 0, [2])],
)
def test_zero_switches_off_the_features_of_its_unit(
    program: Program, index: list[int], zero: int, gone: list[int]
) -> None:
    mask = torch.ones(max(index) + 1)
    mask[zero] = 0
    x, up, down = program.example["x"], program.tensor("up"), program.tensor("down").clone()
    down[:, gone] = 0
    masked = insert_masks(program, {"n": neurons(index, len(mask))})
    torch.testing.assert_close(outputs(masked, mask__n=mask), x + (x @ up.T).relu() @ down.T)


def test_a_number_switches_off_a_branch(program: Program) -> None:
    masked = insert_masks(program, {"s": branch(1)})
    torch.testing.assert_close(outputs(masked, mask__s=torch.zeros(1)), program.example["x"])


def test_two_masks_may_share_a_node(program: Program) -> None:
    masked = insert_masks(program, {"a": branch(0), "b": branch(1)})
    assert not outputs(masked, mask__a=torch.zeros(1), mask__b=torch.zeros(1)).any()


def test_node_names_survive(program: Program) -> None:
    masked = insert_masks(program, {"n": neurons([0, 0, 1, 1, 2, 2], 3), "s": branch(1)})
    names = {node.name: node.target for node in masked.graph.nodes}
    assert {node.name: node.target for node in program.graph.nodes}.items() <= names.items()


def test_masks_can_be_learned(program: Program) -> None:
    masked = insert_masks(program, {"n": neurons([0, 1, 2, 3, 4, 5], 6)})
    mask = torch.ones(6, requires_grad=True)
    outputs(masked, mask__n=mask).sum().backward()
    assert mask.grad is not None
    assert mask.grad.abs().sum() > 0


def test_one_mask_may_have_several_places(program: Program) -> None:
    both = Mask(1, (MaskSite("add_tensor", 0), MaskSite("add_tensor", 1)))
    masked = insert_masks(program, {"s": both})
    assert [item.name for item in masked.inputs] == ["x", "mask.s"]
    assert not outputs(masked, mask__s=torch.zeros(1)).any()


def test_features_may_lie_on_another_axis_than_the_last() -> None:
    sketch = Sketch()
    program = sketch.program(sketch(aten.mul.Tensor, sketch.input("x", 2, 3, 4, 4), 1))
    masked = insert_masks(program, {"c": Mask(3, (MaskSite("mul_tensor", 0, np.arange(3), axis=-3),))})
    expected = program.example["x"].clone()
    expected[:, 1] = 0
    torch.testing.assert_close(outputs(masked, mask__c=torch.tensor([1.0, 0.0, 1.0])), expected)


def test_what_is_masked_may_become_another_number_than_zero() -> None:
    sketch = Sketch()
    program = sketch.program(sketch(aten.softmax.int, sketch.input("x", 2, 3), -1))
    never = Mask(3, (MaskSite("softmax_int", 0, np.arange(3), absent=-np.inf),))
    masked = insert_masks(program, {"e": never})
    left = program.example["x"][:, [0, 2]].softmax(-1)
    torch.testing.assert_close(outputs(masked, mask__e=torch.tensor([1.0, 0.0, 1.0]))[:, [0, 2]], left)
