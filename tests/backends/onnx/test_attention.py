"""Attention in ONNX equals PyTorch's, masks, empty rows and shared heads included."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from prunec.backends.onnx import OnnxBackend
from prunec.ir.program import Program
from tests.backends.agreement import WORKLOAD, assert_agrees
from tests.programs import program_from_module

AXES = {name: {0: "batch", 2: "sequence"} for name in ("query", "key", "value")} | {"mask": {0: "batch"}}


class Attend(nn.Module):
    def __init__(self, **options: object) -> None:
        super().__init__()
        self.options = options

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        return nn.functional.scaled_dot_product_attention(query, key, value, mask, **self.options)  # type: ignore[arg-type]


def inputs(batch: int, length: int, heads: int = 2, shared: int = 2) -> dict[str, Tensor]:
    names = {"query": heads, "key": shared, "value": shared}
    return {name: torch.randn(batch, count, length, 8) for name, count in names.items()}


def emit(program: Program, path: Path) -> None:
    OnnxBackend().emit(program, path)
    assert "IsNaN" not in {node.op_type for node in ir.load(path).graph}


@pytest.mark.parametrize(
    ("options", "heads"),
    [({}, 2), ({"scale": 0.3}, 2), ({"is_causal": True}, 2), ({"enable_gqa": True}, 6), ({"enable_gqa": True}, 2)],
)
def test_without_a_mask(options: dict[str, object], heads: int, tmp_path: Path) -> None:
    program = program_from_module(Attend(**options), inputs(2, 5, heads), AXES)
    emit(program, tmp_path / "a.onnx")
    assert_agrees(OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD), program, inputs(3, 9, heads), 1e-5)


@pytest.mark.parametrize("forbids", [None, -1e4, float("-inf")], ids=["boolean", "finite", "infinite"])
def test_with_a_mask(forbids: float | None, tmp_path: Path) -> None:
    axes = AXES | {"mask": {0: "batch", 2: "sequence", 3: "sequence"}}

    def masked(batch: int, length: int) -> dict[str, Tensor]:
        mask = torch.rand(batch, 1, length, length) > 0.4
        mask[0, 0, 0] = False  # the first position attends to nothing
        return inputs(batch, length) | {"mask": mask if forbids is None else torch.where(mask, 0.0, forbids)}

    program = program_from_module(Attend(), masked(2, 5), axes)
    emit(program, tmp_path / "a.onnx")
    assert_agrees(OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD), program, masked(3, 9), 1e-5)


class Filling(nn.Module):
    """Attention whose mask is made inside: `fill` is added to what must not be attended to."""

    def __init__(self, fill: float) -> None:
        super().__init__()
        self.fill = fill

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor) -> Tensor:
        added = torch.zeros(mask.shape).masked_fill(~mask, self.fill)
        return nn.functional.scaled_dot_product_attention(query, key, value, added)


@pytest.mark.parametrize(("fill", "guards"), [(float("-inf"), 1), (torch.finfo(torch.float32).min, 0)])
def test_only_a_mask_that_may_hold_minus_infinity_is_guarded(fill: float, guards: int, tmp_path: Path) -> None:
    given = inputs(2, 5) | {"mask": torch.rand(2, 1, 5, 5) > 0.4}
    given["mask"][0, 0, 0] = False
    program = program_from_module(Filling(fill), given, {name: {0: "batch"} for name in given})
    emit(program, tmp_path / "a.onnx")
    assert sum(node.op_type == "ReduceMax" for node in ir.load(tmp_path / "a.onnx").graph) == guards
    assert_agrees(OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD), program, given, 1e-5)
