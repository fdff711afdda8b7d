"""Calls without a translation are taken apart, known beforehand or said in other operators."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from prunec.backends.onnx import OnnxBackend
from prunec.backends.onnx.lower import lowered
from prunec.backends.onnx.torchlib import untranslatable
from prunec.ir.program import Program
from tests.backends.agreement import WORKLOAD, assert_agrees
from tests.programs import program_from_module

AXES = {"x": {0: "batch", 1: "sequence"}}


def check(module: nn.Module, folder: Path, *shape: int) -> ir.Model:
    """Emit by the direct way alone, and compare at other sizes."""
    program = program_from_module(module, {"x": torch.randn(2, 5, *shape)}, AXES)
    graph, _ = lowered(program, 20)
    assert untranslatable(graph, 20) == ""
    OnnxBackend().emit(program, folder / "a.onnx")
    assert_agrees(OnnxBackend().load(folder / "a.onnx", WORKLOAD), program, {"x": torch.randn(3, 9, *shape)}, 1e-5)
    return ir.load(folder / "a.onnx")


class Composed(nn.Module):
    """Operators that PyTorch puts together from others."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        one, other = torch.broadcast_tensors(x + 1, x - 1)
        rows, columns = torch.meshgrid(x[0, :, 0], x[0, 0], indexing="ij")
        outer = torch.outer(x[0, 0], x[0, 1])
        return (
            x.diff(dim=1),
            one,
            other,
            rows,
            columns,
            x.std(-1),
            1.0 - x,
            x.square(),
            outer,
            *x.sort(stable=True, dim=1),
        )


def test_composed_operators_are_taken_apart(tmp_path: Path) -> None:
    check(Composed(), tmp_path, 4)


class Quantile(nn.Module):
    """A number that the graph computes from numbers alone, by an operator without a translation."""

    def __init__(self) -> None:
        super().__init__()
        self.share = nn.Buffer(torch.tensor([0.3, 0.9]))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.erfinv(self.share * 2 - 1)


def test_what_depends_on_no_input_is_computed(tmp_path: Path) -> None:
    check(Quantile(), tmp_path, 2)


class Rotated(nn.Module):
    """Positions turned as complex numbers."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        angles = torch.arange(x.shape[1], dtype=torch.float32)[:, None] / 7
        turn = torch.polar(torch.ones_like(angles), angles)
        numbers = torch.view_as_complex(x.unflatten(-1, (-1, 2)))
        turned = numbers.unsqueeze(1) * turn.expand(-1, numbers.shape[-1])[None, None]
        flat = turned.reshape(x.shape[0], -1)
        return torch.view_as_real(turned).flatten(-2), *map(
            torch.view_as_real, (flat, turned.select(-1, 0), turned.exp())
        )


def test_complex_numbers_are_moved_and_turned(tmp_path: Path) -> None:
    check(Rotated(), tmp_path, 6)


@pytest.mark.parametrize("options", [{}, {"affine": False}, {"track_running_stats": False}])
def test_batch_norms_of_both_kinds(options: dict[str, bool], tmp_path: Path) -> None:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(4, **options)
    program = program_from_module(Normed(norm), {"x": torch.randn(4, 4, 6)}, {"x": {0: "batch"}})
    OnnxBackend().emit(program, tmp_path / "a.onnx")
    assert_agrees(OnnxBackend().load(tmp_path / "a.onnx", WORKLOAD), program, {"x": torch.randn(7, 4, 6)}, 1e-5)
    found = [node.op_type for node in ir.load(tmp_path / "a.onnx").graph]
    assert found.count("BatchNormalization") == int(norm.track_running_stats)


class Normed(nn.Module):
    """A module called `x`."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.norm(x)
        return result


class Padded(nn.Module):
    """Zeros around negative numbers, before a pool that takes the largest."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.max_pool2d(nn.functional.pad(-1 - x.abs(), (1, 1, 1, 1)), 2, 2)


def test_zeros_before_a_pool_stay_zeros(tmp_path: Path) -> None:
    check(Padded(), tmp_path, 4, 4)


class Chunked(nn.Module):
    """Chunks whose count is in no terms of the length, and all of them but the first, made in two ways."""

    def forward(self, x: Tensor) -> Tensor:
        padded = nn.functional.pad(x, (0, 0, 0, x.shape[1] % 2))
        later = padded.unflatten(1, (-1, 2))[:, 1:]
        result: Tensor = later @ padded[:, 2:].unflatten(1, (-1, 2)).transpose(-1, -2)
        return result


def test_sizes_in_no_terms_of_the_axes_stay_open(tmp_path: Path) -> None:
    check(Chunked(), tmp_path, 3)


def program_of(text: Program) -> list[str]:
    """The operators of a lowered program."""
    graph, _ = lowered(text, 20)
    return [str(node.target) for node in graph.nodes if node.op == "call_function"]


def test_operators_with_a_translation_stay_whole(text: Program) -> None:
    assert "aten.scaled_dot_product_attention.default" in program_of(text)
    assert "aten.layer_norm.default" in program_of(text)
