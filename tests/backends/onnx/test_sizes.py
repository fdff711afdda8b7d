"""Sizes that an input has already are not computed again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from prunec.backends.onnx import OnnxBackend
from tests.backends.agreement import WORKLOAD, assert_agrees
from tests.programs import program_from_module

Change = Callable[[Tensor], Tensor]
AXES = {"x": {0: "batch", 1: "sequence"}}
WITHOUT: dict[str, Change] = {
    "leading sizes stay": lambda x: x.reshape(x.shape[0], x.shape[1], 2, 3),
    "one size follows from the others": lambda x: x.reshape(x.shape[0], 2, 3, x.shape[1]),
    "sizes are joined": lambda x: x.reshape(x.shape[0] * x.shape[1], 6),
    "a size of one is repeated": lambda x: x[:, :, None].expand(x.shape[0], x.shape[1], 4, 6),
    "a size before the others is repeated": lambda x: x.expand(3, x.shape[0], x.shape[1], 6),
}
COMPUTED: dict[str, Change] = {
    "two sizes change places": lambda x: x.reshape(x.shape[1], x.shape[0], 6),
    "one row is repeated for each position": lambda x: x[:, :1].expand(x.shape[0], x.shape[1], 6),
}


class Changed(nn.Module):
    def __init__(self, change: Change) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: Tensor) -> Tensor:
        return self.change(x) * 2.0


def emitted(change: Change, folder: Path) -> Counter[str]:
    """The operators of the file, which gives what `change` does."""
    program = program_from_module(Changed(change), {"x": torch.randn(2, 5, 6)}, AXES)
    OnnxBackend().emit(program, folder / "a.onnx")
    assert_agrees(OnnxBackend().load(folder / "a.onnx", WORKLOAD), program, {"x": torch.randn(3, 7, 6)}, 0)
    return Counter(node.op_type for node in ir.load(folder / "a.onnx").graph)


@pytest.mark.parametrize("name", WITHOUT)
def test_a_size_that_is_taken_over_is_not_computed(name: str, tmp_path: Path) -> None:
    assert not {"Shape", "Concat"} & set(emitted(WITHOUT[name], tmp_path))


@pytest.mark.parametrize("name", COMPUTED)
def test_a_size_from_elsewhere_is(name: str, tmp_path: Path) -> None:
    assert emitted(COMPUTED[name], tmp_path)["Shape"] >= 1


def test_nothing_follows_from_a_past_that_may_be_empty(tmp_path: Path) -> None:
    program = program_from_module(
        Changed(lambda x: x.reshape(x.shape[0], 2, 3, x.shape[1])),
        {"x": torch.randn(2, 5, 6)},
        {"x": {0: "batch", 1: "past"}},
    )
    OnnxBackend().emit(program, tmp_path / "a.onnx")
    runner = OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD)
    for length in (4, 0):
        assert_agrees(runner, program, {"x": torch.randn(3, length, 6)}, 0)
