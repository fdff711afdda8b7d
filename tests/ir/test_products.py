"""Products with stored matrices are found, whichever operator says them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunec.ir.products import products
from tests.programs import program_from_module


class Maps(nn.Module):
    """A linear map, a matrix from the right, and a product of two values."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 5)
        self.second = nn.Parameter(torch.randn(5, 4))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(x) @ self.second
        result: Tensor = hidden @ hidden.transpose(-1, -2)
        return result


def test_products_name_their_weight_and_its_features() -> None:
    program = program_from_module(Maps(), {"x": torch.randn(2, 3, 6)}, {})
    found = products(program)
    assert [(item.weight, item.axis) for item in found] == [("first.weight", 1), ("second", 0)]
    assert found[1].operand is found[0].call
