"""Factors move from features into weights, and no output changes by a bit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from prunec.ir.program import Program
from prunec.ir.scaling import scalables, scaled
from tests.programs import program_from_module


class Gated(nn.Module):
    """A norm before a gated feed-forward, and a residual."""

    def __init__(self, extra: bool = False) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.gate, self.up, self.down = nn.Linear(8, 12), nn.Linear(8, 12), nn.Linear(12, 8)
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        normal = self.norm(x)
        result: Tensor = self.down(nn.functional.silu(self.gate(normal)) * self.up(normal))
        return result + (normal if self.extra else x)


def gated(extra: bool = False) -> Program:
    return program_from_module(Gated(extra), {"x": torch.randn(2, 3, 8)}, {})


def test_values_after_a_norm_and_a_factor_can_be_scaled() -> None:
    makers = [item.makers for item in scalables(gated()).values()]
    assert makers == [(("norm.weight", 0), ("norm.bias", 0)), (("up.weight", 0), ("up.bias", 0))]


def test_what_is_read_by_more_than_products_stays() -> None:
    makers = [item.makers for item in scalables(gated(extra=True)).values()]
    assert makers == [(("up.weight", 0), ("up.bias", 0))]


def test_no_output_changes_by_a_bit() -> None:
    program = gated()
    exponents = {
        value.name: torch.randint(-5, 6, (program.tensor(item.readers[0].weight).shape[1],))
        for value, item in scalables(program).items()
    }
    result = scaled(program, exponents)
    inputs = {"x": torch.randn(2, 3, 8)}
    assert not torch.equal(result.tensor("down.weight"), program.tensor("down.weight"))
    assert torch.equal(result(inputs)["output"], program(inputs)["output"])


class Tied(nn.Module):
    """A norm before a head that shares its matrix with the table that is looked up."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.norm = nn.Embedding(10, 8), nn.LayerNorm(8)
        self.head = nn.Linear(8, 10, bias=False)
        self.head.weight = self.table.weight

    def forward(self, ids: Tensor) -> Tensor:
        result: Tensor = self.head(self.norm(self.table(ids)))
        return result


def test_tied_weights_stay() -> None:
    assert not scalables(program_from_module(Tied(), {"ids": torch.arange(6).view(2, 3)}, {}))
