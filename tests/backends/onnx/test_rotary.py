"""Rotary embeddings become one operator where they are one, and compute what they did."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from prunec.backends.onnx import OnnxBackend
from tests.backends.agreement import WORKLOAD, assert_agrees
from tests.programs import program_from_module

SIZE = 8
AXES = {"x": {0: "batch", 2: "sequence"}, "positions": {0: "batch", 1: "sequence"}}


class Rotate(nn.Module):
    """Turns `[batch, heads, positions, SIZE]` by the angles of the positions, `[batch or 1, positions]`."""

    pace: Tensor
    other: Tensor

    def __init__(self, *, twice: bool = True, scale: float = 1.0, swapped: bool = False, neighbours: bool = False):
        super().__init__()
        self.twice, self.scale, self.swapped, self.neighbours = twice, scale, swapped, neighbours
        self.register_buffer("pace", 0.7 ** torch.arange(SIZE // 2))
        self.register_buffer("other", 0.9 ** torch.arange(SIZE // 2))

    def forward(self, x: Tensor, positions: Tensor) -> Tensor:
        angles = positions[:, :, None].float() * self.pace
        other = angles if self.twice else positions[:, :, None].float() * self.other
        table = torch.cat([angles, other], -1)
        cosine, sine = (table.cos() * self.scale)[:, None], (table.sin() * self.scale)[:, None]
        if self.neighbours:
            turned = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
        else:
            turned = torch.cat([-x[..., SIZE // 2 :], x[..., : SIZE // 2]], -1)
        return turned * sine + cosine * x if self.swapped else x * cosine + turned * sine


def inputs(batch: int, length: int, rows: int | None = None) -> dict[str, Tensor]:
    """Positions differ from row to row, as they do where prompts are padded on the left."""
    starts = torch.arange(rows or batch)[:, None]
    return {"x": torch.randn(batch, 3, length, SIZE), "positions": torch.arange(length)[None] + starts}


def emitted(module: nn.Module, folder: Path, rows: int | None = None) -> Counter[str]:
    """The operators of the file, which gives what `module` does."""
    axes = AXES if rows is None else AXES | {"positions": {1: "sequence"}}
    program = program_from_module(module, inputs(2, 5, rows), axes)
    OnnxBackend().emit(program, folder / "a.onnx")
    assert_agrees(OnnxBackend().load(folder / "a.onnx", WORKLOAD), program, inputs(4, 9, rows), 1e-5)
    return Counter(node.op_type for node in ir.load(folder / "a.onnx").graph)


@pytest.mark.parametrize("options", [{}, {"scale": 1.3}, {"swapped": True}])
def test_one_operator_turns_each_row_by_its_own_positions(options: dict[str, object], tmp_path: Path) -> None:
    found = emitted(Rotate(**options), tmp_path)  # type: ignore[arg-type]
    assert found["RotaryEmbedding"] == 1
    assert found["Neg"] == 0


def test_positions_may_be_those_of_all_rows(tmp_path: Path) -> None:
    assert emitted(Rotate(), tmp_path, rows=1)["RotaryEmbedding"] == 1


@pytest.mark.parametrize("options", [{"twice": False}, {"neighbours": True}])
def test_halves_with_angles_of_their_own_and_neighbours_stay_spelt_out(
    options: dict[str, object], tmp_path: Path
) -> None:
    assert emitted(Rotate(**options), tmp_path)["RotaryEmbedding"] == 0  # type: ignore[arg-type]


def test_a_weighted_sum_stays_spelt_out(tmp_path: Path) -> None:
    class Weighted(Rotate):
        def forward(self, x: Tensor, positions: Tensor) -> Tensor:
            angles = positions[:, :, None].float() * self.pace
            table = torch.cat([angles, angles], -1)[:, None]
            turned = torch.cat([-x[..., SIZE // 2 :], x[..., : SIZE // 2]], -1)
            return torch.add(x * table.cos(), turned * table.sin(), alpha=2)

    assert emitted(Weighted(), tmp_path)["RotaryEmbedding"] == 0


@pytest.mark.parametrize("place", [0, 1])
def test_a_sum_of_another_input_is_no_rotation(place: int, tmp_path: Path) -> None:
    class Mixed(Rotate):
        def forward(self, x: Tensor, positions: Tensor) -> Tensor:
            angles = positions[:, :, None].float() * self.pace
            table = torch.cat([angles, angles], -1)[:, None]
            parts = [x, x.flip(1)] if place else [x.flip(1), x]
            turned = torch.cat([-parts[0][..., SIZE // 2 :], parts[1][..., : SIZE // 2]], -1)
            return x * table.cos() + turned * table.sin()

    assert emitted(Mixed(), tmp_path)["RotaryEmbedding"] == 0
