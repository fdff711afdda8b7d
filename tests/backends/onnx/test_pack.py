"""Products of one value that meet again become one product, and give what they gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from pathlib import Path

import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from torch import Tensor, nn

from prunec.backends.onnx import OnnxBackend
from prunec.backends.onnx.pack import pack_products
from prunec.cost.numerics import Numerics
from prunec.frontends.module import trace
from tests.architectures import ARCHITECTURES
from tests.programs import program_from_module

WIDTH = 8


class Gated(nn.Module):
    """A gated feed-forward, and beside it another of the same value."""

    def __init__(self, *, bias: bool = False, tied: bool = False) -> None:
        super().__init__()
        self.gate, self.up = nn.Linear(WIDTH, 12, bias=bias), nn.Linear(WIDTH, 12, bias=bias)
        self.down = nn.Linear(12, WIDTH)
        self.other, self.last = nn.Linear(WIDTH, 5), nn.Linear(5, WIDTH)
        if tied:
            self.up.weight = self.gate.weight

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.down(self.gate(x).sigmoid() * self.up(x)) + self.last(self.other(x).relu())
        return result


def packed(module: nn.Module, folder: Path, kind: Callable[[str], Hashable] = bool) -> ir.Model:
    """The file of `module` with its products packed, which gives what it gave."""
    path, values = folder / "a.onnx", torch.randn(3, 7, WIDTH)
    program = program_from_module(module, {"x": torch.randn(2, 5, WIDTH)}, {"x": {0: "batch", 1: "sequence"}})
    OnnxBackend().emit(program, path)
    model = ir.load(path)
    pack_products(model, kind)
    ir.save(model, folder / "b.onnx")
    before, after = (
        ort.InferenceSession(folder / name, providers=["CPUExecutionProvider"]).run(None, {"x": values.numpy()})[0]
        for name in ("a.onnx", "b.onnx")
    )
    torch.testing.assert_close(torch.from_numpy(after), torch.from_numpy(before))
    return ir.load(folder / "b.onnx")


def operators(model: ir.Model) -> Counter[str]:
    return Counter(node.op_type for node in model.graph)


@pytest.mark.parametrize(("bias", "additions"), [(False, 4), (True, 5)])
def test_two_that_meet_become_one_and_the_third_stays(bias: bool, additions: int, tmp_path: Path) -> None:
    found = operators(packed(Gated(bias=bias), tmp_path))
    assert (found["MatMul"], found["Split"], found["Add"]) == (4, 1, additions)


def test_one_number_that_is_added_to_all_results_stays_apart(tmp_path: Path) -> None:
    class Shifted(Gated):
        def __init__(self) -> None:
            super().__init__()
            self.shift, self.lift = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))

        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = self.down((self.gate(x) + self.shift) * (self.up(x) + self.lift))
            return result

    found = operators(packed(Shifted(), tmp_path))
    assert (found["MatMul"], found["Split"], found["Add"]) == (2, 1, 3)


def test_a_weight_that_two_read_stays(tmp_path: Path) -> None:
    found = operators(packed(Gated(tied=True, bias=True), tmp_path))
    assert (found["MatMul"], found["Split"]) == (4, 0)


def test_several_kinds_stay_apart(tmp_path: Path) -> None:
    assert operators(packed(Gated(), tmp_path, str))["Split"] == 0


def test_a_packed_weight_is_called_after_its_parts_which_go(tmp_path: Path) -> None:
    names = {name for name in packed(Gated(), tmp_path).graph.initializers if "gate" in name}
    assert names == {"gate.weight.transposed+up.weight.transposed", "gate.weight.transposed+up.weight.transposed.sizes"}


@pytest.mark.parametrize(("cached", "splits"), [(False, 0), (True, 4)])
def test_only_what_runs_token_by_token_is_packed(cached: bool, splits: int, tmp_path: Path) -> None:
    architecture = ARCHITECTURES["llama"]
    program = trace(architecture.model(), architecture.example(2, 7), with_cache=cached).program
    OnnxBackend().emit(program, tmp_path / "a.onnx")
    assert operators(ir.load(tmp_path / "a.onnx"))["Split"] == splits


@pytest.mark.parametrize("dtype", ["int8", "int4"])
def test_products_are_packed_with_those_of_their_grid(dtype: str, tmp_path: Path) -> None:
    architecture = ARCHITECTURES["llama"]
    program = trace(architecture.model(), architecture.example(2, 7), with_cache=True).program
    fine = frozenset(name for name in program.tensors() if name.endswith(("q_proj.weight", "gate_proj.weight")))
    OnnxBackend().at(Numerics(dtype, fine=fine)).emit(program, tmp_path / "a.onnx")
    found = operators(ir.load(tmp_path / "a.onnx"))
    layers = sum(name.endswith("gate_proj.weight") for name in fine)
    assert found["Split"] == layers
    coarse = "MatMulInteger" if dtype == "int8" else "MatMulNBits"
    assert found[coarse] >= 4 * layers
