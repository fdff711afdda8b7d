"""The direct way and torch's own give the same model; what the direct way cannot do, torch's does."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir
import pytest
import torch
from torch import Tensor, nn

from prunec.backends.onnx.lower import lowered
from prunec.backends.onnx.optimise import optimise
from prunec.backends.onnx.runner import OnnxRunner
from prunec.backends.onnx.torchlib import Unsupported
from prunec.backends.onnx.translate import direct, translate
from prunec.backends.quiet import quiet
from prunec.ir.program import Program
from tests.backends.agreement import WORKLOAD, assert_agrees, text_inputs
from tests.programs import program_from_module

ROWS = {"x": {0: "batch"}}


def run(model: ir.Model, program: Program, inputs: dict[str, Tensor], folder: Path) -> None:
    """Save, load and compare."""
    optimise(model)
    for value, item in zip(model.graph.inputs, program.inputs, strict=True):
        value.name = item.name
    for value, name in zip(model.graph.outputs, program.outputs, strict=True):
        value.name = name
    ir.save(model, folder / "a.onnx")
    assert_agrees(OnnxRunner.open(folder / "a.onnx", WORKLOAD), program, inputs)


class Mixed(nn.Module):
    """PyTorch casts by itself in each of these."""

    def forward(self, x: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        return x * n, n / 2, n + 0.5, x * 2, torch.pow(n, 2), torch.sqrt(n), x > n, torch.cat([x, n], 1), n // 2


def test_implicit_casts_are_made(tmp_path: Path) -> None:
    inputs = {"x": torch.rand(2, 3), "n": torch.randint(1, 9, (2, 3))}
    program = program_from_module(Mixed(), inputs, {"x": {0: "batch"}, "n": {0: "batch"}})
    run(direct(program, 20), program, {"x": torch.rand(5, 3), "n": torch.randint(1, 9, (5, 3))}, tmp_path)


class Python(nn.Module):
    """Python's operators on booleans and integers, and calls that do nothing."""

    def forward(self, x: Tensor, n: Tensor) -> tuple[Tensor, ...]:
        some, kept = (x > 0.3) & (x < 0.7), nn.functional.dropout(x, 0.5, self.training)
        return some | (x > 0.9), some ^ (x > 0.5), n & 6, n | 1, n.to(torch.int64) ^ 3, kept.contiguous().to(x.dtype)


def test_operators_that_torchs_library_lacks_are_put_as_others(tmp_path: Path) -> None:
    inputs = {"x": torch.rand(2, 3), "n": torch.randint(1, 9, (2, 3))}
    program = program_from_module(Python(), inputs, {"x": {0: "batch"}, "n": {0: "batch"}})
    run(direct(program, 20), program, {"x": torch.rand(4, 3), "n": torch.randint(1, 9, (4, 3))}, tmp_path)


class Joined(nn.Module):
    """Joins its input to a part without elements, which torch passes over."""

    nothing: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("nothing", torch.empty(0))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.nothing, x], 0) * 2


def test_tensors_without_elements_are_passed_over(tmp_path: Path) -> None:
    program = program_from_module(Joined(), {"x": torch.rand(2, 3)}, {"x": {0: "batch"}})
    assert "nothing" in program.tensors()
    run(direct(program, 20), program, {"x": torch.rand(4, 3)}, tmp_path)


class Written(nn.Module):
    """Writes into a tensor, which only torch's own way puts otherwise."""

    def forward(self, x: Tensor) -> Tensor:
        result = x * 2
        result[:, 0] = 1
        return result + x


def test_what_the_direct_way_cannot_do_goes_the_other(tmp_path: Path) -> None:
    program = program_from_module(Written(), {"x": torch.rand(2, 3)}, ROWS)
    with pytest.raises(Unsupported, match="copy_"):
        direct(program, 20)
    with quiet():
        model = translate(program, 20)
    assert [str(size) for size in model.graph.inputs[0].shape or ()] == ["batch", "3"]
    run(model, program, {"x": torch.rand(7, 3)}, tmp_path)


class Chosen(nn.Module):
    """Its output's size depends on data: it does not run on shapes alone."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.nonzero(x)


def test_sizes_that_depend_on_data_go_the_other_way(tmp_path: Path) -> None:
    program = program_from_module(Chosen(), {"x": torch.eye(3)}, ROWS)
    with quiet():
        model = translate(program, 20)
    run(model, program, {"x": torch.eye(5, 3)}, tmp_path)


def test_another_torch_goes_the_other_way(text: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prunec.backends.onnx.torchlib.MISSING", "no such function")
    with pytest.raises(Unsupported, match="another exporter"):
        direct(text, 20)
    with quiet():
        model = translate(text, 20)
    run(model, text, text_inputs(3, 7), tmp_path)


def test_lowering_leaves_the_program_alone(text: Program) -> None:
    before = text.text()
    lowered(text, 20)
    assert text.text() == before
    assert not any(node.meta for node in text.graph.nodes)


class RootMeanSquare(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * x


class Roots(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        root = torch.rsqrt(x + 1)
        return root * root, torch.rsqrt(x + 2) * 3.0, torch.rsqrt(x + 3) * torch.rsqrt(x + 4)


def test_other_products_with_roots_stay_right(tmp_path: Path) -> None:
    program = program_from_module(Roots(), {"x": torch.rand(2, 3)}, ROWS)
    run(direct(program, 20), program, {"x": torch.rand(7, 3)}, tmp_path)


def test_root_mean_square_norms_are_put_as_onnx_runtime_knows_them(tmp_path: Path) -> None:
    program = program_from_module(RootMeanSquare(), {"x": torch.rand(2, 3)}, ROWS)
    model = direct(program, 20)
    assert "Div" in {node.op_type for node in model.graph}
    assert "Reciprocal" not in {node.op_type for node in model.graph}
    run(model, program, {"x": torch.rand(7, 3)}, tmp_path)


class Shared(nn.Module):
    """One layer for all layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.layer(x).relu() + x
        return x


def test_a_weight_that_several_calls_read_is_stored_once(tmp_path: Path) -> None:
    program = program_from_module(Shared(), {"x": torch.rand(2, 3)}, ROWS)
    model = direct(program, 20)
    run(model, program, {"x": torch.rand(5, 3)}, tmp_path)
    assert sum(value.const_value is not None and value.const_value.size == 9 for value in initializers(model)) == 1


def initializers(model: ir.Model) -> list[ir.Value]:
    return list(model.graph.initializers.values())
