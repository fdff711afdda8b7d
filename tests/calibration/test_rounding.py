"""Products are tried on grids, and features are scaled where that helps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from prunec.calibration.rounding import by_blocks, by_tensor, rounding
from prunec.ir.program import Program
from tests.programs import program_from_module


class Normed(nn.Module):
    """A norm that makes one feature a hundred times as large as the others, and a map that hardly reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.map = nn.LayerNorm(16), nn.Linear(16, 8, bias=False)
        with torch.no_grad():
            self.norm.weight[3] = 100.0
            self.map.weight[:, 3] /= 100.0

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.map(self.norm(x))
        return result


@pytest.fixture
def program() -> Program:
    return program_from_module(Normed(), {"x": torch.randn(4, 8, 16)}, {})


def test_an_outlying_feature_moves_into_the_weight(program: Program) -> None:
    batch = {"x": torch.randn(4, 8, 16)}
    found = rounding(program, batch, by_tensor(127))
    (exponents,) = found.exponents.values()
    assert exponents[3] - exponents.median() >= 4
    rows = nn.functional.layer_norm(batch["x"], (16,), program.tensor("norm.weight").detach()).reshape(-1, 16)
    weight = program.tensor("map.weight").detach()
    own, rounded = by_tensor(127)(rows, weight)
    wanted = rows @ weight.T
    unscaled = ((own @ rounded.T - wanted).square().sum(-1) / wanted.square().sum(-1)).mean()
    assert found.errors["map.weight"] < unscaled / 20


def test_values_on_one_grid_are_off_by_half_a_step_at_most() -> None:
    rows, weight = torch.randn(9, 4) * 3, torch.randn(5, 4)
    own, rounded = by_tensor(127)(rows, weight)
    step = float(rows.max() - rows.min()) / 255
    assert float((own - rows).abs().max()) <= 0.501 * step + step / 2  # the zero is on the grid, and shifts it
    assert torch.allclose(rounded, weight, atol=float(weight.abs().max()) / 127)


def test_blocks_have_steps_of_their_own() -> None:
    weight = torch.cat([torch.randn(2, 4), 1000 * torch.randn(2, 4), torch.randn(2, 2)], 1)
    rows, rounded = by_blocks(8, 4)(torch.ones(1, 10), weight)
    assert torch.equal(rows, torch.ones(1, 10))
    assert rounded.shape == weight.shape
    assert float((rounded - weight)[:, :4].abs().max()) <= float(weight[:, :4].abs().max()) / 127
