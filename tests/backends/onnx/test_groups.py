"""Heads that share keys and values read them where they are."""

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

AXES = {name: {0: "batch", 2: "sequence"} for name in ("query", "key", "value")}
MASKED = AXES | {"mask": {0: "batch", 2: "sequence", 3: "sequence"}}
HEADS, GROUPS, SIZE = 6, 2, 8


class Grouped(nn.Module):
    """Attention whose keys and values are repeated for the heads of their group, or for heads far from each other."""

    def __init__(self, *, apart: bool = False) -> None:
        super().__init__()
        self.apart = apart

    def forward(self, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> Tensor:
        key, value = self.repeated(key), self.repeated(value)
        return nn.functional.scaled_dot_product_attention(query, key, value, mask)

    def repeated(self, x: Tensor) -> Tensor:
        batch, groups, length, size = x.shape
        copies = HEADS // groups
        if self.apart:
            return x[:, None].expand(batch, copies, groups, length, size).reshape(batch, HEADS, length, size)
        return x[:, :, None].expand(batch, groups, copies, length, size).reshape(batch, HEADS, length, size)


def inputs(batch: int, length: int, heads: int = 0) -> dict[str, Tensor]:
    """Queries, keys, values; with `heads` a mask too, the same for all heads or one for each."""
    counts = {"query": HEADS, "key": GROUPS, "value": GROUPS}
    found = {name: torch.randn(batch, count, length, SIZE) for name, count in counts.items()}
    if heads:
        mask = torch.rand(batch, heads, length, length) > 0.4
        mask[0, 0, 0] = False  # the first position attends to nothing
        found["mask"] = mask
    return found


def emitted(module: nn.Module, folder: Path, heads: int) -> Counter[str]:
    """The operators of the file, which gives what `module` does."""
    program = program_from_module(module, inputs(2, 5, heads), MASKED if heads else AXES)
    OnnxBackend().emit(program, folder / "a.onnx")
    assert_agrees(OnnxBackend().load(folder / "a.onnx", WORKLOAD), program, inputs(3, 9, heads), 1e-5)
    return Counter(node.op_type for node in ir.load(folder / "a.onnx").graph)


@pytest.mark.parametrize("heads", [0, 1])
def test_nothing_is_copied_for_the_heads_of_a_group(heads: int, tmp_path: Path) -> None:
    assert emitted(Grouped(), tmp_path, heads)["Expand"] == 0


def test_a_mask_for_each_head_is_obeyed(tmp_path: Path) -> None:
    assert emitted(Grouped(), tmp_path, HEADS)["MatMul"] == 2


def test_heads_that_share_across_groups_keep_their_copies(tmp_path: Path) -> None:
    assert emitted(Grouped(apart=True), tmp_path, 0)["Expand"] == 2
