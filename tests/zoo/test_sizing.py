"""Other sizes: axes of one name change together, ids stay legal, and what the program refuses is not asked of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tests.programs import Axes, program_from_module
from tests.zoo.sizing import Sized, other_sizes


class Text(nn.Module):
    """Tokens and their mask."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 4)

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        embedded: Tensor = self.words(ids)
        return embedded * mask.unsqueeze(-1)


class Pairs(nn.Module):
    """Rows in pairs."""

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(-1, 2, 3, x.shape[1])


def sized(module: nn.Module, example: dict[str, Tensor], axes: Axes) -> Sized:
    return other_sizes(program_from_module(module, example, axes))


def test_batch_and_length_grow_together_in_every_input() -> None:
    example = {"ids": torch.arange(14).reshape(2, 7), "mask": torch.ones(2, 7)}
    found = sized(Text(), example, {name: {0: "batch", 1: "sequence"} for name in example})
    assert found.text == "batch 3, sequence 9"
    assert {name: tuple(tensor.shape) for name, tensor in found.inputs.items()} == {"ids": (3, 9), "mask": (3, 9)}
    assert found.inputs["ids"][2].tolist() == [0, 1, 2, 3, 4, 5, 6, 0, 1]


def test_rows_that_are_not_the_batch_grow_in_proportion() -> None:
    found = sized(Pairs(), {"x": torch.randn(12, 4)}, {"x": {0: "x rows", 1: "width"}})
    assert tuple(found.inputs["x"].shape) == (18, 6)


def test_the_example_where_nothing_is_dynamic() -> None:
    found = sized(Pairs(), {"x": torch.randn(12, 4)}, {})
    assert found.text == ""
    assert tuple(found.inputs["x"].shape) == (12, 4)
